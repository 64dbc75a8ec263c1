/*-------------------------------------------------------------------------
 *
 * request.c
 *	  From a jsonb request to a validated list of changes.
 *
 * The rule: a bad request raises invalid_parameter_value and names what is
 * wrong; no table is written before the whole request was found good.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "cache.h"
#include "errors.h"
#include "request.h"

/*
 * What a message calls a JSON value.
 */
static const char *
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
		case jbvArray:
			return "an array";
		case jbvObject:
			return "an object";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ?
				"an array" : "an object";
		default:
			return "something else";
	}
}

/*
 * Whether a value may be given to a feature of a type.
 */
static bool
value_has_type(const JsonbValue *value, const char *type)
{
	switch (value->type)
	{
		case jbvBool:
			return strcmp(type, "boolean") == 0;
		case jbvString:
			return strcmp(type, "string") == 0;
		case jbvNumeric:
			if (strcmp(type, "integer") == 0)
			{
				Datum		number = NumericGetDatum(value->val.numeric);
				Datum		floor = DirectFunctionCall1(numeric_floor, number);

				return DatumGetBool(DirectFunctionCall2(numeric_eq, number,
														floor));
			}
			return strcmp(type, "number") == 0;
		case jbvBinary:
			return strcmp(type, JsonContainerIsArray(value->val.binary.data) ?
						  "array" : "object") == 0;
		default:
			return false;
	}
}

/*
 * The number of the feature that a field names by its JSON name or key.
 */
static int
find_field(const char *field, int len)
{
	int			feature = cache_find_json_name(field, len);

	if (feature < 0)
		feature = cache_find_feature(field, len);
	if (feature < 0)
	{
		const char *nearest = cache_nearest_field(field, len);

		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown feature \"%s\"", clip_name(field, len)),
				 nearest ? errhint("Perhaps you meant \"%s\".", nearest) :
				 errhint("get_system_features(true) lists the features.")));
	}

	return feature;
}

/*
 * The changes that a request asks for, a list of RequestedChange ordered by
 * key.  The definitions are those of the scope found last in the cache.
 */
List *
parse_request(const Jsonb *features)
{
	const FeatureDefinition *definitions;
	int			ndefinitions;
	RequestedChange *changes;
	JsonbIterator *it;
	JsonbValue	field;
	JsonbValue	value;
	List	   *result = NIL;

	if (features == NULL)
		report_null_argument("features");
	if (!JB_ROOT_IS_OBJECT(features))
	{
		JsonbValue	root;

		if (!JB_ROOT_IS_SCALAR(features))
			root.type = jbvArray;
		else
			(void) JsonbExtractScalar(unconstify(JsonbContainer *,
												 &features->root), &root);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("features must be a JSON object"),
				 errdetail("It is %s.", json_type_words(&root))));
	}
	if (JB_ROOT_COUNT(features) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no changes in request"),
				 errhint("Name at least one feature, as in {\"loginDefaultOrg\": true}.")));

	definitions = cache_definitions(&ndefinitions);
	changes = palloc0(sizeof(RequestedChange) * Max(ndefinitions, 1));

	it = JsonbIteratorInit(unconstify(JsonbContainer *, &features->root));
	(void) JsonbIteratorNext(&it, &value, false);
	while (JsonbIteratorNext(&it, &field, true) == WJB_KEY)
	{
		const char *name = field.val.string.val;
		int			len = field.val.string.len;
		int			feature = find_field(name, len);
		const FeatureDefinition *definition = &definitions[feature];
		RequestedChange *change = &changes[feature];

		(void) JsonbIteratorNext(&it, &value, true);
		if (change->key != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature \"%s\" is in the request twice",
							definition->key),
					 errdetail("Both \"%s\" and \"%s\" name it.",
							   definition->json_name, definition->key)));
		if (value.type != jbvNull &&
			!value_has_type(&value, definition->value_type))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for feature \"%s\"",
							clip_name(name, len)),
					 errdetail("It is %s, but the feature's type is %s.",
							   json_type_words(&value),
							   definition->value_type),
					 errhint("Use null to unset the feature.")));

		change->key = pstrdup(definition->key);
		if (value.type != jbvNull)
			change->value = JsonbValueToJsonb(&value);
	}

	for (int i = 0; i < ndefinitions; i++)
	{
		if (changes[i].key != NULL)
			result = lappend(result, &changes[i]);
	}

	return result;
}

/*
 * Raise invalid_parameter_value for an id, of this many bytes, that no instance
 * can have.
 */
void
check_scope_id(int len)
{
	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("instance id must not be empty")));
	if (len > MAX_SCOPE_ID_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("instance id is too long"),
				 errdetail("It has %d bytes, and at most %d are allowed.",
						   len, MAX_SCOPE_ID_LENGTH)));
}
