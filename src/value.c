/*-------------------------------------------------------------------------
 *
 * value.c
 *	  The values that a feature may have, and building JSON.
 *
 * The rule: whether a feature may have a value is decided here alone.  The
 * functions that decide it return NULL, or a sentence that says what is wrong,
 * for the DETAIL of the caller's report.
 *
 * Values come from tenants, so every loop over one can be cancelled, and none
 * takes more than n log n steps.  Elements are compared as jsonb compares
 * them: 1 equals 1.0.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "errors.h"
#include "value.h"

PG_FUNCTION_INFO_V1(feature_value_violation);

/* How deeply arrays and objects may be nested in a value. */
#define MAX_VALUE_DEPTH 100

int			max_value_size;

/* An element of an array, made ready for being compared. */
typedef struct Element
{
	JsonbContainer *value;		/* a scalar is in an array of its own */
	int			position;		/* in the array */
	bool		allowed;		/* for elements_violation() */
} Element;

/*
 * Add a string, which is not copied, to a value that is being built.
 */
void
push_string(JsonbBuilder *builder, JsonbIteratorToken token,
			const char *string)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	push_jsonb(builder, token, &value);
}

Jsonb *
make_boolean(bool value)
{
	JsonbValue	scalar;

	scalar.type = jbvBool;
	scalar.val.boolean = value;
	return JsonbValueToJsonb(&scalar);
}

Jsonb *
copy_jsonb(const Jsonb *jsonb)
{
	Jsonb	   *copy = palloc(VARSIZE(jsonb));

	memcpy(copy, jsonb, VARSIZE(jsonb));
	return copy;
}

/*
 * A whole value as a JsonbValue, which points into it.
 */
void
root_value(const Jsonb *jsonb, JsonbValue *value)
{
	JsonbContainer *root = unconstify(JsonbContainer *, &jsonb->root);

	if (JsonbExtractScalar(root, value))
		return;
	value->type = jbvBinary;
	value->val.binary.data = root;
	value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
}

/*
 * What a message calls the type of a JSON value.
 */
const char *
json_type_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ?
				"an array" : "an object";
		default:
			return "something else";
	}
}

/*
 * The number of bytes that a value takes as a jsonb of its own, its VARSIZE.
 * A scalar is stored as an array of one element.
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
 * Say why a value, a default or a list of allowed values is too large or too
 * deeply nested to be accepted from a caller.  Stored values are not subject
 * to this: the limit may have been another one when they were set.
 */
const char *
value_limit_violation(const JsonbValue *value)
{
	Size		size = jsonb_size(value);
	Size		limit = (Size) max_value_size * 1024;

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

/*
 * The feature type inferred from a value, NULL for null.  A number is an
 * integer if it is written without a fraction.
 */
const char *
infer_value_type(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return "string";
		case jbvBool:
			return "boolean";
		case jbvNumeric:
			return DatumGetInt32(DirectFunctionCall1(numeric_scale,
													 NumericGetDatum(value->val.numeric))) == 0 &&
				fits_bigint(value->val.numeric) ? "integer" : "number";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ?
				"array" : "object";
		default:
			return NULL;
	}
}

/* A number conforms to integer if it is whole, however it is written. */
static bool
conforms_to_type(const JsonbValue *value, const char *type)
{
	const char *inferred;

	if (value->type == jbvNumeric)
		return strcmp(type, "number") == 0 ||
			(strcmp(type, "integer") == 0 &&
			 is_integral(value->val.numeric));
	inferred = infer_value_type(value);
	return inferred != NULL && strcmp(type, inferred) == 0;
}

/*
 * A value as a container of its own, as comparing and printing want it.  That
 * of a scalar is in *scalar, which is palloc'd, else NULL.
 */
static JsonbContainer *
get_container(const JsonbValue *value, Jsonb **scalar)
{
	*scalar = NULL;
	if (value->type == jbvBinary)
		return value->val.binary.data;
	*scalar = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	return &(*scalar)->root;
}

/* A value as text for a message. */
static char *
describe_container(const JsonbContainer *value)
{
	char	   *text = JsonbToCString(NULL, unconstify(JsonbContainer *, value),
									  -1);

	return clip_name(text, strlen(text));
}

static char *
describe_value(const JsonbValue *value)
{
	Jsonb	   *scalar;

	return describe_container(get_container(value, &scalar));
}

static JsonbIterator *
begin_array(const JsonbContainer *array)
{
	JsonbIterator *it = JsonbIteratorInit(unconstify(JsonbContainer *, array));
	JsonbValue	value;

	(void) JsonbIteratorNext(&it, &value, true);
	return it;
}

/*
 * Get the next element of an array.  False at its end.
 */
static bool
next_element(JsonbIterator **it, JsonbValue *element)
{
	CHECK_FOR_INTERRUPTS();
	return JsonbIteratorNext(it, element, true) == WJB_ELEM;
}

static int
compare_values(const void *a, const void *b)
{
	CHECK_FOR_INTERRUPTS();
	return compareJsonbContainers(((const Element *) a)->value,
								  ((const Element *) b)->value);
}

/* Equal elements in the order that they have in the array. */
static int
compare_elements(const void *a, const void *b)
{
	int			cmp = compare_values(a, b);

	return cmp != 0 ? cmp :
		((const Element *) a)->position - ((const Element *) b)->position;
}

