/*-------------------------------------------------------------------------
 *
 * tablewriter.c
 *	  Writing rows of the extension's tables without a plan.
 *
 * This is what an INSERT, UPDATE or DELETE does to a row, made of the
 * executor's parts: statement and row triggers, transition tables, defaults of
 * columns that are not ours, generated columns, constraints, indexes.  There is
 * nothing to plan and hardly anything to start.  Everything runs as the current
 * role, whose privileges on the tables are not asked for and to whom row
 * security does not apply: the caller has checked the right to make the change.
 *
 * All rows written between writer_begin() and writer_end() are written by one
 * command, so AFTER triggers see all of them.
 *
 * A row that must be written and is not raises an error: because a BEFORE
 * trigger suppressed the row (triggered_data_change_violation), or because it
 * changed after it was read (serialization_failure).  The latter takes direct
 * DML, since our own functions lock the scope first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/errors.h"
#include "model/tableshape.h"
#include "table/tablewriter.h"

#define NUM_COMMANDS (CMD_DELETE + 1)

/* A table that is being written. */
typedef struct Target
{
	Relation	rel;			/* NULL: not opened yet */
	ResultRelInfo *info;
	TupleTableSlot *slot;		/* for new rows */
	TupleTableSlot *old_slot;	/* for rows to be updated or deleted */
	ExprState **defaults;		/* of columns that are not ours; or NULL */
	bool		begun[NUM_COMMANDS];	/* statement triggers were fired */
	TransitionCaptureState *captures[NUM_COMMANDS];
} Target;

struct TableWriter
{
	EState	   *estate;
	CommandId	command_id;
	const ColumnRange *updated_columns; /* by table */
	Target		targets[NUM_TABLES];
};

/*
 * Begin a command.  updated_columns[table] has the columns that
 * writer_update() changes; it must outlive the writer.
 */
TableWriter *
writer_begin(const ColumnRange *updated_columns)
{
	TableWriter *writer = palloc0(sizeof(TableWriter));
	Oid			relids[NUM_TABLES];
	Bitmapset  *columns[NUM_TABLES];

	for (int i = 0; i < NUM_TABLES; i++)
	{
		relids[i] = tables_oid(i);
		columns[i] = NULL;
		if (updated_columns[i].first > 0)
			columns[i] =
				bms_add_range(NULL,
							  updated_columns[i].first -
							  FirstLowInvalidHeapAttributeNumber,
							  updated_columns[i].last -
							  FirstLowInvalidHeapAttributeNumber);
	}

	PushActiveSnapshot(GetTransactionSnapshot());
	writer->updated_columns = updated_columns;
	writer->estate = CreateExecutorState();
	init_range_table(writer->estate, NUM_TABLES, relids, columns);
	writer->estate->es_snapshot = GetActiveSnapshot();
	writer->command_id = GetCurrentCommandId(true);
	writer->estate->es_output_cid = writer->command_id;
	AfterTriggerBeginQuery();

	return writer;
}

/*
 * The defaults of the columns that somebody has added to a table, as
 * expressions to be evaluated for each row.  NULL if there are none.
 */
static ExprState * *prepare_defaults(TableWriter *writer, Target *target, FeatureTable table)
{
	TupleDesc	desc = RelationGetDescr(target->rel);
	ExprState **defaults;

	if (desc->natts == tableshape_columns(table))
		return NULL;

	defaults = palloc0(sizeof(ExprState *) * desc->natts);
	for (int i = tableshape_columns(table); i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		Node	   *expr;

		if (attr->attisdropped || attr->attgenerated != '\0')
			continue;
		expr = build_column_default(target->rel, i + 1);
		if (expr != NULL)
			defaults[i] = ExecPrepareExpr((Expr *) expr, writer->estate);
	}
	return defaults;
}

/*
 * Open a table for a command, and fire the BEFORE STATEMENT triggers if the
 * command is the first of its kind.
 */
static Target *
begin_command(TableWriter *writer, FeatureTable table, CmdType command)
{
	Target	   *target = &writer->targets[table];
	EState	   *estate = writer->estate;
	MemoryContext caller_cxt;

	if (target->begun[command])
		return target;

	caller_cxt = MemoryContextSwitchTo(estate->es_query_cxt);
	if (target->rel == NULL)
	{
		/* The range table opens it again, with the lock that we get here. */
		target->rel = tables_open(table, RowExclusiveLock);
		target->info = makeNode(ResultRelInfo);
		ExecInitResultRelation(estate, target->info, table + 1);
		ExecOpenIndices(target->info, true);
		target->slot =
			ExecInitExtraTupleSlot(estate, RelationGetDescr(target->rel),
								   table_slot_callbacks(target->rel));
		/* Constraints and triggers may refer to it. */
		target->slot->tts_tableOid = RelationGetRelid(target->rel);
		target->old_slot =
			ExecInitExtraTupleSlot(estate, RelationGetDescr(target->rel),
								   table_slot_callbacks(target->rel));
		target->defaults = prepare_defaults(writer, target, table);
	}

	check_valid_result_rel(target->info, command);
	CheckCmdReplicaIdentity(target->rel, command);
	target->captures[command] =
		MakeTransitionCaptureState(target->rel->trigdesc,
								   RelationGetRelid(target->rel), command);
	target->begun[command] = true;
	MemoryContextSwitchTo(caller_cxt);

	if (command == CMD_INSERT)
		ExecBSInsertTriggers(estate, target->info);
	else if (command == CMD_UPDATE)
		ExecBSUpdateTriggers(estate, target->info);
	else
		ExecBSDeleteTriggers(estate, target->info);
	return target;
}

