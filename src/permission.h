/*-------------------------------------------------------------------------
 *
 * permission.h
 *	  Who may change a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_PERMISSION_H
#define IF_PERMISSION_H

#include "cache.h"

typedef enum FeaturePermission
{
	PERMISSION_WRITE,
	PERMISSION_DELETE
} FeaturePermission;

extern void check_scope_permission(const CachedScope *scope,
								   FeaturePermission permission);
extern void check_system_permission(const char *instance_id,
									FeaturePermission permission);
extern void check_new_owner(const CachedScope *scope, Oid owner);

#endif							/* IF_PERMISSION_H */
