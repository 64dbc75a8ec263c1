/*-------------------------------------------------------------------------
 *
 * generation.h
 *	  Invalidation of what a session has cached.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_GENERATION_H
#define INSTANCE_FEATURES_GENERATION_H

/*
 * Incremented whenever a previously returned answer may have become stale.
 * Written only by generation.c.
 */
extern uint64 generation_of_answers;

/* The same for cached scopes, and for cached definitions. */
extern uint64 generation_of_scopes;
extern uint64 generation_of_definitions;

/* The number of invalidations, for instance_features_stats(). */
extern uint64 generation_invalidations;

/* Called whenever generation_of_answers advances; see instance_features.h. */
typedef void (*CacheCallback) (void *arg);

extern void generation_init(void);
extern void generation_prepare(void);
extern void generation_advance(void);
extern void generation_invalidate(bool definitions);
extern void generation_register_callback(CacheCallback callback, void *arg);
extern void generation_unregister_callback(CacheCallback callback, void *arg);

extern void generation_write_begins(void);
extern void generation_write_ends(bool definitions);
extern bool generation_write_is_pending(void);

#endif							/* INSTANCE_FEATURES_GENERATION_H */
