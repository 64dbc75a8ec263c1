/*-------------------------------------------------------------------------
 *
 * commands.c
 *	  SQL-callable writers: set, reset, create, drop, owners.
 *
 * What changes settings is in change.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "change.h"
#include "errors.h"
#include "notify.h"

PG_FUNCTION_INFO_V1(set_instance_features);
PG_FUNCTION_INFO_V1(reset_instance_features);
PG_FUNCTION_INFO_V1(set_system_features);
PG_FUNCTION_INFO_V1(reset_system_features);
PG_FUNCTION_INFO_V1(create_feature_instance);
PG_FUNCTION_INFO_V1(drop_feature_instance);
PG_FUNCTION_INFO_V1(alter_instance_owner);
PG_FUNCTION_INFO_V1(alter_system_owner);

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
