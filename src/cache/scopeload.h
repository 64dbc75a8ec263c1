/*-------------------------------------------------------------------------
 *
 * scopeload.h
 *	  A scope with its settings, as it is cached.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPELOAD_H
#define INSTANCE_FEATURES_SCOPELOAD_H

#include "lib/ilist.h"
#include "utils/snapshot.h"

#include "model/tables.h"

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
 * settings in the order of their definitions, the ids, the values.
 */
typedef struct CachedScope
{
	dlist_node	lru;			/* for cache.c, as are the next three */
	Size		size;			/* that it takes in the cache */
	uint64		generation;		/* when it was loaded; 0: not to be used again */
	uint64		last_load;		/* the last load that it was part of */
	uint64		fingerprint;	/* of its rows */
	bool		stored;			/* has a row; else it exists implicitly */
	ScopeRow	row;
	ScopeName	name;			/* points behind the settings */
	int			nsettings;
	CachedSetting settings[FLEXIBLE_ARRAY_MEMBER];
} CachedScope;

static inline const Jsonb *
setting_value(const CachedScope *scope, const CachedSetting *setting)
{
	return (const Jsonb *) ((const char *) scope + setting->value_offset);
}

extern CachedScope *scopeload(Snapshot snapshot, const ScopeName *name,
							  MemoryContext cxt);
extern const CachedSetting *scopeload_find_setting(const CachedScope *scope,
												   int feature);

#endif							/* INSTANCE_FEATURES_SCOPELOAD_H */
