/*-------------------------------------------------------------------------
 *
 * locks.c
 *	  Locks taken by changes of features and definitions.
 *
 * The rule: the definitions are locked first, then the rows of scopes in the
 * order of scopename_compare().  All locks are held until the transaction
 * ends, and callers check permissions before they take any.
 *
 * The definitions are locked by locking table feature.
 *		RowExclusiveLock		taken to change a scope: prevents changes of
 *								definitions that could invalidate settings
 *		ShareRowExclusiveLock	taken to drop or narrow a definition: one
 *								transaction at a time, without concurrent
 *								changes of scopes
 *
 * A change of a definition that cannot invalidate settings takes
 * RowExclusiveLock and then an object lock on the table, which has no other
 * use, so that there is one such change at a time too.  A single
 * ShareUpdateExclusiveLock would conflict with VACUUM and with REINDEX
 * CONCURRENTLY, which waits for all transactions that wait for this lock.
 *
 * ShareRowExclusiveLock conflicts with every open transaction that has changed
 * a feature.  While one transaction waits for it in the lock queue, all later
 * changes queue up behind it.  So nobody waits there for longer than
 * EXCLUSION_QUEUE_TIME; then the others can proceed for the same time.  A
 * transaction that holds the lock does not wait for other locks for longer
 * than that.
 *
 * An instance's row is also locked FOR KEY SHARE by whoever changes a scope
 * below it, so that it cannot be dropped, and FOR UPDATE by whoever drops it or
 * erases a scope below it, so that no scope comes into being meanwhile.
 *
 * Rows are found as of the latest committed state.  If the transaction has a
 * single snapshot, and the locked version of a row is not visible in it, we
 * raise serialization_failure, as an UPDATE does.
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
#include "base/errors.h"
#include "table/definitionread.h"
#include "table/locks.h"
#include "table/tableread.h"

/* In milliseconds. */
#define EXCLUSION_QUEUE_TIME 100
#define EXCLUSION_TIME_LIMIT 10000

/*
 * Lock the definitions to change a scope, or before an object lock.
 */
void
lock_definitions_for_writing(void)
{
	LockRelationOid(tables_oid(TABLE_FEATURE), RowExclusiveLock);
}

/*
 * Lock the definitions to change one without invalidating settings.
 */
void
lock_definitions_for_altering(void)
{
	lock_definitions_for_writing();
	LockDatabaseObject(RelationRelationId, tables_oid(TABLE_FEATURE), 0,
					   ExclusiveLock);
}

/*
 * In a subtransaction, try to lock the definitions against writers and run the
 * callback.  Returns false if a lock was not available in time; then the
 * subtransaction was rolled back.
 *
 * The timeout applies until the callback has returned.  Otherwise, if the
 * callback waited for rows locked by direct DML or in users' triggers, all
 * changes of features would have to wait too.
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
 * Run the callback with the definitions locked against writers.  If the
 * callback raises lock_not_available, because it does not wait for a lock or
 * because of the timeout in try_exclusion(), it is rolled back and run again.
 * Raises lock_not_available after lock_timeout, or after EXCLUSION_TIME_LIMIT
 * if there is no lock_timeout.
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
 * Lock the latest version of the row at "tid", which is visible in "snapshot",
 * and store it in "slot".  Returns false if the row has been deleted or moved;
 * then the caller must search again.  Raises serialization_failure,
 * triggered_data_change_violation or lock_not_available.
 */
static bool
lock_row(Relation rel, Snapshot snapshot, ItemPointer tid, LockTupleMode mode,
		 LockWaitPolicy wait_policy, TupleTableSlot *slot)
{
	bool		one_snapshot = IsolationUsesXactSnapshot();
	TM_FailureData failure;
	TM_Result	result;

	/*
	 * KEY SHARE does not wait for an update, so it must also lock the version
	 * that an update in progress makes.
	 */
	result = table_tuple_lock(rel, tid, snapshot, slot,
							  GetCurrentCommandId(false), mode, wait_policy,
							  TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS |
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result == TM_Ok)
	{
		/* KEY SHARE protects the row's existence, not what it says. */
		if (one_snapshot && mode != LockTupleKeyShare)
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
 * Lock the row of a scope until the transaction ends, and read it again.
 * scope->tid is a version that is visible in "snapshot".  Returns false if the
 * row has been deleted, moved or renamed; then the caller must search again.
 * Raises the errors of lock_row().
 *
 * The caller must have kept table scope open since it found the TID.  Table
 * setting is locked here as for writing, because callers read the settings of
 * the scope and later write them by TID: in between, VACUUM FULL or CLUSTER
 * would assign the TIDs to other rows.
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

		/* Direct DML may have renamed the scope while we waited. */
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
 * Raise serialization_failure if a scope has no row now, but has one in the
 * transaction's only snapshot.
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
 * Raise serialization_failure if a scope whose row is locked was dropped and
 * created again since the transaction's only snapshot.  This is for locks that
 * do not depend on what the row says; see lock_row().
 */
void
lock_check_scope_identity(const ScopeName *name, const ScopeRow *locked)
{
	Snapshot	snapshot;
	ScopeRow	row;
	bool		found;

	if (!IsolationUsesXactSnapshot())
		return;
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	found = tableread_scope(snapshot, name, &row, NULL);
	UnregisterSnapshot(snapshot);
	if (found && row.creation_date != locked->creation_date)
		report_concurrent_change("delete");
}

/*
 * Raise object_not_in_prerequisite_state if a scope, which has no row, has
 * settings or events.
 */
void
lock_check_scope_orphans(const ScopeName *name)
{
	Snapshot	snapshot = scan_begin();
	ScopeRow	row;
	bool		found;

	/* Use one snapshot: another transaction may insert both at once. */
	found = !tableread_scope(snapshot, name, &row, NULL) &&
		tableread_has_rows_without_scope(snapshot, name);
	scan_end(snapshot);
	if (found)
		report_rows_without_scope(name);
}

/*
 * Find the row of a scope and lock it.  Returns false if the scope has no row.  Raises the errors of lock_row().
 */
bool
lock_find_scope_row(const ScopeName *name, LockTupleMode mode,
					LockWaitPolicy wait_policy, ScopeTuple *scope)
{
	for (;;)
	{
		Relation	rel = tables_open(TABLE_SCOPE, AccessShareLock);
		Snapshot	snapshot = scan_begin();
		bool		locked = false;

		CHECK_FOR_INTERRUPTS();
		scope->stored = tableread_scope(snapshot, name, &scope->row, &scope->tid);
		if (scope->stored)
			locked = lock_scope_row(name, snapshot, mode, wait_policy, scope);
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
 * Lock the row of a definition FOR UPDATE, and return its TID.  Returns false
 * if there is no such definition.  Raises the errors of lock_row().
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

			/* Direct DML may have renamed the feature while we waited. */
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
