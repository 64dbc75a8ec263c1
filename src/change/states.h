/*-------------------------------------------------------------------------
 *
 * states.h
 *	  Reading the states of a scope's features.
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
