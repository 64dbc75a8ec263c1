/*-------------------------------------------------------------------------
 *
 * history.c
 *	  SQL-callable: the events of a scope, and what follows from them.
 *
 * The rule: the settings at some time are what the events up to it say.  A
 * purge keeps that so for all times since its own, and says up to which event
 * there may be gaps: the column purged_to of table scope.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "change/argument.h"
#include "change/change.h"
#include "change/featurejson.h"
#include "table/tableread.h"
#include "table/tablewriter.h"
#include "base/jsonbuild.h"
#include "model/value.h"

PG_FUNCTION_INFO_V1(instance_feature_history);
PG_FUNCTION_INFO_V1(system_feature_history);
PG_FUNCTION_INFO_V1(get_instance_features_at);
PG_FUNCTION_INFO_V1(revert_instance_features);
PG_FUNCTION_INFO_V1(purge_feature_events);

static const Oid event_types[] = {
	INT8OID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, TEXTOID, TIMESTAMPTZOID
};

/*
 * Put an event into the result of a *_feature_history() function.
 */
static bool
emit_event(const EventRow *event, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[lengthof(event_types)] = {0};
	bool		nulls[lengthof(event_types)] = {false};

	values[0] = Int64GetDatum(event->sequence);
	values[1] = CStringGetTextDatum(event->event_type);
	nulls[2] = event->feature == NULL;
	if (event->feature)
		values[2] = CStringGetTextDatum(event->feature);
	nulls[3] = event->old_value == NULL;
	values[3] = PointerGetDatum(event->old_value);
	nulls[4] = event->value == NULL;
	values[4] = PointerGetDatum(event->value);
	values[5] = CStringGetTextDatum(event->editor);
	values[6] = TimestampTzGetDatum(event->creation_date);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return true;
}

/*
 * The body of *_feature_history(), which is restricted to roles that may change
 * the scope.
 */
static Datum
feature_history(FunctionCallInfo fcinfo, const ScopeName *name)
{
	ScopeRow	row = find_scope_row(name);
	ReturnSetInfo *rsinfo;
	Snapshot	snapshot;

	check_permission(name, &row, PERMISSION_WRITE);

	rsinfo = begin_result_set(fcinfo, event_types, lengthof(event_types));
	snapshot = begin_read();
	foreach_event(snapshot, name, emit_event, rsinfo);
	end_read(snapshot);
	return (Datum) 0;
}

/*
 * instance_feature_history(instance_id)
 */
Datum
instance_feature_history(PG_FUNCTION_ARGS)
{
	ScopeName	name = instance_argument(fcinfo, 0);

	return feature_history(fcinfo, &name);
}

/*
 * system_feature_history()
 */
Datum
system_feature_history(PG_FUNCTION_ARGS)
{
	return feature_history(fcinfo, &system_scope_name);
}

/* The settings of a scope as the events up to some point say. */
typedef struct Replay
{
	int64		max_sequence;	/* the events up to that one, */
	TimestampTz max_date;		/* and up to that time */
	int64		purged_to;		/* events before that one may be missing */
	TimestampTz oldest_known_time;	/* the time of that one */
	bool		is_reconstructible; /* whether that one is among them */
	int64		last_sequence;	/* the last event among them, 0 if none */
	List	   *settings;		/* SettingRow, ordered by key */
	MemoryContext cxt;			/* where they are */
} Replay;

/* Where the setting of a feature is in the list, or would have to be. */
static int
find_replayed_setting(const Replay *replay, const char *feature, bool *found)
{
	int			low = 0;
	int			high = list_length(replay->settings);

	*found = false;
	while (low < high && !*found)
	{
		int			middle = (low + high) / 2;
		const SettingRow *setting = list_nth(replay->settings, middle);
		int			cmp = strcmp(feature, setting->feature);

		*found = cmp == 0;
		if (cmp <= 0)
			high = middle;
		else
			low = middle + 1;
	}

	return high;
}

