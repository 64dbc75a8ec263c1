/*-------------------------------------------------------------------------
 *
 * commands.h
 *	  Changing scopes, for SQL and for the service.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_COMMANDS_H
#define IF_COMMANDS_H

#include "scope.h"

extern FeatureDetails set_features(const ScopeName *name,
								   const Jsonb *features,
								   const int64 *expected_sequence);
extern FeatureDetails reset_features(const ScopeName *name);

#endif							/* IF_COMMANDS_H */
