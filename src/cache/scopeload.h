/*-------------------------------------------------------------------------
 *
 * scopeload.h
 *	  Loading a scope with its settings for the cache.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPELOAD_H
#define INSTANCE_FEATURES_SCOPELOAD_H

#include "utils/snapshot.h"

#include "model/tables.h"

/* One setting of a scope. */
typedef struct CachedSetting
{
	int			feature;		/* number of its definition */
	int			share;			/* see share.h */
	Size		value_offset;	/* from the start of the CachedScope */
	int64		sequence;
	TimestampTz change_date;
} CachedSetting;

/*
 * A scope with its settings, in one chunk of memory: this struct, the settings
 * in the order of their definitions, the ids, and the values.
 */
typedef struct CachedScope
{
	uint32		message;		/* used by store.c, like the next five */
	struct CachedScope *next;	/* with the same message */
	int			place;
	Size		size;			/* in the cache, with overhead */
	uint64		last_load;		/* number of the last load that used it */
	bool		is_guest;
	uint64		generation;		/* at which it is valid; 0 if not reusable */
	uint64		first_moment;	/* when it was loaded, */
	uint64		last_moment;	/* and last found unchanged; see cache.c */
	uint64		fingerprint;	/* of its rows */
	bool		stored;			/* has a row; else an implicit scope */
	ScopeRow	row;
	ScopeName	name;			/* the strings follow the settings */
	int			nsettings;
	CachedSetting settings[FLEXIBLE_ARRAY_MEMBER];
} CachedScope;

/* Return the value of a setting, which points into the scope. */
static inline const Jsonb *
setting_value(const CachedScope *scope, const CachedSetting *setting)
{
	return (const Jsonb *) ((const char *) scope + setting->value_offset);
}

extern CachedScope *scopeload(Snapshot snapshot, const ScopeName *name,
							  bool whole, MemoryContext cxt);
extern const CachedSetting *scopeload_find_setting(const CachedScope *scope,
												   int feature);

#endif							/* INSTANCE_FEATURES_SCOPELOAD_H */
