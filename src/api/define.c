/*-------------------------------------------------------------------------
 *
 * define.c
 *	  SQL-callable functions that define, alter and drop features.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/definitionchange.h"
#include "change/definitionrules.h"

PG_FUNCTION_INFO_V1(define_feature);
PG_FUNCTION_INFO_V1(alter_feature);
PG_FUNCTION_INFO_V1(drop_feature);
PG_FUNCTION_INFO_V1(set_feature_stage);

/*
 * Return the label of an argument of an enum type, or NULL if it is null.
 */
static char *
enum_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL :
		DatumGetCString(DirectFunctionCall1(enum_out,
											PG_GETARG_DATUM(argno)));
}

/*
 * define_feature(feature, default_value, description, json_name, value_type,
 * allowed_values)
 */
Datum
define_feature(PG_FUNCTION_ARGS)
{
	FeatureRow	row = {0};

	result_check_argument_count(fcinfo, 6);
	change_prevent_command("define_feature()");
	row.key = argument_text(fcinfo, 0);
	row.default_value = argument_jsonb(fcinfo, 1);
	row.description = argument_text(fcinfo, 2);
	row.json_name = argument_text(fcinfo, 3);
	row.value_type = enum_argument(fcinfo, 4);
	row.allowed_values = argument_jsonb(fcinfo, 5);
	row.stage = "experimental";
	definition_complete(&row);
	definition_create(&row);
	PG_RETURN_VOID();
}

/*
 * alter_feature(feature, default_value, description, allowed_values)
 */
Datum
alter_feature(PG_FUNCTION_ARGS)
{
	DefinitionChange change = {0};

	result_check_argument_count(fcinfo, 4);
	change_prevent_command("alter_feature()");
	change.key = argument_text(fcinfo, 0);
	change.default_value = argument_jsonb(fcinfo, 1);
	change.description = argument_text(fcinfo, 2);
	change.allowed_values = argument_jsonb(fcinfo, 3);
	if (change.key == NULL)
		report_null_argument("feature");
	if (change.default_value == NULL && change.description == NULL &&
		change.allowed_values == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing to alter"),
				 errhint("Give default_value, description or allowed_values.")));

	definition_alter(&change);
	PG_RETURN_VOID();
}

/*
 * set_feature_stage(feature, stage)
 */
Datum
set_feature_stage(PG_FUNCTION_ARGS)
{
	DefinitionChange change = {0};

	result_check_argument_count(fcinfo, 2);
	change_prevent_command("set_feature_stage()");
	change.key = argument_text(fcinfo, 0);
	change.stage = enum_argument(fcinfo, 1);
	if (change.key == NULL)
		report_null_argument("feature");
	if (change.stage == NULL)
		report_null_argument("stage");
	definition_alter(&change);
	PG_RETURN_VOID();
}

/*
 * drop_feature(feature, cascade)
 */
Datum
drop_feature(PG_FUNCTION_ARGS)
{
	DefinitionChange change = {0};

	result_check_argument_count(fcinfo, 2);
	change_prevent_command("drop_feature()");
	change.key = argument_text(fcinfo, 0);
	if (change.key == NULL)
		report_null_argument("feature");
	change.cascade = argument_boolean(fcinfo, 1, "cascade");
	definition_drop(&change);
	PG_RETURN_VOID();
}
