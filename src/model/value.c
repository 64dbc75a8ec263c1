/*-------------------------------------------------------------------------
 *
 * value.c
 *	  Types of features, and the rules for their values.
 *
 * The rule: only this file decides whether a feature may have a value.  The
 * functions that decide it return NULL, or a sentence for the DETAIL of the
 * caller's report that says what is wrong.
 *
 * Values come from tenants, so every loop over a value can be canceled, and
 * none takes more than O(n log n) steps.  Elements are compared like jsonb:
 * 1 equals 1.0.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "model/elements.h"
#include "model/value.h"

/* How deeply arrays and objects may be nested in a value. */
#define MAX_VALUE_DEPTH 100

int			value_max_size;

/*
 * Return the VARSIZE that a value would have as a jsonb.  A scalar is stored
 * as an array of one element.
 */
static Size
jsonb_size(const JsonbValue *value)
{
	const Size	scalar_size = offsetof(Jsonb, root.children) + sizeof(JEntry);

	switch (value->type)
	{
		case jbvBinary:
			return VARHDRSZ + value->val.binary.len;
		case jbvString:
			return scalar_size + value->val.string.len;
		case jbvNumeric:
			return scalar_size + VARSIZE_ANY(value->val.numeric);
		default:
			return scalar_size;
	}
}

static bool
is_too_deep(const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	part;
	int			depth = 0;

	if (value->type != jbvBinary)
		return false;

	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &part, false)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
		{
			if (++depth > MAX_VALUE_DEPTH)
				return true;
		}
		else if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
			depth--;
	}
	return false;
}

/*
 * Return a sentence that says why a value, a default or a list of allowed
 * values is too large or too deeply nested to be accepted from a caller, or
 * NULL.  Stored values are not subject to this, because the limit may have
 * been different when they were set.
 */
const char *
value_limit_violation(const JsonbValue *value)
{
	Size		size = jsonb_size(value);
	Size		limit = (Size) value_max_size * 1024;

	if (size > limit)
		return psprintf("The size as jsonb is %zu bytes, but \"%s\" allows only %zu bytes.",
						size, "instance_features.max_value_size", limit);
	if (is_too_deep(value))
		return psprintf("Arrays and objects are nested more than %d levels deep.",
						MAX_VALUE_DEPTH);
	return NULL;
}

static bool
is_integral(Numeric number)
{
	Datum		datum = NumericGetDatum(number);
	Datum		floor = DirectFunctionCall1(numeric_floor, datum);

	return DatumGetBool(DirectFunctionCall2(numeric_eq, datum, floor));
}

static bool
fits_bigint(Numeric number)
{
	Datum		datum = NumericGetDatum(number);
	Datum		min = NumericGetDatum(int64_to_numeric(PG_INT64_MIN));
	Datum		max = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));

	return DatumGetBool(DirectFunctionCall2(numeric_ge, datum, min)) &&
		DatumGetBool(DirectFunctionCall2(numeric_le, datum, max));
}

static bool
is_written_as_integer(const JsonbValue *value)
{
	Datum		scale = DirectFunctionCall1(numeric_scale,
											NumericGetDatum(value->val.numeric));

	return DatumGetInt32(scale) == 0 && fits_bigint(value->val.numeric);
}

/* A number is an integer if it is whole, even if it is written as 1.0. */
static bool
is_whole(const JsonbValue *value)
{
	return is_integral(value->val.numeric);
}

static const char *
integer_range_violation(const JsonbValue *value)
{
	if (fits_bigint(value->val.numeric))
		return NULL;
	return psprintf("It is not in the range from %lld to %lld.",
					(long long) PG_INT64_MIN, (long long) PG_INT64_MAX);
}

/*
 * The types that features may have.  The type inferred from a value is the
 * first one that fits.
 */
static const ValueType value_types[] =
{
	{.name = "boolean",.jsonb_type = jbvBool},
	{.name = "string",.jsonb_type = jbvString,.has_allowed_values = true},
	{
		.name = "integer",.jsonb_type = jbvNumeric,
		.has_allowed_values = true,.is_inferred = is_written_as_integer,
		.conforms = is_whole,.range_violation = integer_range_violation,
		.is_number = true
	},
	{
		.name = "number",.jsonb_type = jbvNumeric,
		.has_allowed_values = true,.is_number = true
	},
	{.name = "object",.jsonb_type = jbvBinary},
	{
		.name = "array",.jsonb_type = jbvBinary,.is_array = true,
		.has_allowed_values = true
	}
};

