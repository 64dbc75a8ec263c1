/*-------------------------------------------------------------------------
 *
 * locks.h
 *	  The locks of those who change features.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_LOCKS_H
#define INSTANCE_FEATURES_LOCKS_H

#include "nodes/lockoptions.h"
#include "utils/snapshot.h"

#include "model/tables.h"

/* The row of a scope that is locked. */
typedef struct ScopeTuple
{
	bool		stored;			/* has a row; else it exists implicitly */
	ScopeRow	row;
	ItemPointerData tid;
} ScopeTuple;

/* What is done with the definitions locked.  It may be done more than once. */
typedef void (*DefinitionsCallback) (void *arg);

extern void definitions_hold(void);
extern void definitions_lock(void);
extern void definitions_exclude_writers(DefinitionsCallback callback,
										void *arg);
extern bool scope_row_lock(const ScopeName *name, Snapshot snapshot,
						   LockTupleMode mode, LockWaitPolicy wait_policy,
						   ScopeTuple *scope);
extern void scope_row_check_absence(const ScopeName *name);
extern bool scope_row_find_and_lock(const ScopeName *name, LockTupleMode mode,
									ScopeTuple *scope);
extern bool definition_row_lock(const char *key, LockWaitPolicy wait_policy,
								ItemPointer tid);

#endif							/* INSTANCE_FEATURES_LOCKS_H */
