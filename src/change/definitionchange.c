/*-------------------------------------------------------------------------
 *
 * definitionchange.c
 *	  Defining, altering and dropping features.
 *
 * Definitions belong to the system, so only its owner may change them.
 *
 * The rule: a change that could invalidate settings locks out writers of
 * settings; see locks.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/definitionchange.h"
#include "change/definitionrules.h"
#include "change/featurejson.h"
#include "model/builtin.h"
#include "model/value.h"
#include "table/definitionread.h"
#include "table/tableread.h"
#include "table/tablewriter.h"

/* The columns that altering a definition updates. */
static const ColumnRange updated_columns[NUM_TABLES] =
{
	[TABLE_FEATURE] = {Anum_feature_default_value, Anum_feature_stage}
};

static const ColumnRange updated_with_description[NUM_TABLES] =
{
	[TABLE_FEATURE] = {Anum_feature_default_value, Anum_feature_description}
};

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
	values[Anum_feature_levels - 1] = row_make_levels(row->levels);
	values[Anum_feature_stage - 1] = CStringGetTextDatum(row->stage);
	values[Anum_feature_description - 1] =
		CStringGetTextDatum(row->description ? row->description : "");
	values[Anum_feature_creation_date - 1] =
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	writer_insert(writer, TABLE_FEATURE, values, nulls);
	writer_end(writer);
}

/*
 * Return whether a change could invalidate settings: if it changes the allowed
 * values, takes levels away, or removes or drops the feature.
 */
static bool
invalidates_settings(const DefinitionChange *change, const FeatureRow *row)
{
	return change->allowed_values != NULL ||
		(change->levels != 0 && (row->levels & ~change->levels) != 0) ||
		(change->stage != NULL && strcmp(change->stage, "removed") == 0);
}

/*
 * Lock the definitions and run a callback that changes one.  If that callback
 * finds that the change could invalidate settings, which was not so before the
 * definitions were locked, it sets change->excludes_writers and does nothing.
 * Raises undefined_object or insufficient_privilege before taking any lock.
 */
static void
change_definition(DefinitionChange *change, DefinitionsCallback callback)
{
	Snapshot	snapshot;
	const FeatureRow *row;

	snapshot = scan_begin();
	row = definitionread_one(snapshot, change->key);
	scan_end(snapshot);
	if (row == NULL && !builtin_is_key(change->key))
	{
		/* The hint needs the definitions. */
		cache_refresh_definitions();
		argument_require_feature(-1, change->key, strlen(change->key));
	}
	permission_check_system(change->permission);
	if (builtin_is_key(change->key))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("feature \"%s\" is built in", change->key),
				 errdetail("Built-in features can be neither altered nor dropped.")));

	change->excludes_writers = change->excludes_writers ||
		invalidates_settings(change, row);
	if (!change->excludes_writers)
	{
		change->wait_policy = LockWaitBlock;
		lock_definitions_for_altering();
		callback(change);
		if (!change->excludes_writers)
			return;
	}
	change->wait_policy = LockWaitError;
	lock_out_writers(callback, change);
}

/*
 * Lock the row of the definition to be changed, and read it.  Raises
 * undefined_object if it has been dropped.
 */
static FeatureRow *
lock_definition(const DefinitionChange *change, ItemPointer tid)
{
	Snapshot	snapshot;
	FeatureRow *row;

	if (!lock_definition_row(change->key, change->wait_policy, tid))
		argument_require_feature(-1, change->key, strlen(change->key));
	snapshot = scan_begin();
	row = definitionread_one(snapshot, change->key);
	scan_end(snapshot);
	return row;
}

