/*-------------------------------------------------------------------------
 *
 * change.h
 *	  Changing the settings of a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_CHANGE_H
#define IF_CHANGE_H

#include "permission.h"
#include "scope.h"

extern void prevent_if_read_only(const char *function);
extern LockedScope lock_scope(const ScopeName *name,
							  FeaturePermission permission);
extern List *read_settings(const ScopeName *name);
extern List *list_differences(FeatureLevel level, List *settings,
							  List *requested);
extern void append_changes(const ScopeName *name, LockedScope *scope,
						   List *events);
extern FeatureDetails locked_details(const ScopeName *name,
									 const LockedScope *scope);
extern FeatureDetails set_features(const ScopeName *name,
								   const Jsonb *features,
								   const int64 *expected_sequence);
extern FeatureDetails reset_features(const ScopeName *name);

#endif							/* IF_CHANGE_H */
