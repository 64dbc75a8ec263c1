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

extern void lock_definitions_for_writing(void);
extern void lock_definitions_for_altering(void);
extern void lock_out_writers(DefinitionsCallback callback,
							 void *arg);
extern bool lock_scope_row(const ScopeName *name, Snapshot snapshot,
						   LockTupleMode mode, LockWaitPolicy wait_policy,
						   ScopeTuple *scope);
extern void lock_check_scope_absence(const ScopeName *name);
extern bool lock_find_scope_row(const ScopeName *name, LockTupleMode mode,
								ScopeTuple *scope);
extern bool lock_definition_row(const char *key, LockWaitPolicy wait_policy,
								ItemPointer tid);

#endif							/* INSTANCE_FEATURES_LOCKS_H */
