/*-------------------------------------------------------------------------
 *
 * locks.h
 *	  Locks taken by changes of features and definitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_LOCKS_H
#define INSTANCE_FEATURES_LOCKS_H

#include "nodes/lockoptions.h"
#include "utils/snapshot.h"

#include "model/tables.h"

/* A scope's row, if it has one, with its TID. */
typedef struct ScopeTuple
{
	bool		stored;			/* has a row; else an implicit scope */
	bool		without_instance;	/* below an instance that has no row */
	ScopeRow	row;
	ItemPointerData tid;
} ScopeTuple;

/* Called with the definitions locked, possibly more than once. */
typedef void (*DefinitionsCallback) (void *arg);

extern void lock_definitions_for_writing(void);
extern void lock_definitions_for_altering(void);
extern void lock_out_writers(DefinitionsCallback callback,
							 void *arg);
extern bool lock_scope_row(const ScopeName *name, Snapshot snapshot,
						   LockTupleMode mode, LockWaitPolicy wait_policy,
						   ScopeTuple *scope);
extern void lock_check_scope_absence(const ScopeName *name);
extern void lock_check_scope_identity(const ScopeName *name,
									  const ScopeRow *locked);
extern void lock_check_scope_orphans(const ScopeName *name);
extern bool lock_find_scope_row(const ScopeName *name, LockTupleMode mode,
								LockWaitPolicy wait_policy,
								ScopeTuple *scope);
extern bool lock_definition_row(const char *key, LockWaitPolicy wait_policy,
								ItemPointer tid);

#endif							/* INSTANCE_FEATURES_LOCKS_H */
