/*-------------------------------------------------------------------------
 *
 * tableread.c
 *	  Reading the extension's tables as PostgreSQL reads its catalogs.
 *
 * Reading is done with system-table scans under the catalog snapshot: it
 * needs no privileges on the tables, sees what is committed by now in every
 * isolation level, and works in parallel workers and on standbys.  One
 * snapshot serves a whole read, so that what belongs together is seen
 * together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opfamily_d.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "model/builtin.h"
#include "base/compat.h"
#include "table/generation.h"
#include "table/tableread.h"

/* Called for each row of a scan.  False ends the scan. */
typedef bool (*RowCallback) (Relation rel, HeapTuple tuple, void *arg);

/*
 * Start a read: all that is read with the snapshot is from one moment, not
 * earlier than now.  An error releases the snapshot.
 */
Snapshot
begin_read(void)
{
	generation_prepare();
	tables_resolve();

	/* Make sure that the snapshot is a new one, not one of a catalog scan. */
	InvalidateCatalogSnapshot();
	return RegisterSnapshot(GetCatalogSnapshot(table_oid(TABLE_SCOPE)));
}

void
end_read(Snapshot snapshot)
{
	UnregisterSnapshot(snapshot);
}

/*
 * Scan a table for the rows of a scope, in the order of the primary key, whose
 * first columns name the scope.
 */
static void
scan_rows_of_scope(FeatureTable table, Snapshot snapshot,
				   const ScopeName *name, RowCallback callback, void *arg)
{
	Relation	rel = open_table(table, AccessShareLock);
	Relation	index = index_open(primary_key_index(rel), AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(level_name(name->level)));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(cstring_to_text_with_len(name->instance_id,
														 name->instance_len)));
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(cstring_to_text_with_len(name->id,
														 name->len)));
	scan = systable_beginscan_ordered(rel, index, snapshot, lengthof(keys),
									  keys);
	while ((tuple = systable_getnext_ordered(scan,
											 ForwardScanDirection)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!callback(rel, tuple, arg))
			break;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

/*
 * An index whose first column is this one, InvalidOid if there is none.
 */
static Oid
find_index(Relation rel, AttrNumber attnum)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		bool		fits;

		fits = index->rd_rel->relam == BTREE_AM_OID &&
			index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == attnum &&
			index->rd_opfamily[0] == TEXT_BTREE_FAM_OID &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
		index_close(index, AccessShareLock);
		if (fits)
			return lfirst_oid(lc);
	}

	return InvalidOid;
}

/*
 * Scan all rows of a table that a key selects, if it is not NULL, in no order.
 */