static void
free_setting(SettingRow *setting)
{
	pfree(setting->feature);
	pfree(setting->value);
	pfree(setting);
}

/*
 * Bring the settings to what an event makes of them.
 */
static void
replay_change(Replay *replay, const EventRow *event)
{
	bool		found;
	int			place;
	SettingRow *setting;

	if (event->feature == NULL)
	{
		ListCell   *lc;

		foreach(lc, replay->settings)
			free_setting(lfirst(lc));
		list_free(replay->settings);
		replay->settings = NIL;
		return;
	}

	place = find_replayed_setting(replay, event->feature, &found);
	if (found)
	{
		free_setting(list_nth(replay->settings, place));
		replay->settings = list_delete_nth_cell(replay->settings, place);
	}
	if (event->value == NULL)
		return;
	setting = palloc0(sizeof(SettingRow));
	setting->feature = pstrdup(event->feature);
	setting->value = json_copy(event->value);
	setting->sequence = event->sequence;
	setting->change_date = event->creation_date;
	replay->settings = list_insert_nth(replay->settings, place, setting);
}

/*
 * Take an event into account if it is among those to be replayed.  False if no
 * later one can be, and none is needed to tell from when on events are known.
 */
static bool
replay_event(const EventRow *event, void *arg)
{
	Replay	   *replay = arg;
	MemoryContext caller_cxt;

	if (event->sequence == replay->purged_to)
		replay->oldest_known_time = event->creation_date;
	if (event->sequence > replay->max_sequence ||
		event->creation_date > replay->max_date)
		return event->sequence < replay->purged_to;
	if (event->sequence >= replay->purged_to)
		replay->is_reconstructible = true;
	replay->last_sequence = event->sequence;

	caller_cxt = MemoryContextSwitchTo(replay->cxt);
	replay_change(replay, event);
	MemoryContextSwitchTo(caller_cxt);
	return true;
}

/*
 * Replay the events of a scope up to an event or a time, whichever is earlier.
 */
static Replay
replay_events(const ScopeName *name, int64 max_sequence, TimestampTz max_date)
{
	Replay		replay = {
		.max_sequence = max_sequence,
		.max_date = max_date,
		.cxt = CurrentMemoryContext
	};
	Snapshot	snapshot = begin_read();
	ScopeRow	row;

	if (read_scope(snapshot, name, &row, NULL))
		replay.purged_to = row.purged_to;
	replay.is_reconstructible = replay.purged_to == 0 || max_sequence == 0;
	foreach_event(snapshot, name, replay_event, &replay);
	end_read(snapshot);
	return replay;
}

/*
 * The settings of a scope, a list of SettingRow ordered by key, as they were
 * after an event or at a time, whichever is earlier.  Raises no_data_found
 * where purged events would be needed to tell.
 */
static List *
reconstruct_settings(const ScopeName *name, int64 max_sequence,
					 TimestampTz max_date)
{
	Replay		replay = replay_events(name, max_sequence, max_date);

	if (!replay.is_reconstructible)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("events of %s were purged",
						describe_scope(name)),
				 errdetail("The earliest retained state is event %lld, at %s.",
						   (long long) replay.purged_to,
						   timestamptz_to_str(replay.oldest_known_time))));
	return replay.settings;
}

/*
 * get_instance_features_at(at, instance_id)
 */
