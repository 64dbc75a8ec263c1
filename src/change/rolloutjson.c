/*-------------------------------------------------------------------------
 *
 * rolloutjson.c
 *	  Roll-outs as JSON objects.
 *
 * The rule: the roll-outs of a scope are an object by the names of features, as
 * its settings are, and each is {"percentage": ..., "value": ...}.  A scope
 * either sets a feature or rolls it out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/featurejson.h"
#include "change/rolloutjson.h"

#define PERCENTAGE_FIELD "percentage"
#define VALUE_FIELD "value"

static JsonbValue *
get_field(const JsonbValue *object, const char *field)
{
	return getKeyJsonValueFromContainer(object->val.binary.data, field,
										strlen(field), NULL);
}

/*
 * Parse the roll-out of a feature.
 */
static RequestedChange *
parse_rollout(const FeatureDefinition *definition, const JsonbValue *rollout)
{
	JsonbValue *percentage = NULL;
	JsonbValue *value = NULL;
	RequestedChange *change;

	if (rollout->type == jbvBinary &&
		JsonContainerIsObject(rollout->val.binary.data) &&
		JsonContainerSize(rollout->val.binary.data) == 2)
	{
		percentage = get_field(rollout, PERCENTAGE_FIELD);
		value = get_field(rollout, VALUE_FIELD);
	}
	if (percentage == NULL || value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("roll-out of feature \"%s\" must have a percentage and a value",
						definition->key),
				 errhint("Write it as in {\"%s\": 10, \"%s\": true}.",
						 PERCENTAGE_FIELD, VALUE_FIELD)));

	featurejson_check_value(definition, definition->key,
							strlen(definition->key), value);
	change = featurejson_make_change(definition->key,
									 JsonbValueToJsonb(value));
	/* cppcheck-suppress nullPointer */
	if (percentage->type != jbvNumeric ||
		!share_parse(percentage->val.numeric, &change->share))
		share_report_bad_percentage();
	return change;
}

/*
 * Raise invalid_parameter_value if two changes, which are ordered by key, are
 * of one feature.
 */
static void
check_distinct(const List *changes)
{
	const char *previous = NULL;
	ListCell   *lc;

	foreach(lc, changes)
	{
		const char *key = ((RequestedChange *) lfirst(lc))->key;

		if (previous != NULL && strcmp(previous, key) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature \"%s\" is specified more than once", key),
					 errdetail("A scope either sets a feature or rolls it out.")));
		previous = key;
	}
}

/*
 * Parse the roll-outs of a scope, an object, and add them to its other changes.
 * The list is modified, and ordered by key; it has no removed features.  Raises
 * invalid_parameter_value.
 */
List *
rolloutjson_add(const DefinitionSet *set, List *changes, const Jsonb *rollouts,
				FeatureLevel level)
{
	JsonbIterator *it;
	JsonbValue	field;
	JsonbValue	value;

	it = JsonbIteratorInit(unconstify(JsonbContainer *, &rollouts->root));
	(void) JsonbIteratorNext(&it, &value, false);
	while (JsonbIteratorNext(&it, &field, true) == WJB_KEY)
	{
		const FeatureDefinition *definition;
		RequestedChange *change;

		CHECK_FOR_INTERRUPTS();
		definition = featurejson_find(set, field.val.string.val,
									  field.val.string.len);
		(void) JsonbIteratorNext(&it, &value, true);
		featurejson_check_level(definition, level);
		change = parse_rollout(definition, &value);
		if (!definition->removed)
			changes = lappend(changes, change);
	}

	featurejson_sort(changes);
	check_distinct(changes);
	return changes;
}

/*
 * Return the object of a setting that is a roll-out.
 */
JsonbValue
rolloutjson_make(const SettingRow *setting)
{
	JsonFields	fields = {0};
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(share_make_percentage(setting->share));
	json_add_field(&fields, PERCENTAGE_FIELD, &value);
	json_root_value(json_copy(setting->value), &value);
	value = json_unpack(&value);
	json_add_field(&fields, VALUE_FIELD, &value);
	return json_take_fields(&fields);
}
