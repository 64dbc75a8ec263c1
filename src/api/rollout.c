/*-------------------------------------------------------------------------
 *
 * rollout.c
 *	  SQL-callable functions that roll out features gradually.
 *
 * The rule: a roll-out is a setting that holds for a share of the scopes below;
 * see share.c for who belongs to it.  It replaces any other setting of the
 * feature on its scope, as they replace it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "api/level.h"
#include "base/jsonbuild.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/featurejson.h"

PG_FUNCTION_INFO_V1(rollout_position);
PG_FUNCTION_INFO_V1(rollout_includes);

/* A requested roll-out. */
typedef struct RolloutRequest
{
	FeatureLevel level;
	char	   *key;
	int			share;
	Jsonb	   *value;
} RolloutRequest;

/*
 * Return an argument that is a percentage as a share.
 */
static int
share_argument(FunctionCallInfo fcinfo, int argno)
{
	int			share;

	if (PG_ARGISNULL(argno))
		report_null_argument("percentage");
	if (!share_parse(PG_GETARG_NUMERIC(argno), &share))
		share_report_bad_percentage();
	return share;
}

/*
 * Return an argument with the key of a feature.
 */
static char *
feature_argument(FunctionCallInfo fcinfo, int argno)
{
	if (PG_ARGISNULL(argno))
		report_null_argument("feature");
	return argument_text(fcinfo, argno);
}

static Jsonb *
value_argument(FunctionCallInfo fcinfo, int argno)
{
	if (PG_ARGISNULL(argno))
		report_null_argument("value");
	return PG_GETARG_JSONB_P(argno);
}

/*
 * Raise undefined_object or invalid_parameter_value unless the feature can be
 * rolled out with that value.  Returns false if it is removed, so that
 * settings of it have no effect.
 */
static bool
check_request(const RolloutRequest *request)
{
	int			length = strlen(request->key);
	const FeatureDefinition *definition;
	JsonbValue	value;
	const char *violation;
	int			feature;

	cache_refresh_definitions();
	feature = definition_find(request->key, length);
	argument_require_feature(feature, request->key, length);
	definition = definition_get(feature);
	featurejson_check_level(definition, request->level);
	json_root_value(request->value, &value);
	violation = featurejson_violation(definition, &value);
	if (violation != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for feature \"%s\"", definition->key),
				 errdetail_internal("%s", violation),
				 value.type == jbvNull ?
				 errhint("set_%s_features() unsets a feature.",
						 level_name(request->level)) : 0));
	return !definition->removed;
}

static List *
plan_rollout(const ScopeName *name, const ScopeTuple *scope, List *settings,
			 void *arg)
{
	const RolloutRequest *request = arg;
	RequestedChange *change;

	/* The definition may have changed before we locked it. */
	if (!check_request(request))
		return NIL;
	change = featurejson_make_change(request->key, request->value);
	change->share = request->share;
	return change_find_differences(settings, list_make1(change));
}

/*
 * roll_out_*_feature(feature, percentage, value, id)
 */
static Datum
roll_out_feature(FunctionCallInfo fcinfo, FeatureLevel level)
{
	RolloutRequest request = {.level = level};
	ScopeName	name;
	FeatureDetails details;

	result_check_argument_count(fcinfo, 3 + level_arguments(level));
	name = argument_scope(fcinfo, 3, level);
	request.key = feature_argument(fcinfo, 0);
	request.share = share_argument(fcinfo, 1);
	request.value = value_argument(fcinfo, 2);

	/* Report a bad request before anything else. */
	(void) check_request(&request);
	details = change_scope(&name, PERMISSION_WRITE, LockWaitBlock,
						   plan_rollout, &request);
	return result_details(fcinfo, &details);
}

LEVEL_WRITER(roll_out_system_feature, roll_out_feature, LEVEL_SYSTEM);
LEVEL_WRITER(roll_out_instance_feature, roll_out_feature, LEVEL_INSTANCE);

/*
 * rollout_position(feature, id)
 */
Datum
rollout_position(PG_FUNCTION_ARGS)
{
	text	   *key;
	text	   *id;

	result_check_argument_count(fcinfo, 2);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	key = PG_GETARG_TEXT_PP(0);
	id = PG_GETARG_TEXT_PP(1);
	PG_RETURN_INT32(share_position(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
								   VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id)));
}

/*
 * rollout_includes(feature, percentage, id), for the views: returns whether a
 * setting with this percentage, which is no roll-out if that is null, holds for
 * a scope below.
 */
Datum
rollout_includes(PG_FUNCTION_ARGS)
{
	int			share;
	text	   *id;

	result_check_argument_count(fcinfo, 3);
	if (PG_ARGISNULL(1))
		PG_RETURN_BOOL(true);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_BOOL(false);
	share = share_from_percentage(PG_GETARG_NUMERIC(1));
	id = PG_GETARG_TEXT_PP(2);
	PG_RETURN_BOOL(share_includes(share, text_to_cstring(PG_GETARG_TEXT_PP(0)),
								  VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id)));
}
