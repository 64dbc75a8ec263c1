/*-------------------------------------------------------------------------
 *
 * elements.h
 *	  Comparing the elements of a feature's array with its allowed values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ELEMENTS_H
#define INSTANCE_FEATURES_ELEMENTS_H

#include "utils/jsonb.h"

extern const char *elements_violation(const JsonbContainer *array,
									  const Jsonb *allowed_values);

#endif							/* INSTANCE_FEATURES_ELEMENTS_H */
