/*-------------------------------------------------------------------------
 *
 * change.h
 *	  Changing the settings of a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_CHANGE_H
#define INSTANCE_FEATURES_CHANGE_H

#include "change/permission.h"
#include "change/result.h"
#include "change/scopewrite.h"
#include "table/locks.h"

/*
 * Called when the scope is locked, possibly more than once.  Returns the
 * changes to make, a list of FeatureChange.
 */
typedef List *(*PlanChanges) (const ScopeName *name, const ScopeTuple *scope,
							  List *settings, void *arg);

extern void change_prevent_command(const char *function);
extern List *change_find_differences(List *settings, List *requested);
extern List *change_read_settings(const ScopeName *name);
extern bool change_try_scope(const ScopeName *name,
							 FeaturePermission permission,
							 LockWaitPolicy wait_policy,
							 PlanChanges plan, void *arg,
							 FeatureDetails *details);
extern FeatureDetails change_scope(const ScopeName *name,
								   FeaturePermission permission,
								   LockWaitPolicy wait_policy,
								   PlanChanges plan, void *arg);
extern FeatureDetails change_set_features(const ScopeName *name,
										  const Jsonb *features,
										  const int64 *expected_sequence);
extern FeatureDetails change_reset_features(const ScopeName *name,
											const int64 *expected_sequence);

#endif							/* INSTANCE_FEATURES_CHANGE_H */
