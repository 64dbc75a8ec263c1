/*-------------------------------------------------------------------------
 *
 * builtin.h
 *	  The built-in features.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_BUILTIN_H
#define INSTANCE_FEATURES_BUILTIN_H

/* Each built-in feature is boolean, false by default, and experimental. */
#define BUILTIN_TYPE "boolean"
#define BUILTIN_STAGE "experimental"

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
