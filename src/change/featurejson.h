/*-------------------------------------------------------------------------
 *
 * featurejson.h
 *	  Parsing JSON objects of features into validated lists of changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_FEATUREJSON_H
#define INSTANCE_FEATURES_FEATUREJSON_H

#include "cache/definition.h"
#include "model/share.h"

/* The field of a response that is not a feature. */
#define DETAILS_FIELD "details"

/* A requested change of one feature. */
typedef struct RequestedChange
{
	char	   *key;
	Jsonb	   *value;			/* NULL to unset */
	int			share;			/* of a value; see share.h */
} RequestedChange;

extern bool featurejson_is_reserved(const char *json_name);
extern RequestedChange *featurejson_make_change(const char *key, Jsonb *value);
extern void featurejson_sort(List *changes);
extern const FeatureDefinition *featurejson_find(const DefinitionSet *set,
												 const char *field, int len);
extern List *featurejson_unset_others(const DefinitionSet *set, List *changes,
									  List *settings);
extern void featurejson_check_level(const FeatureDefinition *definition,
									FeatureLevel level);
extern const char *featurejson_violation(const FeatureDefinition *definition,
										 const JsonbValue *value);
extern void featurejson_check_value(const FeatureDefinition *definition,
									const char *field, int len, const JsonbValue *value);
extern List *featurejson_parse(const DefinitionSet *set,
							   const Jsonb *features, FeatureLevel level);
extern List *featurejson_parse_request(const Jsonb *features,
									   FeatureLevel level);

#endif							/* INSTANCE_FEATURES_FEATUREJSON_H */
