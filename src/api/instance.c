/*-------------------------------------------------------------------------
 *
 * instance.c
 *	  SQL-callable functions that create, drop and erase scopes, and change
 *	  owners.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "api/level.h"
#include "change/argument.h"
#include "change/featurejson.h"
#include "change/scopes.h"

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
 * Raise invalid_parameter_value if the id of a scope of a level is null.
 */
static void
require_id(FunctionCallInfo fcinfo, int argno, FeatureLevel level)
{
	if (PG_ARGISNULL(argno))
		report_null_argument(psprintf("%s_id", level_name(level)));
}

/*
 * Decide which settings a scope is created with, given its features as a JSON
 * object.
 */
static List *
plan_features(const ScopeName *name, const ScopeTuple *scope, List *settings,
			  void *arg)
{
	cache_refresh_definitions();
	return change_find_differences(settings,
								   featurejson_parse(definitions_loaded(), arg,
													 name->level));
}

/*
 * create_*(id, owner, features)
 */
static Datum
create_scope(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeName	name;
	ScopeRow	nobody = {0};
	Jsonb	   *features;
	FeatureDetails details;

	result_check_argument_count(fcinfo, 3);
	require_id(fcinfo, 0, level);
	name = argument_scope(fcinfo, 0, level);
	features = argument_jsonb(fcinfo, 2);

	/* Report a bad request before anything else. */
	if (features != NULL)
		(void) plan_features(&name, NULL, NIL, features);
	permission_check(&name, &nobody, PERMISSION_SYSTEM_WRITE);
	if (!scope_create(&name,
					  PG_ARGISNULL(1) ? GetUserId() : role_argument(fcinfo, 1),
					  features != NULL ? plan_features : NULL, features,
					  &details))
		report_scope_exists(&name);
	return result_details(fcinfo, &details);
}

LEVEL_WRITER(create_instance, create_scope, LEVEL_INSTANCE);

/*
 * drop_*(id)
 */
static Datum
drop_scope(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeName	name;

	result_check_argument_count(fcinfo, 1);
	require_id(fcinfo, 0, level);
	name = argument_scope(fcinfo, 0, level);

	scope_drop(&name);
	PG_RETURN_VOID();
}

LEVEL_WRITER(drop_instance, drop_scope, LEVEL_INSTANCE);

/*
 * alter_*_owner(owner, id)
 */
static Datum
alter_owner(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeName	name;
	ScopeChain	chain;
	Oid			owner;
	ScopeRow	row;

	result_check_argument_count(fcinfo, 1 + level_arguments(level));
	name = argument_scope(fcinfo, 1, level);
	if (PG_ARGISNULL(0))
		report_null_argument("owner");

	/* Report errors before taking any lock. */
	chain = context_chain_of(&name);
	context_find(&chain);
	row = chain.scopes[0]->row;
	permission_check(&name, &row, PERMISSION_WRITE);
	owner = role_argument(fcinfo, 0);
	permission_check_new_owner(&name, &row, owner);

	scope_give(&name, owner);
	PG_RETURN_VOID();
}

LEVEL_WRITER(alter_system_owner, alter_owner, LEVEL_SYSTEM);
LEVEL_WRITER(alter_instance_owner, alter_owner, LEVEL_INSTANCE);

/*
 * erase_*_features(id, instance_id)
 */
static Datum
erase_features(FunctionCallInfo fcinfo, FeatureLevel level)
{
	ScopeName	name;

	result_check_argument_count(fcinfo, level_arguments(level));
	require_id(fcinfo, 0, level);
	name = argument_scope(fcinfo, 0, level);

	scope_erase(&name);
	PG_RETURN_VOID();
}

LEVEL_WRITER(erase_organization_features, erase_features, LEVEL_ORGANIZATION);
LEVEL_WRITER(erase_user_features, erase_features, LEVEL_USER);
