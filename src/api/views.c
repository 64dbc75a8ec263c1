/*-------------------------------------------------------------------------
 *
 * views.c
 *	  SQL-callable functions for the views and check_instance_features().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/jsonbuild.h"
#include "change/permission.h"
#include "change/result.h"
#include "model/builtin.h"
#include "model/tables.h"
#include "model/tableshape.h"
#include "model/value.h"

PG_FUNCTION_INFO_V1(builtin_features);
PG_FUNCTION_INFO_V1(altered_tables);
PG_FUNCTION_INFO_V1(effective_owner);
PG_FUNCTION_INFO_V1(sees_all);
PG_FUNCTION_INFO_V1(feature_value_violation);

/*
 * builtin_features(), for the view "definition"
 */
Datum
builtin_features(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {
		TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID
	};
	ReturnSetInfo *rsinfo = result_begin_set(fcinfo, types, lengthof(types));

	for (int i = 0; i < NUM_BUILTIN_FEATURES; i++)
	{
		const BuiltinFeature *feature = &builtin_feature_table[i];
		Datum		values[lengthof(types)];
		bool		nulls[lengthof(types)] = {false};

		values[0] = CStringGetTextDatum(feature->key);
		values[1] = CStringGetTextDatum(feature->json_name);
		values[2] = CStringGetTextDatum(BUILTIN_TYPE);
		values[3] = JsonbPGetDatum(json_make_boolean(false));
		values[4] = CStringGetTextDatum(BUILTIN_STAGE);
		values[5] = CStringGetTextDatum(feature->description);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/*
 * altered_tables(), for check_instance_features(): returns a sentence for each
 * table that does not have the expected shape.
 */
Datum
altered_tables(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (rsinfo->setDesc->natts != 1 ||
		TupleDescAttr(rsinfo->setDesc, 0)->atttypid != TEXTOID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function \"%s\" must return SETOF text",
						"altered_tables")));

	for (int i = 0; i < NUM_TABLES; i++)
	{
		Relation	rel = table_open(tables_oid(i), AccessShareLock);
		const char *problem = tableshape_problem(rel, i);

		if (problem != NULL)
		{
			Datum		value;
			bool		isnull = false;

			value = CStringGetTextDatum(psprintf("Table %s.%s: %s",
												 EXTENSION_SCHEMA,
												 tableshape_name(i), problem));
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
								 &isnull);
		}
		table_close(rel, AccessShareLock);
	}
	return (Datum) 0;
}

/*
 * effective_owner(level, id, owner), for the views
 */
Datum
effective_owner(PG_FUNCTION_ARGS)
{
	ScopeRow	row = {0};
	ScopeName	name;
	FeatureLevel level;
	Oid			owner;

	result_check_argument_count(fcinfo, 3);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) ||
		!level_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)), &level))
		PG_RETURN_NULL();
	name = scopename_make(level, "", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	row.has_owner = !PG_ARGISNULL(2);
	if (row.has_owner)
		row.owner = *PG_GETARG_SCOPE_OWNER_P(2);

	owner = permission_owner_of(&name, &row);
	if (!OidIsValid(owner))
		PG_RETURN_NULL();
	PG_RETURN_OID(owner);
}

/*
 * sees_all(), for the views
 */
Datum
sees_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) ||
				   permission_is_system_owner());
}

/*
 * feature_value_violation(value, value_type, allowed_values), for
 * check_instance_features()
 */
Datum
feature_value_violation(PG_FUNCTION_ARGS)
{
	JsonbValue	value;
	const ValueType *type;
	const char *violation;

	result_check_argument_count(fcinfo, 3);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	json_root_value(PG_GETARG_JSONB_P(0), &value);
	type = value_type(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	violation = value_violation(&value, type,
								PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2));
	if (violation == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(violation));
}
