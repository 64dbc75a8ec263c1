/*-------------------------------------------------------------------------
 *
 * value.h
 *	  Types of features, and the rules for their values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_VALUE_H
#define INSTANCE_FEATURES_VALUE_H

#include "utils/jsonb.h"

/* The properties of a type.  No code distinguishes types in other ways. */
typedef struct ValueType
{
	const char *name;			/* as in enum feature_type */
	enum jbvType jsonb_type;	/* of its values */
	bool		is_array;		/* for jbvBinary; else values are objects */
	bool		is_number;		/* can be read by feature_number() */
	bool		has_allowed_values; /* of an array: for its elements */

	/* These may be NULL. */
	bool		(*is_inferred) (const JsonbValue *value);
	bool		(*conforms) (const JsonbValue *value);
	const char *(*range_violation) (const JsonbValue *value);
} ValueType;

/* The setting instance_features.max_value_size, in kB.  Written by SET. */
extern int	value_max_size;

extern const ValueType *value_type(const char *name);
extern bool value_type_exists(const char *name);
extern char *value_type_list(void);
extern const ValueType *value_infer_type(const JsonbValue *value);
extern const char *value_limit_violation(const JsonbValue *value);
extern const char *value_violation(const JsonbValue *value,
								   const ValueType *type,
								   const Jsonb *allowed_values);
extern const char *value_allowed_violation(const Jsonb *allowed_values,
										   const ValueType *type);

#endif							/* INSTANCE_FEATURES_VALUE_H */
