/*-------------------------------------------------------------------------
 *
 * answer.h
 *	  Whether a feature is enabled, remembered for as long as it holds.
 *
 * What feature_enabled() and the C API have in common: a question, which is a
 * feature's key and an instance's id, and the answer to it.
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
	uint64		generation;		/* generation_of_answers it is of; 0: none yet */
	bool		enabled;
	bool		missing_ok;		/* part of the question */
	int			key_length;
	int			id_length;		/* -1: the current instance */
	char		key[MAX_KEY_LENGTH];
	char		id[MAX_SCOPE_ID_LENGTH];
} FeatureLookup;

/*
 * Whether the answer still is the one: the hot path.  Changes that others have
 * committed advance generation_of_answers here.
 */
static inline bool
lookup_is_current(const FeatureLookup *answer)
{
	AcceptInvalidationMessages();
	return likely(answer->generation == generation_of_answers);
}

extern bool lookup_enabled(const char *key, int key_length,
						   const ScopeName *instance, bool missing_ok);
extern void lookup_init(FeatureLookup *answer, const char *key, int key_length,
						const char *id, int id_length, bool missing_ok);
extern bool lookup_refresh(FeatureLookup *answer);

#endif							/* INSTANCE_FEATURES_LOOKUP_H */
