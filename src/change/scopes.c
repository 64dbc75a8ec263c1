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
#include "change/scopes.h"
#include "table/generation.h"
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
 * Form the row of a scope.  The values point into "row".
 */
static void
form_scope_row(const ScopeName *name, const ScopeRow *row,
			   Datum *values, bool *nulls)
{
	memset(values, 0, sizeof(Datum) * MAX_COLUMNS);
	memset(nulls, 0, sizeof(bool) * MAX_COLUMNS);
	values[Anum_scope_level - 1] =
		CStringGetTextDatum(level_name(name->level));
	values[Anum_scope_instance_id - 1] =
		PointerGetDatum(cstring_to_text_with_len(name->instance_id,
												 name->instance_len));
	values[Anum_scope_id - 1] =
		PointerGetDatum(cstring_to_text_with_len(name->id, name->len));
	nulls[Anum_scope_owner - 1] = !row->has_owner;
	values[Anum_scope_owner - 1] = ScopeOwnerPGetDatum(&row->owner);
	values[Anum_scope_sequence - 1] = Int64GetDatum(row->sequence);
	nulls[Anum_scope_change_date - 1] = row->change_date == NO_DATE;
	values[Anum_scope_change_date - 1] = TimestampTzGetDatum(row->change_date);
	nulls[Anum_scope_creation_date - 1] = row->creation_date == NO_DATE;
	values[Anum_scope_creation_date - 1] =
		TimestampTzGetDatum(row->creation_date);
	nulls[Anum_scope_purged_to - 1] = row->purged_to == 0;
	values[Anum_scope_purged_to - 1] = Int64GetDatum(row->purged_to);
	values[Anum_scope_dropped - 1] = BoolGetDatum(row->dropped);
}

/*
 * Insert the row of a scope.  Returns false if another transaction has
 * inserted it.
 */
static bool
insert_scope_row(const ScopeName *name, const ScopeRow *row)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];
	TableWriter *writer = writer_begin(all_columns);
	bool		inserted;

	form_scope_row(name, row, values, nulls);
	inserted = writer_insert_new(writer, TABLE_SCOPE, values, nulls);
	writer_end(writer);
	return inserted;
}

/*
 * Update columns of the locked row of a scope.
 */
static void
update_scope_row(const ScopeName *name, ScopeTuple *scope,
				 const ColumnRange *columns)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];
	TableWriter *writer = writer_begin(columns);

	form_scope_row(name, &scope->row, values, nulls);
	writer_update(writer, TABLE_SCOPE, &scope->tid, values, nulls);
	writer_end(writer);
}

/*
 * Create a scope, and set *details to its details.  Returns false if it
 * already exists.  The caller has checked the permission.  Raises
 * undefined_object if the owner does not exist.
 */
bool
scope_create(const ScopeName *name, Oid owner, FeatureDetails *details)
{
	for (;;)
	{
		ScopeChain	chain = argument_chain(name);
		ScopeTuple	scope;
		ScopeRow	row = {.has_owner = true};

		CHECK_FOR_INTERRUPTS();
		if (cache_find(&chain))
			return false;

		scope_owner_set(&row.owner, owner);
		row.change_date = row.creation_date = GetCurrentTimestamp();
		*details = result_scope_details(name, &row);

		lock_definitions_for_writing();
		if (lock_find_scope_row(name, LockTupleNoKeyExclusive, &scope))
		{
			if (!scope_row_is_dropped(name, &scope.row))
				return false;
			scope.row = row;
			update_scope_row(name, &scope, all_columns);
			return true;
		}

		/* Use one snapshot: another transaction may insert both at once. */
		{
			Snapshot	snapshot = scan_begin();
			ScopeRow	present;
			bool		found = !tableread_scope(snapshot, name, &present, NULL) &&
			tableread_has_rows_without_scope(snapshot, name);

			scan_end(snapshot);
			if (found)
				report_rows_without_scope(name);
		}
		if (insert_scope_row(name, &row))
			return true;

		/* Reload without waiting for the other transaction's message. */
		generation_invalidate(false);
	}
}

static bool
delete_event(const EventRow *event, void *arg)
{
	writer_delete(arg, TABLE_EVENT, &event->tid);
	return true;
}

/*
 * Delete a scope whose row is locked, with its settings and events.  The row
 * of an implicit scope is kept and marked as dropped.
 */
static void
delete_scope(const ScopeName *name, ScopeTuple *scope)
{
	TableWriter *writer = writer_begin(all_columns);
	Snapshot	snapshot = scan_begin();
	List	   *settings = tableread_settings(snapshot, name);
	ListCell   *lc;

	if (scopename_is_implicit(name))
	{
		Datum		values[MAX_COLUMNS];
		bool		nulls[MAX_COLUMNS];
		ScopeRow	row = {.dropped = true};

		row.change_date = row.creation_date = GetCurrentTimestamp();
		form_scope_row(name, &row, values, nulls);
		writer_update(writer, TABLE_SCOPE, &scope->tid, values, nulls);
	}
	else
		writer_delete(writer, TABLE_SCOPE, &scope->tid);
	foreach(lc, settings)
		writer_delete(writer, TABLE_SETTING,
					  &((SettingRow *) lfirst(lc))->tid);
	tableread_foreach_event(snapshot, name, delete_event, writer);
	scan_end(snapshot);
	writer_end(writer);
}

/*
 * Drop a scope.  Raises no_data_found and insufficient_privilege.
 */
void
scope_drop(const ScopeName *name)
{
	ScopeTuple	scope;

	for (;;)
	{
		ScopeRow	row = {.dropped = true};

		change_lock_scope(name, PERMISSION_SYSTEM_DELETE, LockTupleExclusive,
						  LockWaitBlock, &scope);
		if (scope.stored)
		{
			delete_scope(name, &scope);
			break;
		}

		/* Insert the row of an implicit scope, marked as dropped. */
		row.change_date = row.creation_date = GetCurrentTimestamp();
		if (insert_scope_row(name, &row))
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
		change_lock_scope(name, PERMISSION_WRITE, LockTupleNoKeyExclusive,
						  LockWaitBlock, &scope);
		permission_check_new_owner(name, &scope.row, owner);
		scope.row.has_owner = true;
		scope_owner_set(&scope.row.owner, owner);
		if (scope.stored)
		{
			update_scope_row(name, &scope, owner_column);
			return;
		}
		if (insert_scope_row(name, &scope.row))
			return;
	}
}
