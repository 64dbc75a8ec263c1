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
#include "utils/timestamp.h"

#include "change/argument.h"
#include "model/builtin.h"
#include "change/change.h"
#include "change/featurejson.h"
#include "table/tableread.h"
#include "table/tablewriter.h"
#include "base/jsonbuild.h"
#include "model/value.h"

PG_FUNCTION_INFO_V1(define_feature);
PG_FUNCTION_INFO_V1(alter_feature);
PG_FUNCTION_INFO_V1(drop_feature);
PG_FUNCTION_INFO_V1(set_feature_stage);

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

/* The columns that the functions here update. */
static const ColumnRange updated_columns[NUM_TABLES] =
{
	[TABLE_FEATURE] = {Anum_feature_default_value, Anum_feature_stage}
};

static const ColumnRange updated_with_description[NUM_TABLES] =
{
	[TABLE_FEATURE] = {Anum_feature_default_value, Anum_feature_description}
};

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
 * Raise invalid_parameter_value unless the default and the allowed values of a
 * feature go with its type.
 */
static void
check_values(const FeatureRow *row)
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

/*
 * Raise duplicate_object if a name of a new feature is one of another's: a
 * request names features by either.  The rows are looked up rather than the
 * cache, which would be loaded anew after each of many definitions.
 */
static void
check_name_conflicts(const FeatureRow *row)
{
	const char *const names[] = {row->key, row->json_name};
	Snapshot	snapshot = begin_read();

	for (int i = 0; i < lengthof(names); i++)
	{
		char	   *key = find_key_by_name(snapshot, names[i]);

		if (key == NULL)
			continue;
		if (i == 0 && strcmp(key, row->key) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("feature \"%s\" already exists", row->key)));
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("name \"%s\" is already used by feature \"%s\"",
						names[i], key),
				 errdetail("Keys and JSON names are unique together."),
				 errhint("Give the feature another %s.",
						 i == 0 ? "key" : "JSON name")));
	}
	end_read(snapshot);
}

static void
insert_definition(const FeatureRow *row)
{
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};
	TableWriter *writer = writer_begin(updated_columns);

	values[Anum_feature_key - 1] = CStringGetTextDatum(row->key);
	values[Anum_feature_json_name - 1] = CStringGetTextDatum(row->json_name);
	values[Anum_feature_value_type - 1] = CStringGetTextDatum(row->value_type);
	values[Anum_feature_default_value - 1] =
		JsonbPGetDatum(row->default_value);
	nulls[Anum_feature_allowed_values - 1] = row->allowed_values == NULL;
	values[Anum_feature_allowed_values - 1] =
		JsonbPGetDatum(row->allowed_values);
	values[Anum_feature_stage - 1] = CStringGetTextDatum(row->stage);
	values[Anum_feature_description - 1] =
		CStringGetTextDatum(row->description ? row->description : "");
	values[Anum_feature_creation_date - 1] =
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	writer_insert(writer, TABLE_FEATURE, values, nulls);
	writer_end(writer);
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
	const ValueType *type;

	check_argument_count(fcinfo, 6);
	prevent_command("define_feature()");
	row.key = text_argument_or_null(fcinfo, 0);
	row.default_value = jsonb_argument_or_null(fcinfo, 1);
	row.description = text_argument_or_null(fcinfo, 2);
	row.json_name = text_argument_or_null(fcinfo, 3);
	row.value_type = enum_argument(fcinfo, 4);
	row.allowed_values = jsonb_argument_or_null(fcinfo, 5);
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
	json_root_value(row.default_value, &value);
	type = value_infer_type(&value);
	if (type == NULL)
		report_null_argument("default_value");
	if (row.value_type == NULL)
		row.value_type = pstrdup(type->name);
	check_values(&row);

	check_system_permission(PERMISSION_SYSTEM_WRITE);
	definitions_lock();
	check_name_conflicts(&row);
	insert_definition(&row);
	PG_RETURN_VOID();
}

/* A change of a definition that exists. */
typedef struct DefinitionChange
{
	char	   *key;
	FeaturePermission permission;
	LockWaitPolicy wait_policy; /* for rows */

	/* What is altered; NULL: not. */
	Jsonb	   *default_value;
	Jsonb	   *allowed_values; /* JSON null ends the restriction */
	char	   *description;
	char	   *stage;

	bool		cascade;		/* for drop_feature() */
} DefinitionChange;

