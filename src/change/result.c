/*-------------------------------------------------------------------------
 *
 * result.c
 *	  Forming the results of SQL-callable functions.
 *
 * The rule: a superuser may have altered the SQL declaration of a function, or
 * it may be that of another version.  So the types of a result are checked
 * before values are stored in it, and the number of arguments before they are
 * read.  A mismatch raises object_not_in_prerequisite_state.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "change/result.h"
#include "model/tables.h"

static const Oid details_types[] = {INT8OID, TIMESTAMPTZOID, TEXTOID};

static const Oid state_types[] = {
	TEXTOID, JSONBOID, SOURCE_TYPE_OID, INT8OID, TIMESTAMPTZOID, NUMERICOID
};

pg_noreturn static void
report_altered_function(FunctionCallInfo fcinfo)
{
	char	   *name = get_func_name(fcinfo->flinfo->fn_oid);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("function \"%s\" or its result type is not that of library version %s",
					name ? name : "unknown", INSTANCE_FEATURES_VERSION),
			 errhint("Restore the function and the type as CREATE EXTENSION makes them.  For version 1 of the extension, use DROP EXTENSION, CREATE EXTENSION, and apply_features() with what export_features() of that version returned.")));
}

static void
check_result_types(FunctionCallInfo fcinfo, TupleDesc desc, const Oid *types,
				   int ntypes)
{
	if (desc->natts != ntypes)
		report_altered_function(fcinfo);
	for (int i = 0; i < ntypes; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (attr->attisdropped ||
			(types[i] == SOURCE_TYPE_OID ? !type_is_enum(attr->atttypid) :
			 attr->atttypid != types[i]))
			report_altered_function(fcinfo);
	}
}

/*
 * Raise object_not_in_prerequisite_state unless the function was called with
 * at least "count" arguments.
 */
void
result_check_argument_count(FunctionCallInfo fcinfo, int count)
{
	if (PG_NARGS() < count)
		report_altered_function(fcinfo);
}

/*
 * Begin the result of a function that returns a set of rows of these types.
 */
ReturnSetInfo *
result_begin_set(FunctionCallInfo fcinfo, const Oid *types, int ntypes)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		report_altered_function(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	check_result_types(fcinfo, rsinfo->setDesc, types, ntypes);
	return rsinfo;
}

/*
 * Form the result of a function that returns one row of these types.
 */
Datum
result_row(FunctionCallInfo fcinfo, const Oid *types, int ntypes,
		   const Datum *values, const bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		report_altered_function(fcinfo);
	check_result_types(fcinfo, desc, types, ntypes);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
											 unconstify(Datum *, values),
											 unconstify(bool *, nulls)));
}

/*
 * Begin the result of a function that returns SETOF feature_state.
 */
ReturnSetInfo *
result_begin_states(FunctionCallInfo fcinfo)
{
	return result_begin_set(fcinfo, state_types, lengthof(state_types));
}

/*
 * Add a state to a result.  "arg" is the result of result_begin_states().
 */
void
result_emit_state(const FeatureState *state, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	const char *source = state->source == SOURCE_DEFAULT ? "default" :
	level_name(state->source);
	Oid			source_type = TupleDescAttr(rsinfo->setDesc, 2)->atttypid;
	Oid			source_value;
	Datum		values[lengthof(state_types)] = {0};
	bool		nulls[lengthof(state_types)] = {false};

	source_value = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
								   ObjectIdGetDatum(source_type),
								   CStringGetDatum(source));
	if (!OidIsValid(source_value))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("type \"%s\" has no value \"%s\"",
						format_type_be(source_type), source)));

	values[0] = CStringGetTextDatum(state->definition->key);
	values[1] = JsonbPGetDatum(state->value);
	values[2] = ObjectIdGetDatum(source_value);
	values[3] = Int64GetDatum(state->sequence);
	values[4] = TimestampTzGetDatum(state->change_date);
	nulls[3] = nulls[4] = state->source == SOURCE_DEFAULT;
	nulls[5] = state->share == NO_SHARE;
	if (state->share != NO_SHARE)
		values[5] = share_make_percentage(state->share);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * Return the details of a scope with this row.  The id is palloc'd.
 */
FeatureDetails
result_scope_details(const ScopeName *name, const ScopeRow *row)
{
	FeatureDetails details;

	details.sequence = row->sequence;
	details.change_date = row->change_date;
	details.resource_owner = pnstrdup(name->id, name->len);
	return details;
}

/*
 * Form the result of a function that returns feature_details.
 */
Datum
result_details(FunctionCallInfo fcinfo, const FeatureDetails *details)
{
	Datum		values[lengthof(details_types)];
	bool		nulls[lengthof(details_types)] = {false};

	values[0] = Int64GetDatum(details->sequence);
	values[1] = TimestampTzGetDatum(details->change_date);
	nulls[1] = details->change_date == NO_DATE;
	values[2] = CStringGetTextDatum(details->resource_owner);
	return result_row(fcinfo, details_types, lengthof(details_types), values,
					  nulls);
}
