/*-------------------------------------------------------------------------
 *
 * queries.h
 *	  Reading features, for SQL and for the service.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_QUERIES_H
#define IF_QUERIES_H

#include "scope.h"

typedef void (*StateCallback) (const FeatureState *state, void *arg);

extern const char *source_name(FeatureSource source);
extern void read_states(const CachedScope *scope, bool inheritance,
						StateCallback callback, void *arg);
extern void put_state(const FeatureState *state, void *arg);

#endif							/* IF_QUERIES_H */
