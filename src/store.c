/*-------------------------------------------------------------------------
 *
 * store.c
 *	  The extension's tables: reading them as a catalog, writing them.
 *
 * Reading is done with system-table scans under the catalog snapshot: it
 * needs no privileges on the tables, sees what is committed by now in every
 * isolation level, and works in parallel workers and on standbys.  One
 * snapshot serves a whole read, so that what belongs together is seen
 * together.
 *
 * The tables belong to the extension's owner, who need not be a superuser and
 * may alter them.  Hence every open checks that the columns read here still
 * are what they were made as.
 *
 * Writing is done as the owner of the tables, so that ordinary triggers fire
 * with that owner's rights.  What every change of features does goes by
 * writer.c, what is rare by SPI.  The statements name every object and
 * operator with its schema: they run under the caller's search_path.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "errors.h"
#include "store.h"
#include "writer.h"

#define EXTENSION_NAME "instance_features"
#define EXTENSION_SCHEMA "instance_features"

typedef enum StoreTable
{
	TABLE_SCOPE,				/* those that a change of features writes */
	TABLE_SETTING,
	TABLE_EVENT,
	TABLE_FEATURE,				/* and the others */
	TABLE_INVALIDATION
} StoreTable;

#define NUM_WRITTEN (TABLE_EVENT + 1)
#define NUM_TABLES (TABLE_INVALIDATION + 1)

/* Column numbers. */
enum
{
	Anum_scope_level = 1,
	Anum_scope_id,
	Anum_scope_owner,
	Anum_scope_sequence,
	Anum_scope_change_date,
	Anum_scope_creation_date
};

enum
{
	Anum_feature_key = 1,
	Anum_feature_json_name,
	Anum_feature_value_type,
	Anum_feature_default_value,
	Anum_feature_description,
	Anum_feature_builtin,
	Anum_feature_creation_date
};

/* Columns that came later, so that they are found by name. */
#define STAGE_COLUMN "stage"
#define ALLOWED_VALUES_COLUMN "allowed_values"
#define PURGED_TO_COLUMN "purged_to"

enum
{
	Anum_setting_level = 1,
	Anum_setting_scope_id,
	Anum_setting_feature,
	Anum_setting_value,
	Anum_setting_sequence,
	Anum_setting_change_date
};

enum
{
	Anum_event_level = 1,
	Anum_event_scope_id,
	Anum_event_sequence,
	Anum_event_event_type,
	Anum_event_feature,
	Anum_event_old_value,
	Anum_event_value,
	Anum_event_editor,
	Anum_event_creation_date
};

#define MAX_COLUMNS Anum_event_creation_date

typedef struct TableShape
{
	const char *name;
	int			ncolumns;
	Oid			types[MAX_COLUMNS];
} TableShape;

static const TableShape tables[NUM_TABLES] =
{
	[TABLE_SCOPE] = {"scope", 6,
	{TEXTOID, TEXTOID, REGROLEOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}},
	[TABLE_FEATURE] = {"feature", 7,
	{TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, BOOLOID, TIMESTAMPTZOID}},
	[TABLE_SETTING] = {"setting", 6,
	{TEXTOID, TEXTOID, TEXTOID, JSONBOID, INT8OID, TIMESTAMPTZOID}},
	[TABLE_EVENT] = {"event", 9,
		{TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, JSONBOID, JSONBOID,
	TEXTOID, TIMESTAMPTZOID}},
	[TABLE_INVALIDATION] = {"invalidation", 0}
};

/*
 * The tables' OIDs, InvalidOid where not known.  Written by find_table(),
 * forgotten by store_concerns() when PostgreSQL says that one changed.
 */
static Oid	table_oids[NUM_TABLES];

/*
 * Whether the tables were looked for and not found.  Written by
 * store_is_there() and store_found_missing().
 */
static bool missing = false;

const ScopeName system_scope_name =
{
	LEVEL_SYSTEM, SYSTEM_SCOPE_ID, sizeof(SYSTEM_SCOPE_ID) - 1
};

PG_FUNCTION_INFO_V1(instance_features_invalidate);

const char *
level_name(FeatureLevel level)
{
	return level == LEVEL_SYSTEM ? "system" : "instance";
}

/*
 * The instance's id as a palloc'd string, or NULL for the system: what the
 * reports of errors.h want.
 */
const char *
message_id(const ScopeName *name)
{
	return name->level == LEVEL_SYSTEM ? NULL : pnstrdup(name->id, name->len);
}

/*
 * The order in which scopes are locked: the system, then the instances by id.
 */
int
compare_scope_names(const ScopeName *a, const ScopeName *b)
{
	int			cmp;

	if (a->level != b->level)
		return (int) a->level - (int) b->level;
	cmp = memcmp(a->id, b->id, Min(a->len, b->len));
	return cmp != 0 ? cmp : a->len - b->len;
}

/* The same for a list of ScopeName, as list_sort() wants it. */
int
compare_scope_cells(const ListCell *a, const ListCell *b)
{
	return compare_scope_names(lfirst(a), lfirst(b));
}

static ScopeName *
make_name(FeatureLevel level, const char *id)
{
	ScopeName  *name = palloc(sizeof(ScopeName));

	name->level = level;
	name->id = id;
	name->len = strlen(id);
	return name;
}

