/*-------------------------------------------------------------------------
 *
 * api.h
 *	  The functions that other extensions call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_CAPI_H
#define INSTANCE_FEATURES_CAPI_H

extern void capi_init(void);

#endif							/* INSTANCE_FEATURES_CAPI_H */
