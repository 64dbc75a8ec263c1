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

#include "cache.h"
#include "errors.h"
#include "request.h"
#include "value.h"

RequestedChange *
make_change(const char *key, Jsonb *value)
{
	RequestedChange *change = palloc(sizeof(RequestedChange));

	change->key = pstrdup(key);
	change->value = value;
	return change;
}

static int
compare_keys(const ListCell *a, const ListCell *b)
{
	return strcmp(((RequestedChange *) lfirst(a))->key,
				  ((RequestedChange *) lfirst(b))->key);
}

/*
 * Make of a list of changes one that leaves a scope with what they set and
 * nothing else, given its present settings; those of removed features are left
 * alone.  It is ordered by key, as that of a request.
 */
List *
complete_changes(List *changes, List *settings)
{
	List	   *requested = list_copy(changes);
	ListCell   *lc;

	foreach(lc, settings)
	{
		const char *key = ((SettingRow *) lfirst(lc))->feature;
		int			feature = cache_find_feature(key, strlen(key));
		int			count;
		bool		requests = false;
		ListCell   *change;

		foreach(change, requested)
			requests = requests ||
			strcmp(((RequestedChange *) lfirst(change))->key, key) == 0;
		if (!requests && feature >= 0 &&
			!cache_definitions(&count)[feature].removed)
			changes = lappend(changes, make_change(key, NULL));
	}

	list_sort(changes, compare_keys);
	return changes;
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
 * The changes that the fields of a JSON object ask for, a list of
 * RequestedChange ordered by key; none for removed features.  The definitions
 * are those that the cache has.
 */
List *
parse_features(const Jsonb *features)
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
	root_value(features, &value);
	if (!JB_ROOT_IS_OBJECT(features))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("features must be a JSON object"),
				 errdetail("It is %s.", json_type_words(&value))));

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
		if (value.type != jbvNull)
		{
			const char *misfit = value_misfit(&value, definition->value_type,
											  definition->allowed_values);

			if (misfit != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid value for feature \"%s\"",
								clip_name(name, len)),
						 errdetail_internal("%s", misfit),
						 errhint("Use null to unset the feature.")));
		}

		change->key = pstrdup(definition->key);
		if (value.type != jbvNull)
			change->value = JsonbValueToJsonb(&value);
	}

	for (int i = 0; i < ndefinitions; i++)
	{
		if (changes[i].key != NULL && !definitions[i].removed)
			result = lappend(result, &changes[i]);
	}

	return result;
}

/*
 * The same for a request, which must have a field.
 */
List *
parse_request(const Jsonb *features)
{
	if (features != NULL && JB_ROOT_IS_OBJECT(features) &&
		JB_ROOT_COUNT(features) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no changes in request"),
				 errhint("Name at least one feature, as in {\"loginDefaultOrg\": true}.")));
	return parse_features(features);
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
