/*-------------------------------------------------------------------------
 *
 * instance.c
 *	  SQL-callable: create and drop instances, and give scopes to roles.
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
create_instance(PG_FUNCTION_ARGS)
{
	ScopeName	name;
	ScopeRow	nobody = {0};
	FeatureDetails details;

	check_argument_count(fcinfo, 2);
	prevent_command("create_instance()");
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	name = instance_argument(fcinfo, 0);

	check_permission(&name, &nobody, PERMISSION_SYSTEM_WRITE);
	if (!create_scope(&name,
					  PG_ARGISNULL(1) ? GetUserId() : role_argument(fcinfo, 1),
					  &details))
		report_scope_exists(&name);
	return details_datum(fcinfo, &details);
}

/*
 * drop_instance(instance_id)
 */
Datum
drop_instance(PG_FUNCTION_ARGS)
{
	ScopeName	name;

	check_argument_count(fcinfo, 1);
	prevent_command("drop_instance()");
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	name = instance_argument(fcinfo, 0);

	drop_scope(&name);
	PG_RETURN_VOID();
}

/*
 * Give a scope to the role that an argument names.
 */
static void
alter_owner(FunctionCallInfo fcinfo, const ScopeName *name, int argno)
{
	Oid			owner;
	ScopeRow	row;

	if (PG_ARGISNULL(argno))
		report_null_argument("owner");

	/* All that can be wrong, before any lock. */
	row = find_scope_row(name);
	check_permission(name, &row, PERMISSION_WRITE);
	owner = role_argument(fcinfo, argno);
	check_new_owner(name, &row, owner);

	give_scope(name, owner);
}

/*
 * alter_system_owner(owner)
 */
Datum
alter_system_owner(PG_FUNCTION_ARGS)
{
	check_argument_count(fcinfo, 1);
	prevent_command("alter_system_owner()");
	alter_owner(fcinfo, &system_scope_name, 0);
	PG_RETURN_VOID();
}

/*
 * alter_instance_owner(owner, instance_id)
 */
Datum
alter_instance_owner(PG_FUNCTION_ARGS)
{
	ScopeName	name;

	check_argument_count(fcinfo, 2);
	prevent_command("alter_instance_owner()");
	name = instance_argument(fcinfo, 1);
	alter_owner(fcinfo, &name, 0);
	PG_RETURN_VOID();
}
