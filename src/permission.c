/*-------------------------------------------------------------------------
 *
 * permission.c
 *	  Who may change a scope.
 *
 * The rule: rights come from ownership alone.  The current role may change a
 * scope if it has the privileges of the scope's owner or of the system's,
 * which members have unless their membership is not inherited, and superusers
 * always.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "cache.h"
#include "compat.h"
#include "errors.h"
#include "permission.h"

/* As the service names them. */
static const char *
permission_name(FeatureLevel level, FeaturePermission permission)
{
	switch (permission)
	{
		case PERMISSION_WRITE:
			return level == LEVEL_SYSTEM ? "system.feature.write" :
				"iam.feature.write";
		case PERMISSION_DELETE:
			return level == LEVEL_SYSTEM ? "system.feature.delete" :
				"iam.feature.delete";
		case PERMISSION_SYSTEM_WRITE:
			return "system.feature.write";
		case PERMISSION_SYSTEM_DELETE:
			return "system.feature.delete";
	}
	return NULL;				/* keep the compiler quiet */
}

/*
 * Whether the current role has the privileges of the system's owner.  This may
 * load the cache.
 */
bool
is_system_owner(void)
{
	(void) cache_find_scope(&system_scope_name);
	return has_privs_of_role(GetUserId(), cache_system_owner());
}

/*
 * Raise insufficient_privilege unless the current role has a permission on a
 * scope that belongs to "owner".  This may load the cache.
 */
void
check_permission(const ScopeName *name, Oid owner,
				 FeaturePermission permission)
{
	bool		is_systems = permission == PERMISSION_SYSTEM_WRITE ||
	permission == PERMISSION_SYSTEM_DELETE;

	if (!is_systems && has_privs_of_role(GetUserId(), owner))
		return;

	if (!is_system_owner())
		report_permission_denied(message_id(name),
								 permission_name(name->level, permission),
								 is_systems ? cache_system_owner() : owner);
}

/*
 * Raise insufficient_privilege unless the current role may give a scope to
 * "new_owner": it owns the scope and could become that role.  The system's
 * owner may give an instance to any role.
 */
void
check_new_owner(const ScopeName *name, Oid owner, Oid new_owner)
{
	check_permission(name, owner, PERMISSION_WRITE);
	if (may_become_role(GetUserId(), new_owner))
		return;

	if (name->level == LEVEL_SYSTEM || !is_system_owner())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to give %s to role \"%s\"",
						scope_words(message_id(name)),
						GetUserNameFromId(new_owner, false)),
				 errdetail("Permission \"%s\" goes only to roles that the present owner is a member of.",
						   permission_name(name->level, PERMISSION_WRITE))));
}
