/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  Writing rows of a few tables without a plan.
 *
 * What the apply worker of logical replication does: the executor's functions
 * for a single row, which fire triggers, check constraints and maintain
 * indexes as an INSERT or UPDATE would, but with nothing to plan and hardly
 * anything to start.  All rows written between writer_begin() and writer_end()
 * are written by one command.
 *
 * The rule: a row is locked with writer_lock() before it is updated, since the
 * executor's functions know no concurrent update.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "writer.h"

struct Writer
{
	EState	   *estate;
	ResultRelInfo *targets;
	TupleTableSlot **slots;		/* for new rows, one a table */
};

/*
 * Begin to write tables that are open with RowExclusiveLock.
 * updated_columns[i] has the column numbers of table i, less
 * FirstLowInvalidHeapAttributeNumber, that writer_update() may change.
 */
Writer *
writer_begin(int ntables, const Relation *rels,
			 Bitmapset *const *updated_columns)
{
	Writer	   *writer = palloc(sizeof(Writer));

	PushActiveSnapshot(GetTransactionSnapshot());
	writer->estate = CreateExecutorState();
	init_range_table(writer->estate, ntables, rels, updated_columns);
	writer->estate->es_snapshot = GetActiveSnapshot();
	writer->estate->es_output_cid = GetCurrentCommandId(true);
	writer->targets = palloc0(sizeof(ResultRelInfo) * ntables);
	writer->slots = palloc(sizeof(TupleTableSlot *) * ntables);
	for (int i = 0; i < ntables; i++)
	{
		ExecInitResultRelation(writer->estate, &writer->targets[i], i + 1);
		ExecOpenIndices(&writer->targets[i], false);
		writer->slots[i] =
			ExecInitExtraTupleSlot(writer->estate, RelationGetDescr(rels[i]),
								   table_slot_callbacks(rels[i]));
	}
	AfterTriggerBeginQuery();

	return writer;
}

/*
 * Insert a row.  False if a trigger suppressed it.
 */
bool
writer_insert(Writer *writer, int table, const Datum *values,
			  const bool *nulls)
{
	TupleTableSlot *slot = writer->slots[table];
	int			natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
	ExecSimpleRelationInsert(&writer->targets[table], writer->estate, slot);

	/* A row that was inserted has got its place. */
	return ItemPointerIsValid(&slot->tts_tid);
}

/*
 * Update a row that is locked, whose present version "old" is.  "values" has
 * new ones for the columns that may change, by their number less one; none of
 * them is null.  False if a trigger suppressed it.
 */
bool
writer_update(Writer *writer, int table, TupleTableSlot *old,
			  const Datum *values)
{
	ResultRelInfo *target = &writer->targets[table];
	TupleTableSlot *slot = writer->slots[table];
	Bitmapset  *columns = ExecGetUpdatedCols(target, writer->estate);
	int			column = -1;
	EPQState	epqstate;

	ExecClearTuple(slot);
	slot_getallattrs(old);
	memcpy(slot->tts_values, old->tts_values,
		   sizeof(Datum) * slot->tts_tupleDescriptor->natts);
	memcpy(slot->tts_isnull, old->tts_isnull,
		   sizeof(bool) * slot->tts_tupleDescriptor->natts);
	while ((column = bms_next_member(columns, column)) >= 0)
	{
		int			i = column + FirstLowInvalidHeapAttributeNumber - 1;

		slot->tts_values[i] = values[i];
		slot->tts_isnull[i] = false;
	}
	ExecStoreVirtualTuple(slot);

	init_epq_state(&epqstate, writer->estate);
	ExecSimpleRelationUpdate(target, writer->estate, &epqstate, old, slot);
	EvalPlanQualEnd(&epqstate);

	return ItemPointerIsValid(&slot->tts_tid);
}

/*
 * Fire the AFTER triggers and let what comes see the rows.
 */
void
writer_end(Writer *writer)
{
	AfterTriggerEndQuery(writer->estate);
	ExecResetTupleTable(writer->estate->es_tupleTable, false);
	ExecCloseResultRelations(writer->estate);
	ExecCloseRangeTableRelations(writer->estate);
	FreeExecutorState(writer->estate);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/*
 * Lock a row until the transaction ends, as an UPDATE of columns that are no
 * key would, and put its latest version into "slot".  False if it is gone.
 * Raises serialization_failure if it has changed after the transaction's
 * snapshot, where that matters.
 */
bool
writer_lock(Relation rel, ItemPointer tid, TupleTableSlot *slot)
{
	bool		one_snapshot = IsolationUsesXactSnapshot();
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(rel, tid, GetActiveSnapshot(), slot,
							  GetCurrentCommandId(false),
							  LockTupleNoKeyExclusive, LockWaitBlock,
							  one_snapshot ? 0 :
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result == TM_Ok)
		return true;
	if (result == TM_SelfModified || result == TM_Invisible)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("row to be changed in table \"%s\" was already changed by a trigger of the current command",
						RelationGetRelationName(rel))));
	if (one_snapshot)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent %s",
						result == TM_Deleted ? "delete" : "update")));
	return false;
}
