/*-------------------------------------------------------------------------
 *
 * value.h
 *	  The types of features, and the values that a feature may have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_VALUE_H
#define INSTANCE_FEATURES_VALUE_H

#include "utils/jsonb.h"

/* What distinguishes a type.  All code that does looks here. */
typedef struct ValueType
{
	const char *name;			/* as in enum feature_type */
	enum jbvType jsonb_type;	/* of its values */
	bool		is_array;		/* of jbvBinary: else they are objects */
	bool		is_number;		/* for feature_number() */
	bool		has_allowed_values; /* or its elements have, of an array */

	/* These may be NULL. */
	bool		(*is_inferred) (const JsonbValue *value);
	bool		(*conforms) (const JsonbValue *value);
	const char *(*range_violation) (const JsonbValue *value);
} ValueType;

/*
 * In kilobytes; the setting instance_features.max_value_size.  Written by SET.
 */
extern int	value_max_size;

extern const ValueType *value_type(const char *name);
extern const ValueType *value_infer_type(const JsonbValue *value);
extern const char *value_limit_violation(const JsonbValue *value);
extern const char *value_violation(const JsonbValue *value,
								   const ValueType *type,
								   const Jsonb *allowed_values);
extern const char *value_allowed_violation(const Jsonb *allowed_values,
										   const ValueType *type);

#endif							/* INSTANCE_FEATURES_VALUE_H */
