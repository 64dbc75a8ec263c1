/*-------------------------------------------------------------------------
 *
 * get.c
 *	  SQL-callable functions that read features.
 *
 * The rule: these functions read only the cache, so they are cheap, STABLE and
 * PARALLEL SAFE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api/level.h"
#include "base/jsonbuild.h"
#include "change/argument.h"
#include "change/lookup.h"
#include "change/result.h"
#include "change/states.h"
#include "model/value.h"
#include "table/generation.h"

PG_FUNCTION_INFO_V1(feature_enabled);
PG_FUNCTION_INFO_V1(feature_value);
PG_FUNCTION_INFO_V1(feature_text);
PG_FUNCTION_INFO_V1(feature_integer);
PG_FUNCTION_INFO_V1(feature_number);
PG_FUNCTION_INFO_V1(instance_features_stats);

/*
 * get_*_features(inheritance, id)
 */
static Datum
get_features(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeName	name;
	bool		inheritance;
	ReturnSetInfo *rsinfo;
	ScopeChain	chain;

	result_check_argument_count(fcinfo, 1 + level_arguments(level));
	name = argument_scope(fcinfo, 1, level);
	inheritance = argument_boolean(fcinfo, 0, "inheritance");
	rsinfo = result_begin_states(fcinfo);
	chain = argument_find_chain(&name);

	states_read(&chain, inheritance, result_emit_state, rsinfo);
	return (Datum) 0;
}

LEVEL_READER(get_system_features, get_features, LEVEL_SYSTEM);
LEVEL_READER(get_instance_features, get_features, LEVEL_INSTANCE);

/*
 * get_*_feature_details(id)
 */
static Datum
get_feature_details(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeName	name;
	ScopeRow	row;
	FeatureDetails details;

	result_check_argument_count(fcinfo, level_arguments(level));
	name = argument_scope(fcinfo, 0, level);
	row = argument_find_scope_row(&name);
	details = result_scope_details(&name, &row);
	return result_details(fcinfo, &details);
}

LEVEL_READER(get_system_feature_details, get_feature_details, LEVEL_SYSTEM);
LEVEL_READER(get_instance_feature_details, get_feature_details, LEVEL_INSTANCE);

/*
 * Like PG_GETARG_TEXT_PP, but without a function call unless the value is
 * compressed or out of line, which keys and ids hardly ever are.
 */
static inline text *
get_text_argument(FunctionCallInfo fcinfo, int argno)
{
	text	   *value = (text *) PG_GETARG_POINTER(argno);

	if (unlikely(VARATT_IS_4B_C(value) || VARATT_IS_1B_E(value)))
		return PG_GETARG_TEXT_PP(argno);
	return value;
}

/*
 * Like memcmp() == 0, but without the function call, which would be a fifth of
 * the cost of a hit.
 */
static inline bool
same_bytes(const char *a, const char *b, int len)
{
	uint64		a8;
	uint64		b8;
	int			i;

	for (i = 0; i + 8 <= len; i += 8)
	{
		memcpy(&a8, a + i, 8);
		memcpy(&b8, b + i, 8);
		if (a8 != b8)
			return false;
	}
	for (; i < len; i++)
	{
		if (a[i] != b[i])
			return false;
	}
	return true;
}

/*
 * Return whether a memoized lookup has the same arguments as this call.
 */
static inline bool
lookup_matches(const FeatureLookup *lookup, FunctionCallInfo fcinfo,
			   const text *key)
{
	const text *id;

	if (lookup->key_length != VARSIZE_ANY_EXHDR(key) ||
		!same_bytes(lookup->key, VARDATA_ANY(key), lookup->key_length))
		return false;
	if (PG_ARGISNULL(1))
		return lookup->id_length < 0;

	id = get_text_argument(fcinfo, 1);
	return lookup->id_length == VARSIZE_ANY_EXHDR(id) &&
		same_bytes(lookup->id, VARDATA_ANY(id), lookup->id_length);
}

/*
 * Look up the feature named by the arguments, and memoize the lookup in
 * fn_extra for later calls.
 */