/*
 * The OID of one of the tables, InvalidOid if the extension is not installed
 * in this database.
 */
static Oid
find_table(StoreTable table)
{
	Oid			namespace_oid;

	if (OidIsValid(table_oids[table]))
		return table_oids[table];

	/* Without the extension, a schema of that name is somebody else's. */
	if (OidIsValid(get_extension_oid(EXTENSION_NAME, true)) &&
		OidIsValid(namespace_oid = get_namespace_oid(EXTENSION_SCHEMA, true)))
		table_oids[table] = get_relname_relid(tables[table].name,
											  namespace_oid);

	return table_oids[table];
}

/*
 * The same, but raises undefined_object.
 */
static Oid
resolve_table(StoreTable table)
{
	Oid			relid = find_table(table);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed in this database",
						EXTENSION_NAME),
				 errhint("Use CREATE EXTENSION to install it.")));

	return relid;
}

/*
 * Whether the extension is installed in this database.  A no holds until
 * store_found_missing() has told of it.
 */
bool
store_is_there(void)
{
	if (!missing)
		missing = !OidIsValid(find_table(TABLE_SCOPE));
	return !missing;
}

/*
 * Whether store_is_there() has said no.  Whoever asks takes care that it is
 * asked again.
 */
bool
store_found_missing(void)
{
	bool		found_missing = missing;

	missing = false;
	return found_missing;
}

/*
 * Raise object_not_in_prerequisite_state unless a table still has the columns
 * that this file knows.
 */
static void
check_shape(Relation rel, StoreTable table)
{
	TupleDesc	desc = RelationGetDescr(rel);
	bool		intact;

	intact = rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relam == HEAP_TABLE_AM_OID &&
		desc->natts >= tables[table].ncolumns;
	for (int i = 0; intact && i < tables[table].ncolumns; i++)
		intact = !TupleDescAttr(desc, i)->attisdropped &&
			TupleDescAttr(desc, i)->atttypid == tables[table].types[i];

	if (!intact)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" has been altered",
						EXTENSION_SCHEMA, tables[table].name),
				 errhint("Give it the columns back with which the extension made it.")));
}

static Relation
open_table(StoreTable table, LOCKMODE lockmode)
{
	Relation	rel = table_open(resolve_table(table), lockmode);

	check_shape(rel, table);
	return rel;
}

/*
 * A relation cache invalidation has arrived, for all relations if "relid" is
 * InvalidOid: does it concern what was read from the tables?  If it may
 * concern the definitions of the features, *definitions is set.
 *
 * The triggers name the table "invalidation" when a scope or a setting
 * changes, and the table "feature" itself when a definition does.  The other
 * tables are named when they are altered, rewritten or dropped; then all OIDs
 * are looked up anew, since they may be those of another CREATE EXTENSION.
 * Messages are missed until that is done, by the next load, which therefore
 * has to load the definitions too.
 */
bool
store_concerns(Oid relid, bool *definitions)
{
	if (!OidIsValid(relid))
	{
		memset(table_oids, 0, sizeof(table_oids));
		missing = false;
		*definitions = true;
		return true;
	}

	for (int i = 0; i < NUM_TABLES; i++)
	{
		if (table_oids[i] == relid)
		{
			if (i != TABLE_INVALIDATION)
				memset(table_oids, 0, sizeof(table_oids));
			*definitions = (i != TABLE_INVALIDATION);
			return true;
		}
	}

	return false;
}

/*
 * A column's value, which must not be null: a constraint says so, unless
 * somebody has dropped it.
 */
static Datum
get_column(HeapTuple tuple, int attnum, Relation rel)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, RelationGetDescr(rel),
									 &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("column \"%s\" of table \"%s.%s\" is null",
						NameStr(TupleDescAttr(RelationGetDescr(rel),
											  attnum - 1)->attname),
						EXTENSION_SCHEMA, RelationGetRelationName(rel))));
	return value;
}

static char *
get_text_column(HeapTuple tuple, int attnum, Relation rel)
{
	return TextDatumGetCString(get_column(tuple, attnum, rel));
}

static Jsonb *
get_jsonb_column(HeapTuple tuple, int attnum, Relation rel)
{
	return DatumGetJsonbPCopy(get_column(tuple, attnum, rel));
}

/* The same for a column that may be null: NULL then. */
static char *
get_nullable_text(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NULL;
	return get_text_column(tuple, attnum, rel);
}

static Jsonb *
get_nullable_jsonb(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NULL;
	return get_jsonb_column(tuple, attnum, rel);
}

/*
 * The number of a column that came with a later version of the extension than
 * the table, InvalidAttrNumber where it is not there yet.
 */
static AttrNumber
find_later_column(Relation rel, const char *name, Oid type)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped &&
			TupleDescAttr(desc, i)->atttypid == type &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i + 1;
	}

	return InvalidAttrNumber;
}

static void
get_scope_row(HeapTuple tuple, Relation rel, ScopeRow *row)
{
	bool		isnull;

	row->owner = DatumGetObjectId(heap_getattr(tuple, Anum_scope_owner,
											   RelationGetDescr(rel),
											   &isnull));
	if (isnull)
		row->owner = InvalidOid;
	row->sequence =
		DatumGetInt64(get_column(tuple, Anum_scope_sequence, rel));
	row->change_date =
		DatumGetTimestampTz(get_column(tuple, Anum_scope_change_date, rel));
	row->creation_date =
		DatumGetTimestampTz(get_column(tuple, Anum_scope_creation_date, rel));
}

