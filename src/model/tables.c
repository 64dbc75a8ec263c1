/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  The extension's tables: where they are, and what their rows are.
 *
 * The tables belong to the bootstrap superuser, so that only superusers can
 * alter them.  They still may, and the library may be newer than the tables.
 * So each open verifies that a table is what this code relies on: its columns
 * by number, type and collation, its primary key, its owner.  The result is
 * remembered until PostgreSQL says that the table has changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_trigger_d.h"
#include "catalog/pg_type_d.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "model/tables.h"

#define OWNER_TYPE "scope_owner"
#define TRACKING_FUNCTION "track_changes"

/* Stands for the type of owners, whose OID differs from database to database. */
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
	[TABLE_SETTING] = {"setting", 7,
		{TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, INT8OID,
		TIMESTAMPTZOID},
	4, true},
	[TABLE_EVENT] = {"event", 10,
		{TEXTOID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, JSONBOID,
		JSONBOID, TEXTOID, TIMESTAMPTZOID},
	4, false},
	[TABLE_FEATURE] = {"feature", 8,
		{TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID,
		TIMESTAMPTZOID},
	1, true}
};

/* The triggers of a tracked table, each of which must be enabled ALWAYS. */
static const char *const tracking_triggers[] =
{
	"track_begin", "track_end", "track_truncate_begin", "track_truncate_end"
};

/*
 * What is known of a table.  Written by find_table() and open_table(),
 * forgotten by tables_invalidate() when PostgreSQL says that it changed.
 */
typedef struct KnownTable
{
	Oid			oid;			/* InvalidOid: not known */
	bool		verified;		/* is what this code relies on */
	bool		tracked;		/* has its triggers; if it is verified */
} KnownTable;

static KnownTable known_tables[NUM_TABLES];

/*
 * Whether the tables were looked for and not found.  Written by
 * extension_is_installed() and tables_forget_absence().
 */
static bool known_absent = false;

PG_FUNCTION_INFO_V1(altered_tables);

/*
 * The OID of one of the tables, InvalidOid if the extension is not installed
 * in this database.
 */
static Oid
find_table(FeatureTable table)
{
	Oid			namespace_oid;

	if (OidIsValid(known_tables[table].oid))
		return known_tables[table].oid;

	/* Without the extension, a schema of that name is somebody else's. */
	if (OidIsValid(get_extension_oid(EXTENSION_NAME, true)) &&
		OidIsValid(namespace_oid = get_namespace_oid(EXTENSION_SCHEMA, true)))
	{
		known_tables[table].oid = get_relname_relid(tables[table].name,
													namespace_oid);
		known_tables[table].verified = false;
	}

	return known_tables[table].oid;
}

/*
 * The OID of one of the tables.  Raises undefined_object if it does not exist.
 */
Oid
table_oid(FeatureTable table)
{
	Oid			relid = find_table(table);

	if (OidIsValid(relid))
		return relid;
	if (!OidIsValid(get_extension_oid(EXTENSION_NAME, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed in this database",
						EXTENSION_NAME),
				 errhint("Use CREATE EXTENSION to install it.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("table \"%s.%s\" of extension \"%s\" does not exist",
					EXTENSION_SCHEMA, tables[table].name, EXTENSION_NAME),
			 errhint("Give the schema and the table their names back.")));
}

const char *
table_name(FeatureTable table)
{
	return tables[table].name;
}

/* The number of columns that the extension gave to a table. */
int
table_columns(FeatureTable table)
{
	return tables[table].ncolumns;
}

/*
 * Which of the tables has this OID?  False if none has.
 */
bool
find_table_by_oid(Oid relid, FeatureTable *table)
{
	for (int i = 0; i < NUM_TABLES; i++)
	{
		if (find_table(i) == relid)
		{
			*table = i;
			return true;
		}
	}

	return false;
}

/*
 * Whether the extension is installed in this database.  A negative result is
 * remembered until tables_forget_absence().
 */
