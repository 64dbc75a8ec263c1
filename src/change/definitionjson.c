/*-------------------------------------------------------------------------
 *
 * definitionjson.c
 *	  Definitions of features as JSON objects.
 *
 * The rule: a field of such an object is a row of fields[], and one that is
 * absent says nothing.  In a FeatureRow that was parsed, what is not given is
 * NULL or an empty set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "cache/definitionset.h"
#include "change/definitionjson.h"

typedef enum FieldKind
{
	FIELD_VALUE,				/* a Jsonb */
	FIELD_ARRAY,				/* a Jsonb that is an array */
	FIELD_STRING,
	FIELD_LEVELS				/* a LevelSet, written as an array of strings */
} FieldKind;

/* A field of the JSON object. */
typedef struct DefinitionField
{
	const char *name;
	FieldKind	kind;
	Size		offset;			/* in a FeatureRow */
	void		(*check) (const char *string);	/* or NULL */
} DefinitionField;

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * Raise invalid_parameter_value for a string that is not one of "names".
 */
pg_noreturn static void
report_unknown_name(const char *field, const char *name, const char *names)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown value \"%s\" in field \"%s\"",
					error_clip_name(name, strlen(name)), field),
			 errhint("Use one of: %s.", names)));
}

static void
check_type(const char *type)
{
	if (!value_type_exists(type))
		report_unknown_name("type", type, value_type_list());
}

static void
check_stage(const char *stage)
{
	static const char *const stages[] = {
		STAGE_EXPERIMENTAL, STAGE_STABLE, STAGE_DEPRECATED, STAGE_REMOVED
	};

	for (int i = 0; i < lengthof(stages); i++)
	{
		if (strcmp(stage, stages[i]) == 0)
			return;
	}
	report_unknown_name("stage", stage,
						STAGE_EXPERIMENTAL ", " STAGE_STABLE ", "
						STAGE_DEPRECATED ", " STAGE_REMOVED);
}

static const DefinitionField fields[] =
{
	{"default", FIELD_VALUE, offsetof(FeatureRow, default_value)},
	{"description", FIELD_STRING, offsetof(FeatureRow, description)},
	{"jsonName", FIELD_STRING, offsetof(FeatureRow, json_name)},
	{"type", FIELD_STRING, offsetof(FeatureRow, value_type), check_type},
	{"allowedValues", FIELD_ARRAY, offsetof(FeatureRow, allowed_values)},
	{"levels", FIELD_LEVELS, offsetof(FeatureRow, levels)},
	{"stage", FIELD_STRING, offsetof(FeatureRow, stage), check_stage}
};

static LevelSet
parse_levels(const JsonbValue *array)
{
	const LevelSet all = LEVEL_BIT(NUM_LEVELS) - 1;
	JsonbIterator *it = json_begin_array(array->val.binary.data);
	JsonbValue	element;
	LevelSet	levels = 0;

	while (json_next_element(&it, &element))
	{
		FeatureLevel level;

		if (element.type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("field \"levels\" must be an array of strings"),
					 errdetail("An element is %s.", json_type_name(&element))));
		if (!level_parse(string_of(&element), &level))
			report_unknown_name("levels", string_of(&element), level_list(all));
		levels |= LEVEL_BIT(level);
	}
	if (levels == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("levels must not be empty"),
				 errhint("Name at least one of: %s.", level_list(all))));
	return levels;
}

static Jsonb *
format_levels(LevelSet levels)
{
	JsonbBuilder builder = {0};

	push_jsonb(&builder, WJB_BEGIN_ARRAY, NULL);
	for (int level = 0; level < NUM_LEVELS; level++)
	{
		if (level_is_in(level, levels))
			json_push_string(&builder, WJB_ELEM, level_name(level));
	}
	push_jsonb(&builder, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(builder.result);
}

/* Return the place of a field's value in a row. */
static void *
field_place(const DefinitionField *field, const FeatureRow *row)
{
	return (char *) unconstify(FeatureRow *, row) + field->offset;
}

static void
parse_field(const DefinitionField *field, const JsonbValue *value,
			FeatureRow *row)
{
	void	   *place = field_place(field, row);

	switch (field->kind)
	{
		case FIELD_VALUE:
		case FIELD_ARRAY:
			*(Jsonb **) place =
				JsonbValueToJsonb(unconstify(JsonbValue *, value));
			break;
		case FIELD_STRING:
			*(char **) place = string_of(value);
			if (field->check != NULL)
				field->check(*(char **) place);
			break;
		case FIELD_LEVELS:
			*(LevelSet *) place = parse_levels(value);
			break;
	}
}

/*
 * Return the value of a field, or NULL if it is empty.
 */
static Jsonb *
format_field(const DefinitionField *field, const FeatureRow *row)
{
	const void *place = field_place(field, row);
	JsonbValue	value;

	switch (field->kind)
	{
		case FIELD_VALUE:
		case FIELD_ARRAY:
			return *(Jsonb *const *) place;
		case FIELD_STRING:
			if (*(char *const *) place == NULL)
				return NULL;
			value.type = jbvString;
			value.val.string.val = *(char *const *) place;
			value.val.string.len = strlen(value.val.string.val);
			return JsonbValueToJsonb(&value);
		case FIELD_LEVELS:
			if (*(const LevelSet *) place == 0)
				return NULL;
			return format_levels(*(const LevelSet *) place);
	}
	return NULL;
}

/*
 * Return the field of that name.  Raises invalid_parameter_value if there is
 * none.
 */
static const DefinitionField *
find_field(const JsonbValue *name)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(fields); i++)
	{
		if (strlen(fields[i].name) == name->val.string.len &&
			memcmp(fields[i].name, name->val.string.val,
				   name->val.string.len) == 0)
			return &fields[i];
		appendStringInfo(&names, "%s\"%s\"", i == 0 ? "" :
						 i < lengthof(fields) - 1 ? ", " : " and ",
						 fields[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown field \"%s\" of a definition",
					error_clip_name(name->val.string.val,
									name->val.string.len)),
			 errhint("The fields are %s.", names.data)));
}

