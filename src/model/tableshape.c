/*-------------------------------------------------------------------------
 *
 * tableshape.c
 *	  The shape that the tables must have for this library to use them.
 *
 * The rule: tables[] agrees with the installation script.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_trigger_d.h"
#include "catalog/pg_type_d.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "model/tableshape.h"

#define OWNER_TYPE "scope_owner"

/* A placeholder for OWNER_TYPE, whose OID differs between databases. */
#define OWNER_TYPE_OID InvalidOid

typedef struct TableShape
{
	const char *name;
	int			ncolumns;
	Oid			types[MAX_COLUMNS];
	int			nkeys;			/* the first columns are the primary key */
	bool		tracked;		/* has triggers of ours */
} TableShape;

static const TableShape tables[NUM_TABLES] =
{
	[TABLE_SCOPE] = {"scope", 9,
		{TEXTOID, TEXTOID, TEXTOID, OWNER_TYPE_OID, INT8OID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, INT8OID, BOOLOID},
	3, true},
	[TABLE_SETTING] = {"setting", 8,
		{TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, NUMERICOID, INT8OID,
		TIMESTAMPTZOID},
	4, true},
	[TABLE_EVENT] = {"event", 13,
		{TEXTOID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, JSONBOID,
		JSONBOID, NUMERICOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID},
	4, false},
	[TABLE_FEATURE] = {"feature", 9,
		{TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, TEXTARRAYOID, TEXTOID,
		TEXTOID, TIMESTAMPTZOID},
	1, true}
};

/* The triggers of a tracked table.  All must be set to ENABLE ALWAYS. */
static const char *const tracking_triggers[] =
{
	"track_begin", "track_end", "track_truncate_begin", "track_truncate_end"
};

/*
 * Return a sentence that says how a table's columns differ from those that the
 * extension created, or NULL if they do not.
 */
static const char *
columns_problem(Relation rel, FeatureTable table)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < tables[table].ncolumns; i++)
	{
		Form_pg_attribute attr;
		Oid			type = tables[table].types[i];

		if (i >= desc->natts || TupleDescAttr(desc, i)->attisdropped)
			return psprintf("Column %d is missing.", i + 1);
		attr = TupleDescAttr(desc, i);
		if (type == OWNER_TYPE_OID)
		{
			Oid			type_namespace = RelationGetNamespace(rel);

			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
								   CStringGetDatum(OWNER_TYPE),
								   ObjectIdGetDatum(type_namespace));
			if (attr->attlen != sizeof(ScopeOwner) || attr->attbyval)
				type = InvalidOid;
		}
		if (attr->atttypid != type)
			return psprintf("Column \"%s\" is of another type.",
							NameStr(attr->attname));
		if (i < tables[table].nkeys && type == TEXTOID &&
			attr->attcollation != C_COLLATION_OID)
			return psprintf("Column \"%s\" has another collation.",
							NameStr(attr->attname));
	}

	return NULL;
}

/*
 * The same for its primary key.
 */
static const char *
primary_key_problem(Relation rel, FeatureTable table)
{
	Oid			index_oid;
	Relation	index;
	Form_pg_index form;
	bool		intact;

	for (;;)
	{
		index_oid = primary_key_index(rel);
		if (!OidIsValid(index_oid))
			return "It has no primary key.";
		index = index_open(index_oid, AccessShareLock);

		/* REINDEX CONCURRENTLY may have replaced it before we opened it. */
		if (primary_key_index(rel) == index_oid)
			break;
		index_close(index, AccessShareLock);
	}
	form = index->rd_index;
	intact = index->rd_rel->relam == BTREE_AM_OID &&
		form->indisvalid && form->indisunique && form->indimmediate &&
		form->indnkeyatts == tables[table].nkeys;
	for (int i = 0; intact && i < tables[table].nkeys; i++)
	{
		intact = form->indkey.values[i] == i + 1;
		if (tables[table].types[i] == TEXTOID)
			intact = intact && index->rd_opfamily[i] == TEXT_BTREE_FAM_OID &&
				index->rd_indcollation[i] == C_COLLATION_OID;
	}
	index_close(index, AccessShareLock);

	return intact ? NULL : "Its primary key has other columns.";
}

/*
 * Return a sentence that says how a table differs from the expected shape, or
 * NULL if it does not.
 */
const char *
tableshape_problem(Relation rel, FeatureTable table)
{
	const char *problem;

	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relam != HEAP_TABLE_AM_OID ||
		rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT ||
		rel->rd_rel->relispartition)
		return "It is not an ordinary, permanent table.";
	if (!superuser_arg(rel->rd_rel->relowner))
		return "Its owner is not a superuser.";
	problem = columns_problem(rel, table);
	return problem ? problem : primary_key_problem(rel, table);
}

/*
 * Return whether a table has all triggers that track its changes, and all of
 * them are set to ENABLE ALWAYS.
 */
bool
tableshape_is_tracked(Relation rel, FeatureTable table)
{
	const		TriggerDesc *desc = rel->trigdesc;
	int			found = 0;

	if (!tables[table].tracked)
		return true;

	for (int i = 0; desc != NULL && i < desc->numtriggers; i++)
	{
		const		Trigger *trigger = &desc->triggers[i];

		for (int j = 0; j < lengthof(tracking_triggers); j++)
		{
			if (strcmp(trigger->tgname, tracking_triggers[j]) == 0 &&
				trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
				get_func_namespace(trigger->tgfoid) == RelationGetNamespace(rel))
				found++;
		}
	}

	return found == lengthof(tracking_triggers);
}

/* Return the name of a table, without the schema. */
const char *
tableshape_name(FeatureTable table)
{
	return tables[table].name;
}

/* Return the number of columns with which the extension created a table. */
int
tableshape_columns(FeatureTable table)
{
	return tables[table].ncolumns;
}