/*
 * Raise check_violation for a row of table scope that could be no scope's.
 */
static void
check_scope_row(Relation rel, HeapTuple tuple)
{
	char	   *level;
	char	   *id;
	int			len;
	const char *broken = NULL;
	ScopeRow	row;

	check_shape(rel, TABLE_SCOPE);
	level = get_text_column(tuple, Anum_scope_level, rel);
	id = get_text_column(tuple, Anum_scope_id, rel);
	len = strlen(id);
	get_scope_row(tuple, rel, &row);
	if (strcmp(level, level_name(LEVEL_SYSTEM)) == 0)
	{
		if (strcmp(id, SYSTEM_SCOPE_ID) != 0)
			broken = "The id of the system must be \"" SYSTEM_SCOPE_ID "\".";
	}
	else if (strcmp(level, level_name(LEVEL_INSTANCE)) != 0)
		broken = "The level must be \"system\" or \"instance\".";
	else if (len < 1 || len > MAX_SCOPE_ID_LENGTH)
		broken = "An id must have from 1 to 200 bytes.";

	if (!OidIsValid(row.owner) &&
		(strcmp(level, level_name(LEVEL_INSTANCE)) != 0 ||
		 strcmp(id, DEFAULT_INSTANCE_ID) != 0))
		broken = "Only the instance \"" DEFAULT_INSTANCE_ID "\", when dropped, has no owner.";
	if (row.sequence < 0)
		broken = "The sequence must not be negative.";
	if (TIMESTAMP_NOT_FINITE(row.change_date) ||
		TIMESTAMP_NOT_FINITE(row.creation_date))
		broken = "The times must be finite.";

	if (broken != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("invalid row for table \"%s.%s\": level \"%s\", id \"%s\"",
						EXTENSION_SCHEMA, tables[TABLE_SCOPE].name,
						clip_name(level, strlen(level)), clip_name(id, len)),
				 errdetail_internal("%s", broken)));
}

/*
 * Row trigger on scope, feature and setting, and TRUNCATE trigger: the caches
 * of all sessions are out of date once this transaction commits, our own at
 * the next command.
 */
Datum
instance_features_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	Oid			relid;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger",
						"instance_features.invalidate")));

	rel = trigdata->tg_relation;
	if (RelationGetRelid(rel) == find_table(TABLE_SCOPE) &&
		TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) &&
		!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		check_scope_row(rel, TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ?
						trigdata->tg_newtuple : trigdata->tg_trigtuple);

	if (strcmp(RelationGetRelationName(rel), tables[TABLE_FEATURE].name) == 0)
		relid = RelationGetRelid(rel);
	else
		relid = get_relname_relid(tables[TABLE_INVALIDATION].name,
								  RelationGetNamespace(rel));
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);

	/* An AFTER trigger's result is ignored. */
	return PointerGetDatum(NULL);
}

/*
 * Start a read: all that is read with the snapshot is from one moment, not
 * earlier than now.  An error releases the snapshot.
 */
Snapshot
store_begin_read(void)
{
	/* From here on, store_concerns() has to know them all. */
	for (int i = 0; i < NUM_TABLES; i++)
		(void) resolve_table(i);

	/* Make sure that the snapshot is a new one, not one of a catalog scan. */
	InvalidateCatalogSnapshot();
	return RegisterSnapshot(GetCatalogSnapshot(resolve_table(TABLE_SCOPE)));
}

void
store_end_read(Snapshot snapshot)
{
	UnregisterSnapshot(snapshot);
}

static text *
scope_id_text(const ScopeName *name)
{
	return cstring_to_text_with_len(name->id, name->len);
}

/* Scan keys for the columns (level, id), the first two of their table. */
static void
init_scope_keys(ScanKey keys, const ScopeName *name)
{
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(level_name(name->level)));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(scope_id_text(name)));
}

/*
 * Scan a table for the rows of a scope, by the primary key if it has not been
 * dropped.
 */
static SysScanDesc
begin_scope_scan(Relation rel, Snapshot snapshot, const ScopeName *name,
				 ScanKeyData keys[2])
{
	Oid			index_oid = primary_key_index(rel);

	init_scope_keys(keys, name);
	return systable_beginscan(rel, index_oid, OidIsValid(index_oid), snapshot,
							  2, keys);
}

/*
 * Read the row of a scope and where it is.  False if it has none: then only
 * the owner is set, to that of the tables, to whom belongs what exists
 * implicitly.
 */
