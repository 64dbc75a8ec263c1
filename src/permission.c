/*-------------------------------------------------------------------------
 *
 * permission.c
 *	  Who may change a scope.
 *
 * The rule: rights come from ownership alone.  The current role may change a
 * scope if it has the privileges of the scope's owner or of the system's,
 * which members have unless their membership is not inherited, and superusers
 * always.  The checks go with the scope that was found last in the cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "compat.h"
#include "errors.h"
#include "permission.h"

/* As the service names them. */
static const char *const permission_names[][2] =
{
	[LEVEL_SYSTEM] = {
		[PERMISSION_WRITE] = "system.feature.write",
		[PERMISSION_DELETE] = "system.feature.delete"
	},
	[LEVEL_INSTANCE] = {
		[PERMISSION_WRITE] = "iam.feature.write",
		[PERMISSION_DELETE] = "iam.feature.delete"
	}
};

/*
 * Raise insufficient_privilege unless the current role may change a scope.
 */
void
check_scope_permission(const CachedScope *scope, FeaturePermission permission)
{
	if (!has_privs_of_role(GetUserId(), scope->row.owner) &&
		!has_privs_of_role(GetUserId(), cache_system_owner()))
		report_permission_denied(scope_instance_id(scope),
								 permission_names[scope->level][permission],
								 scope->row.owner);
}

/*
 * Raise insufficient_privilege unless the current role owns the system, which
 * is what creating and dropping an instance takes.
 */
void
check_system_permission(const char *instance_id, FeaturePermission permission)
{
	Oid			owner = cache_system_owner();

	if (!has_privs_of_role(GetUserId(), owner))
		report_permission_denied(instance_id,
								 permission_names[LEVEL_SYSTEM][permission],
								 owner);
}

/*
 * Raise insufficient_privilege unless the current role may give a scope to
 * "owner": it owns the scope and could become that role.  The system's owner
 * may give an instance to any role.
 */
void
check_new_owner(const CachedScope *scope, Oid owner)
{
	check_scope_permission(scope, PERMISSION_WRITE);

	if (scope->level == LEVEL_INSTANCE &&
		has_privs_of_role(GetUserId(), cache_system_owner()))
		return;
	if (!may_become_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to give %s to role \"%s\"",
						scope_words(scope_instance_id(scope)),
						GetUserNameFromId(owner, false)),
				 errdetail("Permission \"%s\" goes only to roles that the present owner is a member of.",
						   permission_names[scope->level][PERMISSION_WRITE])));
}
