/*-------------------------------------------------------------------------
 *
 * api.h
 *	  The functions that other extensions call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_CAPI_H
#define INSTANCE_FEATURES_CAPI_H

extern void api_init(void);

#endif							/* INSTANCE_FEATURES_CAPI_H */
