/*-------------------------------------------------------------------------
 *
 * change.c
 *	  Changing the settings of a scope.
 *
 * The rule: every change takes these steps, in change_try_scope().
 *
 *	1. Find the scope, or raise no_data_found.  A scope below an instance
 *	   exists if the instance does.
 *	2. Check the permission, or raise insufficient_privilege.  No locks are
 *	   held yet.
 *	3. Lock the definitions (RowExclusiveLock on table feature), then, for a
 *	   scope below an instance, the instance's row (FOR KEY SHARE), then the
 *	   scope's row (FOR NO KEY UPDATE); see locks.c.  Repeat the checks,
 *	   because the row may have changed while we waited.
 *	4. Read the current settings, and decide what to change.  If nothing,
 *	   return.
 *	5. If the scope's instance exists implicitly and has no row, insert that,
 *	   and go back to 1.  Then write with one command: advance the scope's sequence (or insert the row
 *	   of an implicit scope; if another transaction has inserted it, go back to
 *	   1), append the events, and insert, update and delete settings.
 *
 * The triggers on the tables fire at the end of that command, and invalidate
 * the caches and collect the notification; see track.c.
 *
 * Callers that change several scopes do so in the order of scopename_compare(),
 * and first call scopelock_instances() if some are below instances.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/featurejson.h"
#include "change/scopelock.h"
#include "model/value.h"
#include "model/tables.h"
#include "table/tableread.h"

/*
 * Raise an error in a read-only transaction, in parallel mode and during
 * recovery, as PostgreSQL does for commands that write.
 */
void
change_prevent_command(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
}

/*
 * Warn if a feature is deprecated, once per session.
 */
static void
warn_if_deprecated(const char *key)
{
	static List *warned = NIL;	/* keys, in TopMemoryContext */
	int			feature = definition_find(key, strlen(key));
	MemoryContext caller_cxt;
	ListCell   *lc;

	if (feature < 0 || !definition_get(feature)->deprecated)
		return;
	foreach(lc, warned)
	{
		if (strcmp(lfirst(lc), key) == 0)
			return;
	}

	caller_cxt = MemoryContextSwitchTo(TopMemoryContext);
	warned = lappend(warned, pstrdup(key));
	MemoryContextSwitchTo(caller_cxt);
	ereport(WARNING,
			(errcode(ERRCODE_WARNING_DEPRECATED_FEATURE),
			 errmsg("feature \"%s\" is deprecated", key)));
}

/*
 * Return the setting of a feature from a list that is ordered by feature, or
 * NULL if it is not set.
 */
static const SettingRow *
find_setting_row(List *settings, const char *key)
{
	int			low = 0;
	int			high = list_length(settings) - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		const SettingRow *setting = list_nth(settings, middle);
		int			cmp = strcmp(key, setting->feature);

		if (cmp == 0)
			return setting;
		if (cmp < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}

	return NULL;
}

/*
 * Return the requested changes that make a difference to a scope with these
 * settings, as a list of FeatureChange.  Warns if a feature to be set is
 * deprecated.
 */
List *
change_find_differences(List *settings, List *requested)
{
	List	   *changes = NIL;
	ListCell   *lc;

	foreach(lc, requested)
	{
		const RequestedChange *request = lfirst(lc);
		const SettingRow *setting = find_setting_row(settings, request->key);
		FeatureChange *change;

		CHECK_FOR_INTERRUPTS();
		if (request->value != NULL)
			warn_if_deprecated(request->key);
		if (setting == NULL && request->value == NULL)
			continue;
		if (setting != NULL && request->value != NULL &&
			setting->share == request->share &&
			compareJsonbContainers(&setting->value->root,
								   &request->value->root) == 0)
			continue;

		change = palloc(sizeof(FeatureChange));
		change->key = request->key;
		change->setting = setting;
		change->value = request->value;
		change->share = request->share;
		changes = lappend(changes, change);
	}

	return changes;
}

/*
 * Read the current settings of a scope.  Returns a list of SettingRow, ordered
 * by feature.
 */
