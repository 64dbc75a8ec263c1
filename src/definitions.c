/*-------------------------------------------------------------------------
 *
 * definitions.c
 *	  SQL-callable: define, alter and drop features.
 *
 * Definitions belong to the system, so they are for its owner.  Whoever
 * changes what settings there may be keeps others from writing any meanwhile:
 * see change.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "change.h"
#include "errors.h"
#include "notify.h"
#include "request.h"
#include "value.h"

PG_FUNCTION_INFO_V1(define_feature);
PG_FUNCTION_INFO_V1(alter_feature);
PG_FUNCTION_INFO_V1(drop_feature);
PG_FUNCTION_INFO_V1(set_feature_stage);

/*
 * An argument of type text as a string, NULL if it is null.
 */
static char *
string_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

static Jsonb *
jsonb_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : PG_GETARG_JSONB_P(argno);
}

/*
 * The label of an argument of an enum type, NULL if it is null.
 */
static char *
enum_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL :
		DatumGetCString(DirectFunctionCall1(enum_out,
											PG_GETARG_DATUM(argno)));
}

/* Raise insufficient_privilege for all but the system's owner. */
static void
check_system_owner(FeaturePermission permission)
{
	check_permission(&system_scope_name, InvalidOid, permission);
}

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
						clip_name(key, len)),
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
						clip_name(json_name, len)),
				 errdetail("It has %d bytes, and from 1 to %d are allowed.",
						   len, MAX_JSON_NAME_LENGTH)));
	if (strcmp(json_name, DETAILS_FIELD) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("JSON name \"%s\" is reserved", json_name),
				 errdetail("A response has a field of that name already."),
				 errhint("Give the feature another JSON name.")));
}

/*
 * A key in lowerCamelCase, as protobuf forms the JSON name of a field: what
 * follows an underscore is upper-case, the underscore goes.
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

#define DEFAULT_VALUE "default value"
#define ALLOWED_VALUES "allowed values"

/*
 * Raise invalid_parameter_value if there is a violation, a sentence; "what"
 * names its subject.
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
 * Raise invalid_parameter_value if a new default or new allowed values, either
 * of which may be NULL, are too large or too deeply nested.
 */
static void
check_limits(const char *key, const Jsonb *default_value,
			 const Jsonb *allowed_values)
{
	JsonbValue	value;

	if (allowed_values != NULL)
	{
		root_value(allowed_values, &value);
		raise_violation(value_limit_violation(&value), ALLOWED_VALUES, key);
	}
	if (default_value != NULL)
	{
		root_value(default_value, &value);
		raise_violation(value_limit_violation(&value), DEFAULT_VALUE, key);
	}
}

/*
 * Raise invalid_parameter_value unless the default and the allowed values of a
 * feature go with its type.
 */
static void
check_values(const FeatureRow *row)
{
	JsonbValue	value;

	if (row->allowed_values != NULL)
		raise_violation(allowed_values_violation(row->allowed_values,
												 row->value_type),
						ALLOWED_VALUES, row->key);

	root_value(row->default_value, &value);
	raise_violation(value_violation(&value, row->value_type,
									row->allowed_values),
					DEFAULT_VALUE, row->key);
}

/*
 * Raise duplicate_object if a name of a new feature is one of another's: a
 * request names features by either.
 */
static void
check_names_are_free(const FeatureRow *row)
{
	const char *const names[] = {row->key, row->json_name};
	int			count;
	const FeatureDefinition *definitions = cache_definitions(&count);

	if (cache_find_feature(row->key, strlen(row->key)) >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("feature \"%s\" already exists", row->key)));

	for (int i = 0; i < lengthof(names); i++)
	{
		int			len = strlen(names[i]);
		int			feature = cache_find_feature(names[i], len);

		if (feature < 0)
			feature = cache_find_json_name(names[i], len);
		if (feature >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("name \"%s\" is that of feature \"%s\" already",
							names[i], definitions[feature].key),
					 errdetail("Keys and JSON names are unique together."),
					 errhint("Give the feature another %s.",
							 i == 0 ? "key" : "JSON name")));
	}
}

/*
 * Tell listeners of a change of a definition: as one of the system, from which
 * everything inherits.
 */
static void
notify_definition(const char *key)
{
	FeatureDetails details;

	details = scope_details(find_scope(&system_scope_name));
	notify_change(&system_scope_name, details.sequence, details.change_date,
				  list_make1(unconstify(char *, key)));
}

/*
 * define_feature(feature, default_value, description, json_name, value_type,
 * allowed_values)
 */
