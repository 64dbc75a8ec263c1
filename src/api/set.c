/*-------------------------------------------------------------------------
 *
 * set.c
 *	  SQL-callable functions that set and reset features.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "change/argument.h"
#include "change/change.h"

PG_FUNCTION_INFO_V1(set_system_features);
PG_FUNCTION_INFO_V1(set_instance_features);
PG_FUNCTION_INFO_V1(reset_system_features);
PG_FUNCTION_INFO_V1(reset_instance_features);

/*
 * set_system_features(features, expected_sequence)
 */
Datum
set_system_features(PG_FUNCTION_ARGS)
{
	FeatureDetails details;

	result_check_argument_count(fcinfo, 2);
	change_prevent_command("set_system_features()");
	details = change_set_features(&scopename_system,
								  argument_jsonb(fcinfo, 0),
								  argument_sequence(fcinfo, 1));
	return result_details(fcinfo, &details);
}

/*
 * set_instance_features(features, instance_id, expected_sequence)
 */
Datum
set_instance_features(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	FeatureDetails details;

	result_check_argument_count(fcinfo, 3);
	change_prevent_command("set_instance_features()");
	name = argument_instance(fcinfo, 1);
	details = change_set_features(&name, argument_jsonb(fcinfo, 0),
								  argument_sequence(fcinfo, 2));
	return result_details(fcinfo, &details);
}

/*
 * reset_system_features(expected_sequence)
 */
Datum
reset_system_features(PG_FUNCTION_ARGS)
{
	FeatureDetails details;

	result_check_argument_count(fcinfo, 1);
	change_prevent_command("reset_system_features()");
	details = change_reset_features(&scopename_system, argument_sequence(fcinfo, 0));
	return result_details(fcinfo, &details);
}

/*
 * reset_instance_features(instance_id, expected_sequence)
 */
Datum
reset_instance_features(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	FeatureDetails details;

	result_check_argument_count(fcinfo, 2);
	change_prevent_command("reset_instance_features()");
	name = argument_instance(fcinfo, 0);
	details = change_reset_features(&name, argument_sequence(fcinfo, 1));
	return result_details(fcinfo, &details);
}
