/*-------------------------------------------------------------------------
 *
 * locks.c
 *	  The locks of those who change features.
 *
 * One order for all: first the definitions, then the rows of the scopes, which
 * are ordered by scopename_compare().  All locks last until the transaction
 * ends, and none is taken before the caller's right was checked.
 *
 * The definitions are locked by locking table feature.
 *		RowExclusiveLock		everybody who changes a scope: the definitions
 *								cannot change so as to invalidate settings
 *		ShareRowExclusiveLock	whoever drops a definition or narrows it: one
 *								at a time, and no scope is changed meanwhile
 *
 * Whoever changes a definition in a way that invalidates no setting takes the
 * first one and then a lock on the table as an object, which is there for
 * nothing else, so that it is one at a time too.  ShareUpdateExclusiveLock would
 * say the same in one step, but VACUUM and REINDEX CONCURRENTLY have it, and
 * the latter waits for all who are waiting for it.
 *
 * ShareRowExclusiveLock conflicts with every transaction that has changed a flag and is
 * still open.  Who waits for it in the lock queue holds up everybody who comes
 * later, so nobody waits there for more than EXCLUSION_QUEUE_TIME; then the
 * others go first for as long.  Whoever has that lock waits for nothing else for
 * longer than that.
 *
 * Rows are found by what is committed now.  In an isolation level with a
 * single snapshot, a row that this snapshot does not show raises
 * serialization_failure, as for an UPDATE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class_d.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "table/definitionread.h"
#include "table/locks.h"
#include "table/tableread.h"

/* Milliseconds. */
#define EXCLUSION_QUEUE_TIME 100
#define EXCLUSION_TIME_LIMIT 10000

void
lock_definitions_for_writing(void)
{
	LockRelationOid(tables_oid(TABLE_FEATURE), RowExclusiveLock);
}

void
lock_definitions_for_altering(void)
{
	lock_definitions_for_writing();
	LockDatabaseObject(RelationRelationId, tables_oid(TABLE_FEATURE), 0,
					   ExclusiveLock);
}

/*
 * Try to lock the definitions against writers and run the callback, in a
 * subtransaction.  False if a lock was not to be had in time; then nothing was
 * done.
 *
 * The time-out holds until the callback has returned: rows that direct DML has
 * locked, and whatever other people's triggers wait for, would otherwise hold
 * up everybody who wants to change a feature, for as long as the wait lasts.
 */
static bool
try_exclusion(DefinitionsCallback callback, void *arg)
{
	MemoryContext caller_cxt = CurrentMemoryContext;
	ResourceOwner caller_owner = CurrentResourceOwner;
	int			queue_time = LockTimeout > 0 ?
	Min(LockTimeout, EXCLUSION_QUEUE_TIME) : EXCLUSION_QUEUE_TIME;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller_cxt);
	PG_TRY();
	{
		int			guc_level = NewGUCNestLevel();

		(void) set_config_option("lock_timeout",
								 psprintf("%d", queue_time),
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		LockRelationOid(tables_oid(TABLE_FEATURE), ShareRowExclusiveLock);
		callback(arg);
		AtEOXact_GUC(true, guc_level);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller_cxt);
		CurrentResourceOwner = caller_owner;
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(caller_cxt);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller_cxt);
		CurrentResourceOwner = caller_owner;
		if (edata->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(edata);
		FreeErrorData(edata);
	}
	PG_END_TRY();

	return done;
}

/*
 * Run the callback with the definitions locked against writers.  The callback
 * does not wait for locks: where it would for longer than the time-out of
 * try_exclusion(), it raises lock_not_available, and is run again.  Raises lock_not_available after lock_timeout, or after
 * EXCLUSION_TIME_LIMIT without one.
 */
void
lock_out_writers(DefinitionsCallback callback, void *arg)
{
	int			limit = LockTimeout > 0 ? LockTimeout : EXCLUSION_TIME_LIMIT;
	TimestampTz start = GetCurrentTimestamp();

	while (!try_exclusion(callback, arg))
	{
		if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(), limit))
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("could not lock the definitions of features within %d ms",
							limit),
					 errdetail("Transactions that have changed features are still open."),
					 errhint("Try again, or set lock_timeout to wait longer.")));
		elog(DEBUG2, "instance_features: the definitions are in use, trying again");
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 EXCLUSION_QUEUE_TIME, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
report_concurrent_change(const char *kind)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent %s", kind)));
}

/*
 * Lock the latest version of the row at "tid", which "snapshot" shows, and put
 * it into "slot".  False if the row is gone: then the caller looks again.
 */
