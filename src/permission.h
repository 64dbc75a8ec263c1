/*-------------------------------------------------------------------------
 *
 * permission.h
 *	  Who may change a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_PERMISSION_H
#define IF_PERMISSION_H

#include "store.h"

/* What it takes to do something to a scope. */
typedef enum FeaturePermission
{
	PERMISSION_WRITE,			/* of the scope's owner */
	PERMISSION_DELETE,
	PERMISSION_SYSTEM_WRITE,	/* of the system's owner */
	PERMISSION_SYSTEM_DELETE
} FeaturePermission;

extern bool is_system_owner(void);
extern void check_permission(const ScopeName *name, Oid owner,
							 FeaturePermission permission);
extern void check_new_owner(const ScopeName *name, Oid owner, Oid new_owner);

#endif							/* IF_PERMISSION_H */