static bool
read_scope(Snapshot snapshot, const ScopeName *name, LockedScope *scope)
{
	Relation	rel = open_table(TABLE_SCOPE, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	bool		found;

	scan = begin_scope_scan(rel, snapshot, name, keys);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
	{
		scope->tid = tuple->t_self;
		get_scope_row(tuple, rel, &scope->row);
	}
	else
		scope->row.owner = rel->rd_rel->relowner;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	return found;
}

bool
store_read_scope(Snapshot snapshot, const ScopeName *name, ScopeRow *row)
{
	LockedScope scope = {{0}};
	bool		found = read_scope(snapshot, name, &scope);

	*row = scope.row;
	return found;
}

/*
 * Read the definitions of all features: a list of FeatureRow, in no order.
 */
List *
store_read_features(Snapshot snapshot)
{
	Relation	rel = open_table(TABLE_FEATURE, AccessShareLock);
	AttrNumber	stage = find_later_column(rel, STAGE_COLUMN, TEXTOID);
	AttrNumber	allowed_values = find_later_column(rel, ALLOWED_VALUES_COLUMN,
												   JSONBOID);
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *rows = NIL;

	scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		FeatureRow *row = palloc0(sizeof(FeatureRow));

		row->key = get_text_column(tuple, Anum_feature_key, rel);
		row->json_name = get_text_column(tuple, Anum_feature_json_name, rel);
		row->value_type = get_text_column(tuple, Anum_feature_value_type, rel);
		row->default_value =
			get_jsonb_column(tuple, Anum_feature_default_value, rel);
		row->builtin =
			DatumGetBool(get_column(tuple, Anum_feature_builtin, rel));
		row->creation_date =
			DatumGetTimestampTz(get_column(tuple, Anum_feature_creation_date,
										   rel));
		row->stage = AttributeNumberIsValid(stage) ?
			get_text_column(tuple, stage, rel) : pstrdup("");
		if (AttributeNumberIsValid(allowed_values))
			row->allowed_values = get_nullable_jsonb(tuple, allowed_values,
													 rel);
		rows = lappend(rows, row);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	return rows;
}

/*
 * Read the settings of a scope: a list of SettingRow, in no order.
 */
List *
store_read_settings(Snapshot snapshot, const ScopeName *name)
{
	Relation	rel = open_table(TABLE_SETTING, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	List	   *rows = NIL;

	scan = begin_scope_scan(rel, snapshot, name, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		SettingRow *row = palloc(sizeof(SettingRow));

		row->tid = tuple->t_self;
		row->feature = get_text_column(tuple, Anum_setting_feature, rel);
		row->value = get_jsonb_column(tuple, Anum_setting_value, rel);
		row->sequence =
			DatumGetInt64(get_column(tuple, Anum_setting_sequence, rel));
		row->change_date =
			DatumGetTimestampTz(get_column(tuple, Anum_setting_change_date,
										   rel));
		rows = lappend(rows, row);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	return rows;
}

/*
 * Read which instances there are: a list of ScopeName, ordered by id.
 */
List *
store_read_instances(Snapshot snapshot)
{
	Relation	rel = open_table(TABLE_SCOPE, AccessShareLock);
	bool		default_stored = false;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *instances = NIL;

	scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		char	   *id = get_text_column(tuple, Anum_scope_id, rel);

		CHECK_FOR_INTERRUPTS();
		if (strcmp(get_text_column(tuple, Anum_scope_level, rel),
				   level_name(LEVEL_INSTANCE)) != 0)
			continue;
		if (strcmp(id, DEFAULT_INSTANCE_ID) == 0)
			default_stored = true;
		if (!heap_attisnull(tuple, Anum_scope_owner, RelationGetDescr(rel)))
			instances = lappend(instances, make_name(LEVEL_INSTANCE, id));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	if (!default_stored)
		instances = lappend(instances,
							make_name(LEVEL_INSTANCE, DEFAULT_INSTANCE_ID));
	list_sort(instances, compare_scope_cells);
	return instances;
}

/*
 * Hand each setting of a feature to "callback", in no order.  What it is given
 * is gone when it returns.
 */
void
store_read_feature(Snapshot snapshot, const char *feature,
				   SettingCallback callback, void *arg)
{
	Relation	rel = open_table(TABLE_SETTING, AccessShareLock);
	MemoryContext row_cxt = AllocSetContextCreate(CurrentMemoryContext,
												  "instance_features setting",
												  ALLOCSET_DEFAULT_SIZES);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_setting_feature, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(feature));
	scan = systable_beginscan(rel, InvalidOid, false, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		MemoryContext caller_cxt = MemoryContextSwitchTo(row_cxt);
		char	   *level = get_text_column(tuple, Anum_setting_level, rel);
		char	   *id = get_text_column(tuple, Anum_setting_scope_id, rel);
		Jsonb	   *value = get_jsonb_column(tuple, Anum_setting_value, rel);
		ScopeName  *name = make_name(strcmp(level, level_name(LEVEL_SYSTEM)) == 0 ?
									 LEVEL_SYSTEM : LEVEL_INSTANCE, id);

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(caller_cxt);
		callback(name, value, arg);
		MemoryContextReset(row_cxt);
	}
	systable_endscan(scan);
	MemoryContextDelete(row_cxt);
	table_close(rel, AccessShareLock);
}

/*
 * The sequence of the event before which events of a scope were purged, 0 if
 * none were.
 */
int64
store_read_purged_to(Snapshot snapshot, const ScopeName *name)
{
	Relation	rel = open_table(TABLE_SCOPE, AccessShareLock);
	AttrNumber	column = find_later_column(rel, PURGED_TO_COLUMN, INT8OID);
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	int64		purged_to = 0;

	scan = begin_scope_scan(rel, snapshot, name, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) && AttributeNumberIsValid(column) &&
		!heap_attisnull(tuple, column, RelationGetDescr(rel)))
		purged_to = DatumGetInt64(get_column(tuple, column, rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	return purged_to;
}

/*
 * Hand the events of a scope to "callback", oldest first.  What it is given
 * is gone when it returns.
 */
void
store_read_events(Snapshot snapshot, const ScopeName *name,
				  EventCallback callback, void *arg)
{
	Relation	rel = open_table(TABLE_EVENT, AccessShareLock);
	Oid			index_oid = primary_key_index(rel);
	Relation	index;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	MemoryContext row_cxt;
	bool		go_on = true;

	if (!OidIsValid(index_oid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" has no primary key",
						EXTENSION_SCHEMA, tables[TABLE_EVENT].name)));

	index = index_open(index_oid, AccessShareLock);
	row_cxt = AllocSetContextCreate(CurrentMemoryContext,
									"instance_features event",
									ALLOCSET_DEFAULT_SIZES);
	init_scope_keys(keys, name);
	scan = systable_beginscan_ordered(rel, index, snapshot,
									  lengthof(keys), keys);
	while (go_on &&
		   HeapTupleIsValid(tuple =
							systable_getnext_ordered(scan,
													 ForwardScanDirection)))
	{
		MemoryContext caller_cxt = MemoryContextSwitchTo(row_cxt);
		EventRow	event;

		CHECK_FOR_INTERRUPTS();
		event.sequence =
			DatumGetInt64(get_column(tuple, Anum_event_sequence, rel));
		event.event_type = get_text_column(tuple, Anum_event_event_type, rel);
		event.feature = get_nullable_text(tuple, Anum_event_feature, rel);
		event.old_value = get_nullable_jsonb(tuple, Anum_event_old_value, rel);
		event.value = get_nullable_jsonb(tuple, Anum_event_value, rel);
		event.editor = get_text_column(tuple, Anum_event_editor, rel);
		event.creation_date =
			DatumGetTimestampTz(get_column(tuple, Anum_event_creation_date,
										   rel));
		go_on = callback(&event, arg);

		MemoryContextSwitchTo(caller_cxt);
		MemoryContextReset(row_cxt);
	}
	systable_endscan_ordered(scan);
	MemoryContextDelete(row_cxt);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

/*
 * Find the row of a scope, as the transaction sees it.  False if it sees none.
 */
bool
store_find_scope(const ScopeName *name, LockedScope *scope)
{
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	bool		found = read_scope(snapshot, name, scope);

	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * Lock the row that was found until the transaction ends, after waiting for
 * others that have it locked, and read it again.  False if there is no row of
 * that name any more.  Raises serialization_failure as an UPDATE would.
 */
bool
store_lock_scope(const ScopeName *name, LockedScope *scope)
{
	Relation	rel = open_table(TABLE_SCOPE, RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		locked;

	PushActiveSnapshot(GetTransactionSnapshot());
	locked = writer_lock(rel, &scope->tid, slot);
	PopActiveSnapshot();
	if (locked)
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
		char	   *id = get_text_column(tuple, Anum_scope_id, rel);

		scope->tid = slot->tts_tid;
		get_scope_row(tuple, rel, &scope->row);
		locked = strlen(id) == name->len && memcmp(id, name->id, name->len) == 0;
		if (should_free)
			heap_freetuple(tuple);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);

	return locked;
}

/*
 * Become the owner of the tables.  An error undoes it: the abort of the
 * (sub)transaction restores the user id.
 */
typedef struct SavedUser
{
	Oid			userid;
	int			sec_context;
} SavedUser;

static void
become_owner(Oid owner, SavedUser *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	SetUserIdAndSecContext(owner,
						   saved->sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
}

static void
become_caller(const SavedUser *saved)
{
	SetUserIdAndSecContext(saved->userid, saved->sec_context);
}

/* The statements, each prepared at its first use and kept. */
#define EQ " OPERATOR(pg_catalog.=) "
#define MAX_PARAMS 7

typedef enum StatementId
{
	INSERT_SCOPE,
	REVIVE_SCOPE,
	SET_OWNER,
	DELETE_SCOPE,
	DELETE_EVENTS,
	DELETE_SETTING,
	DELETE_SETTINGS,
	INSERT_FEATURE,
	UPDATE_FEATURE,
	DELETE_FEATURE,
	PURGE_EVENTS
} StatementId;

typedef struct Statement
{
	const char *query;
	int			nparams;
	Oid			types[MAX_PARAMS];
	SPIPlanPtr	plan;			/* written by execute(), at first use */
} Statement;

static Statement statements[] =
{
	[INSERT_SCOPE] = {
		"INSERT INTO instance_features.scope AS s"
		" (level, id, owner, sequence, change_date, creation_date)"
		" VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT (level, id) DO NOTHING",
		6, {TEXTOID, TEXTOID, REGROLEOID, INT8OID, TIMESTAMPTZOID,
		TIMESTAMPTZOID}
	},
	[REVIVE_SCOPE] = {
		"UPDATE instance_features.scope AS s"
		" SET owner = $3, sequence = $4, change_date = $5, creation_date = $6"
		" WHERE s.level" EQ "$1 AND s.id" EQ "$2 AND s.owner IS NULL",
		6, {TEXTOID, TEXTOID, REGROLEOID, INT8OID, TIMESTAMPTZOID,
		TIMESTAMPTZOID}
	},
	[SET_OWNER] = {
		"UPDATE instance_features.scope AS s SET owner = $3"
		" WHERE s.level" EQ "$1 AND s.id" EQ "$2",
		3, {TEXTOID, TEXTOID, REGROLEOID}
	},
	[DELETE_SCOPE] = {
		"DELETE FROM instance_features.scope AS s"
		" WHERE s.level" EQ "$1 AND s.id" EQ "$2",
		2, {TEXTOID, TEXTOID}
	},
	[DELETE_EVENTS] = {
		"DELETE FROM instance_features.event AS e"
		" WHERE e.level" EQ "$1 AND e.scope_id" EQ "$2",
		2, {TEXTOID, TEXTOID}
	},
	[DELETE_SETTING] = {
		"DELETE FROM instance_features.setting AS s"
		" WHERE s.level" EQ "$1 AND s.scope_id" EQ "$2 AND s.feature" EQ "$3",
		3, {TEXTOID, TEXTOID, TEXTOID}
	},
	[DELETE_SETTINGS] = {
		"DELETE FROM instance_features.setting AS s"
		" WHERE s.level" EQ "$1 AND s.scope_id" EQ "$2",
		2, {TEXTOID, TEXTOID}
	},
	[INSERT_FEATURE] = {
		"INSERT INTO instance_features.feature"
		" (key, json_name, value_type, default_value, description, stage, allowed_values)"
		" VALUES ($1, $2, $3, $4, coalesce($5, ''), $6, $7)",
		7, {TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, JSONBOID}
	},
	[UPDATE_FEATURE] = {
		"UPDATE instance_features.feature AS f"
		" SET default_value = $2, description = coalesce($3, f.description),"
		" stage = $4, allowed_values = $5"
		" WHERE f.key" EQ "$1",
		5, {TEXTOID, JSONBOID, TEXTOID, TEXTOID, JSONBOID}
	},
	[DELETE_FEATURE] = {
		"DELETE FROM instance_features.feature AS f WHERE f.key" EQ "$1",
		1, {TEXTOID}
	},
	[PURGE_EVENTS] = {
		"SELECT instance_features.purge_events($1)",
		1, {TIMESTAMPTZOID}
	}
};

/*
 * Run a statement as the owner of the tables.  Returns the number of rows, and
 * in *value the first column of a result's first row, which is an int8.
 */
static uint64
execute_statement(StatementId id, int nparams, const NullableDatum *params,
				  int64 *value)
{
	Statement  *statement = &statements[id];
	Relation	rel = open_table(TABLE_SCOPE, AccessShareLock);
	SavedUser	caller;
	Datum		values[MAX_PARAMS];
	char		nulls[MAX_PARAMS];
	int			result;
	uint64		processed;

	Assert(nparams == statement->nparams);
	for (int i = 0; i < nparams; i++)
	{
		values[i] = params[i].value;
		nulls[i] = params[i].isnull ? 'n' : ' ';
	}

	SPI_connect();
	become_owner(rel->rd_rel->relowner, &caller);
	table_close(rel, AccessShareLock);
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->query, statement->nparams,
									   statement->types);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s",
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}
	result = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s",
			 SPI_result_code_string(result));
	processed = SPI_processed;
	if (value != NULL)
	{
		bool		isnull;

		*value = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc, 1,
											 &isnull));
	}
	become_caller(&caller);
	SPI_finish();

	return processed;
}

