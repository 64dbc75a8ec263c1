/*-------------------------------------------------------------------------
 *
 * instance.h
 *	  Creating instances.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_INSTANCE_H
#define INSTANCE_FEATURES_INSTANCE_H

#include "change/result.h"

extern bool create_scope(const ScopeName *name, Oid owner,
						 FeatureDetails *details);

#endif							/* INSTANCE_FEATURES_INSTANCE_H */
