/*-------------------------------------------------------------------------
 *
 * value.h
 *	  The values that a feature may have, and building JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_VALUE_H
#define IF_VALUE_H

#include "postgres.h"

#include "compat.h"

/*
 * In kilobytes; the setting instance_features.max_value_size.  Written by SET.
 */
extern int	max_value_size;

extern void push_string(JsonbBuilder *builder, JsonbIteratorToken token,
						const char *string);
extern Jsonb *make_boolean(bool value);
extern Jsonb *copy_jsonb(const Jsonb *jsonb);
extern void root_value(const Jsonb *jsonb, JsonbValue *value);
extern const char *json_type_name(const JsonbValue *value);
extern const char *infer_value_type(const JsonbValue *value);
extern const char *value_limit_violation(const JsonbValue *value);
extern const char *value_violation(const JsonbValue *value, const char *type,
								   const Jsonb *allowed_values);
extern const char *allowed_values_violation(const Jsonb *allowed_values,
											const char *type);

#endif							/* IF_VALUE_H */