static void
report_suppressed_row(const Target *target)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg("a trigger on table \"%s.%s\" suppressed a change",
					EXTENSION_SCHEMA, RelationGetRelationName(target->rel)),
			 errdetail("Nothing was changed.")));
}

static void
report_changed_by_trigger(const Target *target)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg("row to be changed in table \"%s.%s\" was already changed by a trigger of the current command",
					EXTENSION_SCHEMA, RelationGetRelationName(target->rel))));
}

static void
report_concurrent_change(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/*
 * Check the constraints of a new row, after computing what is generated.
 */
static void
check_row(TableWriter *writer, Target *target, CmdType command)
{
	TupleConstr *constr = RelationGetDescr(target->rel)->constr;

	if (constr == NULL)
		return;
	if (constr->has_generated_stored)
		ExecComputeStoredGenerated(target->info, writer->estate, target->slot,
								   command);
	ExecConstraints(target->info, target->slot, writer->estate);
}

/*
 * Put a new row into a target's slot.
 */
static void
store_new_row(TableWriter *writer, Target *target, FeatureTable table,
			  const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = target->slot;
	int			natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * natts);
	memcpy(slot->tts_values, values, sizeof(Datum) * tableshape_columns(table));
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * tableshape_columns(table));
	for (int i = tableshape_columns(table); target->defaults && i < natts; i++)
	{
		if (target->defaults[i] != NULL)
			slot->tts_values[i] =
				ExecEvalExpr(target->defaults[i],
							 GetPerTupleExprContext(writer->estate),
							 &slot->tts_isnull[i]);
	}
	ExecStoreVirtualTuple(slot);
}

/*
 * Insert a row unless there is one of its key, after waiting for transactions
 * that are inserting or deleting one.  False if there is.  This is INSERT ...
 * ON CONFLICT DO NOTHING.
 */
bool
writer_insert_new(TableWriter *writer, FeatureTable table,
				  const Datum *values, const bool *nulls)
{
	Target	   *target = begin_command(writer, table, CMD_INSERT);
	EState	   *estate = writer->estate;
	List	   *arbiters = list_make1_oid(primary_key_index(target->rel));
	List	   *recheck;

	ResetPerTupleExprContext(estate);
	store_new_row(writer, target, table, values, nulls);
	if (target->rel->trigdesc && target->rel->trigdesc->trig_insert_before_row &&
		!ExecBRInsertTriggers(estate, target->info, target->slot))
		report_suppressed_row(target);
	check_row(writer, target, CMD_INSERT);

	/*
	 * A conflict is expected so rarely that we find it by inserting, rather
	 * than by looking first.
	 */
	for (;;)
	{
		ItemPointerData conflict;
		uint32		token;
		bool		failed = false;

		CHECK_FOR_INTERRUPTS();
		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
		table_tuple_insert_speculative(target->rel, target->slot,
									   writer->command_id, 0, NULL, token);
		recheck = insert_index_tuples(target->info, target->slot, estate,
									  &failed, arbiters);
		table_tuple_complete_speculative(target->rel, target->slot, token,
										 !failed);
		SpeculativeInsertionLockRelease(GetCurrentTransactionId());
		if (!failed)
			break;

		list_free(recheck);
		if (!check_index_constraints(target->info, target->slot, estate,
									 &conflict, arbiters))
			return false;
	}

	ExecARInsertTriggers(estate, target->info, target->slot, recheck,
						 target->captures[CMD_INSERT]);
	list_free(recheck);
	return true;
}

/*
 * The same for a row whose key is free, as far as our own functions know.
 */
void
writer_insert(TableWriter *writer, FeatureTable table,
			  const Datum *values, const bool *nulls)
{
	if (!writer_insert_new(writer, table, values, nulls))
		report_concurrent_change();
}

/*
 * Lock the row that is going to be changed, and put it into the target's slot
 * for old rows.
 */
static void
lock_old_row(TableWriter *writer, Target *target, ItemPointer tid,
			 LockTupleMode mode)
{
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(target->rel, tid, writer->estate->es_snapshot,
							  target->old_slot, writer->command_id, mode,
							  LockWaitBlock, 0, &failure);
	if (result == TM_SelfModified || result == TM_Invisible ||
		(result != TM_Ok &&
		 TransactionIdIsCurrentTransactionId(failure.xmax)))
		report_changed_by_trigger(target);
	if (result != TM_Ok)
		report_concurrent_change();
}

