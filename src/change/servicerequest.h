/*-------------------------------------------------------------------------
 *
 * servicerequest.h
 *	  Parsing the method and the path of a service request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SERVICEREQUEST_H
#define INSTANCE_FEATURES_SERVICEREQUEST_H

#include "base/scopename.h"

typedef enum ServiceMethod
{
	METHOD_GET,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_OTHER
} ServiceMethod;

typedef struct ServiceRequest
{
	ServiceMethod method;
	FeatureLevel level;
	char	   *id;				/* of the scope; NULL if the path has none */
	bool		inheritance;
} ServiceRequest;

extern ServiceRequest servicerequest_parse(const char *method,
										   const char *path);
extern const char *servicerequest_method_name(ServiceMethod method);

#endif							/* INSTANCE_FEATURES_SERVICEREQUEST_H */