bool
extension_is_installed(void)
{
	if (!known_absent)
		known_absent = !OidIsValid(find_table(TABLE_SCOPE));
	return !known_absent;
}

/*
 * Have extension_is_installed() look again.  Returns whether it had found the
 * extension missing.
 */
bool
tables_forget_absence(void)
{
	bool		was_absent = known_absent;

	known_absent = false;
	return was_absent;
}

/*
 * Handle an invalidation message about a relation, about all relations if
 * "relid" is InvalidOid.  All OIDs are looked up anew, since they may be those
 * of another CREATE EXTENSION.
 */
TableInvalidation
tables_invalidate(Oid relid)
{
	bool		affected = !OidIsValid(relid);

	for (int i = 0; i < NUM_TABLES; i++)
		affected = affected || known_tables[i].oid == relid;
	if (!affected)
		return TABLES_UNAFFECTED;

	memset(known_tables, 0, sizeof(known_tables));
	known_absent = false;
	return TABLES_CHANGED;
}

/*
 * What of a table's columns is not as the extension made it, as a sentence;
 * NULL if all is.
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
	Oid			index_oid = primary_key_index(rel);
	Relation	index;
	Form_pg_index form;
	bool		intact;

	if (!OidIsValid(index_oid))
		return "It has no primary key.";

	index = index_open(index_oid, AccessShareLock);
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
 * What of a table is not as this code relies on, as a sentence; NULL if all is.
 */
static const char *
table_problem(Relation rel, FeatureTable table)
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
 * Whether all triggers by which the extension learns of changes of a table are
 * there, and fire however a change is made.
 */
static bool
is_tracked(Relation rel)
{
	const		TriggerDesc *desc = rel->trigdesc;
	int			found = 0;

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

/*
 * The version of the extension's SQL objects.
 */
static char *
objects_version(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = "";

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(EXTENSION_NAME));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		if (!isnull)
			version = TextDatumGetCString(datum);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	return version;
}

/*
 * Raise object_not_in_prerequisite_state for a table that is not what this
 * code relies on: its detail says why.
 */
static void
report_altered_table(FeatureTable table, const char *problem)
{
	char	   *version = objects_version();

	if (strncmp(version, "1.", 2) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"%s\" %s cannot be used with library version %s",
						EXTENSION_NAME, version, INSTANCE_FEATURES_VERSION),
				 errdetail("Version 1 was a development version and cannot be updated."),
				 errhint("With the library of version %s, save the settings by export_features(). Then use DROP EXTENSION, CREATE EXTENSION, and apply_features() with what was saved.",
						 version)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s.%s\" has been altered",
					EXTENSION_SCHEMA, tables[table].name),
			 errdetail_internal("%s", problem),
			 errhint("Restore the table as CREATE EXTENSION makes it.")));
}

/*
 * Open one of the tables.  Raises undefined_object if it does not exist,
 * object_not_in_prerequisite_state if it is not what this code relies on.
 */
Relation
open_table(FeatureTable table, LOCKMODE lockmode)
{
	Relation	rel = table_open(table_oid(table), lockmode);
	KnownTable *known = &known_tables[table];

	/* That the owner stopped being a superuser invalidates no relation. */
	if (known->verified && known->oid == RelationGetRelid(rel) &&
		superuser_arg(rel->rd_rel->relowner))
		return rel;

	{
		const char *problem = table_problem(rel, table);

		if (problem != NULL)
			report_altered_table(table, problem);
	}

	/* An invalidation may have arrived meanwhile. */
	if (known->oid == RelationGetRelid(rel))
	{
		known->tracked = !tables[table].tracked || is_tracked(rel);
		known->verified = true;
	}
	return rel;
}

/*
 * Find and verify all tables.  From then on, tables_invalidate() knows them.
 * Raises the errors of open_table().
 */
void
tables_resolve(void)
{
	for (int i = 0; i < NUM_TABLES; i++)
	{
		if (!known_tables[i].verified)
			table_close(open_table(i, AccessShareLock), AccessShareLock);
	}
}

