/*-------------------------------------------------------------------------
 *
 * chain.h
 *	  Finding the scopes of a context among what is cached.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_CHAIN_H
#define INSTANCE_FEATURES_CHAIN_H

#include "cache/scopekey.h"
#include "cache/scopeload.h"

/*
 * A scope and those that it inherits from, from the lowest up.  It may lack
 * scopes of its context whose settings do not matter.
 */
typedef struct ScopeChain
{
	NamedId		context[NUM_LEVELS];	/* all ids, by level */
	int			length;
	ScopeName	names[NUM_LEVELS];
	const CachedScope *scopes[NUM_LEVELS];	/* filled in by cache_find*() */
} ScopeChain;

/* Stands for any scope without settings. */
extern const CachedScope chain_no_settings;

extern void chain_make_keys(const ScopeChain *chain, ScopeKey *keys);
extern bool chain_find_cached(ScopeChain *chain, const ScopeKey *keys,
							  bool values_only, bool *exists);

#endif							/* INSTANCE_FEATURES_CHAIN_H */
