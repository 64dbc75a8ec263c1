/*-------------------------------------------------------------------------
 *
 * capi.h
 *	  The C API for other extensions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_CAPI_H
#define INSTANCE_FEATURES_CAPI_H

extern void capi_init(void);
extern void version1_init(void);

#endif							/* INSTANCE_FEATURES_CAPI_H */
