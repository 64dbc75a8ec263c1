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
#include "change/definitionwrite.h"
#include "change/featurejson.h"
#include "model/builtin.h"
#include "model/value.h"
#include "table/definitionread.h"
#include "table/tableread.h"
#include "table/tablewriter.h"

/*
 * Return the definition that a change makes of this one.
 */
static FeatureRow
altered_row(const DefinitionChange *change, const FeatureRow *row)
{
	FeatureRow	altered = *row;

	if (change->levels != 0)
		altered.levels = change->levels;
	if (change->stage != NULL)
		altered.stage = change->stage;
	if (change->default_value != NULL)
		altered.default_value = change->default_value;
	if (change->description != NULL)
		altered.description = change->description;
	if (change->allowed_values != NULL)
	{
		JsonbValue	value;

		json_root_value(change->allowed_values, &value);
		altered.allowed_values =
			value.type == jbvNull ? NULL : change->allowed_values;
	}
	return altered;
}

/*
 * Return whether a change could invalidate settings.
 */
static bool
invalidates_settings(const DefinitionChange *change, const FeatureRow *row)
{
	FeatureRow	altered = altered_row(change, row);

	return definition_narrowing(row, &altered).any;
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
		definition_report_builtin(change->key);

	change->excludes_writers = change->excludes_writers ||
		(row != NULL && invalidates_settings(change, row));
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
 * Alter a definition, with the definitions locked.
 */
static void
alter_definition(void *arg)
{
	DefinitionChange *change = arg;
	ItemPointerData tid;
	FeatureRow *row = definitionwrite_lock(change->key, change->wait_policy,
										   &tid);
	FeatureRow	altered = altered_row(change, row);
	DefinitionNarrowing narrowing = definition_narrowing(row, &altered);

	if (!change->excludes_writers && narrowing.any)
	{
		change->excludes_writers = true;
		return;
	}
	if (change->stage == NULL)
		definition_check_values(&altered);
	definition_check_settings(&altered, &narrowing, NULL, NULL);
	definitionwrite_update(&tid, &altered, change->description != NULL);
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

	(void) definitionwrite_lock(change->key, change->wait_policy, &tid);
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

	definitionwrite_delete(&tid);
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
	definitionwrite_insert(row);
}

/*
 * Alter a definition.  Writers are locked out if settings may become invalid.
 * Raises undefined_object, insufficient_privilege, invalid_parameter_value,
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
