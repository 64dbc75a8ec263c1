/*-------------------------------------------------------------------------
 *
 * history.c
 *	  SQL-callable functions that read, revert and purge events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/level.h"
#include "base/jsonbuild.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/featurejson.h"
#include "change/purge.h"
#include "change/replay.h"
#include "change/scopelock.h"
#include "model/value.h"
#include "table/tableread.h"

PG_FUNCTION_INFO_V1(get_instance_features_at);
PG_FUNCTION_INFO_V1(revert_instance_features);
PG_FUNCTION_INFO_V1(purge_feature_events);

static const Oid event_types[] = {
	INT8OID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, TEXTOID, TIMESTAMPTZOID,
	TEXTOID, TEXTOID, NUMERICOID
};

/*
 * Add an event to the result of a *_feature_history() function.
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
	nulls[7] = event->actor == NULL;
	if (event->actor)
		values[7] = CStringGetTextDatum(event->actor);
	nulls[8] = event->reason == NULL;
	if (event->reason)
		values[8] = CStringGetTextDatum(event->reason);
	nulls[9] = event->share == NO_SHARE;
	if (event->share != NO_SHARE)
		values[9] = share_make_percentage(event->share);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return true;
}

/*
 * Find the scope that the arguments name, whose history is shown only to roles
 * that may change it.
 */
static ScopeChain
find_changeable_chain(FunctionCallInfo fcinfo, int argno, FeatureLevel level)
{
	ScopeChain	chain = argument_chain(fcinfo, argno, level);

	context_find(&chain);
	permission_check(&chain.names[0], context_owner_row(&chain),
					 PERMISSION_WRITE);
	return chain;
}

/*
 * *_feature_history(id, instance_id)
 */
static Datum
feature_history(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeChain	chain;
	ReturnSetInfo *rsinfo;
	Snapshot	snapshot;

	result_check_argument_count(fcinfo, level_arguments(level));
	chain = find_changeable_chain(fcinfo, 0, level);

	rsinfo = result_begin_set(fcinfo, event_types, lengthof(event_types));
	snapshot = scan_begin();
	tableread_foreach_event(snapshot, &chain.names[0], emit_event, rsinfo);
	scan_end(snapshot);
	return (Datum) 0;
}

LEVEL_READER(system_feature_history, feature_history, LEVEL_SYSTEM);
LEVEL_READER(instance_feature_history, feature_history, LEVEL_INSTANCE);
LEVEL_READER(organization_feature_history, feature_history, LEVEL_ORGANIZATION);
LEVEL_READER(user_feature_history, feature_history, LEVEL_USER);

/*
 * get_instance_features_at(at, instance_id)
 */
Datum
get_instance_features_at(PG_FUNCTION_ARGS)
{
	TimestampTz at;
	ScopeChain	chain;
	ScopeName	name;
	ScopeRow	row;
	List	   *settings;
	ReturnSetInfo *rsinfo;
	ListCell   *lc;

	result_check_argument_count(fcinfo, 2);
	if (PG_ARGISNULL(0))
		report_null_argument("at");
	at = PG_GETARG_TIMESTAMPTZ(0);
	chain = find_changeable_chain(fcinfo, 1, LEVEL_INSTANCE);
	name = chain.names[0];
	row = chain.scopes[0]->row;
	if (row.creation_date != NO_DATE && at < row.creation_date)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s did not exist at %s",
						scopename_describe(&name),
						timestamptz_to_str(at)),
				 errdetail("It was created at %s.",
						   timestamptz_to_str(row.creation_date))));

	settings = replay_settings(&name, PG_INT64_MAX, at);
	if (settings == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s had no feature settings at %s",
						scopename_describe(&name),
						timestamptz_to_str(at))));

	rsinfo = result_begin_states(fcinfo);
	foreach(lc, settings)
	{
		const SettingRow *setting = lfirst(lc);
		FeatureDefinition definition = {.key = setting->feature};
		FeatureState state = {
			.definition = &definition,
			.value = setting->value,
			.share = setting->share,
			.source = LEVEL_INSTANCE,
			.sequence = setting->sequence,
			.change_date = setting->change_date
		};

		result_emit_state(&state, rsinfo);
	}
	return (Datum) 0;
}

/*
 * Return whether a former setting can be restored, which is not possible if
 * its feature has been removed, or dropped (reported with a NOTICE).  Raises
 * invalid_parameter_value if the feature does not allow its value now.
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
	if (!level_is_in(LEVEL_INSTANCE, definition->levels))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" cannot be set on level %s any longer",
						setting->feature, level_name(LEVEL_INSTANCE))));
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
						scopename_describe(name), (long long) sequence),
				 errdetail("Its last event is %lld.",
						   (long long) scope->row.sequence)));

	cache_refresh_definitions();
	foreach(lc, replay_settings(name, sequence, DT_NOEND))
	{
		const SettingRow *setting = lfirst(lc);
		RequestedChange *change;

		if (!can_be_restored(setting))
			continue;
		change = featurejson_make_change(setting->feature, setting->value);
		change->share = setting->share;
		requested = lappend(requested, change);
	}
	return change_find_differences(settings,
								   featurejson_unset_others(definitions_loaded(),
															requested, settings));
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

	result_check_argument_count(fcinfo, 2);
	change_prevent_command("revert_instance_features()");
	name = argument_scope(fcinfo, 1, LEVEL_INSTANCE);
	if (PG_ARGISNULL(0))
		report_null_argument("sequence");
	sequence = PG_GETARG_INT64(0);
	if (sequence < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sequence must not be negative")));

	details = change_scope(&name, PERMISSION_WRITE, LockWaitBlock,
						   plan_revert, &sequence);
	return result_details(fcinfo, &details);
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

	result_check_argument_count(fcinfo, 1);
	change_prevent_command("purge_feature_events()");
	if (PG_ARGISNULL(0))
		report_null_argument("before");
	before = PG_GETARG_TIMESTAMPTZ(0);
	permission_check_system(PERMISSION_SYSTEM_DELETE);
	if (TIMESTAMP_IS_NOBEGIN(before))
		PG_RETURN_INT64(0);

	snapshot = scan_begin();
	names = tableread_scope_names(snapshot);
	scan_end(snapshot);
	scope_cxt = AllocSetContextCreate(CurrentMemoryContext,
									  "instance_features scope",
									  ALLOCSET_DEFAULT_SIZES);
	scopelock_instances(names, PERMISSION_SYSTEM_DELETE);
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
