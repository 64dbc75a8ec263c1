/*-------------------------------------------------------------------------
 *
 * commands.c
 *	  SQL-callable writers: set, reset, create, drop, owners.
 *
 * A writer reads its request, finds the scope and checks the permission
 * before it takes a lock, and finds and checks again under the lock.  Setting
 * features mostly needs no lock of its own: the update that advances the
 * scope's sequence succeeds only if the scope is as the cache knows it.
 *
 * What is found is copied, since triggers on our tables may use the cache.
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
 * A copy of a scope that the current role may change.
 */
static CachedScope *
find_changeable(const ScopeName *name, FeaturePermission permission)
{
	const CachedScope *scope = find_scope(name);

	check_scope_permission(scope, permission);
	return cache_copy_scope(scope);
}

/*
 * Lock the row of a scope until the transaction ends, making one for a scope
 * that exists implicitly.  Returns a copy of the scope as it is then.  Raises
 * no_data_found if it was dropped, serialization_failure if it came to be
 * after the transaction's snapshot.
 */
static CachedScope *
lock_scope(const ScopeName *name)
{
	bool		inserted = false;
	bool		locked = false;

	while (!locked)
	{
		CachedScope *scope = cache_copy_scope(find_scope(name));
		StoreWrite	write;

		CHECK_FOR_INTERRUPTS();

		/* Nobody else had a row, and ours did not come to be. */
		if (!scope->stored && inserted)
			report_suppressed_change(scope_instance_id(scope));

		store_begin_write(&write);
		if (scope->stored)
			locked = store_lock_scope(name);
		else
		{
			locked = store_insert_scope(name, &scope->row);
			inserted = true;
		}
		store_end_write(&write);

		/* We may have waited for somebody, and be ahead of the message. */
		cache_distrust();

		if (!locked && scope->stored && IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
	}

	return cache_copy_scope(find_scope(name));
}

/*
 * Of the requested changes, those that make a difference to a scope: a list
 * of EventRow, whose feature, old_value and value are filled in.
 */
static List *
list_differences(const CachedScope *scope, List *requested)
{
	List	   *events = NIL;
	ListCell   *lc;

	foreach(lc, requested)
	{
		const RequestedChange *change = lfirst(lc);
		int			feature = cache_find_feature(change->key,
												 strlen(change->key));
		const CachedSetting *setting = cache_find_setting(scope, feature);
		const Jsonb *old_value = setting ? setting_value(scope, setting) : NULL;
		EventRow   *event;

		/* It was there when the request was read. */
		if (feature < 0)
			report_unknown_feature(change->key, strlen(change->key), NULL);
		if (old_value == NULL && change->value == NULL)
			continue;
		if (old_value != NULL && change->value != NULL &&
			compareJsonbContainers(unconstify(JsonbContainer *,
											  &old_value->root),
								   &change->value->root) == 0)
			continue;

		event = palloc0(sizeof(EventRow));
		event->event_type = psprintf("feature.%s.%s.%s",
									 level_name(scope->level), change->key,
									 change->value ? "set" : "unset");
		event->feature = change->key;
		event->old_value = old_value;
		event->value = change->value;
		events = lappend(events, event);
	}

	return events;
}

/*
 * Append events to a scope, whose present state is "known", and apply them to
 * its settings.  False, and nothing changed, if the scope's state is another
 * one by now.
 */
static bool
apply_events(const ScopeName *name, const CachedScope *known, List *events,
			 List *changed_keys, FeatureDetails *details)
{
	const char *editor = GetUserNameFromId(GetUserId(), false);
	TimestampTz change_date = GetCurrentTimestamp();
	int64		sequence = known->row.sequence;
	StoreWrite	write;
	ListCell   *lc;

	store_begin_write(&write);
	if (!store_advance_scope(name, &known->row, list_length(events),
							 &change_date))
	{
		store_end_write(&write);
		return false;
	}

	foreach(lc, events)
	{
		EventRow   *event = lfirst(lc);

		event->sequence = ++sequence;
		event->editor = editor;
		event->creation_date = change_date;
		store_append_event(name, event);

		if (event->feature == NULL)
			store_delete_settings(name);
		else if (event->value == NULL)
			store_delete_setting(name, event->feature);
		else
		{
			SettingRow	setting = {
				.feature = unconstify(char *, event->feature),
				.value = unconstify(Jsonb *, event->value),
				.sequence = sequence,
				.change_date = change_date
			};

			store_put_setting(name, &setting, event->old_value != NULL);
		}
	}
	store_end_write(&write);

	notify_change(name, sequence, change_date, changed_keys);

	details->sequence = sequence;
	details->change_date = change_date;
	details->resource_owner = scope_id(known);
	return true;
}

/* The features of the events, for the notification. */
static List *
event_keys(List *events)
{
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, events)
		keys = lappend(keys, unconstify(char *,
										((EventRow *) lfirst(lc))->feature));
	return keys;
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
	CachedScope *scope;
	bool		locked = false;

	/* A bad request is reported even for a scope that does not exist. */
	(void) cache_find_scope(name);
	requested = parse_request(features);

	scope = find_changeable(name, PERMISSION_WRITE);
	for (;;)
	{
		bool		as_expected;
		List	   *events = NIL;
		FeatureDetails details;

		as_expected = expected_sequence == NULL ||
			*expected_sequence == scope->row.sequence;
		if (as_expected)
			events = list_differences(scope, requested);
		if (events != NIL && scope->stored &&
			apply_events(name, scope, events, event_keys(events), &details))
			return details;

		if (locked)
		{
			if (!as_expected)
				report_sequence_mismatch(scope_instance_id(scope),
										 scope->row.sequence,
										 *expected_sequence);
			if (events != NIL)
				report_suppressed_change(scope_instance_id(scope));
			return scope_details(scope);
		}

		scope = lock_scope(name);
		check_scope_permission(scope, PERMISSION_WRITE);
		locked = true;
	}
}

