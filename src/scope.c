/*-------------------------------------------------------------------------
 *
 * scope.c
 *	  Which scope a call is about, and the details that answer it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "request.h"
#include "scope.h"

char	   *current_instance_id;

/*
 * The instance that calls without an id are about.  The id is a copy: code
 * that a trigger runs may change the setting.
 */
ScopeName
current_instance(void)
{
	const char *id = pstrdup(current_instance_id);

	return instance_name(id, strlen(id));
}

/*
 * The instance that an argument of type text names, the current one if it is
 * null.  Raises invalid_parameter_value for what cannot be an id.
 */
ScopeName
instance_argument(FunctionCallInfo fcinfo, int argno)
{
	text	   *id;

	if (PG_ARGISNULL(argno))
		return current_instance();

	id = PG_GETARG_TEXT_PP(argno);
	check_scope_id(VARSIZE_ANY_EXHDR(id));
	return instance_name(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
}

/*
 * Find a scope, or raise no_data_found.  See cache.h for how long the result
 * is valid.
 */
const CachedScope *
find_scope(const ScopeName *name)
{
	const CachedScope *scope = cache_find_scope(name);

	if (scope == NULL)
		report_instance_not_found(pnstrdup(name->id, name->len));
	return scope;
}

/*
 * Raise undefined_object if a look-up by key has found no feature.
 */
void
check_feature(int feature, const char *key, int len)
{
	if (feature < 0)
		report_unknown_feature(key, len, cache_nearest_key(key, len));
}

/*
 * The details of a scope as it is.  They last as long as the scope.
 */
FeatureDetails
scope_details(const CachedScope *scope)
{
	FeatureDetails details;

	details.sequence = scope->row.sequence;
	details.change_date = scope->row.change_date;
	details.resource_owner = scope_id(scope);
	return details;
}

/*
 * The result of a function that returns feature_details.
 */
Datum
details_datum(FunctionCallInfo fcinfo, const FeatureDetails *details)
{
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != lengthof(values))
		elog(ERROR, "return type must be feature_details");

	values[0] = Int64GetDatum(details->sequence);
	values[1] = TimestampTzGetDatum(details->change_date);
	values[2] = CStringGetTextDatum(details->resource_owner);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
											 values, nulls));
}
