/*-------------------------------------------------------------------------
 *
 * definitionset.h
 *	  A set of definitions, and finding features in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITIONSET_H
#define INSTANCE_FEATURES_DEFINITIONSET_H

#include "base/scopename.h"
#include "model/value.h"

/* The stages of a feature's life cycle. */
#define STAGE_EXPERIMENTAL "experimental"
#define STAGE_STABLE "stable"
#define STAGE_DEPRECATED "deprecated"
#define STAGE_REMOVED "removed"

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

/* The definitions of all features; a feature's number is its index. */
typedef struct DefinitionSet
{
	FeatureDefinition *array;	/* ordered by key */
	int			count;
	int		   *by_json_name;	/* numbers, ordered by JSON name */
} DefinitionSet;

extern DefinitionSet definitionset_make(const List *rows);
extern int	definitionset_find(const DefinitionSet *set, const char *key,
							   int len);
extern int	definitionset_find_json_name(const DefinitionSet *set,
										 const char *json_name, int len);
extern const char *definitionset_nearest_key(const DefinitionSet *set,
											 const char *name, int len);
extern const char *definitionset_nearest_field(const DefinitionSet *set,
											   const char *name, int len);

#endif							/* INSTANCE_FEATURES_DEFINITIONSET_H */