/*
 * Update the row at "tid".  "values" and "nulls" have the columns to be
 * changed, by their number less one.
 */
void
writer_update(TableWriter *writer, FeatureTable table,
			  const ItemPointerData *tid, const Datum *values, const bool *nulls)
{
	Target	   *target = begin_command(writer, table, CMD_UPDATE);
	EState	   *estate = writer->estate;
	TupleTableSlot *slot = target->slot;
	ItemPointerData place = *tid;
	List	   *recheck = NIL;
	TM_Result	result;
	IndexUpdate index_update;
	EPQState	epqstate;

	ResetPerTupleExprContext(estate);
	lock_old_row(writer, target, &place, LockTupleNoKeyExclusive);
	slot_getallattrs(target->old_slot);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, target->old_slot->tts_values,
		   sizeof(Datum) * slot->tts_tupleDescriptor->natts);
	memcpy(slot->tts_isnull, target->old_slot->tts_isnull,
		   sizeof(bool) * slot->tts_tupleDescriptor->natts);
	for (int i = writer->updated_columns[table].first - 1;
		 i < writer->updated_columns[table].last; i++)
	{
		slot->tts_values[i] = values[i];
		slot->tts_isnull[i] = nulls[i];
	}
	ExecStoreVirtualTuple(slot);

	init_epq_state(&epqstate, estate);
	if (target->rel->trigdesc && target->rel->trigdesc->trig_update_before_row &&
		!before_row_update_triggers(estate, &epqstate, target->info, &place,
									slot))
		report_suppressed_row(target);
	EvalPlanQualEnd(&epqstate);
	check_row(writer, target, CMD_UPDATE);

	result = update_tuple(target->rel, &place, slot, writer->command_id,
						  estate->es_snapshot, &index_update);
	/* We have the lock, so nobody else can have changed the row. */
	if (result != TM_Ok)
		report_changed_by_trigger(target);
	if (target->info->ri_NumIndices > 0 && index_update_is_needed(index_update))
		recheck = update_index_tuples(target->info, slot, estate,
									  index_update);
	ExecARUpdateTriggers(estate, target->info, NULL, NULL, &place, NULL, slot,
						 recheck, target->captures[CMD_UPDATE], false);
	list_free(recheck);
}

/*
 * Delete the row at "tid".
 */
void
writer_delete(TableWriter *writer, FeatureTable table,
			  const ItemPointerData *tid)
{
	Target	   *target = begin_command(writer, table, CMD_DELETE);
	EState	   *estate = writer->estate;
	ItemPointerData place = *tid;
	TM_FailureData failure;
	TM_Result	result;
	EPQState	epqstate;

	ResetPerTupleExprContext(estate);
	lock_old_row(writer, target, &place, LockTupleExclusive);
	init_epq_state(&epqstate, estate);
	if (target->rel->trigdesc && target->rel->trigdesc->trig_delete_before_row &&
		!before_row_delete_triggers(estate, &epqstate, target->info, &place))
		report_suppressed_row(target);
	EvalPlanQualEnd(&epqstate);

	result = delete_tuple(target->rel, &place, writer->command_id,
						  estate->es_snapshot, &failure);
	/* We have the lock, so nobody else can have changed the row. */
	if (result != TM_Ok)
		report_changed_by_trigger(target);
	ExecARDeleteTriggers(estate, target->info, &place, NULL,
						 target->captures[CMD_DELETE], false);
}

/*
 * End the command: fire the AFTER triggers, and make the rows visible to later
 * commands.
 */
void
writer_end(TableWriter *writer)
{
	EState	   *estate = writer->estate;

	for (int i = 0; i < NUM_TABLES; i++)
	{
		Target	   *target = &writer->targets[i];

		if (target->begun[CMD_DELETE])
			ExecASDeleteTriggers(estate, target->info,
								 target->captures[CMD_DELETE]);
		if (target->begun[CMD_UPDATE])
			ExecASUpdateTriggers(estate, target->info,
								 target->captures[CMD_UPDATE]);
		if (target->begun[CMD_INSERT])
			ExecASInsertTriggers(estate, target->info,
								 target->captures[CMD_INSERT]);
	}
	AfterTriggerEndQuery(estate);

	ExecResetTupleTable(estate->es_tupleTable, false);
	ExecCloseResultRelations(estate);
	ExecCloseRangeTableRelations(estate);
	for (int i = 0; i < NUM_TABLES; i++)
	{
		if (writer->targets[i].rel != NULL)
			table_close(writer->targets[i].rel, NoLock);
	}
	FreeExecutorState(estate);
	PopActiveSnapshot();
	pfree(writer);
	CommandCounterIncrement();
}
