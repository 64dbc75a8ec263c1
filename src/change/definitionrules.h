/*-------------------------------------------------------------------------
 *
 * definitionrules.h
 *	  Checks of definitions of features.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITIONRULES_H
#define INSTANCE_FEATURES_DEFINITIONRULES_H

#include "model/tables.h"

extern void definition_check_limits(const char *key,
									const Jsonb *default_value,
									const Jsonb *allowed_values);
extern void definition_check_values(const FeatureRow *row);
extern void definition_check_names(const FeatureRow *row);
extern void definition_complete(FeatureRow *row);

#endif							/* INSTANCE_FEATURES_DEFINITIONRULES_H */
