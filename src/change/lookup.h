/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  Memoized lookups of boolean features.
 *
 * A FeatureLookup has the arguments of a lookup by feature_enabled() or the C
 * API, which are a feature's key and the ids that name a context, and its
 * result.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_LOOKUP_H
#define INSTANCE_FEATURES_LOOKUP_H

#include "utils/inval.h"

#include "cache/effective.h"
#include "change/context.h"
#include "table/generation.h"

typedef enum LookupResult
{
	LOOKUP_FALSE,
	LOOKUP_TRUE,
	LOOKUP_MISSING				/* something is missing, and that is no error */
} LookupResult;

/* What may be missing without an error. */
typedef enum MissingPolicy
{
	MISSING_NOTHING,
	MISSING_FEATURE,
	MISSING_ANYTHING			/* also the instance and the extension */
} MissingPolicy;

/* An id of a lookup; the length is -1 if the lookup does not name one. */
typedef struct LookupId
{
	int			length;
	char		id[MAX_SCOPE_ID_LENGTH];
} LookupId;

typedef struct FeatureLookup
{
	uint64		generation;		/* at which it is valid; 0 if no result yet */
	LookupResult result;
	bool		has_lower_levels;	/* else only the instance matters */
	MissingPolicy missing;
	int			feature;		/* number of the key's definition, */
	uint64		version;		/* as of this definitions_version(), or 0 */
	int			key_length;
	char		key[MAX_KEY_LENGTH];
	LookupId	ids[NUM_LEVELS];	/* by level */
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

extern int	lookup_find(const NamedIds *named, const char *key,
						int key_length, ScopeChain *chain);
extern LookupResult lookup_enabled(const char *key, int key_length,
								   const NamedIds *named,
								   MissingPolicy missing);
extern void lookup_init(FeatureLookup *lookup, const char *key, int key_length,
						const NamedIds *named, MissingPolicy missing);
extern LookupResult lookup_refresh(FeatureLookup *lookup);

#endif							/* INSTANCE_FEATURES_LOOKUP_H */