/* Existing settings that the new definition would no longer allow. */
typedef struct ViolationSearch
{
	const FeatureRow *row;
	LevelSet	levels;			/* search only settings on these levels, */
	bool		values;			/* for their values or else for any */
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
	if (!level_is_in(name->level, search->levels))
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
check_existing_values(const FeatureRow *row)
{
	ViolationSearch search = {
		.row = row,
		.levels = ~(LevelSet) 0,
		.values = true
	};

	search_settings(&search);
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
 * The same if a scope sets the feature on one of these levels.
 */
static void
check_existing_levels(const FeatureRow *row, LevelSet levels)
{
	ViolationSearch search = {.row = row,.levels = levels};

	search_settings(&search);
	if (search.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("%lld setting of feature \"%s\" is on another level",
							   "%lld settings of feature \"%s\" are on other levels",
							   search.count,
							   (long long) search.count, row->key),
				 errdetail("One is of %s.", search.scope),
				 errhint("Unset the feature there first.")));
}

/*
 * Alter a definition, with the definitions locked.
 */
static void
alter_definition(void *arg)
{
	DefinitionChange *change = arg;
	ItemPointerData tid;
	FeatureRow *row = lock_definition(change, &tid);
	LevelSet	lost_levels;
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};
	TableWriter *writer;

	if (!change->excludes_writers && invalidates_settings(change, row))
	{
		change->excludes_writers = true;
		return;
	}
	lost_levels = change->levels != 0 ? row->levels & ~change->levels : 0;
	if (change->levels != 0)
		row->levels = change->levels;
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
		definition_check_values(row);
	if (change->allowed_values != NULL && row->allowed_values != NULL)
		check_existing_values(row);
	if (lost_levels != 0)
		check_existing_levels(row, lost_levels);

	writer = writer_begin(change->description ? updated_with_description :
						  updated_columns);
	values[Anum_feature_default_value - 1] =
		JsonbPGetDatum(row->default_value);
	nulls[Anum_feature_allowed_values - 1] = row->allowed_values == NULL;
	values[Anum_feature_allowed_values - 1] =
		JsonbPGetDatum(row->allowed_values);
	values[Anum_feature_levels - 1] = row_make_levels(row->levels);
	values[Anum_feature_stage - 1] = CStringGetTextDatum(row->stage);
	if (change->description != NULL)
		values[Anum_feature_description - 1] =
			CStringGetTextDatum(change->description);
	writer_update(writer, TABLE_FEATURE, &tid, values, nulls);
	writer_end(writer);
}

static void
collect_scope(const ScopeName *name, const Jsonb *value, void *arg)
{
	List	  **scopes = arg;

	*scopes = lappend(*scopes, scopename_copy(name));
}

/*
 * Return the scopes that set a feature, as a list of ScopeName.
 */
static List *
scopes_that_set(const char *key)
{
	List	   *scopes = NIL;
	Snapshot	snapshot = scan_begin();

	tableread_foreach_setting(snapshot, key, collect_scope, &scopes);
	scan_end(snapshot);
	return scopes;
}

static List *
plan_unset(const ScopeName *name, const ScopeTuple *scope, List *settings,
		   void *arg)
{
	return change_find_differences(settings, list_make1(featurejson_make_change(arg, NULL)));
}

/*
 * Unset a feature on these scopes, in the order in which scopes are locked.
 */
static void
unset_everywhere(char *key, List *scopes)
{
	MemoryContext scope_cxt = AllocSetContextCreate(CurrentMemoryContext,
													"instance_features scope",
													ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	list_sort(scopes, scopename_compare_cells);
	foreach(lc, scopes)
	{
		MemoryContext caller_cxt = MemoryContextSwitchTo(scope_cxt);
		const ScopeName *name = lfirst(lc);
		FeatureDetails details;

		/* Direct DML may have left a setting of a scope that does not exist. */
		if (!change_try_scope(name, PERMISSION_SYSTEM_DELETE, LockWaitError,
							  plan_unset, key, &details))
			report_rows_without_scope(name);
		MemoryContextSwitchTo(caller_cxt);
		MemoryContextReset(scope_cxt);
	}
	MemoryContextDelete(scope_cxt);
}

/*
 * Drop a definition, with the definitions locked.
 */
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
 * Define a feature, given a row from definition_complete().  Raises
 * insufficient_privilege and duplicate_object.
 */
void
definition_create(const FeatureRow *row)
{
	permission_check_system(PERMISSION_SYSTEM_WRITE);
	lock_definitions_for_altering();
	definition_check_names(row);
	insert_definition(row);
}

/*
 * Alter a definition.  Writers are locked out if settings may become invalid;
 * see invalidates_settings().  Raises
 * undefined_object, insufficient_privilege, invalid_parameter_value,
 * object_not_in_prerequisite_state and lock_not_available.
 */
void
definition_alter(DefinitionChange *change)
{
	definition_check_limits(error_clip_name(change->key, strlen(change->key)),
							change->default_value, change->allowed_values);
	change->permission = PERMISSION_SYSTEM_WRITE;
	change_definition(change, alter_definition);
}

/*
 * Drop a definition and, with cascade, the settings of the feature.  Raises
 * undefined_object, insufficient_privilege, object_not_in_prerequisite_state
 * and lock_not_available.
 */
void
definition_drop(DefinitionChange *change)
{
	change->permission = PERMISSION_SYSTEM_DELETE;
	change->excludes_writers = true;
	change_definition(change, drop_definition);
}
