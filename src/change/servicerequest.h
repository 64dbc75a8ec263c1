/*-------------------------------------------------------------------------
 *
 * servicerequest.h
 *	  Parsing the method, the path and the headers of a service request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SERVICEREQUEST_H
#define INSTANCE_FEATURES_SERVICEREQUEST_H

#include "utils/jsonb.h"

#include "base/scopename.h"

typedef enum ServiceMethod
{
	METHOD_GET,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_POST,
	METHOD_OTHER				/* none of the path's methods */
} ServiceMethod;

/* What paths belong to, which decides how requests and errors are answered. */
typedef enum ServiceProtocol
{
	PROTOCOL_FEATURES,			/* the feature service: settings of a scope */
	PROTOCOL_OFREP				/* OpenFeature's remote evaluation protocol */
} ServiceProtocol;

typedef struct ServiceRequest
{
	/* The arguments of feature_service(). */
	const char *method_name;
	const char *path;
	const Jsonb *body;			/* or NULL */
	const Jsonb *headers;		/* or NULL */

	/* What servicerequest_parse() makes of them. */
	ServiceProtocol protocol;
	ServiceMethod method;
	FeatureLevel level;			/* this and the next two for PROTOCOL_FEATURES */
	char	   *id;				/* of the scope; NULL if the path has none */
	bool		inheritance;
	char	   *key;			/* for PROTOCOL_OFREP: of the feature; NULL if
								 * the request is about all of them */

	/* What the protocol notes while it answers, for the answer to an error. */
	bool		conditional;	/* it has the header "if-match" */
	int			stage;			/* of PROTOCOL_OFREP, see ofrep.c */
} ServiceRequest;

extern void servicerequest_parse(ServiceRequest *request);
extern char *servicerequest_header(const ServiceRequest *request,
								   const char *name);
extern const char *servicerequest_allowed_methods(ServiceProtocol protocol);

#endif							/* INSTANCE_FEATURES_SERVICEREQUEST_H */
