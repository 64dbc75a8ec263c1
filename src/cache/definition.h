/*-------------------------------------------------------------------------
 *
 * definition.h
 *	  The cached definitions of features.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITION_H
#define INSTANCE_FEATURES_DEFINITION_H

#include "utils/snapshot.h"

#include "cache/definitionset.h"
#include "table/generation.h"

extern bool definitions_are_current(void);
extern void definitions_load(Snapshot snapshot, uint64 fingerprint,
							 uint64 generation, MemoryContext parent_cxt);
extern bool definitions_differ(uint64 fingerprint);
extern uint64 definitions_version(void);

/* These do not load anything: they match the scope that was found last. */
extern const DefinitionSet *definitions_loaded(void);
extern const FeatureDefinition *definitions_all(int *count);
extern const FeatureDefinition *definition_get(int feature);
extern int	definition_find(const char *key, int len);
extern const char *definition_nearest_key(const char *name, int len);

#endif							/* INSTANCE_FEATURES_DEFINITION_H */
