/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  Finding, verifying and opening the extension's tables.
 *
 * The rule: other files open the tables with tables_open().  The tables belong
 * to the bootstrap superuser, so that only superusers can alter them; but they
 * may, and the library may be newer than the tables.  So each open verifies
 * what this code relies on: columns by number, type and collation, the primary
 * key, and the owner.  The result is cached until a relcache invalidation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
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
 * A table's cached OID and state.  Written by find_table() and tables_open(),
 * reset by tables_invalidate().
 */
typedef struct KnownTable
{
	Oid			oid;			/* InvalidOid if not known */
	bool		verified;		/* has the expected shape */
	bool		tracked;		/* has its triggers; valid if verified */
} KnownTable;

static KnownTable known_tables[NUM_TABLES];

/*
 * Whether the extension was looked for and not found.  Written by
 * tables_extension_is_installed(), tables_forget_absence() and
 * tables_invalidate().
 */
static bool known_absent = false;

/*
 * Return the OID of one of the tables, or InvalidOid if the extension is not
 * installed in this database.
 */
static Oid
find_table(FeatureTable table)
{
	Oid			namespace_oid;

	if (OidIsValid(known_tables[table].oid))
		return known_tables[table].oid;

	/* Without the extension, a schema of that name is unrelated. */
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
 * Return the OID of one of the tables.  Raises undefined_object if it does not
 * exist.
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
			 errhint("Restore the names of the schema and the table.")));
}

/*
 * Find the table with this OID.  Returns false if it is none of ours.
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
 * Return whether the extension is installed in this database.  A negative
 * result is cached until tables_forget_absence() or an invalidation message.
 */
bool
tables_extension_is_installed(void)
{
	if (!known_absent)
		known_absent = !OidIsValid(find_table(TABLE_SCOPE));
	return !known_absent;
}

/*
 * Reset a negative result of tables_extension_is_installed().  Returns whether
 * there was one.
 */
bool
tables_forget_absence(void)
{
	bool		was_absent = known_absent;

	known_absent = false;
	return was_absent;
}

/*
 * Handle an invalidation message about a relation, or about all relations if
 * "relid" is InvalidOid.  All OIDs must be looked up again, because the
 * extension may have been dropped and created.
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
 * Return the version of the extension's SQL objects.
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
 * Raise object_not_in_prerequisite_state for a table that does not have the
 * expected shape.  "problem" is a sentence for the DETAIL.
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
				 errhint("With the library of version %s, save the settings by export_features().  Then use DROP EXTENSION, CREATE EXTENSION, and apply_features() with what was saved.",
						 version)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s.%s\" has been altered",
					EXTENSION_SCHEMA, tableshape_name(table)),
			 errdetail_internal("%s", problem),
			 errhint("Restore the table as CREATE EXTENSION makes it.")));
}

/*
 * Open one of the tables.  Raises undefined_object if it does not exist, and
 * object_not_in_prerequisite_state if it does not have the expected shape.
 */
Relation
tables_open(FeatureTable table, LOCKMODE lockmode)
{
	Relation	rel = table_open(tables_oid(table), lockmode);
	KnownTable *known = &known_tables[table];

	/* Changing a role does not invalidate relations: check the owner again. */
	if (known->verified && known->oid == RelationGetRelid(rel) &&
		superuser_arg(rel->rd_rel->relowner))
		return rel;

	{
		const char *problem = tableshape_problem(rel, table);

		if (problem != NULL)
			report_altered_table(table, problem);
	}

	/* An invalidation message may have arrived in the meantime. */
	if (known->oid == RelationGetRelid(rel))
	{
		known->tracked = tableshape_is_tracked(rel, table);
		known->verified = true;
	}
	return rel;
}

/*
 * Find and verify all tables, so that tables_invalidate() recognizes messages
 * about them.  Raises the errors of tables_open().
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
 * Return whether all tables can be opened, for callers that must not fail.
 */
bool
tables_are_usable(void)
{
	for (int i = 0; i < NUM_TABLES; i++)
	{
		Oid			relid = find_table(i);
		Relation	rel = OidIsValid(relid) ?
		try_relation_open(relid, AccessShareLock) : NULL;
		bool		usable;

		if (rel == NULL)
			return false;
		usable = tableshape_problem(rel, i) == NULL;
		relation_close(rel, AccessShareLock);
		if (!usable)
			return false;
	}

	return true;
}

/*
 * Return whether every change of the tables invalidates the cache.  That is
 * the case if all tables are verified and have their triggers enabled.
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
 * Return whether triggers of ours are known to be missing or disabled.  That
 * is not known of a table that has not been verified since its last
 * invalidation.
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