/*
 * Make a change of a definition, with the definitions locked as it takes.
 * Whatever can be wrong is told before any lock is taken.  Raises
 * undefined_object, insufficient_privilege.
 */
static void
change_definition(DefinitionChange *change, bool exclude_writers,
				  DefinitionsCallback callback)
{
	Snapshot	snapshot;
	bool		found;

	if (change->key == NULL)
		report_null_argument("feature");
	snapshot = begin_read();
	found = is_builtin_key(change->key) ||
		read_definition(snapshot, change->key) != NULL;
	end_read(snapshot);
	if (!found)
	{
		/* For the hint. */
		cache_refresh_definitions();
		require_feature(-1, change->key, strlen(change->key));
	}
	check_system_permission(change->permission);
	if (is_builtin_key(change->key))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("feature \"%s\" is built in", change->key),
				 errdetail("Built-in features can be neither altered nor dropped.")));

	if (exclude_writers)
	{
		change->wait_policy = LockWaitError;
		definitions_exclude_writers(callback, change);
	}
	else
	{
		change->wait_policy = LockWaitBlock;
		definitions_lock();
		callback(change);
	}
}

/*
 * Lock the row of the definition that is going to be changed, and read it.
 */
static FeatureRow *
lock_definition(const DefinitionChange *change, ItemPointer tid)
{
	Snapshot	snapshot;
	FeatureRow *row;

	if (!definition_row_lock(change->key, change->wait_policy, tid))
		require_feature(-1, change->key, strlen(change->key));
	snapshot = begin_read();
	row = read_definition(snapshot, change->key);
	end_read(snapshot);
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
	json_root_value(jsonb, &value);
	violation = value_violation(&value,
								value_type(search->row->value_type),
								search->row->allowed_values);
	MemoryContextSwitchTo(caller_cxt);
	if (violation != NULL && search->count++ == 0)
	{
		search->example = pstrdup(violation);
		search->scope = describe_scope(name);
	}
	MemoryContextReset(search->check_cxt);
}

/*
 * Raise object_not_in_prerequisite_state if a scope has set a feature to what
 * will not be allowed.
 */
static void
check_existing_settings(const FeatureRow *row)
{
	ViolationSearch search = {.row = row};
	Snapshot	snapshot = begin_read();

	search.check_cxt = AllocSetContextCreate(CurrentMemoryContext,
											 "instance_features check",
											 ALLOCSET_DEFAULT_SIZES);
	foreach_setting_of_feature(snapshot, row->key, search_violation, &search);
	end_read(snapshot);
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
 * Alter what a change says of a definition.
 */
static void
alter_definition(void *arg)
{
	const DefinitionChange *change = arg;
	ItemPointerData tid;
	FeatureRow *row = lock_definition(change, &tid);
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};
	TableWriter *writer;

	if (change->stage != NULL)
		row->stage = change->stage;
	if (change->default_value != NULL)
		row->default_value = change->default_value;
	if (change->allowed_values != NULL)
	{
		JsonbValue	value;

		json_root_value(change->allowed_values, &value);
		row->allowed_values =
			value.type == jbvNull ? NULL : change->allowed_values;
	}
	if (change->stage == NULL)
		check_values(row);
	if (change->allowed_values != NULL && row->allowed_values != NULL)
		check_existing_settings(row);

	writer = writer_begin(change->description ? updated_with_description :
						  updated_columns);
	values[Anum_feature_default_value - 1] =
		JsonbPGetDatum(row->default_value);
	nulls[Anum_feature_allowed_values - 1] = row->allowed_values == NULL;
	values[Anum_feature_allowed_values - 1] =
		JsonbPGetDatum(row->allowed_values);
	values[Anum_feature_stage - 1] = CStringGetTextDatum(row->stage);
	if (change->description != NULL)
		values[Anum_feature_description - 1] =
			CStringGetTextDatum(change->description);
	writer_update(writer, TABLE_FEATURE, &tid, values, nulls);
	writer_end(writer);
}

/*
 * alter_feature(feature, default_value, description, allowed_values)
 */
