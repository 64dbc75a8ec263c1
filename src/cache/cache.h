/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  The backend's cache of definitions, scopes and settings.
 *
 * What a function here returns is valid until the next call of one of them
 * that may load.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_CACHE_H
#define INSTANCE_FEATURES_CACHE_H

#include "cache/scopeload.h"

/* In kilobytes; the setting instance_features.cache_size. */
extern int	cache_size;

/*
 * What instance_features_stats() shows.  Written by cache.c and
 * cache_count_hit() alone.
 */
typedef struct CacheStats
{
	uint64		hits;			/* answered without a load */
	uint64		loads;			/* of a scope */
} CacheStats;

extern CacheStats cache_stats;

/* A scope and those that it inherits from, from the lowest up. */
typedef struct ScopeChain
{
	int			length;
	ScopeName	names[NUM_LEVELS];
	const CachedScope *scopes[NUM_LEVELS];	/* filled in by cache_find() */
} ScopeChain;

static inline void
cache_count_hit(void)
{
	cache_stats.hits++;
}

extern bool cache_find(ScopeChain *chain);
extern bool cache_remembers(void);
extern void cache_refresh_definitions(void);
extern Size cache_memory(int64 *entries);

#endif							/* INSTANCE_FEATURES_CACHE_H */
