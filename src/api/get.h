/*-------------------------------------------------------------------------
 *
 * queries.h
 *	  Reading features, for SQL and for the service.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_GET_H
#define INSTANCE_FEATURES_GET_H

#include "cache/effective.h"

typedef void (*StateCallback) (const FeatureState *state, void *arg);

extern void read_states(const ScopeChain *chain, bool inheritance,
						StateCallback callback, void *arg);

#endif							/* INSTANCE_FEATURES_GET_H */
