/*-------------------------------------------------------------------------
 *
 * tableread.c
 *	  Reading scopes, their settings and their events.
 *
 * The snapshots are those of scan_begin().  Results are palloc'd.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "model/tables.h"
#include "table/scan.h"
#include "table/tableread.h"

typedef struct ScopeRead
{
	bool		found;
	ScopeRow   *row;
	ItemPointer tid;			/* or NULL */
} ScopeRead;

static bool
take_scope(Relation rel, HeapTuple tuple, void *arg)
{
	ScopeRead  *read = arg;

	row_get_scope(tuple, rel, read->row);
	if (read->tid != NULL)
		*read->tid = tuple->t_self;
	read->found = true;
	return false;
}

/*
 * Read the row of a scope and, if "tid" is not NULL, its TID.  Returns false
 * if the scope has no row.
 */
bool
tableread_scope(Snapshot snapshot, const ScopeName *name, ScopeRow *row,
				ItemPointer tid)
{
	ScopeRead	read = {.row = row,.tid = tid};

	scan_rows_of_scope(TABLE_SCOPE, snapshot, name, take_scope, &read);
	return read.found;
}

static bool
take_setting(Relation rel, HeapTuple tuple, void *arg)
{
	List	  **settings = arg;
	SettingRow *row = palloc(sizeof(SettingRow));

	row->tid = tuple->t_self;
	row->feature = row_get_text(tuple, Anum_setting_feature, rel);
	row->value = row_get_jsonb(tuple, Anum_setting_value, rel);
	row->sequence =
		DatumGetInt64(row_get_column(tuple, Anum_setting_sequence, rel));
	row->change_date =
		DatumGetTimestampTz(row_get_column(tuple, Anum_setting_change_date, rel));
	*settings = lappend(*settings, row);
	return true;
}

/*
 * Read the settings of a scope.  Returns a list of SettingRow, ordered by
 * feature.
 */
List *
tableread_settings(Snapshot snapshot, const ScopeName *name)
{
	List	   *settings = NIL;

	scan_rows_of_scope(TABLE_SETTING, snapshot, name, take_setting,
					   &settings);
	return settings;
}

/*
 * Return a hash value of the row versions of a scope and its settings.  If any
 * of them changes, so does the value, except with a probability of 2^-64.
 */
uint64
tableread_fingerprint(Snapshot snapshot, const ScopeName *name)
{
	uint64		fingerprint = 1;

	scan_rows_of_scope(TABLE_SCOPE, snapshot, name, scan_take_fingerprint,
					   &fingerprint);
	scan_rows_of_scope(TABLE_SETTING, snapshot, name, scan_take_fingerprint,
					   &fingerprint);
	return fingerprint;
}

typedef struct SettingsRead
{
	MemoryContext row_cxt;
	SettingCallback callback;
	void	   *arg;
} SettingsRead;

static bool
take_scope_name(Relation rel, HeapTuple tuple, void *arg)
{
	List	  **names = arg;
	ScopeName	name;

	if (row_get_scope_name(tuple, rel, &name))
		*names = lappend(*names, scopename_copy(&name));
	return true;
}

/*
 * Read the names of all scopes that have a row, including dropped ones.
 * Returns a list of ScopeName, in the order in which scopes are locked.
 */
List *
tableread_scope_names(Snapshot snapshot)
{
	List	   *names = NIL;

	scan_table(TABLE_SCOPE, snapshot, NULL, take_scope_name, &names);
	list_sort(names, scopename_compare_cells);
	return names;
}

static bool
pass_setting(Relation rel, HeapTuple tuple, void *arg)
{
	SettingsRead *read = arg;
	MemoryContext caller_cxt = MemoryContextSwitchTo(read->row_cxt);
	ScopeName	name;
	bool		known = row_get_scope_name(tuple, rel, &name);
	Jsonb	   *value = row_get_jsonb(tuple, Anum_setting_value, rel);

	MemoryContextSwitchTo(caller_cxt);
	if (known)
		read->callback(&name, value, read->arg);
	MemoryContextReset(read->row_cxt);
	return true;
}

/*
 * Call "callback" for each setting of a feature, in no particular order.  Its
 * arguments are freed when it returns.
 */
void
tableread_foreach_setting(Snapshot snapshot, const char *feature,
						  SettingCallback callback, void *arg)
{
	SettingsRead read = {.callback = callback,.arg = arg};
	ScanKeyData key;

	read.row_cxt = AllocSetContextCreate(CurrentMemoryContext,
										 "instance_features setting",
										 ALLOCSET_DEFAULT_SIZES);
	ScanKeyInit(&key, Anum_setting_feature, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(feature));
	scan_table(TABLE_SETTING, snapshot, &key, pass_setting, &read);
	MemoryContextDelete(read.row_cxt);
}

typedef struct EventsRead
{
	MemoryContext row_cxt;
	EventCallback callback;
	void	   *arg;
} EventsRead;

static bool
pass_event(Relation rel, HeapTuple tuple, void *arg)
{
	EventsRead *read = arg;
	MemoryContext caller_cxt = MemoryContextSwitchTo(read->row_cxt);
	EventRow	event;
	bool		go_on;

	event.tid = tuple->t_self;
	event.sequence =
		DatumGetInt64(row_get_column(tuple, Anum_event_sequence, rel));
	event.event_type = row_get_text(tuple, Anum_event_event_type, rel);
	event.feature = row_get_nullable_text(tuple, Anum_event_feature, rel);
	event.old_value = row_get_nullable_jsonb(tuple, Anum_event_old_value, rel);
	event.value = row_get_nullable_jsonb(tuple, Anum_event_value, rel);
	event.editor = row_get_text(tuple, Anum_event_editor, rel);
	event.creation_date =
		DatumGetTimestampTz(row_get_column(tuple, Anum_event_creation_date, rel));
	go_on = read->callback(&event, read->arg);

	MemoryContextSwitchTo(caller_cxt);
	MemoryContextReset(read->row_cxt);
	return go_on;
}

/*
 * Call "callback" for each event of a scope, oldest first.  The event is freed
 * when it returns.
 */
void
tableread_foreach_event(Snapshot snapshot, const ScopeName *name,
						EventCallback callback, void *arg)
{
	EventsRead	read = {.callback = callback,.arg = arg};

	read.row_cxt = AllocSetContextCreate(CurrentMemoryContext,
										 "instance_features event",
										 ALLOCSET_DEFAULT_SIZES);
	scan_rows_of_scope(TABLE_EVENT, snapshot, name, pass_event, &read);
	MemoryContextDelete(read.row_cxt);
}

static bool
take_existence(Relation rel, HeapTuple tuple, void *arg)
{
	*(bool *) arg = true;
	return false;
}

/*
 * Return whether a scope, which has no row, has settings or events.  A restore
 * that failed halfway may leave them behind.
 */
bool
tableread_has_rows_without_scope(Snapshot snapshot, const ScopeName *name)
{
	bool		found = false;

	scan_rows_of_scope(TABLE_SETTING, snapshot, name, take_existence, &found);
	if (!found)
		scan_rows_of_scope(TABLE_EVENT, snapshot, name, take_existence,
						   &found);
	return found;
}
