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
 * A scope whose column "owner" is null belongs to the owner of the database if
 * it exists implicitly, else to the system's owner.  A scope whose owner is a
 * role that does not exist is nobody's.
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

/* As the service names them. */
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
 * Read the row of the system.  This goes past the cache, which would be loaded
 * anew after each of many changes.
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
 * The owner of the system, InvalidOid if it is nobody's.
 */
static Oid
system_owner(void)
{
	ScopeRow	row = read_system_row();

	return permission_owner_of(&scopename_system, &row);
}

/*
 * The owner of a scope with this row, InvalidOid if it is nobody's.
 */
Oid
permission_owner_of(const ScopeName *name, const ScopeRow *row)
{
	if (row->has_owner)
		return scope_owner_role(&row->owner);
	return scopename_is_implicit(name) ? database_owner() : system_owner();
}

/*
 * Whether the current role has the privileges of "role", which may be
 * InvalidOid, whose privileges only superusers have.
 */
static bool
has_privileges_of(Oid role)
{
	return OidIsValid(role) ? has_privs_of_role(GetUserId(), role) :
		superuser();
}

/*
 * Whether the current role has the privileges of the system's owner.
 */
bool
permission_is_system_owner(void)
{
	return has_privileges_of(system_owner());
}

/*
 * Whether the current role may change a scope with this row.
 */
bool
permission_may_change(const ScopeName *name, const ScopeRow *row)
{
	return has_privileges_of(permission_owner_of(name, row)) || permission_is_system_owner();
}

/*
 * Tell who has a permission that the current role has not: the owner of a
 * scope with this row.
 */
static void
report_permission_denied(const ScopeName *name, const ScopeRow *row,
						 const char *object, const char *permission)
{
	Oid			owner = permission_owner_of(name, row);
	char	   *role = OidIsValid(owner) ? GetUserNameFromId(owner, true) : NULL;
	ScopeRow	owned_row = *row;

	/* Then it is the system's owner who is gone. */
	if (role == NULL && !row->has_owner)
		owned_row = read_system_row();

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for %s", object),
			 role ?
			 errdetail("Permission \"%s\" is required, which role \"%s\" has.",
					   permission, role) :
			 errdetail("Permission \"%s\" is required. It belonged to a role that is gone, and was named \"%s\".",
					   permission, scope_owner_kept_name(&owned_row.owner))));
}

/*
 * Raise insufficient_privilege unless the current role has a permission on a
 * scope with this row.
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
	if (!permission_may_change(owned, &owned_row))
		report_permission_denied(owned, &owned_row,
								 scopename_describe(name),
								 permission_name(name->level, permission));
}

/*
 * Raise insufficient_privilege unless the current role has a permission on the
 * system, for what belongs to no other scope.
 */
void
permission_check_system(FeaturePermission permission)
{
	ScopeRow	row = read_system_row();

	permission_check(&scopename_system, &row, permission);
}

/*
 * Raise insufficient_privilege unless the current role may give a scope to
 * "new_owner": it owns the scope and could become that role.  The system's
 * owner may give an instance to any role.
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
