/*-------------------------------------------------------------------------
 *
 * track.c
 *	  The trigger function that tracks changes of the extension's tables.
 *
 * The rule: every change of tracked tables fires these triggers, whether it is
 * made by our own functions, by direct DML or by an apply worker of logical
 * replication.  The BEFORE triggers announce a write to ownwrite.c.  The
 * AFTER triggers check the row of a scope, tell ownwrite.c whose row was
 * written, which invalidates the caches of all sessions, and collect the
 * notification for the commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/timeformat.h"
#include "change/notify.h"
#include "model/tables.h"
#include "model/tableshape.h"
#include "table/ownwrite.h"

PG_FUNCTION_INFO_V1(track_changes);

/*
 * Raise check_violation for a row that is not a valid scope.
 */
static void
check_scope_row(Relation rel, HeapTuple tuple)
{
	char	   *level = row_get_text(tuple, Anum_scope_level, rel);
	char	   *id = row_get_text(tuple, Anum_scope_id, rel);
	const char *broken;
	ScopeName	name;
	ScopeRow	row;
	bool		valid;

	broken = scopename_violation(level,
								 row_get_text(tuple, Anum_scope_instance_id,
											  rel),
								 id);
	row_get_scope(tuple, rel, &row);
	valid = row_get_scope_name(tuple, rel, &name);
	if (valid && level_is_in_instance(name.level) && row.has_owner)
		broken = "A scope below an instance belongs to the owner of the instance, so owner must be null.";
	if (row.dropped && !(valid && name.level == LEVEL_INSTANCE &&
						 scopename_is_implicit(&name)))
		broken = "Only an instance that exists implicitly has a row when it is dropped.";
	if (row.sequence < 0)
		broken = "The sequence must not be negative.";
	if ((row.change_date != NO_DATE &&
		 !timeformat_is_rfc3339(row.change_date)) ||
		(row.creation_date != NO_DATE &&
		 !timeformat_is_rfc3339(row.creation_date)))
		broken = "The times must be of the years 1 to 9999.";

	if (broken != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("invalid row for table \"%s.%s\": level \"%s\", id \"%s\"",
						EXTENSION_SCHEMA, tableshape_name(TABLE_SCOPE),
						error_clip_name(level, strlen(level)),
						error_clip_name(id, strlen(id))),
				 errdetail_internal("%s", broken)));
}

/*
 * Collect the notification of a change of a row of table scope from "old" to
 * "new", one of which may be NULL.
 */
static void
notify_scope_row(Relation rel, HeapTuple old, HeapTuple new)
{
	ScopeName	name;
	ScopeRow	row;
	bool		renamed = false;

	if (old != NULL && row_get_scope_name(old, rel, &name))
	{
		ScopeName	new_name;

		renamed = new != NULL && (!row_get_scope_name(new, rel, &new_name) ||
								  scopename_compare(&name, &new_name) != 0);
		if (new == NULL || renamed)
		{
			row_get_scope(old, rel, &row);
			notify_existence(&name, row.sequence, GetCurrentTimestamp(),
							 level_is_in_instance(name.level));
		}
	}
	if (new != NULL && row_get_scope_name(new, rel, &name))
	{
		ScopeRow	old_row = {0};

		row_get_scope(new, rel, &row);
		if (old != NULL)
			row_get_scope(old, rel, &old_row);

		/*
		 * The first change of an implicit scope inserts its row, and so does
		 * that of a scope below it.
		 */
		if (old == NULL && row.sequence == 0 && !row.dropped &&
			scopename_is_implicit(&name))
			return;
		if (renamed ||
			(old == NULL ? row.sequence == 0 || !scopename_is_implicit(&name) :
			 row.dropped != old_row.dropped))
			notify_existence(&name, row.dropped ? old_row.sequence :
							 row.sequence, row.change_date, false);
		else if (old == NULL || row.sequence != old_row.sequence ||
				 row.change_date != old_row.change_date)
			notify_sequence(&name, row.sequence, row.change_date);
	}
}

static void
notify_setting_row(Relation rel, HeapTuple tuple)
{
	ScopeName	name;

	if (tuple != NULL && row_get_scope_name(tuple, rel, &name))
		notify_feature(&name, row_get_text(tuple, Anum_setting_feature,
										   rel));
}

static void
notify_definition_row(Relation rel, HeapTuple tuple)
{
	if (tuple != NULL)
		notify_feature(&scopename_system,
					   row_get_text(tuple, Anum_feature_key, rel));
}

/*
 * A row of a scope was written, with its name in the first columns.  Without
 * the name of a level, it belongs to no scope, unless the level is new to this
 * version of the library.
 */
static void
invalidate_scope_row(Relation rel, HeapTuple tuple)
{
	ScopeName	name;

	if (tuple == NULL)
		return;
	if (row_get_scope_name(tuple, rel, &name))
		ownwrite_scope(&name);
	else
		ownwrite_anything(false);
}

/*
 * track_changes(): BEFORE and AFTER, for rows and for TRUNCATE.
 */
Datum
track_changes(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TriggerEvent event;
	Relation	rel;
	HeapTuple	old;
	HeapTuple	new;
	FeatureTable table;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger",
						"track_changes")));

	event = trigdata->tg_event;
	rel = trigdata->tg_relation;
	old = TRIGGER_FIRED_BY_INSERT(event) ? NULL : trigdata->tg_trigtuple;
	new = TRIGGER_FIRED_BY_INSERT(event) ? trigdata->tg_trigtuple :
		TRIGGER_FIRED_BY_UPDATE(event) ? trigdata->tg_newtuple : NULL;

	if (TRIGGER_FIRED_BEFORE(event))
	{
		ownwrite_begins();
		return PointerGetDatum(new != NULL ? new : old);
	}

	/* The trigger may be on another table, or our table may be altered. */
	if (!tables_find_by_oid(RelationGetRelid(rel), &table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function \"%s\" cannot be a trigger of table \"%s\"",
						"track_changes", RelationGetRelationName(rel))));
	table_close(tables_open(table, NoLock), NoLock);

	if (!TRIGGER_FIRED_FOR_ROW(event))
		notify_everything();
	else
	{
		switch (table)
		{
			case TABLE_SCOPE:
				if (new != NULL)
					check_scope_row(rel, new);
				notify_scope_row(rel, old, new);
				break;
			case TABLE_SETTING:
				notify_setting_row(rel, old);
				notify_setting_row(rel, new);
				break;
			case TABLE_FEATURE:
				notify_definition_row(rel, old);
				notify_definition_row(rel, new);
				break;
			case TABLE_EVENT:
				break;
		}
	}
	if (table == TABLE_FEATURE || !TRIGGER_FIRED_FOR_ROW(event))
		ownwrite_anything(table == TABLE_FEATURE);
	else
	{
		invalidate_scope_row(rel, old);
		invalidate_scope_row(rel, new);
	}
	ownwrite_ends();

	/* The result of an AFTER trigger is ignored. */
	return PointerGetDatum(NULL);
}