Datum
alter_feature(PG_FUNCTION_ARGS)
{
	DefinitionChange change = {.permission = PERMISSION_SYSTEM_WRITE};

	check_argument_count(fcinfo, 4);
	prevent_command("alter_feature()");
	change.key = text_argument_or_null(fcinfo, 0);
	change.default_value = jsonb_argument_or_null(fcinfo, 1);
	change.description = text_argument_or_null(fcinfo, 2);
	change.allowed_values = jsonb_argument_or_null(fcinfo, 3);
	if (change.key == NULL)
		report_null_argument("feature");
	if (change.default_value == NULL && change.description == NULL &&
		change.allowed_values == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing to alter"),
				 errhint("Give default_value, description or allowed_values.")));
	check_limits(clip_name(change.key, strlen(change.key)),
				 change.default_value, change.allowed_values);

	change_definition(&change, change.allowed_values != NULL,
					  alter_definition);
	PG_RETURN_VOID();
}

/*
 * set_feature_stage(feature, stage)
 */
Datum
set_feature_stage(PG_FUNCTION_ARGS)
{
	DefinitionChange change = {.permission = PERMISSION_SYSTEM_WRITE};

	check_argument_count(fcinfo, 2);
	prevent_command("set_feature_stage()");
	change.key = text_argument_or_null(fcinfo, 0);
	change.stage = enum_argument(fcinfo, 1);
	if (change.key == NULL)
		report_null_argument("feature");
	if (change.stage == NULL)
		report_null_argument("stage");
	change_definition(&change, strcmp(change.stage, "removed") == 0,
					  alter_definition);
	PG_RETURN_VOID();
}

static void
collect_scope(const ScopeName *name, const Jsonb *value, void *arg)
{
	List	  **scopes = arg;

	*scopes = lappend(*scopes, copy_scope_name(name));
}

/*
 * The scopes that set a feature, a list of ScopeName.
 */
static List *
scopes_that_set(const char *key)
{
	List	   *scopes = NIL;
	Snapshot	snapshot = begin_read();

	foreach_setting_of_feature(snapshot, key, collect_scope, &scopes);
	end_read(snapshot);
	return scopes;
}

static List *
plan_unset(const ScopeName *name, const ScopeTuple *scope, List *settings,
		   void *arg)
{
	return find_differences(settings, list_make1(make_change(arg, NULL)));
}

/*
 * Unset a feature on scopes that set it, in the order of locks.
 */
static void
unset_everywhere(char *key, List *scopes)
{
	MemoryContext scope_cxt = AllocSetContextCreate(CurrentMemoryContext,
													"instance_features scope",
													ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	list_sort(scopes, compare_scope_cells);
	foreach(lc, scopes)
	{
		MemoryContext caller_cxt = MemoryContextSwitchTo(scope_cxt);

		(void) change_scope(lfirst(lc), PERMISSION_SYSTEM_DELETE,
							LockWaitError, plan_unset, key);
		MemoryContextSwitchTo(caller_cxt);
		MemoryContextReset(scope_cxt);
	}
	MemoryContextDelete(scope_cxt);
}

static void
drop_definition(void *arg)
{
	const DefinitionChange *change = arg;
	ItemPointerData tid;
	List	   *scopes;
	TableWriter *writer;

	(void) lock_definition(change, &tid);
	scopes = scopes_that_set(change->key);
	if (scopes != NIL && !change->cascade)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot drop feature \"%s\" because it is set",
						change->key),
				 errdetail_plural("%d scope sets it.", "%d scopes set it.",
								  list_length(scopes), list_length(scopes)),
				 errhint("Use cascade => true to unset it everywhere.")));
	unset_everywhere(change->key, scopes);

	writer = writer_begin(updated_columns);
	writer_delete(writer, TABLE_FEATURE, &tid);
	writer_end(writer);
	if (scopes_that_set(change->key) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("a trigger set feature \"%s\" again while it was dropped",
						change->key)));
}

/*
 * drop_feature(feature, cascade)
 */
Datum
drop_feature(PG_FUNCTION_ARGS)
{
	DefinitionChange change = {.permission = PERMISSION_SYSTEM_DELETE};

	check_argument_count(fcinfo, 2);
	prevent_command("drop_feature()");
	change.key = text_argument_or_null(fcinfo, 0);
	if (change.key == NULL)
		report_null_argument("feature");
	change.cascade = boolean_argument(fcinfo, 1, "cascade");
	change_definition(&change, true, drop_definition);
	PG_RETURN_VOID();
}
