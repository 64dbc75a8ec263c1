/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between the supported PostgreSQL versions.
 *
 * The rule: no other file tests PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_COMPAT_H
#define IF_COMPAT_H

#include "executor/executor.h"
#include "parser/parse_relation.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#if PG_VERSION_NUM < 150000
#error "instance_features needs PostgreSQL 15 or later"
#endif

/* Since 18, it stands before a declaration and has a shorter name. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Since 16, a membership need not come with the right to SET ROLE. */
#if PG_VERSION_NUM >= 160000
#define may_become_role(member, role) member_can_set_role(member, role)
#else
#define may_become_role(member, role) is_member_of_role(member, role)
#endif

/* Since 18, the caller says whether a deferrable key will do. */
#if PG_VERSION_NUM >= 180000
#define primary_key_index(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* Since 16, an EPQState knows its result relations. */
#if PG_VERSION_NUM >= 160000
#define init_epq_state(epqstate, estate) \
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1, NIL)
#else
#define init_epq_state(epqstate, estate) \
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1)
#endif

/*
 * What builds a jsonb value.  Since 19, PostgreSQL has it; its "result" is the
 * value when the outermost object or array has ended.
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
 * Give an executor state a range table of open tables, to be changed in these
 * columns.  Since 16, the columns are in an RTEPermissionInfo; since 18, the
 * executor is told which tables it may open.
 */
static inline void
init_range_table(EState *estate, int ntables, const Relation *rels,
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
		rte->relid = RelationGetRelid(rels[i]);
		rte->relkind = rels[i]->rd_rel->relkind;
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

#endif							/* IF_COMPAT_H */
