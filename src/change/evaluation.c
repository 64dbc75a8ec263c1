/*-------------------------------------------------------------------------
 *
 * evaluation.c
 *	  What OpenFeature calls the evaluation of a feature.
 *
 * The rule: an evaluation has all members, because some clients need those that
 * the protocol says are optional, and its metadata are strings and numbers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "change/evaluation.h"
#include "change/serviceresponse.h"

/* The longest string, in bytes, that is its own variant. */
#define MAX_VARIANT_LENGTH 200

static const char *
source_name(const FeatureState *state)
{
	return state->source == SOURCE_DEFAULT ? "default" : level_name(state->source);
}

/*
 * Return why a feature has its value.  Below the instance, the context of the
 * evaluation decides.
 */
static const char *
reason(const FeatureState *state)
{
	if (state->definition->removed)
		return "DISABLED";
	if (state->source == SOURCE_DEFAULT)
		return "DEFAULT";
	if (state->share != NO_SHARE)
		return "SPLIT";
	return level_is_in_instance(state->source) ? "TARGETING_MATCH" : "STATIC";
}

/*
 * Round a number to "scale" decimals.
 */
static Numeric
round_numeric(Numeric number, int scale)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_round,
											   NumericGetDatum(number),
											   Int32GetDatum(scale)));
}

static bool
is_written_whole(Numeric number)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_scale,
											 NumericGetDatum(number))) == 0;
}

/*
 * Get the value of a feature as it is sent.  Clients tell floating-point numbers
 * from integers by how they are written, so that a number has a fraction, as in
 * 10.0, and an integer has none.
 */
static void
sent_value(const FeatureState *state, JsonbValue *value)
{
	const ValueType *type = state->definition->type;

	json_root_value(state->value, value);
	if (value->type != jbvNumeric)
		return;
	if (type == value_type("integer"))
		value->val.numeric = round_numeric(value->val.numeric, 0);
	else if (type == value_type("number") &&
			 is_written_whole(value->val.numeric))
		value->val.numeric = round_numeric(value->val.numeric, 1);
}

/*
 * Return the name of a value: "on" or "off", or a number or short string itself.
 * Others have no short name, and are called by their source.
 */
static const char *
variant(const FeatureState *state, const JsonbValue *value)
{
	if (value->type == jbvBool)
		return value->val.boolean ? "on" : "off";
	if (value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric)));
	if (value->type == jbvString && value->val.string.len > 0 &&
		value->val.string.len <= MAX_VARIANT_LENGTH)
		return pnstrdup(value->val.string.val, value->val.string.len);
	return source_name(state);
}

/*
 * Push the evaluation of a feature whose state was found in the context of an
 * instance, which is its flag set:
 *
 *	{"key": "beta", "value": true, "reason": "STATIC", "variant": "on",
 *	 "metadata": {"source": "instance", "sequence": 3, "flagSetId": "acme",
 *				  "version": "instance:3"}}
 */
void
evaluation_push(JsonbBuilder *builder, const FeatureState *state,
				const char *flag_set)
{
	const char *source = source_name(state);
	const char *version = source;
	JsonbValue	value;

	sent_value(state, &value);
	push_jsonb(builder, WJB_BEGIN_OBJECT, NULL);
	serviceresponse_push_string(builder, "key", state->definition->key);
	json_push_string(builder, WJB_KEY, "value");
	push_jsonb(builder, WJB_VALUE, &value);
	serviceresponse_push_string(builder, "reason", reason(state));
	serviceresponse_push_string(builder, "variant", variant(state, &value));

	json_push_string(builder, WJB_KEY, "metadata");
	push_jsonb(builder, WJB_BEGIN_OBJECT, NULL);
	serviceresponse_push_string(builder, "source", source);
	if (state->source != SOURCE_DEFAULT)
	{
		serviceresponse_push_integer(builder, "sequence", state->sequence);
		version = psprintf("%s:%lld", source, (long long) state->sequence);
	}
	serviceresponse_push_string(builder, "flagSetId", flag_set);
	serviceresponse_push_string(builder, "version", version);
	push_jsonb(builder, WJB_END_OBJECT, NULL);
	push_jsonb(builder, WJB_END_OBJECT, NULL);
}
