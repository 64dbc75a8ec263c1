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

#include "lib/ilist.h"

#include "tables.h"

/* The values of enum feature_source, in its order. */
typedef enum FeatureSource
{
	SOURCE_DEFAULT,
	SOURCE_SYSTEM,
	SOURCE_INSTANCE
} FeatureSource;

typedef struct FeatureDefinition
{
	const char *key;
	const char *json_name;
	const char *value_type;
	const Jsonb *default_value;
	const Jsonb *allowed_values;	/* an array, or NULL */
	bool		builtin;
	const char *stage;
	bool		deprecated;		/* whether that is its stage */
	bool		removed;
} FeatureDefinition;

/* One setting of a scope.  Its value lies behind the scope. */
typedef struct CachedSetting
{
	int			feature;		/* number of its definition */
	Size		value_offset;	/* from the start of the CachedScope */
	int64		sequence;
	TimestampTz change_date;
} CachedSetting;

/*
 * A scope with its settings, in one piece of memory: this struct, the
 * settings in the order of their definitions, the id, the values.
 */
typedef struct CachedScope
{
	dlist_node	lru;			/* place among the instances, for cache.c */
	Size		size;			/* that it takes in the cache, for cache.c */
	uint64		generation;		/* when it was loaded; 0: not to be used again */
	uint64		fingerprint;	/* of its rows, for the system only */
	bool		stored;			/* has a row; else it exists implicitly */
	ScopeRow	row;
	FeatureLevel level;
	int			id_length;
	Size		id_offset;		/* the id ends in a zero byte */
	int			nsettings;
	CachedSetting settings[FLEXIBLE_ARRAY_MEMBER];
} CachedScope;

/* The value of one feature on one scope. */
typedef struct FeatureState
{
	const FeatureDefinition *definition;
	const Jsonb *value;
	FeatureSource source;
	int64		sequence;		/* of the event that set it; */
	TimestampTz change_date;	/* neither for SOURCE_DEFAULT */
} FeatureState;

static inline const char *
scope_id(const CachedScope *scope)
{
	return (const char *) scope + scope->id_offset;
}

static inline const Jsonb *
setting_value(const CachedScope *scope, const CachedSetting *setting)
{
	return (const Jsonb *) ((const char *) scope + setting->value_offset);
}

/* In kilobytes; the setting instance_features.cache_size. */
extern int	cache_size;

/*
 * What instance_features_stats() shows.  Written by cache.c and
 * cache_count_hit() alone.
 */
typedef struct CacheStats
{
	uint64		hits;			/* answered without a load */
	uint64		loads;			/* of an instance or the system */
} CacheStats;

extern CacheStats cache_stats;

static inline void
cache_count_hit(void)
{
	cache_stats.hits++;
}

extern const char *source_name(FeatureSource source);
extern const CachedScope *cache_find_scope(const ScopeName *name);
extern bool cache_remembers(void);
extern void cache_refresh_definitions(void);
extern uint64 cache_definitions_version(void);
extern Size cache_memory(int64 *entries);

/* These load nothing: they go with the scope that was found last. */
extern const FeatureDefinition *cache_definitions(int *count);
extern const FeatureDefinition *cache_definition(int feature);
extern int	cache_find_feature(const char *key, int len);
extern int	cache_find_json_name(const char *json_name, int len);
extern const char *cache_nearest_key(const char *name, int len);
extern const char *cache_nearest_field(const char *name, int len);
extern void cache_effective_state(const CachedScope *scope, int feature,
								  FeatureState *state);
extern bool cache_own_state(const CachedScope *scope, int feature,
							FeatureState *state);

#endif							/* INSTANCE_FEATURES_CACHE_H */