Datum
get_instance_features_at(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	ScopeRow	row;
	TimestampTz at;
	List	   *settings;
	ReturnSetInfo *rsinfo;
	ListCell   *lc;

	check_argument_count(fcinfo, 2);
	name = instance_argument(fcinfo, 1);
	if (PG_ARGISNULL(0))
		report_null_argument("at");
	at = PG_GETARG_TIMESTAMPTZ(0);
	row = find_scope_row(&name);
	check_permission(&name, &row, PERMISSION_WRITE);
	if (row.creation_date != NO_DATE && at < row.creation_date)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s did not exist at %s",
						describe_scope(&name),
						timestamptz_to_str(at)),
				 errdetail("It was created at %s.",
						   timestamptz_to_str(row.creation_date))));

	settings = reconstruct_settings(&name, PG_INT64_MAX, at);
	if (settings == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s had no feature settings at %s",
						describe_scope(&name),
						timestamptz_to_str(at))));

	rsinfo = begin_states(fcinfo);
	foreach(lc, settings)
	{
		const SettingRow *setting = lfirst(lc);
		FeatureDefinition definition = {.key = setting->feature};
		FeatureState state = {
			.definition = &definition,
			.value = setting->value,
			.source = LEVEL_INSTANCE,
			.sequence = setting->sequence,
			.change_date = setting->change_date
		};

		emit_state(&state, rsinfo);
	}
	return (Datum) 0;
}

/*
 * Whether a setting that a feature had once can be set again: not that of a
 * removed feature, nor one of a dropped feature (reported with a NOTICE).
 * Raises invalid_parameter_value if the feature no longer has such values.
 */
static bool
can_be_restored(const SettingRow *setting)
{
	int			feature = definition_find(setting->feature,
										  strlen(setting->feature));
	const FeatureDefinition *definition;
	JsonbValue	value;
	const char *violation;

	if (feature < 0)
	{
		ereport(NOTICE,
				(errmsg("feature \"%s\" does not exist, skipping",
						setting->feature)));
		return false;
	}

	definition = definition_get(feature);
	if (definition->removed)
		return false;
	json_root_value(setting->value, &value);
	violation = value_violation(&value, definition->type,
								definition->allowed_values);
	if (violation != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" cannot have the value again that event %lld gave it",
						setting->feature, (long long) setting->sequence),
				 errdetail_internal("%s", violation)));
	return true;
}

static List *
plan_revert(const ScopeName *name, const ScopeTuple *scope, List *settings,
			void *arg)
{
	int64		sequence = *(int64 *) arg;
	List	   *requested = NIL;
	ListCell   *lc;

	if (sequence > scope->row.sequence)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s has no event %lld",
						describe_scope(name), (long long) sequence),
				 errdetail("Its last event is %lld.",
						   (long long) scope->row.sequence)));

	cache_refresh_definitions();
	foreach(lc, reconstruct_settings(name, sequence, DT_NOEND))
	{
		const SettingRow *setting = lfirst(lc);

		if (can_be_restored(setting))
			requested = lappend(requested, make_change(setting->feature,
													   setting->value));
	}
	return find_differences(settings, unset_all_others(requested, settings));
}

/*
 * revert_instance_features(sequence, instance_id)
 */
