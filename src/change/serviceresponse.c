/*-------------------------------------------------------------------------
 *
 * serviceresponse.c
 *	  What feature_service() answers: status, body and headers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/numeric.h"

#include "change/serviceresponse.h"

/*
 * Add a header.  The strings are not copied.
 */
void
serviceresponse_add_header(ServiceResponse *response, const char *name,
						   const char *value)
{
	ServiceHeader *header = palloc(sizeof(ServiceHeader));

	header->name = name;
	header->value = value;
	response->headers = lappend(response->headers, header);
}

/*
 * Return the headers as an object: {"etag": "\"3\""}.
 */
Jsonb *
serviceresponse_headers(const ServiceResponse *response)
{
	JsonbBuilder builder = {0};
	ListCell   *lc;

	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, response->headers)
	{
		const ServiceHeader *header = lfirst(lc);

		serviceresponse_push_string(&builder, header->name, header->value);
	}
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(builder.result);
}

/*
 * Return the headers as an array of objects with one member each, which is what
 * PostgREST expects.
 */
Jsonb *
serviceresponse_header_list(const ServiceResponse *response)
{
	JsonbBuilder builder = {0};
	ListCell   *lc;

	push_jsonb(&builder, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, response->headers)
	{
		const ServiceHeader *header = lfirst(lc);

		push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
		serviceresponse_push_string(&builder, header->name, header->value);
		push_jsonb(&builder, WJB_END_OBJECT, NULL);
	}
	push_jsonb(&builder, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(builder.result);
}

/*
 * Add a member to an object that is being built.  The string is not copied.
 */
void
serviceresponse_push_string(JsonbBuilder *builder, const char *key,
							const char *string)
{
	json_push_string(builder, WJB_KEY, key);
	json_push_string(builder, WJB_VALUE, string);
}

void
serviceresponse_push_integer(JsonbBuilder *builder, const char *key,
							 int64 integer)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(integer);
	json_push_string(builder, WJB_KEY, key);
	push_jsonb(builder, WJB_VALUE, &value);
}
