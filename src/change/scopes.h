/*-------------------------------------------------------------------------
 *
 * scopes.h
 *	  Creating, dropping and erasing scopes, and giving them to roles.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPES_H
#define INSTANCE_FEATURES_SCOPES_H

#include "change/change.h"

extern bool scope_create(const ScopeName *name, Oid owner, PlanChanges plan,
						 void *arg, FeatureDetails *details);
extern void scope_erase(const ScopeName *name);
extern void scope_drop(const ScopeName *name);
extern void scope_give(const ScopeName *name, Oid owner);

#endif							/* INSTANCE_FEATURES_SCOPES_H */