static bool
lock_row(Relation rel, Snapshot snapshot, ItemPointer tid, LockTupleMode mode,
		 LockWaitPolicy wait_policy, TupleTableSlot *slot)
{
	bool		one_snapshot = IsolationUsesXactSnapshot();
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(rel, tid, snapshot, slot,
							  GetCurrentCommandId(false), mode, wait_policy,
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result == TM_Ok)
	{
		if (one_snapshot)
		{
			Snapshot	own = RegisterSnapshot(GetTransactionSnapshot());
			bool		seen = table_tuple_satisfies_snapshot(rel, slot, own);

			UnregisterSnapshot(own);
			if (!seen)
				report_concurrent_change("update");
		}
		return true;
	}
	if (result == TM_SelfModified || result == TM_Invisible)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("row to be changed in table \"%s.%s\" was already changed by a trigger of the current command",
						EXTENSION_SCHEMA, RelationGetRelationName(rel))));
	if (one_snapshot)
		report_concurrent_change(result == TM_Deleted ? "delete" : "update");
	elog(DEBUG2, "instance_features: a row of table \"%s\" is gone, looking again",
		 RelationGetRelationName(rel));
	return false;
}

/*
 * Lock the row of a scope, of which scope->tid is a version that "snapshot"
 * shows, until the transaction ends, after waiting for others that have it
 * locked, unless the policy is not to wait.  Reads it again.  False if it is
 * gone: then the caller looks again.
 *
 * The caller has kept table scope open since it found the place, and the table
 * of settings is locked here, as for writing it, since callers read the scope's
 * settings and later write them by their places: VACUUM FULL and CLUSTER would
 * give the places to other rows, of other scopes, in between.
 */
bool
lock_scope_row(const ScopeName *name, Snapshot snapshot, LockTupleMode mode,
			   LockWaitPolicy wait_policy, ScopeTuple *scope)
{
	Relation	rel = tables_open(TABLE_SCOPE, RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		locked;

	LockRelationOid(tables_oid(TABLE_SETTING), RowExclusiveLock);
	locked = lock_row(rel, snapshot, &scope->tid, mode, wait_policy, slot);
	if (locked)
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
		ScopeName	locked_name;

		/* Direct DML may have renamed it while we waited. */
		locked = row_get_scope_name(tuple, rel, &locked_name) &&
			scopename_compare(&locked_name, name) == 0;
		scope->tid = slot->tts_tid;
		row_get_scope(tuple, rel, &scope->row);
		if (should_free)
			heap_freetuple(tuple);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);

	return locked;
}

/*
 * Raise serialization_failure if the transaction's only snapshot shows a row
 * of a scope that has none now.
 */
void
lock_check_scope_absence(const ScopeName *name)
{
	Snapshot	snapshot;
	ScopeRow	row;
	bool		found;

	if (!IsolationUsesXactSnapshot())
		return;
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	found = tableread_scope(snapshot, name, &row, NULL);
	UnregisterSnapshot(snapshot);
	if (found)
		report_concurrent_change("delete");
}

/*
 * Find the row of a scope and lock it, waiting for others.  False if the scope
 * has no row.
 */
bool
lock_find_scope_row(const ScopeName *name, LockTupleMode mode,
					ScopeTuple *scope)
{
	for (;;)
	{
		Relation	rel = tables_open(TABLE_SCOPE, AccessShareLock);
		Snapshot	snapshot = scan_begin();
		bool		locked = false;

		CHECK_FOR_INTERRUPTS();
		scope->stored = tableread_scope(snapshot, name, &scope->row, &scope->tid);
		if (scope->stored)
			locked = lock_scope_row(name, snapshot, mode, LockWaitBlock,
									scope);
		scan_end(snapshot);
		table_close(rel, AccessShareLock);
		if (locked)
			return true;
		if (!scope->stored)
		{
			lock_check_scope_absence(name);
			return false;
		}
	}
}

/*
 * Lock the row of a definition against all others, and find its place.  False
 * if there is no such definition.
 */
bool
lock_definition_row(const char *key, LockWaitPolicy wait_policy,
					ItemPointer tid)
{
	Relation	rel = tables_open(TABLE_FEATURE, RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found;
	bool		locked;

	do
	{
		Snapshot	snapshot = scan_begin();

		CHECK_FOR_INTERRUPTS();
		found = definitionread_place(snapshot, key, tid);
		locked = found && lock_row(rel, snapshot, tid, LockTupleExclusive,
								   wait_policy, slot);
		scan_end(snapshot);
		if (locked)
		{
			bool		should_free;
			HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false,
													   &should_free);

			/* Direct DML may have renamed it while we waited. */
			locked = strcmp(row_get_text(tuple, Anum_feature_key, rel),
							key) == 0;
			*tid = slot->tts_tid;
			if (should_free)
				heap_freetuple(tuple);
		}
	} while (found && !locked);

	if (!locked && IsolationUsesXactSnapshot())
	{
		Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
		bool		seen = definitionread_place(snapshot, key, tid);

		UnregisterSnapshot(snapshot);
		if (seen)
			report_concurrent_change("delete");
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);

	return locked;
}