static NullableDatum
make_param(Datum value, bool isnull)
{
	NullableDatum param;

	param.value = value;
	param.isnull = isnull;
	return param;
}

/*
 * Run a statement on a scope.  Its first two parameters are the scope's level
 * and id; "params" are the others.  Returns the number of rows.
 */
static uint64
execute(StatementId id, const ScopeName *name,
		int nparams, const NullableDatum *params)
{
	NullableDatum all_params[MAX_PARAMS];

	all_params[0] = make_param(CStringGetTextDatum(level_name(name->level)),
							   false);
	all_params[1] = make_param(PointerGetDatum(scope_id_text(name)), false);
	for (int i = 0; i < nparams; i++)
		all_params[i + 2] = params[i];
	return execute_statement(id, nparams + 2, all_params, NULL);
}

/*
 * Raise an error unless a row was written: nothing but a trigger can keep it
 * from being so.
 */
static void
check_written(bool written, const ScopeName *name)
{
	if (!written)
		report_suppressed_change(message_id(name));
}

/*
 * Run a statement that must write one row.
 */
static void
execute_one(StatementId id, const ScopeName *name,
			int nparams, const NullableDatum *params)
{
	check_written(execute(id, name, nparams, params) == 1, name);
}

static NullableDatum
text_param(const char *value)
{
	return make_param(value ? CStringGetTextDatum(value) : (Datum) 0,
					  value == NULL);
}

