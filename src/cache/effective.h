/*-------------------------------------------------------------------------
 *
 * effective.h
 *	  Effective values of features: inheritance and defaults.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_EFFECTIVE_H
#define INSTANCE_FEATURES_EFFECTIVE_H

#include "cache/cache.h"
#include "cache/definition.h"

/* The source of a value that comes from the definition. */
#define SOURCE_DEFAULT (-1)

/* The value of one feature on one scope. */
typedef struct FeatureState
{
	const FeatureDefinition *definition;
	const Jsonb *value;
	int			share;			/* see share.h */
	int			source;			/* a FeatureLevel, or SOURCE_DEFAULT */
	int64		sequence;		/* of the event that set the value, */
	TimestampTz change_date;	/* unless from SOURCE_DEFAULT */
} FeatureState;

extern bool effective_own_state(const CachedScope *scope, int feature,
								FeatureState *state);
extern void effective_state(const ScopeChain *chain, int feature,
							FeatureState *state);
extern LevelSet effective_levels(const ScopeChain *chain, int feature);

#endif							/* INSTANCE_FEATURES_EFFECTIVE_H */
