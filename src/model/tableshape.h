/*-------------------------------------------------------------------------
 *
 * tableshape.h
 *	  The shape that the tables must have for this library to use them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_TABLESHAPE_H
#define INSTANCE_FEATURES_TABLESHAPE_H

#include "model/rows.h"

extern const char *tableshape_name(FeatureTable table);
extern int	tableshape_columns(FeatureTable table);
extern const char *tableshape_problem(Relation rel, FeatureTable table);
extern bool tableshape_is_tracked(Relation rel, FeatureTable table);

#endif							/* INSTANCE_FEATURES_TABLESHAPE_H */
