/*-------------------------------------------------------------------------
 *
 * change.c
 *	  Changing the settings of a scope.
 *
 * Every change goes the same way: read the request, find the scope's row and
 * check the permission, all before a lock is taken; then hold the definitions
 * and lock the row, check again what may have changed meanwhile, and write.
 *
 * Two locks, in this order.  A writer of any scope holds the definitions as
 * they are, with a lock that other writers share, and that somebody who alters
 * or drops a feature waits for.  The lock of the scope's row orders the
 * writers of that scope.  Who writes several scopes takes the system first,
 * then the instances by id.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "change.h"
#include "errors.h"
#include "notify.h"
#include "request.h"

/*
 * Raise read_only_sql_transaction where nothing can be written.
 */
void
prevent_if_read_only(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
}

/*
 * Make a row for a scope that exists implicitly, or wait for who does.  False
 * if there is one by now that the transaction did not see.  Raises
 * no_data_found if there is no such scope, serialization_failure if it came to
 * be after the transaction's snapshot.
 */
static bool
make_scope_row(const ScopeName *name, FeaturePermission permission)
{
	const CachedScope *scope;
	ScopeRow	row;

	/* The transaction saw no row, so a cached one is outdated. */
	cache_distrust();
	scope = find_scope(name);
	row = scope->row;
	if (scope->stored)
	{
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
		return false;
	}

	check_permission(name, row.owner, permission);
	store_hold_definitions();
	(void) store_insert_scope(name, &row);
	return true;
}

/*
 * Lock a scope that the current role has a permission on, and hold the
 * definitions, until the transaction ends.  Raises no_data_found,
 * insufficient_privilege, or serialization_failure.
 */
LockedScope
lock_scope(const ScopeName *name, FeaturePermission permission)
{
	LockedScope scope;
	bool		made = false;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (!store_find_scope(name, &scope))
		{
			/* A trigger keeps it from being made? */
			if (made)
				report_suppressed_change(message_id(name));
			made = make_scope_row(name, permission);
			continue;
		}

		if (!OidIsValid(scope.row.owner))
			report_instance_not_found(message_id(name));
		check_permission(name, scope.row.owner, permission);

		store_hold_definitions();
		if (store_lock_scope(name, &scope))
		{
			/* Its owner may be another one by now. */
			if (!OidIsValid(scope.row.owner))
				report_instance_not_found(message_id(name));
			check_permission(name, scope.row.owner, permission);
			return scope;
		}
	}
}

/*
 * The settings of a scope that is locked, a list of SettingRow.
 */
List *
read_settings(const ScopeName *name)
{
	Snapshot	snapshot = store_begin_read();
	List	   *settings = store_read_settings(snapshot, name);

	store_end_read(snapshot);
	return settings;
}

/*
 * Warn that a feature is deprecated, once a session.
 */
static void
warn_if_deprecated(const char *key)
{
	static List *warned = NIL;	/* keys, in TopMemoryContext */
	int			feature = cache_find_feature(key, strlen(key));
	int			count;
	MemoryContext caller_cxt;
	ListCell   *lc;

	if (feature < 0 || !cache_definitions(&count)[feature].deprecated)
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
 * Of the requested changes, those that make a difference to a scope with these
 * settings: a list of EventRow, for append_changes().
 */
List *
list_differences(FeatureLevel level, List *settings, List *requested)
{
	List	   *events = NIL;
	ListCell   *lc;

	foreach(lc, requested)
	{
		const RequestedChange *change = lfirst(lc);
		const SettingRow *setting = NULL;
		EventRow   *event;
		ListCell   *known;

		if (change->value != NULL)
			warn_if_deprecated(change->key);
		foreach(known, settings)
		{
			if (strcmp(((SettingRow *) lfirst(known))->feature,
					   change->key) == 0)
				setting = lfirst(known);
		}
		if (setting == NULL && change->value == NULL)
			continue;
		if (setting != NULL && change->value != NULL &&
			compareJsonbContainers(&setting->value->root,
								   &change->value->root) == 0)
			continue;

		event = palloc0(sizeof(EventRow));
		event->setting = setting;
		event->event_type = psprintf("feature.%s.%s.%s", level_name(level),
									 change->key,
									 change->value ? "set" : "unset");
		event->feature = change->key;
		event->old_value = setting ? setting->value : NULL;
		event->value = change->value;
		events = lappend(events, event);
	}

	return events;
}

FeatureDetails
locked_details(const ScopeName *name, const LockedScope *scope)
{
	FeatureDetails details;

	details.sequence = scope->row.sequence;
	details.change_date = scope->row.change_date;
	details.resource_owner = pnstrdup(name->id, name->len);
	return details;
}

/*
 * Append events to a locked scope and tell listeners which features they
 * change.
 */
static void
append_events(const ScopeName *name, LockedScope *scope, List *events,
			  List *keys)
{
	store_append(name, scope, events);
	notify_change(name, scope->row.sequence, scope->row.change_date, keys);
}

/*
 * The same for events that set or unset features.  None is fine.
 */
void
append_changes(const ScopeName *name, LockedScope *scope, List *events)
{
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, events)
		keys = lappend(keys, unconstify(char *,
										((EventRow *) lfirst(lc))->feature));
	if (events != NIL)
		append_events(name, scope, events, keys);
}

/*
 * Set and unset features of a scope as a request says.  If expected_sequence
 * is not NULL, the scope's sequence must be that.
 */
FeatureDetails
set_features(const ScopeName *name, const Jsonb *features,
			 const int64 *expected_sequence)
{
	List	   *requested;
	uint64		generation;
	LockedScope scope;

	cache_refresh_definitions();
	generation = cache_definitions_generation();
	requested = parse_request(features);

	scope = lock_scope(name, PERMISSION_WRITE);
	if (expected_sequence != NULL && *expected_sequence != scope.row.sequence)
		report_sequence_mismatch(message_id(name), scope.row.sequence,
								 *expected_sequence);

	/* Somebody may have altered a feature before we held them. */
	cache_refresh_definitions();
	if (cache_definitions_generation() != generation)
		requested = parse_request(features);
	append_changes(name, &scope,
				   list_differences(name->level, read_settings(name),
									requested));
	return locked_details(name, &scope);
}

/*
 * Remove all settings of a scope.
 */
FeatureDetails
reset_features(const ScopeName *name)
{
	LockedScope scope = lock_scope(name, PERMISSION_DELETE);
	EventRow	event = {0};
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, read_settings(name))
		keys = lappend(keys, ((SettingRow *) lfirst(lc))->feature);
	if (keys != NIL)
	{
		event.event_type = psprintf("feature.%s.reset",
									level_name(name->level));
		append_events(name, &scope, list_make1(&event), keys);
	}
	return locked_details(name, &scope);
}