Datum
define_feature(PG_FUNCTION_ARGS)
{
	FeatureRow	row = {0};
	JsonbValue	value;
	const char *type;

	prevent_if_read_only("define_feature()");
	row.key = string_argument(fcinfo, 0);
	row.default_value = jsonb_argument(fcinfo, 1);
	row.description = string_argument(fcinfo, 2);
	row.json_name = string_argument(fcinfo, 3);
	row.value_type = enum_argument(fcinfo, 4);
	row.allowed_values = jsonb_argument(fcinfo, 5);
	row.stage = "experimental";
	if (row.key == NULL)
		report_null_argument("feature");
	if (row.default_value == NULL)
		report_null_argument("default_value");
	check_key(row.key);
	if (row.json_name == NULL)
		row.json_name = camel_case(row.key);
	check_json_name(row.json_name);
	check_limits(row.key, row.default_value, row.allowed_values);
	root_value(row.default_value, &value);
	type = infer_value_type(&value);
	if (type == NULL)
		report_null_argument("default_value");
	if (row.value_type == NULL)
		row.value_type = pstrdup(type);
	check_values(&row);

	check_system_owner(PERMISSION_SYSTEM_WRITE);
	store_lock_definitions(false);
	cache_refresh_definitions();
	check_names_are_free(&row);
	store_insert_feature(&row);
	notify_definition(row.key);
	PG_RETURN_VOID();
}

/*
 * Find the definition of a feature that is going to be changed, and keep
 * others from writing settings.  Raises undefined_object,
 * insufficient_privilege.  The result does not last when anything is loaded.
 */
static const FeatureDefinition *
lock_definition(const char *key, FeaturePermission permission)
{
	int			len;
	int			feature;
	int			count;

	if (key == NULL)
		report_null_argument("feature");
	len = strlen(key);

	/* All that can be wrong, before any lock. */
	cache_refresh_definitions();
	feature = cache_find_feature(key, len);
	check_feature(feature, key, len);
	check_system_owner(permission);

	store_lock_definitions(true);
	cache_refresh_definitions();
	feature = cache_find_feature(key, len);
	check_feature(feature, key, len);
	if (cache_definitions(&count)[feature].builtin)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("feature \"%s\" is built in", key),
				 errdetail("Built-in features can be neither altered nor dropped.")));
	return &cache_definitions(&count)[feature];
}

/*
 * A copy of a definition, for the row to be written.
 */
static FeatureRow
copy_definition(const FeatureDefinition *definition)
{
	FeatureRow	row = {0};

	row.key = pstrdup(definition->key);
	row.value_type = pstrdup(definition->value_type);
	row.stage = pstrdup(definition->stage);
	row.default_value = copy_jsonb(definition->default_value);
	if (definition->allowed_values != NULL)
		row.allowed_values = copy_jsonb(definition->allowed_values);
	return row;
}

/* Existing settings that the new definition would no longer allow. */
typedef struct ViolationSearch
{
	const FeatureRow *row;
	MemoryContext check_cxt;	/* reset after each setting */
	int64		count;
	char	   *example;		/* the violation of one of them */
	char	   *scope;			/* and whose it is */
} ViolationSearch;

static void
search_violation(const ScopeName *name, const Jsonb *jsonb, void *arg)
{
	ViolationSearch *search = arg;
	JsonbValue	value;
	const char *violation;
	MemoryContext caller_cxt = MemoryContextSwitchTo(search->check_cxt);

	CHECK_FOR_INTERRUPTS();
	root_value(jsonb, &value);
	violation = value_violation(&value, search->row->value_type,
								search->row->allowed_values);
	MemoryContextSwitchTo(caller_cxt);
	if (violation != NULL && search->count++ == 0)
	{
		search->example = pstrdup(violation);
		search->scope = scope_words(message_id(name));
	}
	MemoryContextReset(search->check_cxt);
}

/*
 * Raise object_not_in_prerequisite_state if a scope has set a feature to what
 * will not be allowed.
 */
static void
check_settings(const FeatureRow *row)
{
	ViolationSearch search = {.row = row};
	Snapshot	snapshot = store_begin_read();

	search.check_cxt = AllocSetContextCreate(CurrentMemoryContext,
											 "instance_features check",
											 ALLOCSET_DEFAULT_SIZES);
	store_read_feature(snapshot, row->key, search_violation, &search);
	store_end_read(snapshot);
	MemoryContextDelete(search.check_cxt);
	if (search.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("%lld setting of feature \"%s\" is not among the allowed values",
							   "%lld settings of feature \"%s\" are not among the allowed values",
							   search.count,
							   (long long) search.count, row->key),
				 errdetail("One is of %s: %s", search.scope, search.example)));
}