/*
 * The elements of an array, sorted.
 */
static Element *
sort_elements(const JsonbContainer *array)
{
	Element    *elements = palloc_extended(sizeof(Element) *
										   Max(JsonContainerSize(array), 1),
										   MCXT_ALLOC_HUGE);
	JsonbIterator *it = begin_array(array);
	JsonbValue	value;
	Jsonb	   *scalar;
	int			count = 0;

	while (next_element(&it, &value))
	{
		elements[count].value = get_container(&value, &scalar);
		elements[count].position = count;
		elements[count].allowed = false;
		count++;
	}
	qsort(elements, count, sizeof(Element), compare_elements);
	return elements;
}

/*
 * Find the first element of an array that equals one before it, given the
 * sorted elements.  NULL if there is none.
 */
static const Element *
first_duplicate(const Element *elements, int count)
{
	const Element *first = NULL;

	for (int i = 1; i < count; i++)
	{
		if ((first == NULL || elements[i].position < first->position) &&
			compare_values(&elements[i - 1], &elements[i]) == 0)
			first = &elements[i];
	}
	return first;
}

/*
 * Find the first element of an array that is not one of the allowed values,
 * given the sorted elements, no two of which are equal.  NULL if there is none.
 */
static const Element *
first_not_allowed(Element *elements, int count, const Jsonb *allowed_values)
{
	JsonbIterator *it = begin_array(&allowed_values->root);
	JsonbValue	value;
	const Element *first = NULL;

	while (next_element(&it, &value))
	{
		Jsonb	   *scalar;
		Element		allowed = {.value = get_container(&value, &scalar)};
		Element    *element = bsearch(&allowed, elements, count,
									  sizeof(Element), compare_values);

		if (element != NULL)
			element->allowed = true;
		if (scalar != NULL)
			pfree(scalar);
	}

	for (int i = 0; i < count; i++)
	{
		if (!elements[i].allowed &&
			(first == NULL || elements[i].position < first->position))
			first = &elements[i];
	}
	return first;
}

/*
 * Say which element of an array is in it twice, or is not one of the allowed
 * values; these may be NULL, for no restriction.
 */
static const char *
elements_violation(const JsonbContainer *array, const Jsonb *allowed_values)
{
	int			count = JsonContainerSize(array);
	Element    *elements = sort_elements(array);
	const Element *element = first_duplicate(elements, count);

	if (element != NULL)
		return psprintf("Duplicate element %s.",
						describe_container(element->value));
	if (allowed_values == NULL)
		return NULL;

	element = first_not_allowed(elements, count, allowed_values);
	if (element != NULL)
		return psprintf("The element %s is not one of the allowed %s.",
						describe_container(element->value),
						describe_container(&allowed_values->root));
	return NULL;
}

/*
 * Say why a feature of this type, with these allowed values (or NULL), cannot
 * have a value.
 */
const char *
value_violation(const JsonbValue *value, const char *type,
				const Jsonb *allowed_values)
{
	if (!conforms_to_type(value, type))
		return psprintf("It is %s, but the feature's type is %s.",
						json_type_name(value), type);
	if (strcmp(type, "integer") == 0 && !fits_bigint(value->val.numeric))
		return psprintf("It is not in the range from %lld to %lld.",
						(long long) PG_INT64_MIN, (long long) PG_INT64_MAX);
	if (allowed_values == NULL)
		return NULL;
	if (strcmp(type, "array") == 0)
		return elements_violation(value->val.binary.data, allowed_values);

	/* Features of the other types that have allowed values are scalars. */
	if (findJsonbValueFromContainer(unconstify(JsonbContainer *,
											   &allowed_values->root),
									JB_FARRAY,
									unconstify(JsonbValue *, value)) == NULL)
		return psprintf("%s is not one of the allowed %s.",
						describe_value(value),
						describe_container(&allowed_values->root));
	return NULL;
}

/*
 * Say why a feature of this type cannot have these allowed values.
 */
const char *
allowed_values_violation(const Jsonb *allowed_values, const char *type)
{
	const JsonbContainer *array = &allowed_values->root;
	JsonbIterator *it;
	JsonbValue	value;

	if (strcmp(type, "boolean") == 0 || strcmp(type, "object") == 0)
		return psprintf("Features of type %s cannot have allowed values.",
						type);
	if (!JsonContainerIsArray(array) || JsonContainerIsScalar(array))
	{
		root_value(allowed_values, &value);
		return psprintf("They are %s, not an array.", json_type_name(&value));
	}
	if (JsonContainerSize(array) == 0)
		return "The array is empty.";

	it = begin_array(array);
	while (strcmp(type, "array") != 0 && next_element(&it, &value))
	{
		if (!conforms_to_type(&value, type))
			return psprintf("%s is %s, but the feature's type is %s.",
							describe_value(&value),
							json_type_name(&value), type);
	}
	return elements_violation(array, NULL);
}

/*
 * feature_value_violation(value, value_type, allowed_values): for
 * check_instance_features().
 */
Datum
feature_value_violation(PG_FUNCTION_ARGS)
{
	JsonbValue	value;
	const char *violation;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	root_value(PG_GETARG_JSONB_P(0), &value);
	violation = value_violation(&value,
								text_to_cstring(PG_GETARG_TEXT_PP(1)),
								PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2));
	if (violation == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(violation));
}
