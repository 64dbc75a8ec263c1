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

#include "api/get.h"
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
PG_FUNCTION_INFO_V1(get_effective_features);
PG_FUNCTION_INFO_V1(instance_features_stats);

/*
 * Find the scopes of a chain for effective values.  Raises no_data_found if the
 * instance does not exist.
 */
static void
find_values(ScopeChain *chain)
{
	if (!cache_find_values(chain))
		report_scope_not_found(&chain->names[chain->length - 2]);
}

/*
 * get_*_features(inheritance, id, instance_id)
 */
static Datum
get_features(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeChain	chain;
	bool		inheritance;
	ReturnSetInfo *rsinfo;

	result_check_argument_count(fcinfo, 1 + level_arguments(level));
	chain = argument_chain(fcinfo, 1, level);
	inheritance = argument_boolean(fcinfo, 0, "inheritance");
	rsinfo = result_begin_states(fcinfo);
	if (inheritance)
		find_values(&chain);
	else
		context_find(&chain);

	states_read(&chain, inheritance, result_emit_state, rsinfo);
	return (Datum) 0;
}

LEVEL_READER(get_system_features, get_features, LEVEL_SYSTEM);
LEVEL_READER(get_instance_features, get_features, LEVEL_INSTANCE);
LEVEL_READER(get_organization_features, get_features, LEVEL_ORGANIZATION);
LEVEL_READER(get_user_features, get_features, LEVEL_USER);

/*
 * get_effective_features(instance_id, organization_id, user_id)
 */
Datum
get_effective_features(PG_FUNCTION_ARGS)
{
	NamedIds	named;
	ScopeChain	chain;
	ReturnSetInfo *rsinfo;

	result_check_argument_count(fcinfo, 3);
	named = argument_context(fcinfo, 0);
	chain = context_chain(&named, CONTEXT_LEVEL);
	rsinfo = result_begin_states(fcinfo);
	find_values(&chain);

	states_read(&chain, true, result_emit_state, rsinfo);
	return (Datum) 0;
}

/*
 * get_*_feature_details(id, instance_id)
 */
static Datum
get_feature_details(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeChain	chain;
	FeatureDetails details;

	result_check_argument_count(fcinfo, level_arguments(level));
	chain = argument_chain(fcinfo, 0, level);
	context_find(&chain);
	details = result_scope_details(&chain.names[0], &chain.scopes[0]->row);
	return result_details(fcinfo, &details);
}

LEVEL_READER(get_system_feature_details, get_feature_details, LEVEL_SYSTEM);
LEVEL_READER(get_instance_feature_details, get_feature_details, LEVEL_INSTANCE);
LEVEL_READER(get_organization_feature_details, get_feature_details, LEVEL_ORGANIZATION);
LEVEL_READER(get_user_feature_details, get_feature_details, LEVEL_USER);

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
 * Return whether an argument is the id of a memoized lookup.  If the id does
 * not matter, it only has to be as valid as that one, which a current id may
 * not be where another one was named.
 */
static inline bool
id_matches(const LookupId *id, FunctionCallInfo fcinfo, int argno, bool matters)
{
	const text *value;
	int			length;

	if (PG_ARGISNULL(argno))
		return id->length < 0;

	value = get_text_argument(fcinfo, argno);
	length = VARSIZE_ANY_EXHDR(value);
	if (!matters)
		return length > 0 && length <= MAX_SCOPE_ID_LENGTH;
	return id->length == length &&
		same_bytes(id->id, VARDATA_ANY(value), length);
}

/*
 * Return whether a memoized lookup has the same arguments as this call.
 */
static inline bool
lookup_matches(const FeatureLookup *lookup, FunctionCallInfo fcinfo,
			   const text *key)
{
	const LookupId *ids = lookup->ids;
	bool		lower = lookup->has_lower_levels;

	return lookup->key_length == VARSIZE_ANY_EXHDR(key) &&
		same_bytes(lookup->key, VARDATA_ANY(key), lookup->key_length) &&
		id_matches(&ids[LEVEL_INSTANCE], fcinfo, ARGUMENT_INSTANCE, true) &&
		id_matches(&ids[LEVEL_ORGANIZATION], fcinfo, ARGUMENT_ORGANIZATION,
				   lower) &&
		id_matches(&ids[LEVEL_USER], fcinfo, ARGUMENT_USER, lower);
}

/*
 * Look up the feature named by the arguments, and memoize the lookup in
 * fn_extra for later calls.
 */
static LookupResult
lookup_arguments(FunctionCallInfo fcinfo, const text *key)
{
	FeatureLookup *lookup = fcinfo->flinfo->fn_extra;
	int			key_length = VARSIZE_ANY_EXHDR(key);
	NamedIds	named = argument_context(fcinfo, ARGUMENT_INSTANCE);
	MissingPolicy missing = PG_ARGISNULL(ARGUMENT_FALLBACK) ?
	MISSING_NOTHING : MISSING_FEATURE;

	/* No feature has such a key, unless a constraint was dropped. */
	if (key_length > MAX_KEY_LENGTH)
		return lookup_enabled(VARDATA_ANY(key), key_length, &named, missing);

	for (int level = LEVEL_INSTANCE; level <= CONTEXT_LEVEL; level++)
	{
		/* All else is checked when the id is used. */
		if (named.ids[level].len > MAX_SCOPE_ID_LENGTH)
			context_check_id(level, named.ids[level].id, named.ids[level].len);
	}
	if (lookup == NULL)
	{
		lookup = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
										sizeof(FeatureLookup));
		fcinfo->flinfo->fn_extra = lookup;
	}
	lookup_init(lookup, VARDATA_ANY(key), key_length, &named, missing);
	return lookup_refresh(lookup);
}