/* The type of a definition with an invalid type, left by direct DML. */
static const ValueType no_type = {.name = "unknown",.jsonb_type = jbvNull};

/*
 * Return the type of that name, or a type without values if there is none.
 */
const ValueType *
value_type(const char *name)
{
	for (int i = 0; i < lengthof(value_types); i++)
	{
		if (strcmp(value_types[i].name, name) == 0)
			return &value_types[i];
	}

	return &no_type;
}

/*
 * Return whether there is a type of that name.
 */
bool
value_type_exists(const char *name)
{
	return value_type(name) != &no_type;
}

/*
 * Return the names of the types for a message: "boolean, string".
 */
char *
value_type_list(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(value_types); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 value_types[i].name);
	return names.data;
}

/* Return whether a value has the JSON type of a type's values. */
static bool
has_jsonb_type(const JsonbValue *value, const ValueType *type)
{
	return type != &no_type && value->type == type->jsonb_type &&
		(value->type != jbvBinary ||
		 JsonContainerIsArray(value->val.binary.data) == type->is_array);
}

/*
 * Return the feature type inferred from a value, or NULL for null.  A number
 * is an integer if it is written without a fraction and fits into a bigint.
 */
const ValueType *
value_infer_type(const JsonbValue *value)
{
	for (int i = 0; i < lengthof(value_types); i++)
	{
		const ValueType *type = &value_types[i];

		if (has_jsonb_type(value, type) &&
			(type->is_inferred == NULL || type->is_inferred(value)))
			return type;
	}

	return NULL;
}

static bool
conforms_to_type(const JsonbValue *value, const ValueType *type)
{
	return has_jsonb_type(value, type) &&
		(type->conforms == NULL || type->conforms(value));
}

/*
 * Return a sentence that says why a feature of this type, with these allowed
 * values (or NULL), cannot have a value, or NULL if it can.
 */
const char *
value_violation(const JsonbValue *value, const ValueType *type,
				const Jsonb *allowed_values)
{
	const char *violation = NULL;

	if (!conforms_to_type(value, type))
		return psprintf("It is %s, but the feature's type is %s.",
						json_type_name(value), type->name);
	if (type->range_violation != NULL)
		violation = type->range_violation(value);
	if (violation != NULL || allowed_values == NULL)
		return violation;
	if (type->is_array)
		return elements_violation(value->val.binary.data, allowed_values);

	/*
	 * The other types with allowed values are scalars.  Only direct DML can
	 * restrict an object, and an object cannot be searched for.
	 */
	if (value->type == jbvBinary ||
		findJsonbValueFromContainer(unconstify(JsonbContainer *,
											   &allowed_values->root),
									JB_FARRAY,
									unconstify(JsonbValue *, value)) == NULL)
		return psprintf("%s is not one of the allowed %s.",
						json_describe_value(value),
						json_describe(&allowed_values->root));
	return NULL;
}

/*
 * Return a sentence that says why a feature of this type cannot have these
 * allowed values, or NULL if it can.
 */
const char *
value_allowed_violation(const Jsonb *allowed_values, const ValueType *type)
{
	const JsonbContainer *array = &allowed_values->root;
	JsonbIterator *it;
	JsonbValue	value;

	if (!type->has_allowed_values)
		return psprintf("Features of type %s cannot have allowed values.",
						type->name);
	if (!JsonContainerIsArray(array) || JsonContainerIsScalar(array))
	{
		json_root_value(allowed_values, &value);
		return psprintf("They are %s, not an array.", json_type_name(&value));
	}
	if (JsonContainerSize(array) == 0)
		return "The array is empty.";

	it = json_begin_array(array);
	while (!type->is_array && json_next_element(&it, &value))
	{
		if (!conforms_to_type(&value, type))
			return psprintf("%s is %s, but the feature's type is %s.",
							json_describe_value(&value),
							json_type_name(&value), type->name);
	}
	return elements_violation(array, NULL);
}
