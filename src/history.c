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

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "change.h"
#include "errors.h"
#include "queries.h"
#include "request.h"
#include "value.h"

PG_FUNCTION_INFO_V1(instance_feature_history);
PG_FUNCTION_INFO_V1(system_feature_history);
PG_FUNCTION_INFO_V1(get_instance_features_at);
PG_FUNCTION_INFO_V1(revert_instance_features);
PG_FUNCTION_INFO_V1(purge_feature_events);

/*
 * Put an event into the result of a *_feature_history() function.
 */
static bool
put_event(const EventRow *event, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[7] = {0};
	bool		nulls[7] = {false};

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
 * The body of *_feature_history(): only who may change the scope may know who
 * did.
 */
static Datum
feature_history(FunctionCallInfo fcinfo, const ScopeName *name)
{
	Snapshot	snapshot;

	check_permission(name, find_scope(name)->row.owner, PERMISSION_WRITE);

	InitMaterializedSRF(fcinfo, 0);
	snapshot = store_begin_read();
	store_read_events(snapshot, name, put_event, fcinfo->resultinfo);
	store_end_read(snapshot);
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
	TimestampTz known_since;	/* the time of that one */
	bool		known;			/* whether that one is among them */
	List	   *settings;		/* SettingRow, ordered by key */
	MemoryContext cxt;			/* where they are */
} Replay;

/* Where the setting of a feature is in the list, or would have to be. */
static int
find_replayed(const Replay *replay, const char *feature, bool *found)
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

static bool
replay_event(const EventRow *event, void *arg)
{
	Replay	   *replay = arg;
	MemoryContext caller_cxt;
	bool		found;
	int			place;

	if (event->sequence == replay->purged_to)
		replay->known_since = event->creation_date;
	if (event->sequence > replay->max_sequence ||
		event->creation_date > replay->max_date)
		return event->sequence < replay->purged_to;
	replay->known = replay->known || event->sequence >= replay->purged_to;

	caller_cxt = MemoryContextSwitchTo(replay->cxt);
	if (event->feature == NULL)
		replay->settings = NIL;
	else
	{
		place = find_replayed(replay, event->feature, &found);
		if (event->value == NULL && found)
			replay->settings = list_delete_nth_cell(replay->settings, place);
		else if (event->value != NULL)
		{
			SettingRow *setting;

			if (!found)
			{
				setting = palloc0(sizeof(SettingRow));
				setting->feature = pstrdup(event->feature);
				replay->settings = list_insert_nth(replay->settings, place,
												   setting);
			}
			setting = list_nth(replay->settings, place);
			setting->value = copy_jsonb(event->value);
			setting->sequence = event->sequence;
			setting->change_date = event->creation_date;
		}
	}
	MemoryContextSwitchTo(caller_cxt);
	return true;
}

/*
 * The settings of a scope, a list of SettingRow ordered by key, as they were
 * after an event or at a time, whichever is earlier.  Raises no_data_found
 * where purged events would be needed to tell.
 */
static List *
replay_events(const ScopeName *name, int64 max_sequence, TimestampTz max_date)
{
	Replay		replay = {
		.max_sequence = max_sequence,
		.max_date = max_date,
		.cxt = CurrentMemoryContext
	};
	Snapshot	snapshot = store_begin_read();

	replay.purged_to = store_read_purged_to(snapshot, name);
	replay.known = replay.purged_to == 0 || max_sequence == 0;
	store_read_events(snapshot, name, replay_event, &replay);
	store_end_read(snapshot);
	if (!replay.known)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("events of %s were purged",
						scope_words(message_id(name))),
				 errdetail("Its settings are known from event %lld on, which is of %s.",
						   (long long) replay.purged_to,
						   timestamptz_to_str(replay.known_since))));
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
	ListCell   *lc;

	name = instance_argument(fcinfo, 1);
	if (PG_ARGISNULL(0))
		report_null_argument("at");
	at = PG_GETARG_TIMESTAMPTZ(0);
	row = find_scope(&name)->row;
	check_permission(&name, row.owner, PERMISSION_WRITE);
	if (at < row.creation_date)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s did not exist at %s",
						scope_words(message_id(&name)),
						timestamptz_to_str(at)),
				 errdetail("It was created at %s.",
						   timestamptz_to_str(row.creation_date))));

	settings = replay_events(&name, PG_INT64_MAX, at);
	if (settings == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s had no feature settings at %s",
						scope_words(message_id(&name)),
						timestamptz_to_str(at))));

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, settings)
	{
		const SettingRow *setting = lfirst(lc);
		FeatureDefinition definition = {.key = setting->feature};
		FeatureState state = {
			.definition = &definition,
			.value = setting->value,
			.source = SOURCE_INSTANCE,
			.sequence = setting->sequence,
			.change_date = setting->change_date
		};

		put_state(&state, fcinfo->resultinfo);
	}
	return (Datum) 0;
}

/*
 * Whether a setting that a feature had once can be set again: not that of a
 * removed feature, and not that of a dropped one, which is told.  Raises
 * invalid_parameter_value if the feature has no such values any more.
 */
static bool
can_be_restored(const SettingRow *setting)
{
	int			feature = cache_find_feature(setting->feature,
											 strlen(setting->feature));
	int			count;
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

	definition = &cache_definitions(&count)[feature];
	if (definition->removed)
		return false;
	root_value(setting->value, &value);
	violation = value_violation(&value, definition->value_type,
								definition->allowed_values);
	if (violation != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" can not have the value again that event %lld gave it",
						setting->feature, (long long) setting->sequence),
				 errdetail_internal("%s", violation)));
	return true;
}

/*
 * revert_instance_features(sequence, instance_id)
 */
Datum
revert_instance_features(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	int64		sequence;
	LockedScope scope;
	List	   *present;
	List	   *requested = NIL;
	ListCell   *lc;
	FeatureDetails details;

	prevent_if_read_only("revert_instance_features()");
	name = instance_argument(fcinfo, 1);
	if (PG_ARGISNULL(0))
		report_null_argument("sequence");
	sequence = PG_GETARG_INT64(0);
	if (sequence < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sequence must not be negative")));

	scope = lock_scope(&name, PERMISSION_WRITE);
	if (sequence > scope.row.sequence)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s has no event %lld",
						scope_words(message_id(&name)), (long long) sequence),
				 errdetail("Its last event is %lld.",
						   (long long) scope.row.sequence)));
	cache_refresh_definitions();
	present = read_settings(&name);
	foreach(lc, replay_events(&name, sequence, DT_NOEND))
	{
		const SettingRow *setting = lfirst(lc);

		if (can_be_restored(setting))
			requested = lappend(requested, make_change(setting->feature,
													   setting->value));
	}
	append_changes(&name, &scope,
				   list_differences(name.level, present,
									unset_all_others(requested, present)));
	details = locked_details(&name, &scope);
	return details_datum(fcinfo, &details);
}

/*
 * purge_feature_events(before)
 */
Datum
purge_feature_events(PG_FUNCTION_ARGS)
{
	prevent_if_read_only("purge_feature_events()");
	if (PG_ARGISNULL(0))
		report_null_argument("before");
	check_permission(&system_scope_name, InvalidOid, PERMISSION_SYSTEM_DELETE);
	PG_RETURN_INT64(store_purge_events(PG_GETARG_TIMESTAMPTZ(0)));
}
