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

typedef struct FeatureAnswer
{
	uint64		generation;		/* cache_generation it is of; 0: none yet */
	bool		enabled;
	bool		missing_ok;		/* part of the question */
	int			key_length;
	int			id_length;		/* -1: the current instance */
	char		key[MAX_KEY_LENGTH];
	char		id[MAX_SCOPE_ID_LENGTH];
} FeatureAnswer;

/*
 * Whether the answer still is the one: the hot path.  Changes that others have
 * committed advance cache_generation here.
 */
static inline bool
answer_holds(const FeatureAnswer *answer)
{
	AcceptInvalidationMessages();
	return likely(answer->generation == cache_generation);
}

extern bool find_enabled(const char *key, int key_length,
						 const ScopeName *instance, bool missing_ok);
extern void ask(FeatureAnswer *answer, const char *key, int key_length,
				const char *id, int id_length, bool missing_ok);
extern bool ask_again(FeatureAnswer *answer);

#endif							/* INSTANCE_FEATURES_LOOKUP_H */