static NullableDatum
int64_param(int64 value)
{
	return make_param(Int64GetDatum(value), false);
}

static NullableDatum
timestamptz_param(TimestampTz value)
{
	return make_param(TimestampTzGetDatum(value), false);
}

static NullableDatum
role_param(Oid role)
{
	return make_param(ObjectIdGetDatum(role), !OidIsValid(role));
}

/*
 * Insert the row of a scope.  False if there is one already, after waiting
 * for a transaction that is inserting or deleting it.
 */
bool
store_insert_scope(const ScopeName *name, const ScopeRow *row)
{
	NullableDatum params[] = {
		role_param(row->owner), int64_param(row->sequence),
		timestamptz_param(row->change_date),
		timestamptz_param(row->creation_date)
	};

	return execute(INSERT_SCOPE, name, lengthof(params), params) == 1;
}

/*
 * The same for a new instance: for the instance "default" after it was dropped
 * too, whose row is there, without an owner.
 */
bool
store_create_scope(const ScopeName *name, const ScopeRow *row)
{
	NullableDatum params[] = {
		role_param(row->owner), int64_param(row->sequence),
		timestamptz_param(row->change_date),
		timestamptz_param(row->creation_date)
	};

	return store_insert_scope(name, row) ||
		execute(REVIVE_SCOPE, name, lengthof(params), params) == 1;
}