static void
check_field_type(const DefinitionField *field, const JsonbValue *value)
{
	bool		is_array = value->type == jbvBinary &&
	JsonContainerIsArray(value->val.binary.data);
	bool		is_string = field->kind == FIELD_STRING;

	if (value->type == jbvNull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("field \"%s\" must not be null", field->name)));
	if (field->kind == FIELD_VALUE ||
		(is_string ? value->type == jbvString : is_array))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("field \"%s\" must be %s", field->name,
					is_string ? "a string" : "an array"),
			 errdetail("It is %s.", json_type_name(value))));
}

/*
 * Parse what a JSON object gives of the definition of a feature.  Raises
 * invalid_parameter_value.
 */
FeatureRow *
definitionjson_parse(char *key, const JsonbValue *object)
{
	FeatureRow *row = palloc0(sizeof(FeatureRow));
	JsonbIterator *it;
	JsonbValue	name;
	JsonbValue	value;

	row->key = key;
	if (object->type != jbvBinary ||
		!JsonContainerIsObject(object->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("definition must be a JSON object"),
				 errdetail("It is %s.", json_type_name(object))));

	it = JsonbIteratorInit(object->val.binary.data);
	(void) JsonbIteratorNext(&it, &value, true);
	while (JsonbIteratorNext(&it, &name, true) == WJB_KEY)
	{
		const DefinitionField *field = find_field(&name);

		(void) JsonbIteratorNext(&it, &value, true);
		check_field_type(field, &value);
		parse_field(field, &value, row);
	}
	return row;
}

/*
 * Return whether a field is in one of two definitions only, or differs.
 */
static bool
field_differs(const DefinitionField *field, const FeatureRow *row,
			  const FeatureRow *other)
{
	const Jsonb *a = format_field(field, row);
	const Jsonb *b = format_field(field, other);

	if (a == NULL || b == NULL)
		return a != b;
	return compareJsonbContainers(unconstify(JsonbContainer *, &a->root),
								  unconstify(JsonbContainer *, &b->root)) != 0;
}

/*
 * Return whether two definitions differ.
 */
bool
definitionjson_differs(const FeatureRow *row, const FeatureRow *other)
{
	for (int i = 0; i < lengthof(fields); i++)
	{
		if (field_differs(&fields[i], row, other))
			return true;
	}

	return false;
}

/*
 * Return a definition with what was given in place of what it had.
 */
FeatureRow
definitionjson_merge(const FeatureRow *row, const FeatureRow *given)
{
	FeatureRow	merged = *row;

	for (int i = 0; i < lengthof(fields); i++)
	{
		const void *place = field_place(&fields[i], given);

		if (fields[i].kind == FIELD_LEVELS)
			merged.levels = given->levels != 0 ? given->levels : row->levels;
		else if (*(void *const *) place != NULL)
			memcpy(field_place(&fields[i], &merged), place, sizeof(void *));
	}

	return merged;
}

/*
 * Push a definition as an object that has the fields in which it differs from
 * another one or, if that is NULL, all that are not empty.
 */
void
definitionjson_push(JsonbBuilder *builder, const FeatureRow *row,
					const FeatureRow *other)
{
	static const FeatureRow empty = {.description = ""};

	push_jsonb(builder, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < lengthof(fields); i++)
	{
		const Jsonb *field = format_field(&fields[i], row);
		JsonbValue	value;

		if (field == NULL ||
			!field_differs(&fields[i], row, other ? other : &empty))
			continue;
		json_push_string(builder, WJB_KEY, fields[i].name);
		json_root_value(field, &value);
		push_jsonb(builder, WJB_VALUE, &value);
	}
	push_jsonb(builder, WJB_END_OBJECT, NULL);
}
