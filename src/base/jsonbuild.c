/*-------------------------------------------------------------------------
 *
 * jsonbuild.c
 *	  Building and taking apart jsonb.
 *
 * A JSON value is handled as a JsonbValue, which points into a Jsonb.  The
 * caller keeps that as long as the JsonbValue is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "base/jsonbuild.h"

/*
 * Add a string, which is not copied, to a value that is being built.
 */
void
json_push_string(JsonbBuilder *builder, JsonbIteratorToken token,
				 const char *string)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	push_jsonb(builder, token, &value);
}

Jsonb *
json_make_boolean(bool value)
{
	JsonbValue	scalar;

	scalar.type = jbvBool;
	scalar.val.boolean = value;
	return JsonbValueToJsonb(&scalar);
}

Jsonb *
json_copy(const Jsonb *jsonb)
{
	Jsonb	   *copy = palloc(VARSIZE(jsonb));

	memcpy(copy, jsonb, VARSIZE(jsonb));
	return copy;
}

/*
 * A whole value as a JsonbValue, which points into it.
 */
void
json_root_value(const Jsonb *jsonb, JsonbValue *value)
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
 * A value as a container of its own, as comparing and printing want it.  That
 * of a scalar is in *scalar, which is palloc'd, else NULL.
 */
JsonbContainer *
json_container(const JsonbValue *value, Jsonb **scalar)
{
	*scalar = NULL;
	if (value->type == jbvBinary)
		return value->val.binary.data;
	*scalar = JsonbValueToJsonb(unconstify(JsonbValue *, value));
	return &(*scalar)->root;
}

/* A value as text for a message. */
char *
json_describe(const JsonbContainer *value)
{
	char	   *text = JsonbToCString(NULL, unconstify(JsonbContainer *, value),
									  -1);

	return error_clip_name(text, strlen(text));
}

char *
json_describe_value(const JsonbValue *value)
{
	Jsonb	   *scalar;

	return json_describe(json_container(value, &scalar));
}

JsonbIterator *
json_begin_array(const JsonbContainer *array)
{
	JsonbIterator *it = JsonbIteratorInit(unconstify(JsonbContainer *, array));
	JsonbValue	value;

	(void) JsonbIteratorNext(&it, &value, true);
	return it;
}

/*
 * Get the next element of an array.  False at its end.
 */
bool
json_next_element(JsonbIterator **it, JsonbValue *element)
{
	CHECK_FOR_INTERRUPTS();
	return JsonbIteratorNext(it, element, true) == WJB_ELEM;
}
