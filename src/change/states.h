/*-------------------------------------------------------------------------
 *
 * states.h
 *	  The states of all features of a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_STATES_H
#define INSTANCE_FEATURES_STATES_H

#include "cache/effective.h"

typedef void (*StateCallback) (const FeatureState *state, void *arg);

extern void states_read(const ScopeChain *chain, bool inheritance,
						StateCallback callback, void *arg);

#endif							/* INSTANCE_FEATURES_STATES_H */