/*
 * Remove all settings of a scope.
 */
FeatureDetails
reset_features(const ScopeName *name)
{
	CachedScope *scope;
	const FeatureDefinition *definitions;
	int			ndefinitions;
	List	   *keys = NIL;
	EventRow	event = {0};
	FeatureDetails details;

	(void) find_changeable(name, PERMISSION_DELETE);
	scope = lock_scope(name);
	check_scope_permission(scope, PERMISSION_DELETE);
	if (scope->nsettings == 0)
		return scope_details(scope);

	definitions = cache_definitions(&ndefinitions);
	for (int i = 0; i < scope->nsettings; i++)
		keys = lappend(keys,
					   pstrdup(definitions[scope->settings[i].feature].key));

	event.event_type = psprintf("feature.%s.reset", level_name(scope->level));
	if (!apply_events(name, scope, list_make1(&event), keys, &details))
		report_suppressed_change(scope_instance_id(scope));
	return details;
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
	char	   *id;
	ScopeRow	row;
	StoreWrite	write;
	bool		created;
	FeatureDetails details;

	prevent_if_read_only("create_instance()");
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	name = instance_argument(fcinfo, 0);
	id = pnstrdup(name.id, name.len);

	(void) find_scope(&system_scope_name);
	check_system_permission(id, PERMISSION_WRITE);
	row.owner = PG_ARGISNULL(1) ? GetUserId() : role_argument(fcinfo, 1);
	if (cache_find_scope(&name) != NULL)
		report_instance_exists(id);

	row.sequence = 0;
	row.change_date = row.creation_date = GetCurrentTimestamp();
	store_begin_write(&write);
	created = store_insert_scope(&name, &row) ||
		store_revive_scope(&name, &row);
	store_end_write(&write);
	if (!created)
		report_instance_exists(id);

	details.sequence = row.sequence;
	details.change_date = row.change_date;
	details.resource_owner = id;
	return details_datum(fcinfo, &details);
}

/*
 * drop_instance(instance_id)
 */
Datum
drop_feature_instance(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	CachedScope *scope;
	StoreWrite	write;

	prevent_if_read_only("drop_instance()");
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	name = instance_argument(fcinfo, 0);

	check_system_permission(scope_id(find_scope(&name)), PERMISSION_DELETE);
	scope = lock_scope(&name);
	check_system_permission(scope_id(scope), PERMISSION_DELETE);

	store_begin_write(&write);
	store_delete_scope(&name);
	store_end_write(&write);

	/* Not an event, but what listeners know of the instance is void. */
	notify_change(&name, scope->row.sequence, GetCurrentTimestamp(), NIL);
	PG_RETURN_VOID();
}

/*
 * Give a scope to the role that an argument names.
 */
static void
alter_owner(FunctionCallInfo fcinfo, const ScopeName *name, int argno)
{
	Oid			owner;
	StoreWrite	write;

	if (PG_ARGISNULL(argno))
		report_null_argument("owner");
	(void) find_changeable(name, PERMISSION_WRITE);
	owner = role_argument(fcinfo, argno);
	check_new_owner(find_scope(name), owner);
	check_new_owner(lock_scope(name), owner);

	store_begin_write(&write);
	store_set_owner(name, owner);
	store_end_write(&write);
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
