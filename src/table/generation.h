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

/*
 * The same for everything that is cached about scopes, and for the cached
 * definitions.  A change of a single scope advances neither.
 */
extern uint64 generation_of_scopes;
extern uint64 generation_of_definitions;

/* The number of invalidations, for instance_features_stats(). */
extern uint64 generation_invalidations;

/* Called whenever generation_of_answers advances; see instance_features.h. */
typedef void (*CacheCallback) (void *arg);

/*
 * Called when the scope with this number, as it is delivered, has changed.
 * Returns whether an answer may depend on it.  Must not allocate memory, raise
 * errors, or free what a caller further up the stack may be using.
 */
typedef bool (*ScopeListener) (uint32 delivered);

extern void generation_init(void);
extern void generation_listen(ScopeListener listener);
extern void generation_prepare(void);
extern void generation_advance(void);
extern void generation_invalidate(bool definitions);
extern void generation_invalidate_scope(uint32 delivered);
extern void generation_register_callback(CacheCallback callback, void *arg);
extern void generation_unregister_callback(CacheCallback callback, void *arg);

#endif							/* INSTANCE_FEATURES_GENERATION_H */
