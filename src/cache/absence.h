/*-------------------------------------------------------------------------
 *
 * absence.h
 *	  Which scopes below instances certainly set nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ABSENCE_H
#define INSTANCE_FEATURES_ABSENCE_H

#include "utils/snapshot.h"

#include "cache/scopekey.h"

extern void absence_listen(MemoryContext cxt);
extern bool absence_is_certain(const ScopeKey *instance,
							   const ScopeKey *scope);
extern bool absence_wants_read(const ScopeKey *instance);
extern bool absence_read(Snapshot snapshot, const ScopeName *instance,
						 const ScopeKey *key, Size max_size);
extern ScopeKey absence_read_key(const ScopeKey *instance);
extern bool absence_note(uint32 delivered);
extern Size absence_size(void);

#endif							/* INSTANCE_FEATURES_ABSENCE_H */