static void
scan_table(FeatureTable table, Snapshot snapshot, ScanKey key,
		   RowCallback callback, void *arg)
{
	Relation	rel = open_table(table, AccessShareLock);
	Oid			index_oid = key ? find_index(rel, key->sk_attno) : InvalidOid;
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = systable_beginscan(rel, index_oid, OidIsValid(index_oid), snapshot,
							  key != NULL ? 1 : 0, key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!callback(rel, tuple, arg))
			break;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

typedef struct ScopeRead
{
	bool		found;
	ScopeRow   *row;
	ItemPointer tid;			/* or NULL */
} ScopeRead;

static bool
take_scope(Relation rel, HeapTuple tuple, void *arg)
{
	ScopeRead  *read = arg;

	get_scope_row(tuple, rel, read->row);
	if (read->tid != NULL)
		*read->tid = tuple->t_self;
	read->found = true;
	return false;
}

/*
 * Read the row of a scope and, if "tid" is not NULL, its place.  False if the
 * scope has no row.
 */
bool
read_scope(Snapshot snapshot, const ScopeName *name, ScopeRow *row,
		   ItemPointer tid)
{
	ScopeRead	read = {.row = row,.tid = tid};

	scan_rows_of_scope(TABLE_SCOPE, snapshot, name, take_scope, &read);
	return read.found;
}

static bool
take_setting(Relation rel, HeapTuple tuple, void *arg)
{
	List	  **settings = arg;
	SettingRow *row = palloc(sizeof(SettingRow));

	row->tid = tuple->t_self;
	row->feature = get_text_column(tuple, Anum_setting_feature, rel);
	row->value = get_jsonb_column(tuple, Anum_setting_value, rel);
	row->sequence =
		DatumGetInt64(get_column(tuple, Anum_setting_sequence, rel));
	row->change_date =
		DatumGetTimestampTz(get_column(tuple, Anum_setting_change_date, rel));
	*settings = lappend(*settings, row);
	return true;
}

/*
 * Read the settings of a scope: a list of SettingRow, ordered by feature.
 */
List *
read_settings(Snapshot snapshot, const ScopeName *name)
{
	List	   *settings = NIL;

	scan_rows_of_scope(TABLE_SETTING, snapshot, name, take_setting,
					   &settings);
	return settings;
}

/*
 * Add a row version to a fingerprint.  Every change of a row makes a version
 * at another place or of another transaction.
 */
static bool
take_fingerprint(Relation rel, HeapTuple tuple, void *arg)
{
	uint64	   *fingerprint = arg;
	ItemPointer tid = &tuple->t_self;

	*fingerprint = hash_combine64(*fingerprint,
								  ((uint64) ItemPointerGetBlockNumber(tid) << 16) |
								  ItemPointerGetOffsetNumber(tid));
	*fingerprint = hash_combine64(*fingerprint,
								  HeapTupleHeaderGetRawXmin(tuple->t_data));
	return true;
}

/*
 * A number that differs, but for a chance of 1 to 2^64, if the row or the
 * settings of a scope differ.
 */
uint64
fingerprint_scope(Snapshot snapshot, const ScopeName *name)
{
	uint64		fingerprint = 1;

	scan_rows_of_scope(TABLE_SCOPE, snapshot, name, take_fingerprint,
					   &fingerprint);
	scan_rows_of_scope(TABLE_SETTING, snapshot, name, take_fingerprint,
					   &fingerprint);
	return fingerprint;
}

/* The same for the definitions. */
uint64
fingerprint_definitions(Snapshot snapshot)
{
	uint64		fingerprint = 1;

	scan_table(TABLE_FEATURE, snapshot, NULL, take_fingerprint, &fingerprint);
	return fingerprint;
}

static bool
take_definition(Relation rel, HeapTuple tuple, void *arg)
{
	List	  **rows = arg;
	FeatureRow *row = palloc0(sizeof(FeatureRow));

	row->key = get_text_column(tuple, Anum_feature_key, rel);
	row->json_name = get_text_column(tuple, Anum_feature_json_name, rel);
	row->value_type = get_text_column(tuple, Anum_feature_value_type, rel);
	row->default_value =
		get_jsonb_column(tuple, Anum_feature_default_value, rel);
	row->allowed_values =
		get_nullable_jsonb(tuple, Anum_feature_allowed_values, rel);
	row->stage = get_text_column(tuple, Anum_feature_stage, rel);
	*rows = lappend(*rows, row);
	return true;
}

/*
 * Read the definitions that are not built in, without their descriptions: a
 * list of FeatureRow, in no order.
 */
List *
read_definitions(Snapshot snapshot)
{
	List	   *rows = NIL;

	scan_table(TABLE_FEATURE, snapshot, NULL, take_definition, &rows);
	return rows;
}

/*
 * Scan for the definition with this text in a column.
 */
static void
scan_definition(Snapshot snapshot, AttrNumber attnum, const char *text,
				RowCallback callback, void *arg)
{
	ScanKeyData key;

	ScanKeyInit(&key, attnum, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(text));
	scan_table(TABLE_FEATURE, snapshot, &key, callback, arg);
}

/*
 * Read the definition of a feature that is not built in.  NULL if there is
 * none.
 */
FeatureRow *
read_definition(Snapshot snapshot, const char *key)
{
	List	   *rows = NIL;

	scan_definition(snapshot, Anum_feature_key, key, take_definition, &rows);
	return rows ? linitial(rows) : NULL;
}

/*
 * The key of the feature that has this key or JSON name.  NULL if there is
 * none.
 */
char *
find_key_by_name(Snapshot snapshot, const char *name)
{
	List	   *rows = NIL;

	for (int i = 0; i < NUM_BUILTIN_FEATURES; i++)
	{
		if (strcmp(builtin_feature_table[i].key, name) == 0 ||
			strcmp(builtin_feature_table[i].json_name, name) == 0)
			return pstrdup(builtin_feature_table[i].key);
	}

	scan_definition(snapshot, Anum_feature_key, name, take_definition, &rows);
	if (rows == NIL)
		scan_definition(snapshot, Anum_feature_json_name, name,
						take_definition, &rows);
	return rows ? ((FeatureRow *) linitial(rows))->key : NULL;
}

static bool
take_place(Relation rel, HeapTuple tuple, void *arg)
{
	*(ItemPointer) arg = tuple->t_self;
	return false;
}

/*
 * Find the row of a definition.  False if there is none.
 */
bool
read_definition_place(Snapshot snapshot, const char *key, ItemPointer tid)
{
	ItemPointerSetInvalid(tid);
	scan_definition(snapshot, Anum_feature_key, key, take_place, tid);
	return ItemPointerIsValid(tid);
}

typedef struct SettingsRead
{
	MemoryContext row_cxt;
	SettingCallback callback;
	void	   *arg;
} SettingsRead;

static bool
take_scope_name(Relation rel, HeapTuple tuple, void *arg)
{
	List	  **names = arg;
	ScopeName	name;

	if (get_scope_name(tuple, rel, &name))
		*names = lappend(*names, copy_scope_name(&name));
	return true;
}

/*
 * Read the names of the scopes that have a row, dropped ones included: a list
 * of ScopeName, in the order in which scopes are locked.
 */
List *
read_scope_names(Snapshot snapshot)
{
	List	   *names = NIL;

	scan_table(TABLE_SCOPE, snapshot, NULL, take_scope_name, &names);
	list_sort(names, compare_scope_cells);
	return names;
}

static bool
pass_setting(Relation rel, HeapTuple tuple, void *arg)
{
	SettingsRead *read = arg;
	MemoryContext caller_cxt = MemoryContextSwitchTo(read->row_cxt);
	ScopeName	name;
	bool		known = get_scope_name(tuple, rel, &name);
	Jsonb	   *value = get_jsonb_column(tuple, Anum_setting_value, rel);

	MemoryContextSwitchTo(caller_cxt);
	if (known)
		read->callback(&name, value, read->arg);
	MemoryContextReset(read->row_cxt);
	return true;
}

/*
 * Hand each setting of a feature to "callback", in no order.  What the
 * callback is given is gone when it returns.
 */
void
foreach_setting_of_feature(Snapshot snapshot, const char *feature,
						   SettingCallback callback, void *arg)
{
	SettingsRead read = {.callback = callback,.arg = arg};
	ScanKeyData key;

	read.row_cxt = AllocSetContextCreate(CurrentMemoryContext,
										 "instance_features setting",
										 ALLOCSET_DEFAULT_SIZES);
	ScanKeyInit(&key, Anum_setting_feature, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(feature));
	scan_table(TABLE_SETTING, snapshot, &key, pass_setting, &read);
	MemoryContextDelete(read.row_cxt);
}

typedef struct EventsRead
{
	MemoryContext row_cxt;
	EventCallback callback;
	void	   *arg;
} EventsRead;

static bool
pass_event(Relation rel, HeapTuple tuple, void *arg)
{
	EventsRead *read = arg;
	MemoryContext caller_cxt = MemoryContextSwitchTo(read->row_cxt);
	EventRow	event;
	bool		go_on;

	event.tid = tuple->t_self;
	event.sequence =
		DatumGetInt64(get_column(tuple, Anum_event_sequence, rel));
	event.event_type = get_text_column(tuple, Anum_event_event_type, rel);
	event.feature = get_nullable_text(tuple, Anum_event_feature, rel);
	event.old_value = get_nullable_jsonb(tuple, Anum_event_old_value, rel);
	event.value = get_nullable_jsonb(tuple, Anum_event_value, rel);
	event.editor = get_text_column(tuple, Anum_event_editor, rel);
	event.creation_date =
		DatumGetTimestampTz(get_column(tuple, Anum_event_creation_date, rel));
	go_on = read->callback(&event, read->arg);

	MemoryContextSwitchTo(caller_cxt);
	MemoryContextReset(read->row_cxt);
	return go_on;
}

/*
 * Hand the events of a scope to "callback", oldest first.  What the callback
 * is given is gone when it returns.
 */
void
foreach_event(Snapshot snapshot, const ScopeName *name,
			  EventCallback callback, void *arg)
{
	EventsRead	read = {.callback = callback,.arg = arg};

	read.row_cxt = AllocSetContextCreate(CurrentMemoryContext,
										 "instance_features event",
										 ALLOCSET_DEFAULT_SIZES);
	scan_rows_of_scope(TABLE_EVENT, snapshot, name, pass_event, &read);
	MemoryContextDelete(read.row_cxt);
}

static bool
take_existence(Relation rel, HeapTuple tuple, void *arg)
{
	*(bool *) arg = true;
	return false;
}

/*
 * Whether a scope that has no row has settings or events nevertheless, which
 * a restore that failed half-way leaves behind.
 */
bool
has_rows_without_scope(Snapshot snapshot, const ScopeName *name)
{
	bool		found = false;

	scan_rows_of_scope(TABLE_SETTING, snapshot, name, take_existence, &found);
	if (!found)
		scan_rows_of_scope(TABLE_EVENT, snapshot, name, take_existence,
						   &found);
	return found;
}
