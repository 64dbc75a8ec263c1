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

#include "base/scopename.h"
#include "model/value.h"
#include "table/generation.h"

typedef struct FeatureDefinition
{
	const char *key;
	const char *json_name;
	const ValueType *type;
	const Jsonb *default_value;
	const Jsonb *allowed_values;	/* an array, or NULL */
	LevelSet	levels;			/* where it may be set */
	bool		builtin;
	const char *stage;
	bool		deprecated;		/* stage is "deprecated" */
	bool		removed;		/* stage is "removed" */
} FeatureDefinition;

extern bool definitions_are_current(void);
extern void definitions_load(Snapshot snapshot, uint64 fingerprint,
							 uint64 generation, MemoryContext parent_cxt);
extern bool definitions_differ(uint64 fingerprint);
extern uint64 definitions_version(void);

/* These do not load anything: they match the scope that was found last. */
extern const FeatureDefinition *definitions_all(int *count);
extern const FeatureDefinition *definition_get(int feature);
extern int	definition_find(const char *key, int len);
extern int	definition_find_json_name(const char *json_name, int len);
extern const char *definition_nearest_key(const char *name, int len);
extern const char *definition_nearest_field(const char *name, int len);

#endif							/* INSTANCE_FEATURES_DEFINITION_H */
