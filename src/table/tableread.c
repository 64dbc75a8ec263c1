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
	row->share = row_get_share(tuple, Anum_setting_percentage, rel);
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

typedef struct LevelRead
{
	MemoryContext row_cxt;
	ScopeCallback scope_callback;	/* one of the two */
	ScopeSettingCallback setting_callback;
	void	   *arg;
} LevelRead;

static bool
pass_row_of_level(Relation rel, HeapTuple tuple, void *arg)
{
	LevelRead  *read = arg;
	MemoryContext caller_cxt = MemoryContextSwitchTo(read->row_cxt);
	ScopeName	name;
	ScopeRow	scope;
	SettingRow *setting;
	List	   *settings = NIL;

	if (row_get_scope_name(tuple, rel, &name))
	{
		if (read->scope_callback != NULL)
		{
			row_get_scope(tuple, rel, &scope);
			read->scope_callback(&name, &scope, read->arg);
		}
		else
		{
			(void) take_setting(rel, tuple, &settings);
			setting = linitial(settings);
			read->setting_callback(&name, setting, read->arg);
		}
	}
	MemoryContextSwitchTo(caller_cxt);
	MemoryContextReset(read->row_cxt);
	return true;
}

static void
foreach_row_of_level(FeatureTable table, Snapshot snapshot,
					 FeatureLevel level, const char *instance_id,
					 int instance_len, LevelRead *read)
{
	read->row_cxt = AllocSetContextCreate(CurrentMemoryContext,
										  "instance_features row",
										  ALLOCSET_DEFAULT_SIZES);
	scan_rows_of_level(table, snapshot, level, instance_id, instance_len,
					   pass_row_of_level, read);
	MemoryContextDelete(read->row_cxt);
}

/*
 * Call "callback" for each scope of a level that has a row, also if it was
 * dropped, ordered by instance and id: of those that belong to an instance, or
 * to none if its id is empty, or to any if that is NULL.  The callback's memory
 * context is reset when it returns.
 */
void
tableread_foreach_scope(Snapshot snapshot, FeatureLevel level,
						const char *instance_id, int instance_len,
						ScopeCallback callback, void *arg)
{
	LevelRead	read = {.scope_callback = callback,.arg = arg};

	foreach_row_of_level(TABLE_SCOPE, snapshot, level, instance_id,
						 instance_len, &read);
}

/*
 * The same for each setting of such a scope, ordered by scope and feature.
 */
void
tableread_foreach_scope_setting(Snapshot snapshot, FeatureLevel level,
								const char *instance_id, int instance_len,
								ScopeSettingCallback callback, void *arg)
{
	LevelRead	read = {.setting_callback = callback,.arg = arg};

	foreach_row_of_level(TABLE_SETTING, snapshot, level, instance_id,
						 instance_len, &read);
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
	event.share = row_get_share(tuple, Anum_event_percentage, rel);
	event.editor = row_get_text(tuple, Anum_event_editor, rel);
	event.creation_date =
		DatumGetTimestampTz(row_get_column(tuple, Anum_event_creation_date, rel));
	event.actor = row_get_nullable_text(tuple, Anum_event_actor, rel);
	event.reason = row_get_nullable_text(tuple, Anum_event_reason, rel);
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

typedef struct PlacesRead
{
	FeatureTable table;
	PlaceCallback callback;
	void	   *arg;
	bool		ended;			/* the callback wants no more rows */
} PlacesRead;

static bool
pass_place(Relation rel, HeapTuple tuple, void *arg)
{
	PlacesRead *read = arg;

	read->ended = !read->callback(read->table, &tuple->t_self, read->arg);
	return !read->ended;
}

/*
 * Call "callback" for each row of a scope below an instance: those of table
 * scope first, then those of settings, then those of events.
 */
void
tableread_foreach_row_below(Snapshot snapshot, const ScopeName *instance,
							PlaceCallback callback, void *arg)
{
	static const FeatureTable tables[] = {
		TABLE_SCOPE, TABLE_SETTING, TABLE_EVENT
	};
	PlacesRead	read = {.callback = callback,.arg = arg};

	for (int i = 0; i < lengthof(tables) && !read.ended; i++)
	{
		read.table = tables[i];
		for (int level = 0; level < NUM_LEVELS && !read.ended; level++)
		{
			if (level_is_in_instance(level))
				scan_rows_of_level(tables[i], snapshot, level,
								   instance->id, instance->len, pass_place,
								   &read);
		}
	}
}

static bool
take_editor(Relation rel, HeapTuple tuple, void *arg)
{
	*(char **) arg = row_get_text(tuple, Anum_event_editor, rel);
	return false;
}

/*
 * Return the editor of an event, or NULL if there is no such event.
 */
char *
tableread_editor(Snapshot snapshot, const ScopeName *name, int64 sequence)
{
	char	   *editor = NULL;

	scan_event(snapshot, name, sequence, take_editor, &editor);
	return editor;
}

static bool
take_existence(Relation rel, HeapTuple tuple, void *arg)
{
	*(bool *) arg = true;
	return false;
}

static bool
take_existence_below(FeatureTable table, ItemPointer tid, void *arg)
{
	*(bool *) arg = true;
	return false;
}

/*
 * Return whether a scope, which has no row, has settings, events or scopes
 * below it.  A restore that failed halfway may leave them behind.
 */
bool
tableread_has_rows_without_scope(Snapshot snapshot, const ScopeName *name)
{
	bool		found = false;

	scan_rows_of_scope(TABLE_SETTING, snapshot, name, take_existence, &found);
	if (!found)
		scan_rows_of_scope(TABLE_EVENT, snapshot, name, take_existence,
						   &found);
	if (!found && name->level == LEVEL_INSTANCE)
		tableread_foreach_row_below(snapshot, name, take_existence_below,
									&found);
	return found;
}
