/*-------------------------------------------------------------------------
 *
 * queries.h
 *	  Reading features, for SQL and for the service.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_QUERIES_H
#define IF_QUERIES_H

#include "cache.h"

typedef void (*StateCallback) (const FeatureState *state, void *arg);

extern void read_states(const CachedScope *scope, bool inheritance,
						StateCallback callback, void *arg);

#endif							/* IF_QUERIES_H */
