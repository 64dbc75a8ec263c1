/*-------------------------------------------------------------------------
 *
 * rolloutjson.h
 *	  Roll-outs as JSON objects.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ROLLOUTJSON_H
#define INSTANCE_FEATURES_ROLLOUTJSON_H

#include "cache/definitionset.h"
#include "model/rows.h"

extern List *rolloutjson_add(const DefinitionSet *set, List *changes,
							 const Jsonb *rollouts, FeatureLevel level);
extern JsonbValue rolloutjson_make(const SettingRow *setting);

#endif							/* INSTANCE_FEATURES_ROLLOUTJSON_H */
