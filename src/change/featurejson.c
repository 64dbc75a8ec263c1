/*-------------------------------------------------------------------------
 *
 * featurejson.c
 *	  Parsing JSON objects of features into validated lists of changes.
 *
 * The rule: an invalid request raises invalid_parameter_value, and is reported
 * before any table is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/featurejson.h"
#include "model/tables.h"
#include "model/value.h"

/*
 * Return whether requests or responses have a field of this name that is not a
 * feature.
 */
bool
featurejson_is_reserved(const char *json_name)
{
	for (int level = 0; level < NUM_LEVELS; level++)
	{
		const char *field = level_infos[level].service_id_field;

		if (field != NULL && strcmp(json_name, field) == 0)
			return true;
	}
	return strcmp(json_name, DETAILS_FIELD) == 0;
}

/*
 * Return a palloc'd change, which is no roll-out.  The key is copied, the value
 * is not.
 */
RequestedChange *
featurejson_make_change(const char *key, Jsonb *value)
{
	RequestedChange *change = palloc(sizeof(RequestedChange));

	change->key = pstrdup(key);
	change->value = value;
	change->share = NO_SHARE;
	return change;
}

static int
compare_keys(const ListCell *a, const ListCell *b)
{
	return strcmp(((RequestedChange *) lfirst(a))->key,
				  ((RequestedChange *) lfirst(b))->key);
}

/*
 * Sort a list of changes by key.
 */
void
featurejson_sort(List *changes)
{
	list_sort(changes, compare_keys);
}

/*
 * Extend a list of changes so that it also unsets every setting of a scope
 * that it does not mention, except those of removed and undefined features.
 * Both lists are ordered by key.  The list of changes is modified, and stays
 * ordered.
 */
List *
featurejson_unset_others(const DefinitionSet *set, List *changes,
						 List *settings)
{
	int			nmentioned = list_length(changes);
	int			i = 0;
	ListCell   *lc;

	foreach(lc, settings)
	{
		const char *key = ((SettingRow *) lfirst(lc))->feature;
		int			feature = definitionset_find(set, key, strlen(key));
		int			cmp = 1;

		CHECK_FOR_INTERRUPTS();
		while (i < nmentioned &&
			   (cmp = strcmp(((RequestedChange *) list_nth(changes, i))->key,
							 key)) < 0)
			i++;
		if ((i == nmentioned || cmp != 0) &&
			feature >= 0 && !set->array[feature].removed)
			changes = lappend(changes, featurejson_make_change(key, NULL));
	}

	list_sort(changes, compare_keys);
	return changes;
}

/*
 * Return the definition of the feature with this JSON name or key.  Raises
 * invalid_parameter_value if there is none.
 */
const FeatureDefinition *
featurejson_find(const DefinitionSet *set, const char *field, int len)
{
	int			feature = definitionset_find_json_name(set, field, len);

	if (feature < 0)
		feature = definitionset_find(set, field, len);
	if (feature < 0)
	{
		const char *nearest = definitionset_nearest_field(set, field, len);

		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown feature \"%s\"", error_clip_name(field, len)),
				 nearest ? errhint("Perhaps you meant \"%s\".", nearest) :
				 errhint("get_system_features(true) lists the features.")));
	}

	return &set->array[feature];
}

/*
 * Return a sentence that says why a feature may not be set to a value, or NULL
 * if it may.
 */
const char *
featurejson_violation(const FeatureDefinition *definition,
					  const JsonbValue *value)
{
	const char *violation = value_limit_violation(value);

	return violation != NULL ? violation :
		value_violation(value, definition->type, definition->allowed_values);
}

/*
 * Raise invalid_parameter_value unless a feature may be set to a value.
 * "field" is the name of the feature in the request.
 */
void
featurejson_check_value(const FeatureDefinition *definition, const char *field, int len,
						const JsonbValue *value)
{
	const char *violation = featurejson_violation(definition, value);

	if (violation != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for feature \"%s\"",
						error_clip_name(field, len)),
				 errdetail_internal("%s", violation),
				 errhint("Use null to unset the feature.")));
}

/*
 * Raise invalid_parameter_value unless a feature may be set on a level.
 */
void
featurejson_check_level(const FeatureDefinition *definition, FeatureLevel level)
{
	if (!level_is_in(level, definition->levels))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" cannot be set on level %s",
						definition->key, level_name(level)),
				 errdetail("Its levels are: %s.",
						   level_list(definition->levels))));
}

/*
 * Given the changes that a JSON object requests, ordered by key, raise
 * invalid_parameter_value if two of them are of one feature, and return them
 * without those of removed features.
 */
static List *
check_fields(const DefinitionSet *set, List *changes)
{
	const RequestedChange *previous = NULL;
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, changes)
	{
		RequestedChange *change = lfirst(lc);
		const FeatureDefinition *definition;

		definition = &set->array[definitionset_find(set, change->key,
													strlen(change->key))];
		if (previous != NULL && strcmp(previous->key, change->key) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature \"%s\" is specified more than once",
							definition->key),
					 errdetail("Both \"%s\" and \"%s\" name it.",
							   definition->json_name, definition->key)));
		previous = change;
		if (!definition->removed)
			result = lappend(result, change);
	}

	return result;
}

/*
 * Parse the fields of a JSON object for a scope of a level.  Returns a list of
 * RequestedChange, ordered by key, without removed features.  Raises
 * invalid_parameter_value.
 */
List *
featurejson_parse(const DefinitionSet *set, const Jsonb *features,
				  FeatureLevel level)
{
	JsonbIterator *it;
	JsonbValue	field;
	JsonbValue	value;
	List	   *changes = NIL;

	if (features == NULL)
		report_null_argument("features");
	json_root_value(features, &value);
	if (!JB_ROOT_IS_OBJECT(features))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("features must be a JSON object"),
				 errdetail("It is %s.", json_type_name(&value))));

	it = JsonbIteratorInit(unconstify(JsonbContainer *, &features->root));
	(void) JsonbIteratorNext(&it, &value, false);
	while (JsonbIteratorNext(&it, &field, true) == WJB_KEY)
	{
		const char *name = field.val.string.val;
		int			len = field.val.string.len;
		const FeatureDefinition *definition;

		CHECK_FOR_INTERRUPTS();
		definition = featurejson_find(set, name, len);
		(void) JsonbIteratorNext(&it, &value, true);
		featurejson_check_level(definition, level);
		if (value.type != jbvNull)
			featurejson_check_value(definition, name, len, &value);
		changes = lappend(changes,
						  featurejson_make_change(definition->key,
												  value.type == jbvNull ? NULL :
												  JsonbValueToJsonb(&value)));
	}

	featurejson_sort(changes);
	return check_fields(set, changes);
}

/*
 * The same for a request, which must not be empty.  The caller has called
 * cache_refresh_definitions().
 */
List *
featurejson_parse_request(const Jsonb *features, FeatureLevel level)
{
	if (features != NULL && JB_ROOT_IS_OBJECT(features) &&
		JB_ROOT_COUNT(features) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no changes in request"),
				 errhint("Name at least one feature, as in {\"loginDefaultOrg\": true}.")));
	return featurejson_parse(definitions_loaded(), features, level);
}
