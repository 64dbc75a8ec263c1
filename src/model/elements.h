/*-------------------------------------------------------------------------
 *
 * elements.h
 *	  Checking the elements of arrays: duplicates and allowed values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ELEMENTS_H
#define INSTANCE_FEATURES_ELEMENTS_H

#include "utils/jsonb.h"

extern const char *elements_violation(const JsonbContainer *array,
									  const Jsonb *allowed_values);

#endif							/* INSTANCE_FEATURES_ELEMENTS_H */
