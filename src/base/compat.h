/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between the supported PostgreSQL versions.
 *
 * The rule: no other file tests PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_COMPAT_H
#define INSTANCE_FEATURES_COMPAT_H

#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/pathnodes.h"
#include "parser/parse_relation.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#if PG_VERSION_NUM < 150000
#error "instance_features needs PostgreSQL 15 or later"
#endif

/*
 * Since 16, extensions are built with hidden visibility, and the macros below
 * export the symbols that the server looks up.  Files with SQL-callable
 * functions include this header, so that the same holds on 15.
 */
#if PG_VERSION_NUM < 160000 && defined(__GNUC__)
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	return &my_finfo; \
} \
extern int no_such_variable
#endif

/* Since 18, the attribute has a shorter name and precedes the declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Since 16, membership does not imply the right to SET ROLE. */
#if PG_VERSION_NUM >= 160000
#define may_become_role(member, role) member_can_set_role(member, role)
#else
#define may_become_role(member, role) is_member_of_role(member, role)
#endif

/* Since 18, the caller says whether a deferrable key is acceptable. */
#if PG_VERSION_NUM >= 180000
#define primary_key_index(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* Since 16, one function checks the privileges on any kind of object. */
#if PG_VERSION_NUM >= 160000
#define may_execute_function(function, role) \
	(object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK)
#else
#define may_execute_function(function, role) \
	(pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK)
#endif

/*
 * Return whether a column of a table cannot be null.  Since 17, the planner
 * knows; since 18, the catalog also has constraints that are not validated.
 */
static inline bool
column_is_not_null(const RelOptInfo *rel, Oid table, AttrNumber column)
{
#if PG_VERSION_NUM >= 170000
	return bms_is_member(column, rel->notnullattnums);
#else
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(table),
										Int16GetDatum(column));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
#endif
}

/*
 * Since 17, an index scan returns rows in the index's order also if it looks
 * for the elements of an array in another than the first column.  Before, the
 * planner does not know that a condition made by a support function has an
 * array, and takes the order for granted.
 */
#if PG_VERSION_NUM >= 170000
#define array_keeps_index_order(indexcol) true
#else
#define array_keeps_index_order(indexcol) ((indexcol) == 0)
#endif

/* Since 16, the caller also passes the result relations. */
#if PG_VERSION_NUM >= 160000
#define init_epq_state(epqstate, estate) \
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1, NIL)
#else
#define init_epq_state(epqstate, estate) \
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1)
#endif

/*
 * State of building a jsonb value.  PostgreSQL has such a type since 19.
 * "result" is the value once the outermost object or array has ended.
 */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState JsonbBuilder;
#else
typedef struct JsonbBuilder
{
	JsonbParseState *parse_state;
	JsonbValue *result;
} JsonbBuilder;
#endif

static inline void
push_jsonb(JsonbBuilder *builder, JsonbIteratorToken token, JsonbValue *value)
{
#if PG_VERSION_NUM >= 190000
	pushJsonbValue(builder, token, value);
#else
	builder->result = pushJsonbValue(&builder->parse_state, token, value);
#endif
}

/*
 * Initialize the range table of an executor state with tables of which the
 * given columns will be updated.  Since 16, the columns are in an
 * RTEPermissionInfo; since 18, the caller says which tables may be opened.
 */
static inline void
init_range_table(EState *estate, int ntables, const Oid *relids,
				 Bitmapset *const *updated_columns)
{
	List	   *range_table = NIL;
#if PG_VERSION_NUM >= 160000
	List	   *permissions = NIL;
#endif

	for (int i = 0; i < ntables; i++)
	{
		RangeTblEntry *rte = makeNode(RangeTblEntry);

		rte->rtekind = RTE_RELATION;
		rte->relid = relids[i];
		rte->relkind = RELKIND_RELATION;
		rte->rellockmode = RowExclusiveLock;
#if PG_VERSION_NUM >= 160000
		addRTEPermissionInfo(&permissions, rte)->updatedCols =
			updated_columns[i];
#else
		rte->updatedCols = updated_columns[i];
#endif
		range_table = lappend(range_table, rte);
	}

#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, range_table, permissions,
					   bms_add_range(NULL, 1, ntables));
#elif PG_VERSION_NUM >= 160000
	ExecInitRangeTable(estate, range_table, permissions);
#else
	ExecInitRangeTable(estate, range_table);
#endif
}

/* Raise an error for a relation that does not support a command. */
static inline void
check_valid_result_rel(ResultRelInfo *info, CmdType command)
{
#if PG_VERSION_NUM >= 180000
	CheckValidResultRel(info, command, ONCONFLICT_NONE, NIL);
#elif PG_VERSION_NUM >= 170000
	CheckValidResultRel(info, command, NIL);
#else
	CheckValidResultRel(info, command);
#endif
}

/*
 * Check for conflicts before a speculative insertion.  Since 18, the caller
 * may pass a tuple that does not count as a conflict.
 */
