/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  The backend's cache of definitions, scopes and settings.
 *
 * The rule: pointers to scopes and definitions are valid until the next call
 * of a function that may load, which are cache_find(), cache_find_values() and
 * cache_refresh_definitions().
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_CACHE_H
#define INSTANCE_FEATURES_CACHE_H

#include "cache/chain.h"

/* The setting instance_features.cache_size, in kB.  Written by SET. */
extern int	cache_size;

/*
 * Counters for instance_features_stats().  Written only by cache.c and
 * cache_count_hit().
 */
typedef struct CacheStats
{
	uint64		hits;			/* lookups without a load */
	uint64		loads;			/* lookups with a load */
} CacheStats;

extern CacheStats cache_stats;

static inline void
cache_count_hit(void)
{
	cache_stats.hits++;
}

extern bool cache_find(ScopeChain *chain);
extern bool cache_find_values(ScopeChain *chain);
extern bool cache_remembers(void);
extern void cache_refresh_definitions(void);
extern Size cache_memory(int64 *entries);

#endif							/* INSTANCE_FEATURES_CACHE_H */
