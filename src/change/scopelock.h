/*-------------------------------------------------------------------------
 *
 * scopelock.h
 *	  Locking the scopes that a call changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPELOCK_H
#define INSTANCE_FEATURES_SCOPELOCK_H

#include "change/permission.h"
#include "table/locks.h"

extern bool scopelock_try(const ScopeName *name, FeaturePermission permission,
						  LockTupleMode mode, LockWaitPolicy wait_policy,
						  ScopeTuple *scope);
extern void scopelock_scope(const ScopeName *name,
							FeaturePermission permission, LockTupleMode mode,
							LockWaitPolicy wait_policy, ScopeTuple *scope);
extern void scopelock_make_instance(const ScopeName *subject);
extern void scopelock_instances(const List *names,
								FeaturePermission permission);

#endif							/* INSTANCE_FEATURES_SCOPELOCK_H */
