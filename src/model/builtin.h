/*-------------------------------------------------------------------------
 *
 * builtin.h
 *	  The built-in features.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_BUILTIN_H
#define INSTANCE_FEATURES_BUILTIN_H

#include "base/scopename.h"

/*
 * Each built-in feature is boolean, false by default, and experimental, and may
 * be set on the system and on instances.
 */
#define BUILTIN_TYPE "boolean"
#define BUILTIN_STAGE "experimental"
#define BUILTIN_LEVELS (LEVEL_BIT(LEVEL_SYSTEM) | LEVEL_BIT(LEVEL_INSTANCE))

typedef struct BuiltinFeature
{
	const char *key;
	const char *json_name;
	const char *description;
} BuiltinFeature;

#define NUM_BUILTIN_FEATURES 5

extern const BuiltinFeature builtin_feature_table[NUM_BUILTIN_FEATURES];

extern bool builtin_is_key(const char *key);

#endif							/* INSTANCE_FEATURES_BUILTIN_H */