/*
 * feature_enabled(feature, instance_id, organization_id, user_id, fallback)
 */
Datum
feature_enabled(PG_FUNCTION_ARGS)
{
	FeatureLookup *lookup = fcinfo->flinfo->fn_extra;
	text	   *key;
	LookupResult result;

	if (lookup == NULL)
		result_check_argument_count(fcinfo, NUM_ARGUMENTS);
	if (PG_ARGISNULL(ARGUMENT_FEATURE))
		report_null_argument("feature");
	key = get_text_argument(fcinfo, ARGUMENT_FEATURE);

	if (lookup != NULL && lookup_is_current(lookup) &&
		lookup_matches(lookup, fcinfo, key) &&
		likely(lookup->result != LOOKUP_MISSING))
	{
		cache_count_hit();
		PG_RETURN_BOOL(lookup->result == LOOKUP_TRUE);
	}
	result = lookup_arguments(fcinfo, key);
	PG_RETURN_BOOL(result == LOOKUP_MISSING ?
				   PG_GETARG_BOOL(ARGUMENT_FALLBACK) : result == LOOKUP_TRUE);
}

/*
 * Get the effective state of a feature in a context, named by the arguments
 * like those of feature_enabled().  Returns false if the feature is not defined
 * and there is a fallback.  Raises undefined_object, no_data_found and
 * invalid_parameter_value.
 */
static bool
find_state(FunctionCallInfo fcinfo, FeatureState *state)
{
	NamedIds	named;
	text	   *key;
	ScopeChain	chain;
	int			feature;

	result_check_argument_count(fcinfo, NUM_ARGUMENTS);
	if (PG_ARGISNULL(ARGUMENT_FEATURE))
		report_null_argument("feature");
	named = argument_context(fcinfo, ARGUMENT_INSTANCE);
	key = PG_GETARG_TEXT_PP(ARGUMENT_FEATURE);
	feature = lookup_find(&named, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
						  &chain);
	if (chain.length == 0)
	{
		chain = context_chain(&named, LEVEL_INSTANCE);
		report_scope_not_found(&chain.names[0]);
	}
	if (feature < 0 && !PG_ARGISNULL(ARGUMENT_FALLBACK))
		return false;
	argument_require_feature(feature, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	effective_state(&chain, feature, state);
	return true;
}

/*
 * feature_value(feature, instance_id, organization_id, user_id, fallback)
 */
Datum
feature_value(PG_FUNCTION_ARGS)
{
	FeatureState state;

	if (!find_state(fcinfo, &state))
		PG_RETURN_DATUM(PG_GETARG_DATUM(ARGUMENT_FALLBACK));
	PG_RETURN_JSONB_P(json_copy(state.value));
}

/*
 * Get the effective value of a feature of a scalar type.  Returns false if the
 * feature is not defined and there is a fallback.  Raises
 * invalid_parameter_value if the feature has another type, or its stored value
 * does not conform to its type.  If "any_number" is true, "type" is "number",
 * and any type of numbers is accepted.
 */
static bool
find_scalar(FunctionCallInfo fcinfo, const ValueType *type, bool any_number,
			JsonbValue *value)
{
	FeatureState state;
	const ValueType *own;
	const char *violation;

	if (!find_state(fcinfo, &state))
		return false;
	own = state.definition->type;
	json_root_value(state.value, value);
	if (own != type && !(any_number && own->is_number))
		report_type_mismatch(state.definition->key, own->name, type->name);
	violation = value_violation(value, own, NULL);
	if (violation != NULL)
		report_bad_value(state.definition->key, own->name, violation);
	return true;
}

/*
 * feature_text(feature, instance_id, organization_id, user_id, fallback)
 */
Datum
feature_text(PG_FUNCTION_ARGS)
{
	JsonbValue	value;

	if (!find_scalar(fcinfo, value_type("string"), false, &value))
		PG_RETURN_DATUM(PG_GETARG_DATUM(ARGUMENT_FALLBACK));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(value.val.string.val,
											  value.val.string.len));
}

/*
 * feature_integer(feature, instance_id, organization_id, user_id, fallback)
 */
Datum
feature_integer(PG_FUNCTION_ARGS)
{
	JsonbValue	value;

	if (!find_scalar(fcinfo, value_type("integer"), false, &value))
		PG_RETURN_DATUM(PG_GETARG_DATUM(ARGUMENT_FALLBACK));
	return DirectFunctionCall1(numeric_int8,
							   NumericGetDatum(value.val.numeric));
}

/*
 * feature_number(feature, instance_id, organization_id, user_id, fallback)
 */
Datum
feature_number(PG_FUNCTION_ARGS)
{
	JsonbValue	value;

	if (!find_scalar(fcinfo, value_type("number"), true, &value))
		PG_RETURN_DATUM(PG_GETARG_DATUM(ARGUMENT_FALLBACK));
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
