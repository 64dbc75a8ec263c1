/*-------------------------------------------------------------------------
 *
 * evaluation.h
 *	  What OpenFeature calls the evaluation of a feature.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_EVALUATION_H
#define INSTANCE_FEATURES_EVALUATION_H

#include "base/jsonbuild.h"
#include "cache/effective.h"

extern void evaluation_push(JsonbBuilder *builder, const FeatureState *state,
							const char *flag_set);

#endif							/* INSTANCE_FEATURES_EVALUATION_H */
