/*-------------------------------------------------------------------------
 *
 * tablewriter.c
 *	  Writing rows of the extension's tables without a plan.
 *
 * A TableWriter does what INSERT, UPDATE and DELETE do to rows, using the
 * executor's functions: statement and row triggers, transition tables,
 * defaults of added columns, generated columns, constraints and indexes.
 * There is nothing to plan and little to start.  Everything runs as the
 * current role, but neither its privileges on the tables nor row security
 * policies are checked.
 *
 * The rule: the caller has checked that the role may make the change.
 *
 * All rows written between writer_begin() and writer_end() are written by one
 * command, so AFTER triggers see all of them.
 *
 * A row that cannot be written raises an error:
 * triggered_data_change_violation if a trigger suppressed the write or changed
 * the row, or serialization_failure if the row changed after it was read.
 * Only direct DML can cause the latter, because our own functions lock the
 * scope first.
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
	Relation	rel;			/* NULL if not opened yet */
	ResultRelInfo *info;
	TupleTableSlot *slot;		/* for new rows */
	TupleTableSlot *old_slot;	/* for rows to be updated or deleted */
	ExprState **defaults;		/* of added columns, or NULL */
	bool		begun[NUM_COMMANDS];	/* BEFORE STATEMENT triggers fired */
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
 * Begin a command.  updated_columns[table] are the columns that
 * writer_update() changes; the array must outlive the writer.
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
 * Prepare the default expressions of the columns that have been added to a
 * table.  Returns NULL if there are none.
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
 * Open a table for a command.  The first time for each kind of command, fire
 * the BEFORE STATEMENT triggers.
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
		/* The executor opens the table again and relies on this lock. */
		target->rel = tables_open(table, RowExclusiveLock);
		target->info = makeNode(ResultRelInfo);
		ExecInitResultRelation(estate, target->info, table + 1);
		ExecOpenIndices(target->info, true);
		target->slot =
			ExecInitExtraTupleSlot(estate, RelationGetDescr(target->rel),
								   table_slot_callbacks(target->rel));
		/* Constraints and triggers may refer to tableoid. */
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
 * Compute the generated columns of a new row, then check its constraints.
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
 * Store a new row in a target's slot.
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
 * Insert a row unless there is a row with its key, after waiting for
 * transactions that are inserting or deleting one, like INSERT ... ON CONFLICT
 * DO NOTHING.  Returns false if there is such a row.
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
	 * Conflicts are rare, so we do not check for one before inserting.
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
 * Insert a row.  Raises serialization_failure if there is a row with its key,
 * which only direct DML can cause.
 */
void
writer_insert(TableWriter *writer, FeatureTable table,
			  const Datum *values, const bool *nulls)
{
	if (!writer_insert_new(writer, table, values, nulls))
		report_concurrent_change();
}

/*
 * Lock the row to be changed, and store it in the target's slot for old rows.
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
 * Update the row at "tid".  Of "values" and "nulls", which are indexed by
 * column number minus one, only the columns passed to writer_begin() are used.
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
 * End the command: fire the AFTER triggers, make the rows visible to later
 * commands, and free the writer.
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
