/*-------------------------------------------------------------------------
 *
 * permission.c
 *	  Permissions to change scopes.
 *
 * The rule: permissions depend only on ownership.  The current role may change
 * a scope if it has the privileges of the scope's owner or of the system's
 * owner.  Members of the owner have them unless the membership is not
 * inherited; superusers always have them.  A scope below an instance belongs to
 * the owner of the instance: the row passed to these functions is that of
 * scopename_owner().
 *
 * If the column "owner" is null, an implicit scope belongs to the owner of the
 * database, and any other scope to the system's owner.  If the role has been
 * dropped, the scope has no owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "change/permission.h"
#include "table/tableread.h"

/*
 * Return the service's name of a permission on a scope of this level.
 */
static const char *
permission_name(FeatureLevel level, FeaturePermission permission)
{
	bool		is_system = permission == PERMISSION_SYSTEM_WRITE ||
	permission == PERMISSION_SYSTEM_DELETE;
	const LevelInfo *info = &level_infos[is_system ? LEVEL_SYSTEM : level];

	return permission == PERMISSION_WRITE ||
		permission == PERMISSION_SYSTEM_WRITE ?
		info->write_permission : info->delete_permission;
}

static Oid
database_owner(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID,
										ObjectIdGetDatum(MyDatabaseId));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
	owner = ((Form_pg_database) GETSTRUCT(tuple))->datdba;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Read the row of the system.  This bypasses the cache, which would be loaded
 * again after every change.
 */
static ScopeRow
read_system_row(void)
{
	Snapshot	snapshot = scan_begin();
	ScopeRow	row = {0};

	(void) tableread_scope(snapshot, &scopename_system, &row, NULL);
	scan_end(snapshot);
	return row;
}

/*
 * Return the owner of the system, or InvalidOid if it has none.
 */
static Oid
system_owner(void)
{
	ScopeRow	row = read_system_row();

	return permission_owner_of(&scopename_system, &row);
}

/*
 * Return the owner of a scope, or InvalidOid if it has none.
 */
Oid
permission_owner_of(const ScopeName *name, const ScopeRow *row)
{
	ScopeName	owned = scopename_owner(name);

	if (row->has_owner)
		return scope_owner_role(&row->owner);
	return scopename_is_implicit(&owned) ? database_owner() : system_owner();
}

/*
 * Return whether the current role has the privileges of "role".  If that is
 * InvalidOid, only superusers have them.
 */
static bool
has_privileges_of(Oid role)
{
	return OidIsValid(role) ? has_privs_of_role(GetUserId(), role) :
		superuser();
}

/*
 * Return whether the current role has the privileges of the system's owner.
 */
bool
permission_is_system_owner(void)
{
	return has_privileges_of(system_owner());
}

/*
 * Return whether the current role has the privileges of the owner of a scope.
 */
bool
permission_is_owner(const ScopeName *name, const ScopeRow *row)
{
	return has_privileges_of(permission_owner_of(name, row));
}

/*
 * Return whether the current role may change a scope.
 */
static bool
may_change(const ScopeName *name, const ScopeRow *row)
{
	return permission_is_owner(name, row) || permission_is_system_owner();
}

/*
 * Report that the current role lacks a permission, and name the role that has
 * it, the owner of a scope.
 */
static void
report_permission_denied(const ScopeName *name, const ScopeRow *row,
						 const char *object, const char *permission)
{
	Oid			owner = permission_owner_of(name, row);
	char	   *role = OidIsValid(owner) ? GetUserNameFromId(owner, true) : NULL;
	ScopeRow	owned_row = *row;

	/* The scope belongs to the system's owner, which was dropped. */
	if (role == NULL && !row->has_owner)
		owned_row = read_system_row();

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for %s", object),
			 role ?
			 errdetail("Permission \"%s\" is required, which role \"%s\" has.",
					   permission, role) :
			 errdetail("Permission \"%s\" is required.  It belonged to a role that is gone, and was named \"%s\".",
					   permission, scope_owner_kept_name(&owned_row.owner))));
}

/*
 * Raise insufficient_privilege unless the current role has a permission on a
 * scope.
 */
void
permission_check(const ScopeName *name, const ScopeRow *row,
				 FeaturePermission permission)
{
	const ScopeName *owned = name;
	ScopeRow	owned_row = *row;

	if (permission == PERMISSION_SYSTEM_WRITE ||
		permission == PERMISSION_SYSTEM_DELETE)
	{
		owned = &scopename_system;
		owned_row = read_system_row();
	}
	if (!may_change(owned, &owned_row))
		report_permission_denied(owned, &owned_row,
								 scopename_describe(name),
								 permission_name(name->level, permission));
}

/*
 * Raise insufficient_privilege unless the current role has a permission on the
 * system.
 */
void
permission_check_system(FeaturePermission permission)
{
	ScopeRow	row = read_system_row();

	permission_check(&scopename_system, &row, permission);
}

/*
 * Raise insufficient_privilege unless the current role may give a scope to
 * "new_owner".  It must have write permission and be able to SET ROLE to the
 * new owner; but the system's owner may give an instance to any role.
 */
void
permission_check_new_owner(const ScopeName *name, const ScopeRow *row, Oid new_owner)
{
	permission_check(name, row, PERMISSION_WRITE);
	if (may_become_role(GetUserId(), new_owner))
		return;

	if (level_is_single(name->level) || !permission_is_system_owner())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to give %s to role \"%s\"",
						scopename_describe(name),
						GetUserNameFromId(new_owner, false)),
				 errdetail("Permission \"%s\" can be given only by a member of the new owner role.",
						   permission_name(name->level, PERMISSION_WRITE))));
}