List *
change_read_settings(const ScopeName *name)
{
	Snapshot	snapshot = scan_begin();
	List	   *settings = tableread_settings(snapshot, name);

	scan_end(snapshot);
	return settings;
}

/*
 * Change a scope as "plan" decides, and set *details to its details after the
 * change.  Returns false if there is no such scope.  Raises the errors of
 * scopelock_try() and of "plan".
 */
bool
change_try_scope(const ScopeName *name, FeaturePermission permission,
				 LockWaitPolicy wait_policy, PlanChanges plan, void *arg,
				 FeatureDetails *details)
{
	for (;;)
	{
		ScopeTuple	scope;
		List	   *settings = NIL;
		List	   *changes;

		/* Steps 1 to 3. */
		if (!scopelock_try(name, permission, LockTupleNoKeyExclusive,
						   wait_policy, &scope))
			return false;

		/* Step 4. */
		if (scope.stored)
			settings = change_read_settings(name);
		changes = plan(name, &scope, settings, arg);

		/* Step 5. */
		if (changes != NIL && scope.without_instance)
		{
			scopelock_make_instance(name);
			continue;
		}
		if (changes == NIL || scope_write_changes(name, &scope, settings, changes))
		{
			*details = result_scope_details(name, &scope.row);
			return true;
		}
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
	}
}

/*
 * The same, but raises no_data_found if there is no such scope.
 */
FeatureDetails
change_scope(const ScopeName *name, FeaturePermission permission,
			 LockWaitPolicy wait_policy, PlanChanges plan, void *arg)
{
	FeatureDetails details;

	if (!change_try_scope(name, permission, wait_policy, plan, arg, &details))
		report_scope_not_found(name);
	return details;
}

/* The arguments of change_set_features() and change_reset_features(). */
typedef struct SetRequest
{
	FeatureLevel level;			/* the next three are not for a reset */
	const Jsonb *features;
	List	   *requested;		/* the parsed features */
	uint64		version;		/* of the definitions they were parsed with */
	const int64 *expected_sequence; /* or NULL */
} SetRequest;

static void
check_expected_sequence(const ScopeName *name, const ScopeTuple *scope,
						const int64 *expected)
{
	if (expected != NULL && *expected != scope->row.sequence)
		report_sequence_mismatch(name, scope->row.sequence,
								 *expected);
}

static void
parse_set_request(SetRequest *request)
{
	cache_refresh_definitions();
	if (request->version == definitions_version())
		return;
	request->version = definitions_version();
	request->requested = featurejson_parse_request(request->features, request->level);
}

static List *
plan_set(const ScopeName *name, const ScopeTuple *scope, List *settings,
		 void *arg)
{
	SetRequest *request = arg;

	check_expected_sequence(name, scope, request->expected_sequence);

	/* A definition may have changed before we locked them. */
	parse_set_request(request);
	return change_find_differences(settings, request->requested);
}

/*
 * Set and unset the features named in a JSON object.  If expected_sequence is
 * not NULL and differs from the scope's sequence, raises
 * object_not_in_prerequisite_state.  Raises the errors of change_scope() and
 * of featurejson_parse_request().
 */
FeatureDetails
change_set_features(const ScopeName *name, const Jsonb *features,
					const int64 *expected_sequence)
{
	SetRequest	request = {
		.level = name->level,
		.features = features,
		.expected_sequence = expected_sequence
	};

	/* Report a bad request before anything else. */
	parse_set_request(&request);
	return change_scope(name, PERMISSION_WRITE, LockWaitBlock, plan_set,
						&request);
}

static List *
plan_reset(const ScopeName *name, const ScopeTuple *scope, List *settings,
		   void *arg)
{
	const SetRequest *request = arg;

	check_expected_sequence(name, scope, request->expected_sequence);
	return settings == NIL ? NIL : list_make1(palloc0(sizeof(FeatureChange)));
}

/*
 * Remove all settings of a scope, with the same check of the sequence.
 */
FeatureDetails
change_reset_features(const ScopeName *name, const int64 *expected_sequence)
{
	SetRequest	request = {.expected_sequence = expected_sequence};

	return change_scope(name, PERMISSION_DELETE, LockWaitBlock, plan_reset,
						&request);
}
