/*-------------------------------------------------------------------------
 *
 * define.c
 *	  SQL-callable functions that define, alter and drop features.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

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
 * Return the levels in an argument of type feature_level[].  Raises
 * invalid_parameter_value if it is null or empty, or has a null.
 */
static LevelSet
levels_argument(FunctionCallInfo fcinfo, int argno)
{
	ArrayType  *array;
	int16		length;
	bool		by_value;
	char		alignment;
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	LevelSet	levels = 0;

	if (PG_ARGISNULL(argno))
		report_null_argument("levels");
	array = PG_GETARG_ARRAYTYPE_P(argno);
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &alignment);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, alignment,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		FeatureLevel level;

		if (nulls[i])
			report_null_argument("levels");
		if (level_parse(DatumGetCString(DirectFunctionCall1(enum_out,
															elements[i])),
						&level))
			levels |= LEVEL_BIT(level);
	}
	if (levels == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("levels must not be empty"),
				 errhint("Name at least one of: %s.",
						 level_list(LEVEL_BIT(NUM_LEVELS) - 1))));
	return levels;
}

/*
 * define_feature(feature, default_value, description, json_name, value_type,
 * allowed_values, levels)
 */
Datum
define_feature(PG_FUNCTION_ARGS)
{
	FeatureRow	row = {0};

	result_check_argument_count(fcinfo, 7);
	change_prevent_command("define_feature()");
	row.key = argument_text(fcinfo, 0);
	row.default_value = argument_jsonb(fcinfo, 1);
	row.description = argument_text(fcinfo, 2);
	row.json_name = argument_text(fcinfo, 3);
	row.value_type = enum_argument(fcinfo, 4);
	row.allowed_values = argument_jsonb(fcinfo, 5);
	row.levels = levels_argument(fcinfo, 6);
	row.stage = STAGE_EXPERIMENTAL;
	definition_complete(&row);
	definition_create(&row);
	PG_RETURN_VOID();
}

/*
 * alter_feature(feature, default_value, description, allowed_values, levels)
 */
Datum
alter_feature(PG_FUNCTION_ARGS)
{
	DefinitionChange change = {0};

	result_check_argument_count(fcinfo, 5);
	change_prevent_command("alter_feature()");
	change.key = argument_text(fcinfo, 0);
	change.default_value = argument_jsonb(fcinfo, 1);
	change.description = argument_text(fcinfo, 2);
	change.allowed_values = argument_jsonb(fcinfo, 3);
	if (!PG_ARGISNULL(4))
		change.levels = levels_argument(fcinfo, 4);
	if (change.key == NULL)
		report_null_argument("feature");
	if (change.default_value == NULL && change.description == NULL &&
		change.allowed_values == NULL && change.levels == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing to alter"),
				 errhint("Give default_value, description, allowed_values or levels.")));

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
