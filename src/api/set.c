/*-------------------------------------------------------------------------
 *
 * set.c
 *	  SQL-callable: set and reset the features of a scope.
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

	check_argument_count(fcinfo, 2);
	prevent_command("set_system_features()");
	details = set_features(&system_scope_name,
						   jsonb_argument_or_null(fcinfo, 0),
						   sequence_argument(fcinfo, 1));
	return details_datum(fcinfo, &details);
}

/*
 * set_instance_features(features, instance_id, expected_sequence)
 */
Datum
set_instance_features(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	FeatureDetails details;

	check_argument_count(fcinfo, 3);
	prevent_command("set_instance_features()");
	name = instance_argument(fcinfo, 1);
	details = set_features(&name, jsonb_argument_or_null(fcinfo, 0),
						   sequence_argument(fcinfo, 2));
	return details_datum(fcinfo, &details);
}

/*
 * reset_system_features(expected_sequence)
 */
Datum
reset_system_features(PG_FUNCTION_ARGS)
{
	FeatureDetails details;

	check_argument_count(fcinfo, 1);
	prevent_command("reset_system_features()");
	details = reset_features(&system_scope_name, sequence_argument(fcinfo, 0));
	return details_datum(fcinfo, &details);
}

/*
 * reset_instance_features(instance_id, expected_sequence)
 */
Datum
reset_instance_features(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	FeatureDetails details;

	check_argument_count(fcinfo, 2);
	prevent_command("reset_instance_features()");
	name = instance_argument(fcinfo, 0);
	details = reset_features(&name, sequence_argument(fcinfo, 1));
	return details_datum(fcinfo, &details);
}