/*
 * Whether every change of a table reaches the cache, which is so unless
 * somebody has disabled or dropped triggers of ours.
 */
bool
tables_are_tracked(void)
{
	for (int i = 0; i < NUM_TABLES; i++)
	{
		if (!known_tables[i].verified || !known_tables[i].tracked)
			return false;
	}

	return true;
}

/*
 * altered_tables(): a sentence for each table that is not what this code
 * relies on.
 */
Datum
altered_tables(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (rsinfo->setDesc->natts != 1 ||
		TupleDescAttr(rsinfo->setDesc, 0)->atttypid != TEXTOID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function \"%s\" must return SETOF text",
						"altered_tables")));

	for (int i = 0; i < NUM_TABLES; i++)
	{
		Relation	rel = table_open(table_oid(i), AccessShareLock);
		const char *problem = table_problem(rel, i);

		if (problem != NULL)
		{
			Datum		value;
			bool		isnull = false;

			value = CStringGetTextDatum(psprintf("Table %s.%s: %s",
												 EXTENSION_SCHEMA,
												 tables[i].name, problem));
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
								 &isnull);
		}
		table_close(rel, AccessShareLock);
	}
	return (Datum) 0;
}

/*
 * A column's value, which must not be null: a constraint says so, unless
 * somebody has dropped it.
 */
Datum
get_column(HeapTuple tuple, int attnum, Relation rel)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, RelationGetDescr(rel),
									 &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of table \"%s.%s\" is null",
						NameStr(TupleDescAttr(RelationGetDescr(rel),
											  attnum - 1)->attname),
						EXTENSION_SCHEMA, RelationGetRelationName(rel))));
	return value;
}

char *
get_text_column(HeapTuple tuple, int attnum, Relation rel)
{
	return TextDatumGetCString(get_column(tuple, attnum, rel));
}

Jsonb *
get_jsonb_column(HeapTuple tuple, int attnum, Relation rel)
{
	return DatumGetJsonbPCopy(get_column(tuple, attnum, rel));
}

/* The same for a column that may be null: NULL then. */
char *
get_nullable_text(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NULL;
	return get_text_column(tuple, attnum, rel);
}

Jsonb *
get_nullable_jsonb(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NULL;
	return get_jsonb_column(tuple, attnum, rel);
}

static TimestampTz
get_nullable_date(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NO_DATE;
	return DatumGetTimestampTz(get_column(tuple, attnum, rel));
}

void
get_scope_row(HeapTuple tuple, Relation rel, ScopeRow *row)
{
	memset(row, 0, sizeof(ScopeRow));
	row->has_owner = !heap_attisnull(tuple, Anum_scope_owner,
									 RelationGetDescr(rel));
	if (row->has_owner)
		memcpy(&row->owner,
			   DatumGetPointer(get_column(tuple, Anum_scope_owner, rel)),
			   sizeof(ScopeOwner));
	row->sequence =
		DatumGetInt64(get_column(tuple, Anum_scope_sequence, rel));
	row->change_date =
		get_nullable_date(tuple, Anum_scope_change_date, rel);
	row->creation_date =
		get_nullable_date(tuple, Anum_scope_creation_date, rel);
	if (!heap_attisnull(tuple, Anum_scope_purged_to, RelationGetDescr(rel)))
		row->purged_to =
			DatumGetInt64(get_column(tuple, Anum_scope_purged_to, rel));
	row->dropped = DatumGetBool(get_column(tuple, Anum_scope_dropped, rel));
}

/*
 * The scope in the first columns of a row of any table but feature.  False if
 * it is of a level that this library does not know.
 */
bool
get_scope_name(HeapTuple tuple, Relation rel, ScopeName *name)
{
	FeatureLevel level;

	if (!parse_level(get_text_column(tuple, Anum_scope_level, rel), &level))
		return false;
	*name = make_scope_name(level,
							get_text_column(tuple, Anum_scope_instance_id,
											rel),
							get_text_column(tuple, Anum_scope_id, rel));
	return true;
}
