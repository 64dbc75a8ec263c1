/*-------------------------------------------------------------------------
 *
 * ofrep.h
 *	  Requests of OpenFeature's remote evaluation protocol.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_OFREP_H
#define INSTANCE_FEATURES_OFREP_H

#include "change/servicerequest.h"
#include "change/serviceresponse.h"

extern void ofrep_answer(ServiceRequest *request, ServiceResponse *response);
extern Jsonb *ofrep_error_body(const ServiceRequest *request,
							   const ServiceError *error);

#endif							/* INSTANCE_FEATURES_OFREP_H */
