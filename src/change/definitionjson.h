/*-------------------------------------------------------------------------
 *
 * definitionjson.h
 *	  Definitions of features as JSON objects.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITIONJSON_H
#define INSTANCE_FEATURES_DEFINITIONJSON_H

#include "base/jsonbuild.h"
#include "model/tables.h"

extern FeatureRow *definitionjson_parse(char *key, const JsonbValue *object);
extern bool definitionjson_differs(const FeatureRow *row,
								   const FeatureRow *other);
extern FeatureRow definitionjson_merge(const FeatureRow *row,
									   const FeatureRow *given);
extern void definitionjson_push(JsonbBuilder *builder, const FeatureRow *row,
								const FeatureRow *other);

#endif							/* INSTANCE_FEATURES_DEFINITIONJSON_H */
