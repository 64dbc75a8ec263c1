/*-------------------------------------------------------------------------
 *
 * store.h
 *	  The cached scopes, and which of them make room for others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_STORE_H
#define INSTANCE_FEATURES_STORE_H

#include "cache/scopeload.h"

extern void store_begin_load(MemoryContext cxt);
extern void store_end_load(Size budget);
extern void store_use(CachedScope *scope);
extern CachedScope *store_find(uint32 message, const ScopeName *name);
extern void store_add(CachedScope *scope, uint32 message, Size budget);
extern void store_remove(CachedScope *scope);
extern bool store_invalidate(uint32 message);
extern int	store_count(void);

#endif							/* INSTANCE_FEATURES_STORE_H */
