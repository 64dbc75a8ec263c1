/*-------------------------------------------------------------------------
 *
 * get.h
 *	  The arguments of the functions that read a feature's effective value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_GET_H
#define INSTANCE_FEATURES_GET_H

/* The arguments of feature_enabled() and of the functions like it. */
enum
{
	ARGUMENT_FEATURE,
	ARGUMENT_INSTANCE,
	ARGUMENT_ORGANIZATION,
	ARGUMENT_USER,
	ARGUMENT_FALLBACK,
	NUM_ARGUMENTS
};

#endif							/* INSTANCE_FEATURES_GET_H */
