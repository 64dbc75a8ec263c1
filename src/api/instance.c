/*-------------------------------------------------------------------------
 *
 * instance.c
 *	  SQL-callable functions that create and drop instances and change owners.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/scopes.h"
#include "table/generation.h"
#include "table/tableread.h"
#include "table/tablewriter.h"

PG_FUNCTION_INFO_V1(create_instance);
PG_FUNCTION_INFO_V1(drop_instance);
PG_FUNCTION_INFO_V1(alter_system_owner);
PG_FUNCTION_INFO_V1(alter_instance_owner);

/*
 * Return the role named by an argument of type regrole.  Raises
 * undefined_object if it does not exist.
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
create_instance(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	ScopeRow	nobody = {0};
	FeatureDetails details;

	result_check_argument_count(fcinfo, 2);
	change_prevent_command("create_instance()");
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	name = argument_instance(fcinfo, 0);

	permission_check(&name, &nobody, PERMISSION_SYSTEM_WRITE);
	if (!scope_create(&name,
					  PG_ARGISNULL(1) ? GetUserId() : role_argument(fcinfo, 1),
					  &details))
		report_scope_exists(&name);
	return result_details(fcinfo, &details);
}

/*
 * drop_instance(instance_id)
 */
Datum
drop_instance(PG_FUNCTION_ARGS)
{
	ScopeName	name;

	result_check_argument_count(fcinfo, 1);
	change_prevent_command("drop_instance()");
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	name = argument_instance(fcinfo, 0);

	scope_drop(&name);
	PG_RETURN_VOID();
}

/*
 * Give a scope to the role named by an argument.
 */
static void
alter_owner(FunctionCallInfo fcinfo, const ScopeName *name, int argno)
{
	Oid			owner;
	ScopeRow	row;

	if (PG_ARGISNULL(argno))
		report_null_argument("owner");

	/* Report errors before taking any lock. */
	row = argument_find_scope_row(name);
	permission_check(name, &row, PERMISSION_WRITE);
	owner = role_argument(fcinfo, argno);
	permission_check_new_owner(name, &row, owner);

	scope_give(name, owner);
}

/*
 * alter_system_owner(owner)
 */
Datum
alter_system_owner(PG_FUNCTION_ARGS)
{
	result_check_argument_count(fcinfo, 1);
	change_prevent_command("alter_system_owner()");
	alter_owner(fcinfo, &scopename_system, 0);
	PG_RETURN_VOID();
}

/*
 * alter_instance_owner(owner, instance_id)
 */
Datum
alter_instance_owner(PG_FUNCTION_ARGS)
{
	ScopeName	name;

	result_check_argument_count(fcinfo, 2);
	change_prevent_command("alter_instance_owner()");
	name = argument_instance(fcinfo, 1);
	alter_owner(fcinfo, &name, 0);
	PG_RETURN_VOID();
}