static inline bool
check_index_constraints(ResultRelInfo *info, TupleTableSlot *slot,
						EState *estate, ItemPointer conflict, List *arbiters)
{
#if PG_VERSION_NUM >= 180000
	ItemPointerData none;

	ItemPointerSetInvalid(&none);
	return ExecCheckIndexConstraints(info, slot, estate, conflict, &none,
									 arbiters);
#else
	return ExecCheckIndexConstraints(info, slot, estate, conflict, arbiters);
#endif
}

/* Insert the index entries of a speculatively inserted tuple. */
static inline List *
insert_index_tuples(ResultRelInfo *info, TupleTableSlot *slot, EState *estate,
					bool *conflict, List *arbiters)
{
#if PG_VERSION_NUM >= 190000
	return ExecInsertIndexTuples(info, estate, EIIT_NO_DUPE_ERROR, slot,
								 arbiters, conflict);
#elif PG_VERSION_NUM >= 160000
	return ExecInsertIndexTuples(info, slot, estate, false, true, conflict,
								 arbiters, false);
#else
	return ExecInsertIndexTuples(info, slot, estate, false, true, conflict,
								 arbiters);
#endif
}

/* The indexes that an update must maintain: since 16, possibly only some. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes IndexUpdate;
#define index_update_is_needed(index_update) ((index_update) != TU_None)
#else
typedef bool IndexUpdate;
#define index_update_is_needed(index_update) (index_update)
#endif

/* Insert the index entries of an updated tuple. */
static inline List *
update_index_tuples(ResultRelInfo *info, TupleTableSlot *slot, EState *estate,
					IndexUpdate index_update)
{
#if PG_VERSION_NUM >= 190000
	return ExecInsertIndexTuples(info, estate, EIIT_IS_UPDATE |
								 (index_update == TU_Summarizing ?
								  EIIT_ONLY_SUMMARIZING : 0),
								 slot, NIL, NULL);
#elif PG_VERSION_NUM >= 160000
	return ExecInsertIndexTuples(info, slot, estate, true, false, NULL, NIL,
								 index_update == TU_Summarizing);
#else
	return ExecInsertIndexTuples(info, slot, estate, true, false, NULL, NIL);
#endif
}

static inline TM_Result
update_tuple(Relation rel, ItemPointer tid, TupleTableSlot *slot,
			 CommandId command_id, Snapshot snapshot,
			 IndexUpdate *index_update)
{
	TM_FailureData failure;
	LockTupleMode lock_mode;

#if PG_VERSION_NUM >= 190000
	return table_tuple_update(rel, tid, slot, command_id, 0, snapshot,
							  InvalidSnapshot, true, &failure, &lock_mode,
							  index_update);
#else
	return table_tuple_update(rel, tid, slot, command_id, snapshot,
							  InvalidSnapshot, true, &failure, &lock_mode,
							  index_update);
#endif
}

static inline TM_Result
delete_tuple(Relation rel, ItemPointer tid, CommandId command_id,
			 Snapshot snapshot, TM_FailureData *failure)
{
#if PG_VERSION_NUM >= 190000
	return table_tuple_delete(rel, tid, command_id, 0, snapshot,
							  InvalidSnapshot, true, failure);
#else
	return table_tuple_delete(rel, tid, command_id, snapshot,
							  InvalidSnapshot, true, failure, false);
#endif
}

/* Since 16, the executor also reports why a row could not be locked. */
static inline bool
before_row_update_triggers(EState *estate, EPQState *epqstate,
						   ResultRelInfo *info, ItemPointer tid,
						   TupleTableSlot *slot)
{
	TM_FailureData failure;
#if PG_VERSION_NUM >= 180000
	TM_Result	result;

	return ExecBRUpdateTriggers(estate, epqstate, info, tid, NULL, slot,
								&result, &failure, false);
#elif PG_VERSION_NUM >= 160000
	TM_Result	result;

	return ExecBRUpdateTriggers(estate, epqstate, info, tid, NULL, slot,
								&result, &failure);
#else
	return ExecBRUpdateTriggers(estate, epqstate, info, tid, NULL, slot,
								&failure);
#endif
}

static inline bool
before_row_delete_triggers(EState *estate, EPQState *epqstate,
						   ResultRelInfo *info, ItemPointer tid)
{
	TupleTableSlot *epq_slot = NULL;
#if PG_VERSION_NUM >= 160000
	TM_FailureData failure;
	TM_Result	result;
#endif

#if PG_VERSION_NUM >= 180000
	return ExecBRDeleteTriggers(estate, epqstate, info, tid, NULL, &epq_slot,
								&result, &failure, false);
#elif PG_VERSION_NUM >= 160000
	return ExecBRDeleteTriggers(estate, epqstate, info, tid, NULL, &epq_slot,
								&result, &failure);
#else
	return ExecBRDeleteTriggers(estate, epqstate, info, tid, NULL, &epq_slot);
#endif
}

#endif							/* INSTANCE_FEATURES_COMPAT_H */
