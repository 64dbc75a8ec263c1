/*-------------------------------------------------------------------------
 *
 * scopeservice.h
 *	  Requests of the feature service: reading and changing a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPESERVICE_H
#define INSTANCE_FEATURES_SCOPESERVICE_H

#include "change/servicerequest.h"
#include "change/serviceresponse.h"

extern void scopeservice_answer(ServiceRequest *request,
								ServiceResponse *response);
extern Jsonb *scopeservice_error_body(const ServiceRequest *request,
									  const ServiceError *error);

#endif							/* INSTANCE_FEATURES_SCOPESERVICE_H */
