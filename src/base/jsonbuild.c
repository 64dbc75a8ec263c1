/*-------------------------------------------------------------------------
 *
 * jsonbuild.c
 *	  Building, copying and iterating over jsonb.
 *
 * The rule: a JsonbValue points into a Jsonb, which must live as long as the
 * JsonbValue is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/jsonbuild.h"

/*
 * Add a string to a value that is being built.  The string is not copied.
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

/*
 * Return a palloc'd boolean.
 */
Jsonb *
json_make_boolean(bool value)
{
	JsonbValue	scalar;

	scalar.type = jbvBool;
	scalar.val.boolean = value;
	return JsonbValueToJsonb(&scalar);
}

/*
 * Return a palloc'd copy.
 */
Jsonb *
json_copy(const Jsonb *jsonb)
{
	Jsonb	   *copy = palloc(VARSIZE(jsonb));

	memcpy(copy, jsonb, VARSIZE(jsonb));
	return copy;
}

/*
 * Convert a whole Jsonb into a JsonbValue that points into it.
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
 * Return the name of a JSON value's type, with its article, for a message.
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
 * Return a value as a container, which comparing and printing require.  For a
 * scalar, *scalar is set to the palloc'd Jsonb of the container, else to NULL.
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

/*
 * Return a value as palloc'd text for a message, truncated if it is long.
 */
char *
json_describe(const JsonbContainer *value)
{
	char	   *text = JsonbToCString(NULL, unconstify(JsonbContainer *, value),
									  -1);

	return error_clip_name(text, strlen(text));
}

/*
 * The same for a JsonbValue.
 */
char *
json_describe_value(const JsonbValue *value)
{
	Jsonb	   *scalar;

	return json_describe(json_container(value, &scalar));
}

/*
 * Add a field to an object.  The name is not copied, and neither is what the
 * value points to, which must not be of type jbvBinary.
 */
void
json_add_field(JsonFields *fields, const char *name, const JsonbValue *value)
{
	JsonbPair  *pair;

	if (fields->count == fields->capacity)
	{
		fields->capacity = Max(fields->capacity * 2, 8);
		fields->pairs = fields->pairs == NULL ?
			palloc(fields->capacity * sizeof(JsonbPair)) :
			repalloc_huge(fields->pairs, fields->capacity * sizeof(JsonbPair));
	}
	pair = &fields->pairs[fields->count++];
	pair->key.type = jbvString;
	pair->key.val.string.val = unconstify(char *, name);
	pair->key.val.string.len = strlen(name);
	pair->value = *value;
	pair->order = fields->count;
}

/* Compare fields as an object has them: by the length of the name first. */
static int
compare_fields(const void *a, const void *b)
{
	const JsonbValue *left = &((const JsonbPair *) a)->key;
	const JsonbValue *right = &((const JsonbPair *) b)->key;

	CHECK_FOR_INTERRUPTS();
	if (left->val.string.len != right->val.string.len)
		return left->val.string.len > right->val.string.len ? 1 : -1;
	return memcmp(left->val.string.val, right->val.string.val,
				  left->val.string.len);
}

/*
 * Return an object with these fields, and begin a new one.  Of fields with the
 * same name, one remains.
 */
JsonbValue
json_take_fields(JsonFields *fields)
{
	JsonbValue	object;
	JsonbPair  *pairs = NULL;
	int			count = 0;

	if (fields->count > 0)
	{
		qsort(fields->pairs, fields->count, sizeof(JsonbPair), compare_fields);
		pairs = MemoryContextAllocHuge(CurrentMemoryContext,
									   fields->count * sizeof(JsonbPair));
	}
	for (Size i = 0; i < fields->count; i++)
	{
		if (count == 0 ||
			compare_fields(&pairs[count - 1], &fields->pairs[i]) != 0)
			pairs[count++] = fields->pairs[i];
	}
	fields->count = 0;

	object.type = jbvObject;
	object.val.object.nPairs = count;
	object.val.object.pairs = pairs;
	return object;
}

/*
 * Return a value as it can be a part of an object that is being built.
 */
JsonbValue
json_unpack(const JsonbValue *value)
{
	JsonbBuilder builder = {0};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	part;

	if (value->type != jbvBinary)
		return *value;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &part, false)) != WJB_DONE)
		push_jsonb(&builder, token,
				   token < WJB_BEGIN_ARRAY ? &part : NULL);

	/* A container has an end, where it becomes the result. */
	if (builder.result == NULL)
		pg_unreachable();
	return *builder.result;
}

/*
 * Begin to iterate over the elements of an array.
 */
JsonbIterator *
json_begin_array(const JsonbContainer *array)
{
	JsonbIterator *it = JsonbIteratorInit(unconstify(JsonbContainer *, array));
	JsonbValue	value;

	(void) JsonbIteratorNext(&it, &value, true);
	return it;
}

/*
 * Get the next element of an array.  Returns false at its end.
 */
bool
json_next_element(JsonbIterator **it, JsonbValue *element)
{
	CHECK_FOR_INTERRUPTS();
	return JsonbIteratorNext(it, element, true) == WJB_ELEM;
}
