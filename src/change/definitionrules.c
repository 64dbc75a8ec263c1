/*-------------------------------------------------------------------------
 *
 * definitionrules.c
 *	  Checks of definitions of features.
 *
 * The rule: the checks raise the error that define_feature() and
 * alter_feature() report; value.c decides which values are valid.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/definitionrules.h"
#include "change/featurejson.h"
#include "model/elements.h"
#include "model/value.h"
#include "table/definitionread.h"
#include "table/tableread.h"

#define DEFAULT_VALUE "default value"
#define ALLOWED_VALUES "allowed values"

static void
check_key(const char *key)
{
	int			len = strlen(key);
	bool		valid;

	valid = len <= MAX_KEY_LENGTH && key[0] >= 'a' && key[0] <= 'z' &&
		strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid key of a feature: \"%s\"",
						error_clip_name(key, len)),
				 errdetail("A key begins with a lower-case letter and has up to %d lower-case letters, digits and underscores.",
						   MAX_KEY_LENGTH)));
}

static void
check_json_name(const char *json_name)
{
	int			len = strlen(json_name);

	if (len == 0 || len > MAX_JSON_NAME_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid JSON name of a feature: \"%s\"",
						error_clip_name(json_name, len)),
				 errdetail("It has %d bytes, and from 1 to %d are allowed.",
						   len, MAX_JSON_NAME_LENGTH)));
	if (featurejson_is_reserved(json_name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("JSON name \"%s\" is reserved", json_name),
				 errdetail("Requests and responses have a field of that name already."),
				 errhint("Give the feature another JSON name.")));
}

/*
 * Return a key in lowerCamelCase, as protobuf forms the JSON name of a field:
 * remove underscores, and convert the characters after them to upper case.
 */
static char *
camel_case(const char *key)
{
	char	   *name = palloc(strlen(key) + 1);
	int			len = 0;
	bool		capitalize = false;

	for (const char *c = key; *c != '\0'; c++)
	{
		if (*c == '_')
			capitalize = true;
		else
		{
			name[len++] = capitalize ? pg_ascii_toupper(*c) : *c;
			capitalize = false;
		}
	}
	name[len] = '\0';
	return name;
}

/*
 * Raise invalid_parameter_value if "violation", a sentence, is not NULL.
 * "what" is the name of the invalid part.
 */
static void
raise_violation(const char *violation, const char *what, const char *key)
{
	if (violation != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s for feature \"%s\"", what, key),
				 errdetail_internal("%s", violation)));
}

/*
 * Raise invalid_parameter_value if a new default value or new allowed values,
 * either of which may be NULL, are too large or too deeply nested.
 */
void
definition_check_limits(const char *key, const Jsonb *default_value,
						const Jsonb *allowed_values)
{
	JsonbValue	value;

	if (allowed_values != NULL)
	{
		json_root_value(allowed_values, &value);
		raise_violation(value_limit_violation(&value), ALLOWED_VALUES, key);
	}
	if (default_value != NULL)
	{
		json_root_value(default_value, &value);
		raise_violation(value_limit_violation(&value), DEFAULT_VALUE, key);
	}
}

/*
 * Raise invalid_parameter_value unless the allowed values of a feature match
 * its type, and the default value matches both.
 */
void
definition_check_values(const FeatureRow *row)
{
	JsonbValue	value;

	if (row->allowed_values != NULL)
		raise_violation(value_allowed_violation(row->allowed_values,
												value_type(row->value_type)),
						ALLOWED_VALUES, row->key);

	json_root_value(row->default_value, &value);
	raise_violation(value_violation(&value, value_type(row->value_type),
									row->allowed_values),
					DEFAULT_VALUE, row->key);
}

/* Existing settings that the new definition would no longer allow. */
typedef struct ViolationSearch
{
	const FeatureRow *row;
	LevelSet	levels;			/* search only settings on these levels, */
	bool		values;			/* for their values or else for any */
	ScopeFilter is_exempt;		/* skip the settings of these scopes, */
	void	   *arg;			/* or NULL */
	MemoryContext check_cxt;	/* reset after each setting */
	int64		count;
	char	   *example;		/* the violation of the first one */
	char	   *scope;			/* the scope of that one */
} ViolationSearch;

static void
search_violation(const ScopeName *name, const Jsonb *jsonb, void *arg)
{
	ViolationSearch *search = arg;
	JsonbValue	value;
	const char *violation;
	MemoryContext caller_cxt;

	CHECK_FOR_INTERRUPTS();
	if (!level_is_in(name->level, search->levels) ||
		(search->is_exempt != NULL && search->is_exempt(name, search->arg)))
		return;
	caller_cxt = MemoryContextSwitchTo(search->check_cxt);
	json_root_value(jsonb, &value);
	violation = !search->values ? "" :
		value_violation(&value, value_type(search->row->value_type),
						search->row->allowed_values);
	MemoryContextSwitchTo(caller_cxt);
	if (violation != NULL && search->count++ == 0)
	{
		search->example = pstrdup(violation);
		search->scope = scopename_describe(name);
	}
	MemoryContextReset(search->check_cxt);
}

static void
search_settings(ViolationSearch *search)
{
	Snapshot	snapshot = scan_begin();

	search->check_cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "instance_features check",
											  ALLOCSET_DEFAULT_SIZES);
	tableread_foreach_setting(snapshot, search->row->key, search_violation,
							  search);
	scan_end(snapshot);
	MemoryContextDelete(search->check_cxt);
}

