/*-------------------------------------------------------------------------
 *
 * scopes.c
 *	  Creating and dropping scopes, and giving them to roles.
 *
 * The rule: locks are taken in the same order as in change.c.  Dropping locks
 * the scope's row FOR UPDATE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "change/argument.h"
#include "change/change.h"
#include "change/scopelock.h"
#include "change/scopes.h"
#include "table/tableread.h"
#include "table/tablewriter.h"

/* The columns that creating and dropping update if the scope has a row. */
static const ColumnRange all_columns[NUM_TABLES] =
{
	[TABLE_SCOPE] = {Anum_scope_owner, Anum_scope_dropped}
};

static const ColumnRange owner_column[NUM_TABLES] =
{
	[TABLE_SCOPE] = {Anum_scope_owner, Anum_scope_owner}
};

/*
 * Update columns of the locked row of a scope, by a command of its own.
 */
static void
update_scope_row(const ScopeName *name, const ScopeTuple *scope,
				 const ColumnRange *columns)
{
	TableWriter *writer = writer_begin(columns);

	scope_update_row(writer, name, scope);
	writer_end(writer);
}

/*
 * Return whether a scope exists.  This bypasses the cache, to which a scope
 * that is about to be created is of no use.
 */
static bool
scope_exists(const ScopeName *name)
{
	Snapshot	snapshot = scan_begin();
	ScopeRow	row;
	bool		stored = tableread_scope(snapshot, name, &row, NULL);

	scan_end(snapshot);
	return stored ? !scope_row_is_dropped(name, &row) :
		scopename_is_implicit(name);
}

/*
 * Insert the row of a new scope with the changes of its settings.  Returns
 * false if another transaction has inserted it.
 */
static bool
insert_scope(const ScopeName *name, ScopeTuple *scope, PlanChanges plan,
			 void *arg)
{
	List	   *changes = plan ? plan(name, scope, NIL, arg) : NIL;

	return changes == NIL ? scope_insert_row(name, &scope->row) :
		scope_write_changes(name, scope, NIL, changes);
}

/*
 * Create a scope, with the settings that "plan" (or NULL) decides, and set
 * *details to its details.  Returns false if it already exists.  The caller has
 * checked the permission.  Raises undefined_object if the owner does not exist,
 * and the errors of "plan".
 */
bool
scope_create(const ScopeName *name, Oid owner, PlanChanges plan, void *arg,
			 FeatureDetails *details)
{
	for (;;)
	{
		ScopeTuple	scope;
		ScopeRow	row = {.has_owner = true};

		CHECK_FOR_INTERRUPTS();
		if (scope_exists(name))
			return false;

		scope_owner_set(&row.owner, owner);
		row.change_date = row.creation_date = GetCurrentTimestamp();

		lock_definitions_for_writing();
		if (lock_find_scope_row(name, LockTupleNoKeyExclusive, LockWaitBlock,
								&scope))
		{
			if (!scope_row_is_dropped(name, &scope.row))
				return false;
			scope.row = row;
			update_scope_row(name, &scope, all_columns);
			*details = plan ?
				change_scope(name, PERMISSION_WRITE, LockWaitBlock, plan, arg) :
				result_scope_details(name, &row);
			return true;
		}

		lock_check_scope_orphans(name);
		memset(&scope, 0, sizeof(scope));
		scope.row = row;
		if (insert_scope(name, &scope, plan, arg))
		{
			*details = result_scope_details(name, &scope.row);
			return true;
		}
	}
}

static bool
delete_event(const EventRow *event, void *arg)
{
	writer_delete(arg, TABLE_EVENT, &event->tid);
	return true;
}

static bool
delete_row(FeatureTable table, ItemPointer tid, void *arg)
{
	writer_delete(arg, table, tid);
	return true;
}

/*
 * Delete a scope whose row is locked, with its settings and events and, if it
 * is an instance, everything below it: nobody else has locked that, because we
 * have the instance's row FOR UPDATE.  The row of the instance that exists
 * implicitly is kept and marked as dropped.
 */
static void
delete_scope(const ScopeName *name, ScopeTuple *scope)
{
	TableWriter *writer = writer_begin(all_columns);
	Snapshot	snapshot = scan_begin();
	List	   *settings = tableread_settings(snapshot, name);
	ListCell   *lc;

	if (scopename_is_implicit(name) && name->level == LEVEL_INSTANCE)
	{
		memset(&scope->row, 0, sizeof(ScopeRow));
		scope->row.dropped = true;
		scope->row.change_date = scope->row.creation_date =
			GetCurrentTimestamp();
		scope_update_row(writer, name, scope);
	}
	else
		writer_delete(writer, TABLE_SCOPE, &scope->tid);
	foreach(lc, settings)
		writer_delete(writer, TABLE_SETTING,
					  &((SettingRow *) lfirst(lc))->tid);
	tableread_foreach_event(snapshot, name, delete_event, writer);
	if (name->level == LEVEL_INSTANCE)
		tableread_foreach_row_below(snapshot, name, delete_row, writer);
	scan_end(snapshot);
	writer_end(writer);
}

/*
 * Erase the settings and events of a scope below an instance.  The server's log
 * does not name it.  Raises no_data_found and insufficient_privilege.
 */
void
scope_erase(const ScopeName *name)
{
	ScopeTuple	scope;

	for (;;)
	{
		scopelock_scope(name, PERMISSION_DELETE, LockTupleExclusive,
						LockWaitBlock, &scope);
		if (!scope.without_instance)
			break;

		/* Another transaction may be making the scope and its instance. */
		scopelock_make_instance(name);
	}
	if (!scope.stored)
		return;
	delete_scope(name, &scope);
	ereport(LOG_SERVER_ONLY,
			(errmsg("features of one %s of instance \"%.*s\" were erased by role \"%s\"",
					level_name(name->level), name->instance_len,
					name->instance_id,
					GetUserNameFromId(GetUserId(), false)),
			 errhidestmt(true),
			 errhidecontext(true)));
}

/*
 * Drop an instance.  Raises no_data_found and insufficient_privilege.
 */
void
scope_drop(const ScopeName *name)
{
	ScopeTuple	scope;

	for (;;)
	{
		ScopeRow	row = {.dropped = true};

		scopelock_scope(name, PERMISSION_SYSTEM_DELETE, LockTupleExclusive,
						LockWaitBlock, &scope);
		if (scope.stored)
		{
			delete_scope(name, &scope);
			break;
		}

		/* Insert the row of an implicit scope, marked as dropped. */
		row.change_date = row.creation_date = GetCurrentTimestamp();
		if (scope_insert_row(name, &row))
			break;
	}
}

/*
 * Give a scope to a role.  Raises no_data_found, insufficient_privilege, and
 * undefined_object if the role does not exist.
 */
void
scope_give(const ScopeName *name, Oid owner)
{
	ScopeTuple	scope;

	for (;;)
	{
		scopelock_scope(name, PERMISSION_WRITE, LockTupleNoKeyExclusive,
						LockWaitBlock, &scope);
		permission_check_new_owner(name, &scope.row, owner);
		scope.row.has_owner = true;
		scope_owner_set(&scope.row.owner, owner);
		if (scope.stored)
		{
			update_scope_row(name, &scope, owner_column);
			return;
		}
		if (scope_insert_row(name, &scope.row))
			return;
	}
}
