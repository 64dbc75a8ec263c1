/*-------------------------------------------------------------------------
 *
 * set.c
 *	  SQL-callable functions that set and reset features.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/level.h"
#include "change/argument.h"

/*
 * set_*_features(features, id, instance_id, expected_sequence)
 */
static Datum
set_features(FunctionCallInfo fcinfo, FeatureLevel level)
{
	int			nids = level_arguments(level);
	ScopeName	name;
	FeatureDetails details;

	result_check_argument_count(fcinfo, 2 + nids);
	name = argument_scope(fcinfo, 1, level);
	details = change_set_features(&name, argument_jsonb(fcinfo, 0),
								  argument_sequence(fcinfo, 1 + nids));
	return result_details(fcinfo, &details);
}

/*
 * reset_*_features(id, instance_id, expected_sequence)
 */
static Datum
reset_features(FunctionCallInfo fcinfo, FeatureLevel level)
{
	int			nids = level_arguments(level);
	ScopeName	name;
	FeatureDetails details;

	result_check_argument_count(fcinfo, 1 + nids);
	name = argument_scope(fcinfo, 0, level);
	details = change_reset_features(&name, argument_sequence(fcinfo, nids));
	return result_details(fcinfo, &details);
}

LEVEL_WRITER(set_system_features, set_features, LEVEL_SYSTEM);
LEVEL_WRITER(set_instance_features, set_features, LEVEL_INSTANCE);
LEVEL_WRITER(set_organization_features, set_features, LEVEL_ORGANIZATION);
LEVEL_WRITER(set_user_features, set_features, LEVEL_USER);

LEVEL_WRITER(reset_system_features, reset_features, LEVEL_SYSTEM);
LEVEL_WRITER(reset_instance_features, reset_features, LEVEL_INSTANCE);
LEVEL_WRITER(reset_organization_features, reset_features, LEVEL_ORGANIZATION);
LEVEL_WRITER(reset_user_features, reset_features, LEVEL_USER);
