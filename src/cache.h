/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  The backend's cache of definitions, scopes and settings.
 *
 * What a function here returns is valid until the next call of one of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_CACHE_H
#define IF_CACHE_H

#include "lib/ilist.h"

#include "store.h"

/* The values of enum feature_source, in its order. */
typedef enum FeatureSource
{
	SOURCE_DEFAULT,
	SOURCE_SYSTEM,
	SOURCE_INSTANCE
} FeatureSource;

typedef struct FeatureDefinition
{
	char	   *key;
	char	   *json_name;
	char	   *value_type;
	Jsonb	   *default_value;
	Jsonb	   *allowed_values; /* an array, or NULL */
	bool		builtin;
	char	   *stage;
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
	Size		size;
	dlist_node	lru;			/* place among the instances, for cache.c */
	uint64		generation;		/* when it was loaded, for cache.c */
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

/* In instances; the setting instance_features.cache_size. */
extern int	cache_size;

/*
 * Advances whenever an answer given before may have become another one.
 * Written by cache_advance() alone.
 */
extern uint64 cache_generation;

/* What instance_features_stats() shows.  Written by answer.h and cache.c. */
typedef struct CacheStats
{
	uint64		hits;			/* answered without a load */
	uint64		loads;			/* of an instance or the system */
	uint64		invalidations;
} CacheStats;

extern CacheStats cache_stats;

/* Called whenever cache_generation has advanced: see instance_features.h. */
typedef void (*CacheCallback) (void *arg);

extern void cache_init(void);
extern void cache_advance(void);
extern void cache_register_callback(CacheCallback callback, void *arg);
extern void cache_unregister_callback(CacheCallback callback, void *arg);
extern const CachedScope *cache_find_scope(const ScopeName *name);
extern void cache_distrust(void);
extern void cache_refresh_definitions(void);
extern uint64 cache_definitions_generation(void);
extern Size cache_memory(int64 *entries);

/* These load nothing: they go with the scope that was found last. */
extern const FeatureDefinition *cache_definitions(int *count);
extern int	cache_find_feature(const char *key, int len);
extern int	cache_find_json_name(const char *json_name, int len);
extern const char *cache_nearest_key(const char *name, int len);
extern const char *cache_nearest_field(const char *name, int len);
extern const CachedSetting *cache_find_setting(const CachedScope *scope,
											   int feature);
extern void cache_effective_state(const CachedScope *scope, int feature,
								  FeatureState *state);
extern bool cache_own_state(const CachedScope *scope, int feature,
							FeatureState *state);
extern Oid	cache_system_owner(void);

#endif							/* IF_CACHE_H */
