/*-------------------------------------------------------------------------
 *
 * enabledinstances.h
 *	  The function that index conditions call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ENABLEDINSTANCES_H
#define INSTANCE_FEATURES_ENABLEDINSTANCES_H

/* The arguments of enabled_instances(). */
enum
{
	LIST_FEATURE,
	LIST_FALLBACK,
	LIST_INTERNAL,
	NUM_LIST_ARGUMENTS
};

#endif							/* INSTANCE_FEATURES_ENABLEDINSTANCES_H */