/*
 * alter_feature(feature, default_value, description, allowed_values)
 */
Datum
alter_feature(PG_FUNCTION_ARGS)
{
	char	   *key;
	Jsonb	   *default_value;
	Jsonb	   *allowed_values;
	FeatureRow	row;

	prevent_if_read_only("alter_feature()");
	key = string_argument(fcinfo, 0);
	default_value = jsonb_argument(fcinfo, 1);
	allowed_values = jsonb_argument(fcinfo, 3);
	if (!PG_ARGISNULL(0) && PG_ARGISNULL(1) && PG_ARGISNULL(2) &&
		PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no changes of the feature"),
				 errhint("Give default_value, description or allowed_values.")));

	if (key == NULL)
		report_null_argument("feature");
	check_limits(clip_name(key, strlen(key)), default_value, allowed_values);

	row = copy_definition(lock_definition(key, PERMISSION_SYSTEM_WRITE));
	if (default_value != NULL)
		row.default_value = default_value;
	row.description = string_argument(fcinfo, 2);
	if (allowed_values != NULL)
	{
		JsonbValue	value;

		/* JSON null ends the restriction. */
		root_value(allowed_values, &value);
		row.allowed_values = value.type == jbvNull ? NULL : allowed_values;
	}
	check_values(&row);
	if (allowed_values != NULL)
		check_settings(&row);
	store_update_feature(&row);
	notify_definition(row.key);
	PG_RETURN_VOID();
}

/*
 * set_feature_stage(feature, stage)
 */
Datum
set_feature_stage(PG_FUNCTION_ARGS)
{
	FeatureRow	row;

	prevent_if_read_only("set_feature_stage()");
	if (!PG_ARGISNULL(0) && PG_ARGISNULL(1))
		report_null_argument("stage");
	row = copy_definition(lock_definition(string_argument(fcinfo, 0),
										  PERMISSION_SYSTEM_WRITE));
	row.stage = enum_argument(fcinfo, 1);
	store_update_feature(&row);
	notify_definition(row.key);
	PG_RETURN_VOID();
}

static void
collect_scope(const ScopeName *name, const Jsonb *value, void *arg)
{
	List	  **scopes = arg;
	ScopeName  *copy = palloc(sizeof(ScopeName));

	*copy = *name;
	copy->id = pnstrdup(name->id, name->len);
	*scopes = lappend(*scopes, copy);
}

/*
 * Unset a feature on scopes that set it.
 */
static void
unset_everywhere(const char *key, List *scopes)
{
	List	   *requested = list_make1(make_change(key, NULL));
	MemoryContext scope_cxt = AllocSetContextCreate(CurrentMemoryContext,
													"instance_features scope",
													ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	list_sort(scopes, compare_scope_cells);
	foreach(lc, scopes)
	{
		const ScopeName *name = lfirst(lc);
		MemoryContext caller_cxt = MemoryContextSwitchTo(scope_cxt);
		LockedScope scope = lock_scope(name, PERMISSION_SYSTEM_DELETE);

		append_changes(name, &scope,
					   list_differences(name->level, read_settings(name),
										requested));
		MemoryContextSwitchTo(caller_cxt);
		MemoryContextReset(scope_cxt);
	}
	MemoryContextDelete(scope_cxt);
}

/*
 * drop_feature(feature, cascade)
 */
Datum
drop_feature(PG_FUNCTION_ARGS)
{
	char	   *key;
	List	   *scopes = NIL;
	Snapshot	snapshot;

	prevent_if_read_only("drop_feature()");
	key = string_argument(fcinfo, 0);
	(void) lock_definition(key, PERMISSION_SYSTEM_DELETE);

	snapshot = store_begin_read();
	store_read_feature(snapshot, key, collect_scope, &scopes);
	store_end_read(snapshot);
	if (scopes != NIL && (PG_ARGISNULL(1) || !PG_GETARG_BOOL(1)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot drop feature \"%s\" because it is set", key),
				 errdetail_plural("%d scope sets it.", "%d scopes set it.",
								  list_length(scopes), list_length(scopes)),
				 errhint("Use cascade => true to unset it everywhere.")));
	unset_everywhere(key, scopes);
	store_delete_feature(key);
	notify_definition(key);
	PG_RETURN_VOID();
}
