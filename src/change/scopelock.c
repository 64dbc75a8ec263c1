/*-------------------------------------------------------------------------
 *
 * scopelock.c
 *	  Locking the scopes that a call changes.
 *
 * The rule: the permission is checked before a lock is taken, and again when
 * the row is locked.  A scope below an instance is locked after its instance,
 * on which the permission depends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "miscadmin.h"

#include "base/errors.h"
#include "change/scopelock.h"
#include "change/scopewrite.h"
#include "model/tables.h"
#include "table/tableread.h"

/*
 * Lock the row of a scope that has an owner, for the current role to do
 * something to "subject", which is the scope or one below it.  An implicit
 * scope without a row cannot be locked; then scope->stored is false.  Returns
 * false if there is no such scope.
 */
static bool
try_lock_owned_scope(const ScopeName *name, const ScopeName *subject,
					 FeaturePermission permission, LockTupleMode mode,
					 LockWaitPolicy wait_policy, ScopeTuple *scope)
{
	for (;;)
	{
		/*
		 * VACUUM FULL cannot move the row while we have the table open, and
		 * the snapshot prevents its TID from being reused.
		 */
		Relation	rel = tables_open(TABLE_SCOPE, AccessShareLock);
		Snapshot	snapshot = scan_begin();
		bool		locked;

		CHECK_FOR_INTERRUPTS();
		memset(scope, 0, sizeof(ScopeTuple));
		scope->row.change_date = scope->row.creation_date = NO_DATE;
		scope->stored = tableread_scope(snapshot, name, &scope->row, &scope->tid);
		if (!scope->stored && !scopename_is_implicit(name))
		{
			scan_end(snapshot);
			table_close(rel, AccessShareLock);
			lock_check_scope_absence(name);
			return false;
		}
		if (scope_row_is_dropped(name, &scope->row))
		{
			scan_end(snapshot);
			table_close(rel, AccessShareLock);
			return false;
		}
		permission_check(subject, &scope->row, permission);

		lock_definitions_for_writing();
		if (scope->stored)
			locked = lock_scope_row(name, snapshot, mode, wait_policy, scope);
		else
		{
			lock_check_scope_absence(name);
			if (tableread_has_rows_without_scope(snapshot, name))
				report_rows_without_scope(name);
			locked = true;
		}
		scan_end(snapshot);
		table_close(rel, AccessShareLock);
		if (!locked)
			continue;

		/* The scope may have been dropped or given to another role. */
		if (scope_row_is_dropped(name, &scope->row))
			return false;
		permission_check(subject, &scope->row, permission);
		return true;
	}
}

/*
 * Lock the row of the instance that a scope belongs to, which prevents the
 * instance from being dropped and, if "mode" is LockTupleExclusive, scopes
 * below it from being changed.  Sets *stored to whether there is such a row;
 * if not, the instance exists implicitly, and so does all below it.  Returns
 * false if there is no such instance.
 */
static bool
try_lock_instance(const ScopeName *subject, FeaturePermission permission,
				  LockTupleMode mode, LockWaitPolicy wait_policy,
				  bool *stored)
{
	ScopeName	instance = scopename_owner(subject);
	ScopeTuple	scope;

	if (!try_lock_owned_scope(&instance, subject, permission, mode,
							  wait_policy, &scope))
		return false;
	if (scope.stored)
		lock_check_scope_identity(&instance, &scope.row);
	*stored = scope.stored;
	return true;
}

/*
 * Insert the row of the instance, which exists implicitly, that a scope belongs
 * to.  Then it has to be locked, because another transaction may have been
 * faster.
 */
void
scopelock_make_instance(const ScopeName *subject)
{
	ScopeName	instance = scopename_owner(subject);
	ScopeRow	row = {.change_date = NO_DATE,.creation_date = NO_DATE};

	(void) scope_insert_row(&instance, &row);
}

/*
 * Lock a scope, on which the current role must have a permission, and the
 * definitions until the transaction ends.  Returns false if there is no such
 * scope; scope->stored is false if it exists without a row.  If its instance
 * has no row either, scope->without_instance is true and nothing is locked:
 * before the scope is changed, call scopelock_make_instance() and try again.
 * Raises
 * insufficient_privilege, serialization_failure, and
 * object_not_in_prerequisite_state if there are rows without a scope.
 */
bool
scopelock_try(const ScopeName *name, FeaturePermission permission,
			  LockTupleMode mode, LockWaitPolicy wait_policy,
			  ScopeTuple *scope)
{
	bool		instance_stored;

	if (!level_is_in_instance(name->level))
		return try_lock_owned_scope(name, name, permission, mode,
									wait_policy, scope);

	if (!try_lock_instance(name, permission,
						   mode == LockTupleExclusive ? mode : LockTupleKeyShare,
						   wait_policy, &instance_stored))
		return false;
	scope->without_instance = !instance_stored;
	if (instance_stored && lock_find_scope_row(name, mode, wait_policy, scope))
		return true;
	memset(&scope->row, 0, sizeof(ScopeRow));
	scope->stored = false;
	scope->row.change_date = scope->row.creation_date = NO_DATE;
	if (instance_stored)
		lock_check_scope_orphans(name);
	return true;
}

/*
 * The same, but raises no_data_found if there is no such scope.
 */
void
scopelock_scope(const ScopeName *name, FeaturePermission permission,
				LockTupleMode mode, LockWaitPolicy wait_policy,
				ScopeTuple *scope)
{
	if (!scopelock_try(name, permission, mode, wait_policy, scope))
		report_scope_not_found(name);
}

static int
compare_instances(const ListCell *a, const ListCell *b)
{
	ScopeName	left = scopename_owner(lfirst(a));
	ScopeName	right = scopename_owner(lfirst(b));

	return scopename_compare(&left, &right);
}

/*
 * Before several scopes are changed, lock the instances of those that are below
 * instances, so that all instances are locked before what is below them.  Those
 * that do not exist are left to the caller.
 * "names" is a list of ScopeName in the order in which scopes are locked.
 */
void
scopelock_instances(const List *names, FeaturePermission permission)
{
	List	   *subjects = NIL;
	ListCell   *lc;

	foreach(lc, names)
	{
		const ScopeName *name = lfirst(lc);

		if (level_is_in_instance(name->level))
			subjects = lappend(subjects, unconstify(ScopeName *, name));
	}

	list_sort(subjects, compare_instances);
	foreach(lc, subjects)
	{
		const ScopeName *name = lfirst(lc);
		bool		stored;

		CHECK_FOR_INTERRUPTS();
		if (foreach_current_index(lc) > 0 &&
			compare_instances(list_nth_cell(subjects, foreach_current_index(lc) - 1), lc) == 0)
			continue;
		while (try_lock_instance(name, permission, LockTupleKeyShare,
								 LockWaitBlock, &stored) && !stored)
			scopelock_make_instance(name);
	}
	list_free(subjects);
}