static bool
lookup_arguments(FunctionCallInfo fcinfo, const text *key)
{
	FeatureLookup *lookup = fcinfo->flinfo->fn_extra;
	int			key_length = VARSIZE_ANY_EXHDR(key);
	ScopeName	instance = argument_instance(fcinfo, 1);

	/* No feature has such a key, unless a constraint was dropped. */
	if (key_length > MAX_KEY_LENGTH)
		return lookup_enabled(VARDATA_ANY(key), key_length, &instance, false);

	if (lookup == NULL)
	{
		lookup = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt,
									sizeof(FeatureLookup));
		fcinfo->flinfo->fn_extra = lookup;
	}
	lookup_init(lookup, VARDATA_ANY(key), key_length, instance.id,
				PG_ARGISNULL(1) ? -1 : instance.len, false);
	return lookup_refresh(lookup);
}

/*
 * feature_enabled(feature, instance_id)
 */
Datum
feature_enabled(PG_FUNCTION_ARGS)
{
	FeatureLookup *lookup = fcinfo->flinfo->fn_extra;
	text	   *key;

	if (lookup == NULL)
		result_check_argument_count(fcinfo, 2);
	if (PG_ARGISNULL(0))
		report_null_argument("feature");
	key = get_text_argument(fcinfo, 0);

	if (lookup != NULL && lookup_is_current(lookup) &&
		lookup_matches(lookup, fcinfo, key))
	{
		cache_count_hit();
		PG_RETURN_BOOL(lookup->enabled);
	}
	PG_RETURN_BOOL(lookup_arguments(fcinfo, key));
}

/*
 * Get the effective state of a feature on an instance, both named by the
 * arguments (feature, instance_id).  Raises undefined_object, no_data_found
 * and invalid_parameter_value.
 */
static void
find_state(FunctionCallInfo fcinfo, FeatureState *state)
{
	ScopeName	name;
	text	   *key;
	ScopeChain	chain;
	int			feature;

	result_check_argument_count(fcinfo, 2);
	if (PG_ARGISNULL(0))
		report_null_argument("feature");
	name = argument_instance(fcinfo, 1);
	key = PG_GETARG_TEXT_PP(0);
	chain = argument_find_chain(&name);
	feature = definition_find(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	argument_require_feature(feature, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	effective_state(&chain, feature, state);
}

/*
 * feature_value(feature, instance_id)
 */
Datum
feature_value(PG_FUNCTION_ARGS)
{
	FeatureState state;

	find_state(fcinfo, &state);
	PG_RETURN_JSONB_P(json_copy(state.value));
}

/*
 * Return the effective value of a feature of a scalar type.  Raises
 * invalid_parameter_value if the feature has another type, or its stored value
 * does not conform to its type.  If "any_number" is true, "type" is "number",
 * and any type of numbers is accepted.
 */
static JsonbValue
find_scalar(FunctionCallInfo fcinfo, const ValueType *type, bool any_number)
{
	FeatureState state;
	const ValueType *own;
	JsonbValue	value;
	const char *violation;

	find_state(fcinfo, &state);
	own = state.definition->type;
	json_root_value(state.value, &value);
	if (own != type && !(any_number && own->is_number))
		report_type_mismatch(state.definition->key, own->name, type->name);
	violation = value_violation(&value, own, NULL);
	if (violation != NULL)
		report_bad_value(state.definition->key, own->name, violation);
	return value;
}

/*
 * feature_text(feature, instance_id)
 */
Datum
feature_text(PG_FUNCTION_ARGS)
{
	JsonbValue	value = find_scalar(fcinfo, value_type("string"), false);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(value.val.string.val,
											  value.val.string.len));
}

/*
 * feature_integer(feature, instance_id)
 */
Datum
feature_integer(PG_FUNCTION_ARGS)
{
	JsonbValue	value = find_scalar(fcinfo, value_type("integer"), false);

	return DirectFunctionCall1(numeric_int8,
							   NumericGetDatum(value.val.numeric));
}

/*
 * feature_number(feature, instance_id)
 */
Datum
feature_number(PG_FUNCTION_ARGS)
{
	JsonbValue	value = find_scalar(fcinfo, value_type("number"), true);

	return DirectFunctionCall1(numeric_uplus,
							   NumericGetDatum(value.val.numeric));
}

/*
 * instance_features_stats()
 */
Datum
instance_features_stats(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID};
	Datum		values[lengthof(types)];
	bool		nulls[lengthof(types)] = {false};
	int64		entries;
	Size		bytes = cache_memory(&entries);

	values[0] = Int64GetDatum(cache_stats.hits);
	values[1] = Int64GetDatum(cache_stats.loads);
	values[2] = Int64GetDatum(generation_invalidations);
	values[3] = Int64GetDatum(entries);
	values[4] = Int64GetDatum(bytes);
	return result_row(fcinfo, types, lengthof(types), values, nulls);
}