/*
 * Raise object_not_in_prerequisite_state if a scope has set the feature to a
 * value that the new definition does not allow.
 */
static void
check_existing_values(ViolationSearch search)
{
	search.levels = ~(LevelSet) 0;
	search.values = true;
	search_settings(&search);
	if (search.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("%lld setting of feature \"%s\" is not among the allowed values",
							   "%lld settings of feature \"%s\" are not among the allowed values",
							   search.count,
							   (long long) search.count, search.row->key),
				 errdetail("One is of %s: %s", search.scope, search.example)));
}

/*
 * The same if a scope sets the feature on one of these levels.
 */
static void
check_existing_levels(ViolationSearch search, LevelSet levels)
{
	search.levels = levels;
	search_settings(&search);
	if (search.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("%lld setting of feature \"%s\" is on another level",
							   "%lld settings of feature \"%s\" are on other levels",
							   search.count,
							   (long long) search.count, search.row->key),
				 errdetail("One is of %s.", search.scope),
				 errhint("Unset the feature there first.")));
}

/*
 * Raise object_not_in_prerequisite_state if settings exist that a definition,
 * which has become narrower, does not allow.  Scopes for which "is_exempt" (or
 * NULL) returns true may have any settings.
 */
void
definition_check_settings(const FeatureRow *row,
						  const DefinitionNarrowing *narrowing,
						  ScopeFilter is_exempt, void *arg)
{
	ViolationSearch search = {
		.row = row,
		.is_exempt = is_exempt,
		.arg = arg
	};

	if (narrowing->values)
		check_existing_values(search);
	if (narrowing->levels != 0)
		check_existing_levels(search, narrowing->levels);
}

/*
 * Return whether every value that "old" allows is also allowed by "new".
 * Either may be NULL, for all values.
 */
static bool
allows_all_of(const Jsonb *old, const Jsonb *new)
{
	if (new == NULL)
		return true;
	if (old != NULL &&
		compareJsonbContainers(unconstify(JsonbContainer *, &old->root),
							   unconstify(JsonbContainer *, &new->root)) == 0)
		return true;
	return old != NULL && JB_ROOT_IS_ARRAY(old) && !JB_ROOT_IS_SCALAR(old) &&
		elements_violation(&old->root, new) == NULL;
}

/*
 * Return in which ways an altered definition is narrower than before.
 */
DefinitionNarrowing
definition_narrowing(const FeatureRow *old, const FeatureRow *new)
{
	DefinitionNarrowing narrowing;

	narrowing.levels = old->levels & ~new->levels;
	narrowing.values = !allows_all_of(old->allowed_values,
									  new->allowed_values);
	narrowing.removes = strcmp(new->stage, STAGE_REMOVED) == 0 &&
		strcmp(old->stage, STAGE_REMOVED) != 0;
	narrowing.any = narrowing.levels != 0 || narrowing.values ||
		narrowing.removes;
	return narrowing;
}

/*
 * Report an attempt to change a built-in feature.
 */
void
definition_report_builtin(const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("feature \"%s\" is built in", key),
			 errdetail("Built-in features can be neither altered nor dropped.")));
}

/*
 * Report that a name of a new feature is a name of another one.  "what" is the
 * kind of that name.
 */
void
definition_report_name_in_use(const char *name, const char *key,
							  const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("name \"%s\" is already used by feature \"%s\"",
					name, key),
			 errdetail("Keys and JSON names are unique together."),
			 errhint("Give the feature another %s.", what)));
}

/*
 * Raise duplicate_object if the key or JSON name of a new feature is already a
 * key or JSON name, because requests may use either.  This searches the table,
 * not the cache, which would be loaded again after every new definition.
 */
void
definition_check_names(const FeatureRow *row)
{
	const char *const names[] = {row->key, row->json_name};
	Snapshot	snapshot = scan_begin();

	for (int i = 0; i < lengthof(names); i++)
	{
		char	   *key = definitionread_find_key(snapshot, names[i]);

		if (key == NULL)
			continue;
		if (i == 0 && strcmp(key, row->key) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("feature \"%s\" already exists", row->key)));
		definition_report_name_in_use(names[i], key,
									  i == 0 ? "key" : "JSON name");
	}
	scan_end(snapshot);
}

/*
 * Check and complete the definition of a new feature.  Unless given, the type
 * is inferred from the default value, and the JSON name is the key in
 * lowerCamelCase.  Raises invalid_parameter_value.
 */
void
definition_complete(FeatureRow *row)
{
	JsonbValue	value;
	const ValueType *type;

	if (row->key == NULL)
		report_null_argument("feature");
	if (row->default_value == NULL)
		report_null_argument("default_value");
	check_key(row->key);
	if (row->json_name == NULL)
		row->json_name = camel_case(row->key);
	check_json_name(row->json_name);
	definition_check_limits(row->key, row->default_value, row->allowed_values);
	json_root_value(row->default_value, &value);
	type = value_infer_type(&value);
	if (type == NULL)
		report_null_argument("default_value");
	if (row->value_type == NULL)
		row->value_type = pstrdup(type->name);
	definition_check_values(row);
}
