/*-------------------------------------------------------------------------
 *
 * value.c
 *	  The values that a feature may have, and building JSON.
 *
 * The rule: whether a value is one of a feature's is decided here alone, and
 * told as a sentence for the DETAIL of whatever report the caller makes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "errors.h"
#include "value.h"

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
 * What a message calls a JSON value.
 */
const char *
json_type_words(const JsonbValue *value)
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
 * The type that a value has where nobody says more, NULL for null.  A number
 * is an integer if it is written without a fraction.
 */
const char *
own_type(const JsonbValue *value)
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

static bool
has_type(const JsonbValue *value, const char *type)
{
	const char *own;

	if (value->type == jbvNumeric)
		return strcmp(type, "number") == 0 ||
			(strcmp(type, "integer") == 0 &&
			 is_integral(value->val.numeric));
	own = own_type(value);
	return own != NULL && strcmp(type, own) == 0;
}

static Jsonb *
make_jsonb(const JsonbValue *value)
{
	return JsonbValueToJsonb(unconstify(JsonbValue *, value));
}

/* A value as text for a message. */
static char *
value_words(const Jsonb *value)
{
	char	   *text = JsonbToCString(NULL,
									  unconstify(JsonbContainer *, &value->root),
									  VARSIZE(value));

	return clip_name(text, strlen(text));
}

/* The element of an array that begins to be read; NULL at its end. */
static Jsonb *
next_element(JsonbIterator **it)
{
	JsonbValue	element;

	if (JsonbIteratorNext(it, &element, true) != WJB_ELEM)
		return NULL;
	return make_jsonb(&element);
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
 * How many of the first "limit" elements of an array equal a value; a negative
 * limit is none.
 */
static int
count_equal(const JsonbContainer *array, const Jsonb *value, int limit)
{
	JsonbIterator *it = begin_array(array);
	Jsonb	   *element;
	int			count = 0;

	for (int i = 0; i != limit && (element = next_element(&it)) != NULL; i++)
	{
		if (compareJsonbContainers(&element->root,
								   unconstify(JsonbContainer *,
											  &value->root)) == 0)
			count++;
	}
	return count;
}

/*
 * Why an array has an element that "allowed_values" (or NULL, for no
 * restriction) does not have, or one twice.  NULL if it has neither.
 */
static const char *
elements_misfit(const JsonbContainer *array, const Jsonb *allowed_values)
{
	JsonbIterator *it = begin_array(array);
	Jsonb	   *element;

	for (int i = 0; (element = next_element(&it)) != NULL; i++)
	{
		if (allowed_values != NULL &&
			count_equal(&allowed_values->root, element, -1) == 0)
			return psprintf("The element %s is not one of the allowed %s.",
							value_words(element), value_words(allowed_values));
		if (count_equal(array, element, i) > 0)
			return psprintf("The element %s is there more than once.",
							value_words(element));
	}
	return NULL;
}

/*
 * Why a feature of this type, with these allowed values (or NULL), can not
 * have the value: a sentence.  NULL if it can.
 */
const char *
value_misfit(const JsonbValue *value, const char *type,
			 const Jsonb *allowed_values)
{
	if (!has_type(value, type))
		return psprintf("It is %s, but the feature's type is %s.",
						json_type_words(value), type);
	if (strcmp(type, "integer") == 0 && !fits_bigint(value->val.numeric))
		return psprintf("It is not in the range from %lld to %lld.",
						(long long) PG_INT64_MIN, (long long) PG_INT64_MAX);
	if (allowed_values == NULL)
		return NULL;
	if (strcmp(type, "array") == 0)
		return elements_misfit(value->val.binary.data, allowed_values);
	if (count_equal(&allowed_values->root, make_jsonb(value), -1) == 0)
		return psprintf("%s is not one of the allowed %s.",
						value_words(make_jsonb(value)),
						value_words(allowed_values));
	return NULL;
}

/*
 * Why a feature of this type can not have these allowed values, NULL if it
 * can.
 */
const char *
allowed_values_misfit(const Jsonb *allowed_values, const char *type)
{
	const JsonbContainer *array = &allowed_values->root;
	JsonbIterator *it;
	Jsonb	   *element;

	if (strcmp(type, "boolean") == 0 || strcmp(type, "object") == 0)
		return psprintf("A feature of type %s can not have any.", type);
	if (!JsonContainerIsArray(array) || JsonContainerIsScalar(array))
	{
		JsonbValue	value;

		root_value(allowed_values, &value);
		return psprintf("They are %s, not an array.", json_type_words(&value));
	}
	if (JsonContainerSize(array) == 0)
		return "The array is empty.";

	it = begin_array(array);
	while (strcmp(type, "array") != 0 && (element = next_element(&it)) != NULL)
	{
		JsonbValue	value;

		root_value(element, &value);
		if (!has_type(&value, type))
			return psprintf("%s is %s, but the feature's type is %s.",
							value_words(element), json_type_words(&value),
							type);
	}
	return elements_misfit(array, NULL);
}
