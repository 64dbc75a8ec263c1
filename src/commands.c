/*-------------------------------------------------------------------------
 *
 * commands.c
 *	  SQL-callable writers: set, reset, create, drop, owners.
 *
 * A writer reads its request, finds the scope's row and checks the permission,
 * all before it takes a lock; then it locks the row, checks again what may have
 * changed meanwhile, and writes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "commands.h"
#include "errors.h"
#include "notify.h"
#include "permission.h"
#include "request.h"

PG_FUNCTION_INFO_V1(set_instance_features);
PG_FUNCTION_INFO_V1(reset_instance_features);
PG_FUNCTION_INFO_V1(set_system_features);
PG_FUNCTION_INFO_V1(reset_system_features);
PG_FUNCTION_INFO_V1(create_feature_instance);
PG_FUNCTION_INFO_V1(drop_feature_instance);
PG_FUNCTION_INFO_V1(alter_instance_owner);
PG_FUNCTION_INFO_V1(alter_system_owner);

/*
 * Raise read_only_sql_transaction where nothing can be written.
 */
static void
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
	(void) store_insert_scope(name, &row);
	return true;
}

/*
 * Lock a scope that the current role has a permission on until the transaction
 * ends.  Raises no_data_found, insufficient_privilege, or
 * serialization_failure.
 */
static LockedScope
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
static List *
read_settings(const ScopeName *name)
{
	Snapshot	snapshot = store_begin_read();
	List	   *settings = store_read_settings(snapshot, name);

	store_end_read(snapshot);
	return settings;
}

/*
 * Of the requested changes, those that make a difference to a scope with these
 * settings: a list of EventRow, for store_append().
 */
static List *
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

static FeatureDetails
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
static FeatureDetails
append_events(const ScopeName *name, LockedScope *scope, List *events,
			  List *keys)
{
	store_append(name, scope, events);
	notify_change(name, scope->row.sequence, scope->row.change_date, keys);
	return locked_details(name, scope);
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
	LockedScope scope;
	List	   *events;
	List	   *keys = NIL;
	ListCell   *lc;

	cache_refresh_definitions();
	requested = parse_request(features);

	scope = lock_scope(name, PERMISSION_WRITE);
	if (expected_sequence != NULL && *expected_sequence != scope.row.sequence)
		report_sequence_mismatch(message_id(name), scope.row.sequence,
								 *expected_sequence);
	events = list_differences(name->level, read_settings(name), requested);
	if (events == NIL)
		return locked_details(name, &scope);

	foreach(lc, events)
		keys = lappend(keys, unconstify(char *,
										((EventRow *) lfirst(lc))->feature));
	return append_events(name, &scope, events, keys);
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
	if (keys == NIL)
		return locked_details(name, &scope);

	event.event_type = psprintf("feature.%s.reset", level_name(name->level));
	return append_events(name, &scope, list_make1(&event), keys);
}

/*
 * set_instance_features(features, instance_id, expected_sequence)
 */
Datum
set_instance_features(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	int64		expected_sequence;
	FeatureDetails details;

	prevent_if_read_only("set_instance_features()");
	name = instance_argument(fcinfo, 1);
	expected_sequence = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	details = set_features(&name,
						   PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0),
						   PG_ARGISNULL(2) ? NULL : &expected_sequence);
	return details_datum(fcinfo, &details);
}

/*
 * reset_instance_features(instance_id)
 */
Datum
reset_instance_features(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	FeatureDetails details;

	prevent_if_read_only("reset_instance_features()");
	name = instance_argument(fcinfo, 0);
	details = reset_features(&name);
	return details_datum(fcinfo, &details);
}

/*
 * set_system_features(features, expected_sequence)
 */
Datum
set_system_features(PG_FUNCTION_ARGS)
{
	int64		expected_sequence;
	FeatureDetails details;

	prevent_if_read_only("set_system_features()");
	expected_sequence = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	details = set_features(&system_scope_name,
						   PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0),
						   PG_ARGISNULL(1) ? NULL : &expected_sequence);
	return details_datum(fcinfo, &details);
}

/*
 * reset_system_features()
 */
Datum
reset_system_features(PG_FUNCTION_ARGS)
{
	FeatureDetails details;

	prevent_if_read_only("reset_system_features()");
	details = reset_features(&system_scope_name);
	return details_datum(fcinfo, &details);
}

/*
 * The role that an argument of type regrole names: it must exist.
 */
static Oid
role_argument(FunctionCallInfo fcinfo, int argno)
{
	Oid			role = PG_GETARG_OID(argno);

	if (GetUserNameFromId(role, true) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
	return role;
}

/*
 * create_instance(instance_id, owner)
 */
Datum
create_feature_instance(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	ScopeRow	row;
	FeatureDetails details;

	prevent_if_read_only("create_instance()");
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	name = instance_argument(fcinfo, 0);

	check_permission(&name, InvalidOid, PERMISSION_SYSTEM_WRITE);
	row.owner = PG_ARGISNULL(1) ? GetUserId() : role_argument(fcinfo, 1);
	row.sequence = 0;
	row.change_date = row.creation_date = GetCurrentTimestamp();
	if (cache_find_scope(&name) != NULL || !store_create_scope(&name, &row))
		report_instance_exists(message_id(&name));

	details.sequence = row.sequence;
	details.change_date = row.change_date;
	details.resource_owner = pnstrdup(name.id, name.len);
	return details_datum(fcinfo, &details);
}

/*
 * drop_instance(instance_id)
 */
Datum
drop_feature_instance(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	LockedScope scope;

	prevent_if_read_only("drop_instance()");
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	name = instance_argument(fcinfo, 0);

	scope = lock_scope(&name, PERMISSION_SYSTEM_DELETE);
	store_delete_scope(&name);

	/* Not an event, but what listeners know of the instance is void. */
	notify_change(&name, scope.row.sequence, GetCurrentTimestamp(), NIL);
	PG_RETURN_VOID();
}

/*
 * Give a scope to the role that an argument names.
 */
static void
alter_owner(FunctionCallInfo fcinfo, const ScopeName *name, int argno)
{
	const CachedScope *scope;
	Oid			owner;

	if (PG_ARGISNULL(argno))
		report_null_argument("owner");

	/* All that can be wrong, before any lock. */
	scope = find_scope(name);
	check_permission(name, scope->row.owner, PERMISSION_WRITE);
	owner = role_argument(fcinfo, argno);
	check_new_owner(name, find_scope(name)->row.owner, owner);

	check_new_owner(name, lock_scope(name, PERMISSION_WRITE).row.owner, owner);
	store_set_owner(name, owner);
}

/*
 * alter_instance_owner(owner, instance_id)
 */
Datum
alter_instance_owner(PG_FUNCTION_ARGS)
{
	ScopeName	name;

	prevent_if_read_only("alter_instance_owner()");
	name = instance_argument(fcinfo, 1);
	alter_owner(fcinfo, &name, 0);
	PG_RETURN_VOID();
}

/*
 * alter_system_owner(owner)
 */
Datum
alter_system_owner(PG_FUNCTION_ARGS)
{
	prevent_if_read_only("alter_system_owner()");
	alter_owner(fcinfo, &system_scope_name, 0);
	PG_RETURN_VOID();
}
