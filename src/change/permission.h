/*-------------------------------------------------------------------------
 *
 * permission.h
 *	  Permissions to change scopes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_PERMISSION_H
#define INSTANCE_FEATURES_PERMISSION_H

#include "model/tables.h"

/* The permissions required by operations on a scope. */
typedef enum FeaturePermission
{
	PERMISSION_WRITE,			/* held by the scope's owner */
	PERMISSION_DELETE,
	PERMISSION_SYSTEM_WRITE,	/* held by the system's owner */
	PERMISSION_SYSTEM_DELETE
} FeaturePermission;

extern Oid	permission_owner_of(const ScopeName *name, const ScopeRow *row);
extern bool permission_is_system_owner(void);
extern bool permission_is_owner(const ScopeName *name, const ScopeRow *row);
extern void permission_check(const ScopeName *name, const ScopeRow *row,
							 FeaturePermission permission);
extern void permission_check_system(FeaturePermission permission);
extern void permission_check_new_owner(const ScopeName *name, const ScopeRow *row,
									   Oid new_owner);

#endif							/* INSTANCE_FEATURES_PERMISSION_H */
