/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  The extension's tables: where they are, and whether they can be used.
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
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "model/tables.h"
#include "model/tableshape.h"

/*
 * What is known of a table.  Written by find_table() and tables_open(),
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
 * tables_extension_is_installed() and tables_forget_absence().
 */
static bool known_absent = false;

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
		known_tables[table].oid = get_relname_relid(tableshape_name(table),
													namespace_oid);
		known_tables[table].verified = false;
	}

	return known_tables[table].oid;
}

/*
 * The OID of one of the tables.  Raises undefined_object if it does not exist.
 */
Oid
tables_oid(FeatureTable table)
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
					EXTENSION_SCHEMA, tableshape_name(table), EXTENSION_NAME),
			 errhint("Give the schema and the table their names back.")));
}

/*
 * Which of the tables has this OID?  False if none has.
 */
bool
tables_find_by_oid(Oid relid, FeatureTable *table)
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
tables_extension_is_installed(void)
{
	if (!known_absent)
		known_absent = !OidIsValid(find_table(TABLE_SCOPE));
	return !known_absent;
}

/*
 * Have tables_extension_is_installed() look again.  Returns whether it had found the
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
					EXTENSION_SCHEMA, tableshape_name(table)),
			 errdetail_internal("%s", problem),
			 errhint("Restore the table as CREATE EXTENSION makes it.")));
}

/*
 * Open one of the tables.  Raises undefined_object if it does not exist,
 * object_not_in_prerequisite_state if it is not what this code relies on.
 */
Relation
tables_open(FeatureTable table, LOCKMODE lockmode)
{
	Relation	rel = table_open(tables_oid(table), lockmode);
	KnownTable *known = &known_tables[table];

	/* That the owner stopped being a superuser invalidates no relation. */
	if (known->verified && known->oid == RelationGetRelid(rel) &&
		superuser_arg(rel->rd_rel->relowner))
		return rel;

	{
		const char *problem = tableshape_problem(rel, table);

		if (problem != NULL)
			report_altered_table(table, problem);
	}

	/* An invalidation may have arrived meanwhile. */
	if (known->oid == RelationGetRelid(rel))
	{
		known->tracked = tableshape_is_tracked(rel, table);
		known->verified = true;
	}
	return rel;
}

/*
 * Find and verify all tables.  From then on, tables_invalidate() knows them.
 * Raises the errors of tables_open().
 */
void
tables_resolve(void)
{
	for (int i = 0; i < NUM_TABLES; i++)
	{
		if (!known_tables[i].verified)
			table_close(tables_open(i, AccessShareLock), AccessShareLock);
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
 * Whether triggers of ours are missing or disabled.  That is not known, and
 * not said, of a table about which an invalidation message has just arrived.
 */
bool
tables_are_untracked(void)
{
	for (int i = 0; i < NUM_TABLES; i++)
	{
		if (known_tables[i].verified && !known_tables[i].tracked)
			return true;
	}

	return false;
}
