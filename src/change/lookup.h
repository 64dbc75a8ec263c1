/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  Memoized lookups of boolean features.
 *
 * A FeatureLookup has the arguments of a lookup by feature_enabled() or the C
 * API, which are a feature's key and an instance's id, and its result.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_LOOKUP_H
#define INSTANCE_FEATURES_LOOKUP_H

#include "utils/inval.h"

#include "cache/cache.h"
#include "table/generation.h"

typedef struct FeatureLookup
{
	uint64		generation;		/* at which it is valid; 0 if no result yet */
	bool		enabled;		/* the result */
	bool		missing_ok;
	int			key_length;
	int			id_length;		/* -1 for the current instance */
	char		key[MAX_KEY_LENGTH];
	char		id[MAX_SCOPE_ID_LENGTH];
} FeatureLookup;

/*
 * Return whether the memoized result is still valid.  This is the hot path.
 * Accepting invalidation messages advances generation_of_answers if other
 * sessions have committed changes.
 */
static inline bool
lookup_is_current(const FeatureLookup *lookup)
{
	AcceptInvalidationMessages();
	return likely(lookup->generation == generation_of_answers);
}

extern bool lookup_enabled(const char *key, int key_length,
						   const ScopeName *instance, bool missing_ok);
extern void lookup_init(FeatureLookup *lookup, const char *key, int key_length,
						const char *id, int id_length, bool missing_ok);
extern bool lookup_refresh(FeatureLookup *lookup);

#endif							/* INSTANCE_FEATURES_LOOKUP_H */
