/*-------------------------------------------------------------------------
 *
 * jsonbuild.h
 *	  Building, copying and iterating over jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_JSONBUILD_H
#define INSTANCE_FEATURES_JSONBUILD_H

#include "base/compat.h"

/*
 * The fields of an object that is being built.  That takes less memory than
 * push_jsonb(), in which each object has some of its own.
 */
typedef struct JsonFields
{
	JsonbPair  *pairs;
	Size		count;
	Size		capacity;
} JsonFields;

extern void json_push_string(JsonbBuilder *builder, JsonbIteratorToken token,
							 const char *string);
extern Jsonb *json_make_boolean(bool value);
extern Jsonb *json_copy(const Jsonb *jsonb);
extern void json_root_value(const Jsonb *jsonb, JsonbValue *value);
extern JsonbContainer *json_container(const JsonbValue *value, Jsonb **scalar);
extern const char *json_type_name(const JsonbValue *value);
extern char *json_describe(const JsonbContainer *value);
extern char *json_describe_value(const JsonbValue *value);
extern void json_add_field(JsonFields *fields, const char *name,
						   const JsonbValue *value);
extern JsonbValue json_take_fields(JsonFields *fields);
extern JsonbValue json_unpack(const JsonbValue *value);
extern JsonbIterator *json_begin_array(const JsonbContainer *array);
extern bool json_next_element(JsonbIterator **it, JsonbValue *element);

#endif							/* INSTANCE_FEATURES_JSONBUILD_H */
