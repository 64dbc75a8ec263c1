/*-------------------------------------------------------------------------
 *
 * serviceresponse.h
 *	  What feature_service() answers: status, body and headers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SERVICERESPONSE_H
#define INSTANCE_FEATURES_SERVICERESPONSE_H

#include "nodes/pg_list.h"

#include "base/errors.h"
#include "base/jsonbuild.h"

typedef struct ServiceResponse
{
	int			status;			/* of HTTP */
	Jsonb	   *body;			/* NULL if there is none */
	List	   *headers;		/* of ServiceHeader */
} ServiceResponse;

/* The name is in lower case. */
typedef struct ServiceHeader
{
	const char *name;
	const char *value;
} ServiceHeader;

/* An error, for the body that a protocol makes of it. */
typedef struct ServiceError
{
	ServiceStatus status;
	const char *sqlstate;
	const char *message;
	const char *detail;			/* NULL if there is none */
} ServiceError;

extern void serviceresponse_add_header(ServiceResponse *response,
									   const char *name, const char *value);
extern Jsonb *serviceresponse_headers(const ServiceResponse *response);
extern Jsonb *serviceresponse_header_list(const ServiceResponse *response);
extern void serviceresponse_push_string(JsonbBuilder *builder,
										const char *key, const char *string);
extern void serviceresponse_push_integer(JsonbBuilder *builder,
										 const char *key, int64 integer);

#endif							/* INSTANCE_FEATURES_SERVICERESPONSE_H */