Datum
revert_instance_features(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	int64		sequence;
	FeatureDetails details;

	check_argument_count(fcinfo, 2);
	prevent_command("revert_instance_features()");
	name = instance_argument(fcinfo, 1);
	if (PG_ARGISNULL(0))
		report_null_argument("sequence");
	sequence = PG_GETARG_INT64(0);
	if (sequence < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sequence must not be negative")));

	details = change_scope(&name, PERMISSION_WRITE, LockWaitBlock,
						   plan_revert, &sequence);
	return details_datum(fcinfo, &details);
}

/* The events of one scope that a purge deletes. */
typedef struct Purge
{
	TableWriter *writer;
	int64		last_sequence;	/* this event stays, and later ones do */
	int64	   *kept;			/* and these, whose settings are in effect */
	int			nkept;
	int64		deleted;
} Purge;

static int
compare_sequences(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

static bool
purge_event(const EventRow *event, void *arg)
{
	Purge	   *purge = arg;

	if (event->sequence >= purge->last_sequence)
		return false;
	if (bsearch(&event->sequence, purge->kept, purge->nkept, sizeof(int64),
				compare_sequences) == NULL)
	{
		writer_delete(purge->writer, TABLE_EVENT, &event->tid);
		purge->deleted++;
	}
	return true;
}

static bool
take_event_date(const EventRow *event, void *arg)
{
	*(TimestampTz *) arg = event->creation_date;
	return false;
}

/*
 * Whether a scope has an event before a time.
 */
static bool
has_event_before(const ScopeName *name, TimestampTz before)
{
	TimestampTz first = DT_NOEND;
	Snapshot	snapshot = begin_read();

	foreach_event(snapshot, name, take_event_date, &first);
	end_read(snapshot);
	return first < before;
}

/*
 * Delete the events of a scope before a time that are not needed to know the
 * settings at any time since: all but the last one and those whose settings
 * were in effect then.  Returns how many were deleted.
 */
static int64
purge_scope(const ScopeName *name, TimestampTz before)
{
	static const ColumnRange purged_to[NUM_TABLES] =
	{
		[TABLE_SCOPE] = {Anum_scope_purged_to, Anum_scope_purged_to}
	};
	Purge		purge = {0};
	Replay		replay;
	ScopeTuple	scope;
	Snapshot	snapshot;
	ListCell   *lc;

	/* Most scopes are not concerned, and need no lock. */
	if (!has_event_before(name, before))
		return 0;
	definitions_hold();
	if (!scope_row_find_and_lock(name, LockTupleNoKeyExclusive, &scope))
		return 0;

	replay = replay_events(name, PG_INT64_MAX, before - 1);
	purge.last_sequence = replay.last_sequence;
	purge.kept = palloc(sizeof(int64) * Max(list_length(replay.settings), 1));
	foreach(lc, replay.settings)
		purge.kept[purge.nkept++] = ((SettingRow *) lfirst(lc))->sequence;
	qsort(purge.kept, purge.nkept, sizeof(int64), compare_sequences);

	purge.writer = writer_begin(purged_to);
	snapshot = begin_read();
	foreach_event(snapshot, name, purge_event, &purge);
	end_read(snapshot);
	if (purge.deleted > 0)
	{
		Datum		values[MAX_COLUMNS] = {0};
		bool		nulls[MAX_COLUMNS] = {false};

		values[Anum_scope_purged_to - 1] =
			Int64GetDatum(Max(scope.row.purged_to, purge.last_sequence));
		writer_update(purge.writer, TABLE_SCOPE, &scope.tid, values, nulls);
	}
	writer_end(purge.writer);
	return purge.deleted;
}

/*
 * purge_feature_events(before)
 */
Datum
purge_feature_events(PG_FUNCTION_ARGS)
{
	TimestampTz before;
	Snapshot	snapshot;
	List	   *names;
	MemoryContext scope_cxt;
	int64		deleted = 0;
	ListCell   *lc;

	check_argument_count(fcinfo, 1);
	prevent_command("purge_feature_events()");
	if (PG_ARGISNULL(0))
		report_null_argument("before");
	before = PG_GETARG_TIMESTAMPTZ(0);
	check_system_permission(PERMISSION_SYSTEM_DELETE);
	if (TIMESTAMP_IS_NOBEGIN(before))
		PG_RETURN_INT64(0);

	snapshot = begin_read();
	names = read_scope_names(snapshot);
	end_read(snapshot);
	scope_cxt = AllocSetContextCreate(CurrentMemoryContext,
									  "instance_features scope",
									  ALLOCSET_DEFAULT_SIZES);
	foreach(lc, names)
	{
		MemoryContext caller_cxt = MemoryContextSwitchTo(scope_cxt);

		CHECK_FOR_INTERRUPTS();
		deleted += purge_scope(lfirst(lc), before);
		MemoryContextSwitchTo(caller_cxt);
		MemoryContextReset(scope_cxt);
	}
	MemoryContextDelete(scope_cxt);
	PG_RETURN_INT64(deleted);
}