void
store_set_owner(const ScopeName *name, Oid owner)
{
	NullableDatum params[] = {role_param(owner)};

	execute_one(SET_OWNER, name, lengthof(params), params);
}

/*
 * Delete a scope with all that belongs to it.  The caller has locked its row.
 * The instance "default" gets a new row, which says that it does not exist.
 */
void
store_delete_scope(const ScopeName *name)
{
	bool		is_default;

	is_default = name->len == strlen(DEFAULT_INSTANCE_ID) &&
		memcmp(name->id, DEFAULT_INSTANCE_ID, name->len) == 0;

	execute_one(DELETE_SCOPE, name, 0, NULL);
	execute(DELETE_SETTINGS, name, 0, NULL);
	execute(DELETE_EVENTS, name, 0, NULL);
	if (is_default)
	{
		ScopeRow	dropped = {.owner = InvalidOid};

		dropped.change_date = dropped.creation_date = GetCurrentTimestamp();
		check_written(store_insert_scope(name, &dropped), name);
	}
}

static NullableDatum
jsonb_param(const Jsonb *value)
{
	return make_param(PointerGetDatum(value), value == NULL);
}

/*
 * Hold the definitions as they are until the transaction ends, as everybody
 * does who writes a setting.  What was read of them before may be outdated.
 */
void
store_hold_definitions(void)
{
	LockRelationOid(resolve_table(TABLE_FEATURE), RowExclusiveLock);
}

/*
 * Keep others from changing a definition until the transaction ends and, if
 * asked, from writing any setting.
 */
void
store_lock_definitions(bool against_writers)
{
	LockRelationOid(resolve_table(TABLE_FEATURE), against_writers ?
					ShareRowExclusiveLock : ShareUpdateExclusiveLock);
}

/*
 * Run a statement that must write the definition of one feature.
 */
static void
execute_definition(StatementId id, int nparams, const NullableDatum *params)
{
	if (execute_statement(id, nparams, params, NULL) != 1)
		report_suppressed_change(NULL);
}

void
store_insert_feature(const FeatureRow *row)
{
	NullableDatum params[] = {
		text_param(row->key), text_param(row->json_name),
		text_param(row->value_type), jsonb_param(row->default_value),
		text_param(row->description), text_param(row->stage),
		jsonb_param(row->allowed_values)
	};

	execute_definition(INSERT_FEATURE, lengthof(params), params);
}

/*
 * Update what of a definition may change: default, description, stage and
 * allowed values.
 */
void
store_update_feature(const FeatureRow *row)
{
	NullableDatum params[] = {
		text_param(row->key), jsonb_param(row->default_value),
		text_param(row->description), text_param(row->stage),
		jsonb_param(row->allowed_values)
	};

	execute_definition(UPDATE_FEATURE, lengthof(params), params);
}

void
store_delete_feature(const char *key)
{
	NullableDatum params[] = {text_param(key)};

	execute_definition(DELETE_FEATURE, lengthof(params), params);
}

/*
 * Delete the events before a time that are not needed to know the settings at
 * any time since.  Returns how many were deleted.
 */
int64
store_purge_events(TimestampTz before)
{
	NullableDatum params[] = {timestamptz_param(before)};
	int64		purged;

	(void) execute_statement(PURGE_EVENTS, lengthof(params), params, &purged);
	return purged;
}

/* What writing the rows of a scope takes. */
typedef struct ScopeWriter
{
	const ScopeName *name;
	Datum		level;
	Datum		id;
	Relation	rels[NUM_WRITTEN];
	Writer	   *writer;
} ScopeWriter;

/*
 * Insert a row, given the columns that the table was made with; others that it
 * may have got since are null.
 */
static void
insert_row(ScopeWriter *sw, StoreTable table, const Datum *values,
		   const bool *nulls)
{
	int			natts = RelationGetDescr(sw->rels[table])->natts;
	Datum	   *all_values = palloc0(sizeof(Datum) * natts);
	bool	   *all_nulls = palloc(sizeof(bool) * natts);

	memcpy(all_values, values, sizeof(Datum) * tables[table].ncolumns);
	memset(all_nulls, true, sizeof(bool) * natts);
	memcpy(all_nulls, nulls, sizeof(bool) * tables[table].ncolumns);
	check_written(writer_insert(sw->writer, table, all_values, all_nulls),
				  sw->name);
}

