/*-------------------------------------------------------------------------
 *
 * ownertype.h
 *	  The SQL type instance_features.scope_owner: the role that owns a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_OWNERTYPE_H
#define INSTANCE_FEATURES_OWNERTYPE_H

#include "fmgr.h"

/*
 * An owner as stored in the tables.  It is live if a role with this OID
 * exists; otherwise it is nobody, even if there is a role of the kept name.
 */
typedef struct ScopeOwner
{
	Oid			roleid;			/* InvalidOid if never bound */
	char		name[NAMEDATALEN];	/* last known name, zero-padded */
} ScopeOwner;

#define DatumGetScopeOwnerP(X)		((ScopeOwner *) DatumGetPointer(X))
#define ScopeOwnerPGetDatum(X)		PointerGetDatum(X)
#define PG_GETARG_SCOPE_OWNER_P(n)	DatumGetScopeOwnerP(PG_GETARG_DATUM(n))
#define PG_RETURN_SCOPE_OWNER_P(x)	return ScopeOwnerPGetDatum(x)

extern Oid	scope_owner_role(const ScopeOwner *owner);
extern void scope_owner_set(ScopeOwner *owner, Oid role);
extern const char *scope_owner_kept_name(const ScopeOwner *owner);
extern ScopeOwner *scope_owner_read(const char *text);
extern char *scope_owner_text(const ScopeOwner *owner);
extern int	scope_owner_compare(const ScopeOwner *a, const ScopeOwner *b);

#endif							/* INSTANCE_FEATURES_OWNERTYPE_H */