static void
update_scope(ScopeWriter *sw, const LockedScope *scope)
{
	Datum		values[MAX_COLUMNS] = {0};
	TupleTableSlot *slot = table_slot_create(sw->rels[TABLE_SCOPE], NULL);
	ItemPointerData tid = scope->tid;

	if (!table_tuple_fetch_row_version(sw->rels[TABLE_SCOPE], &tid,
									   SnapshotAny, slot))
		elog(ERROR, "could not fetch the locked row of a scope");
	values[Anum_scope_sequence - 1] = Int64GetDatum(scope->row.sequence);
	values[Anum_scope_change_date - 1] =
		TimestampTzGetDatum(scope->row.change_date);
	check_written(writer_update(sw->writer, TABLE_SCOPE, slot, values),
				  sw->name);
	ExecDropSingleTupleTableSlot(slot);
}

static void
insert_event(ScopeWriter *sw, const EventRow *event)
{
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};

	values[Anum_event_level - 1] = sw->level;
	values[Anum_event_scope_id - 1] = sw->id;
	values[Anum_event_sequence - 1] = Int64GetDatum(event->sequence);
	values[Anum_event_event_type - 1] = CStringGetTextDatum(event->event_type);
	nulls[Anum_event_feature - 1] = event->feature == NULL;
	if (event->feature != NULL)
		values[Anum_event_feature - 1] = CStringGetTextDatum(event->feature);
	nulls[Anum_event_old_value - 1] = event->old_value == NULL;
	values[Anum_event_old_value - 1] = PointerGetDatum(event->old_value);
	nulls[Anum_event_value - 1] = event->value == NULL;
	values[Anum_event_value - 1] = PointerGetDatum(event->value);
	values[Anum_event_editor - 1] = CStringGetTextDatum(event->editor);
	values[Anum_event_creation_date - 1] =
		TimestampTzGetDatum(event->creation_date);
	insert_row(sw, TABLE_EVENT, values, nulls);
}

/*
 * Write the setting that an event makes.
 */
static void
put_setting(ScopeWriter *sw, const EventRow *event)
{
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};
	bool		updated = false;

	values[Anum_setting_level - 1] = sw->level;
	values[Anum_setting_scope_id - 1] = sw->id;
	values[Anum_setting_feature - 1] = CStringGetTextDatum(event->feature);
	values[Anum_setting_value - 1] = PointerGetDatum(event->value);
	values[Anum_setting_sequence - 1] = Int64GetDatum(event->sequence);
	values[Anum_setting_change_date - 1] =
		TimestampTzGetDatum(event->creation_date);

	if (event->setting != NULL)
	{
		Relation	rel = sw->rels[TABLE_SETTING];
		TupleTableSlot *slot = table_slot_create(rel, NULL);
		ItemPointerData tid = event->setting->tid;

		/* Whoever deletes a setting without locking its scope is faster. */
		updated = writer_lock(rel, &tid, slot);
		if (updated)
			check_written(writer_update(sw->writer, TABLE_SETTING, slot,
										values), sw->name);
		ExecDropSingleTupleTableSlot(slot);
	}
	if (!updated)
		insert_row(sw, TABLE_SETTING, values, nulls);
}

/* A set of columns as writer_begin() wants it, from one to another. */
static Bitmapset *
column_range(int first, int last)
{
	return bms_add_range(NULL, first - FirstLowInvalidHeapAttributeNumber,
						 last - FirstLowInvalidHeapAttributeNumber);
}

/*
 * Append events to a scope whose row is locked, and apply them to its
 * settings.  Fills in the events' sequence, editor and time, and brings
 * *scope to what it is then: its change_date is never less than it was.
 */
void
store_append(const ScopeName *name, LockedScope *scope, List *events)
{
	const char *editor = GetUserNameFromId(GetUserId(), false);
	TimestampTz now = GetCurrentTimestamp();
	Bitmapset  *updated_columns[NUM_WRITTEN] = {
		[TABLE_SCOPE] = column_range(Anum_scope_sequence,
									 Anum_scope_change_date),
		[TABLE_SETTING] = column_range(Anum_setting_value,
									   Anum_setting_change_date)
	};
	ScopeWriter sw = {.name = name};
	SavedUser	caller;
	ListCell   *lc;

	scope->row.change_date = Max(scope->row.change_date, now);
	foreach(lc, events)
	{
		EventRow   *event = lfirst(lc);

		event->sequence = ++scope->row.sequence;
		event->editor = editor;
		event->creation_date = scope->row.change_date;
	}

	sw.level = CStringGetTextDatum(level_name(name->level));
	sw.id = PointerGetDatum(scope_id_text(name));
	for (int i = 0; i < NUM_WRITTEN; i++)
		sw.rels[i] = open_table(i, RowExclusiveLock);
	become_owner(sw.rels[TABLE_SCOPE]->rd_rel->relowner, &caller);
	sw.writer = writer_begin(NUM_WRITTEN, sw.rels, updated_columns);
	update_scope(&sw, scope);
	foreach(lc, events)
	{
		const EventRow *event = lfirst(lc);

		insert_event(&sw, event);
		if (event->value != NULL)
			put_setting(&sw, event);
	}
	writer_end(sw.writer);
	become_caller(&caller);
	for (int i = 0; i < NUM_WRITTEN; i++)
		table_close(sw.rels[i], NoLock);

	foreach(lc, events)
	{
		const EventRow *event = lfirst(lc);
		NullableDatum params[] = {text_param(event->feature)};

		if (event->feature == NULL)
			execute(DELETE_SETTINGS, name, 0, NULL);
		else if (event->value == NULL)
			execute_one(DELETE_SETTING, name, lengthof(params), params);
	}
}
