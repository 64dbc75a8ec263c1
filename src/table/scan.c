/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Scans of the tables with catalog snapshots.
 *
 * The rule: the tables are read like system catalogs, with a catalog snapshot.
 * Scans need no privileges on the tables, see the latest committed state at
 * every isolation level, and work in parallel workers and on standbys.  A read
 * uses one snapshot for all its scans, so that their results are consistent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opfamily_d.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "model/tables.h"
#include "table/generation.h"
#include "table/scan.h"

/* Written by scan_begin(). */
static uint64 moment = 0;

/*
 * Begin a read.  The returned snapshot is not older than this call.  The
 * caller releases it with scan_end(); an error releases it too.  Raises the
 * errors of tables_open().
 */
Snapshot
scan_begin(void)
{
	static uint64 completions = 0;	/* known to the last snapshot */
	Snapshot	snapshot;

	generation_prepare();
	tables_resolve();

	/* Do not reuse the snapshot of an earlier catalog scan. */
	InvalidateCatalogSnapshot();
	snapshot = GetCatalogSnapshot(tables_oid(TABLE_SCOPE));
	if (snapshot->snapXactCompletionCount == 0 ||
		snapshot->snapXactCompletionCount != completions)
		moment++;
	completions = snapshot->snapXactCompletionCount;
	return RegisterSnapshot(snapshot);
}

/*
 * Return a number for the moment of the last snapshot, which increases.  If
 * two snapshots have the same number, no transaction has ended between them
 * that may have written something, so they differ at most in what the current
 * transaction has written.
 */
uint64
scan_moment(void)
{
	return moment;
}

/*
 * End a read.
 */
void
scan_end(Snapshot snapshot)
{
	UnregisterSnapshot(snapshot);
}

/*
 * Scan a table for the rows that have these values in the first columns of its
 * primary key, in the order of that key.
 */
static void
scan_primary_key(FeatureTable table, Snapshot snapshot, ScanKey keys,
				 int nkeys, RowCallback callback, void *arg)
{
	Relation	rel = tables_open(table, AccessShareLock);
	Relation	index = index_open(primary_key_index(rel), AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = systable_beginscan_ordered(rel, index, snapshot, nkeys, keys);
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

static void
init_text_key(ScanKey key, AttrNumber attnum, const char *text, int len)
{
	ScanKeyInit(key, attnum, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(cstring_to_text_with_len(text, len)));
}

/*
 * Make keys for the columns that name a scope, with which all keys begin.
 */
static void
init_scope_keys(ScanKey keys, const ScopeName *name)
{
	const char *level = level_name(name->level);

	init_text_key(&keys[0], Anum_scope_level, level, strlen(level));
	init_text_key(&keys[1], Anum_scope_instance_id, name->instance_id,
				  name->instance_len);
	init_text_key(&keys[2], Anum_scope_id, name->id, name->len);
}

/*
 * Scan a table for the rows of a scope, in the order of the primary key.
 */
void
scan_rows_of_scope(FeatureTable table, Snapshot snapshot,
				   const ScopeName *name, RowCallback callback, void *arg)
{
	ScanKeyData keys[3];

	init_scope_keys(keys, name);
	scan_primary_key(table, snapshot, keys, lengthof(keys), callback, arg);
}

/*
 * Scan for the event of a scope with this sequence.
 */
void
scan_event(Snapshot snapshot, const ScopeName *name, int64 sequence,
		   RowCallback callback, void *arg)
{
	ScanKeyData keys[4];

	init_scope_keys(keys, name);
	ScanKeyInit(&keys[3], Anum_event_sequence, BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum(sequence));
	scan_primary_key(TABLE_EVENT, snapshot, keys, lengthof(keys), callback,
					 arg);
}

/*
 * Scan a table for the rows of all scopes of a level that belong to an
 * instance, or to none if "instance_id" is empty, or to any if it is NULL, in
 * the order of the primary key.
 */
void
scan_rows_of_level(FeatureTable table, Snapshot snapshot, FeatureLevel level,
				   const char *instance_id, int instance_len,
				   RowCallback callback, void *arg)
{
	ScanKeyData keys[2];
	const char *name = level_name(level);

	init_text_key(&keys[0], Anum_scope_level, name, strlen(name));
	if (instance_id != NULL)
		init_text_key(&keys[1], Anum_scope_instance_id, instance_id,
					  instance_len);
	scan_primary_key(table, snapshot, keys, instance_id != NULL ? 2 : 1,
					 callback, arg);
}

/*
 * Return an index that has the text columns of these keys first, in their order
 * and with collation "C", which scan keys require.  Returns InvalidOid if there
 * is none.
 */
static Oid
find_index(Relation rel, const ScanKeyData *keys, int nkeys)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		bool		fits;

		fits = index->rd_rel->relam == BTREE_AM_OID &&
			index->rd_index->indisvalid &&
			index->rd_index->indnkeyatts >= nkeys &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
		for (int i = 0; fits && i < nkeys; i++)
			fits = index->rd_index->indkey.values[i] == keys[i].sk_attno &&
				index->rd_opfamily[i] == TEXT_BTREE_FAM_OID &&
				index->rd_indcollation[i] == C_COLLATION_OID;
		index_close(index, AccessShareLock);
		if (fits)
			return lfirst_oid(lc);
	}

	return InvalidOid;
}

/*
 * Scan the rows of a table that match all keys, which are for text columns, in
 * no particular order.
 */
static void
scan_matching(FeatureTable table, Snapshot snapshot, ScanKey keys, int nkeys,
			  RowCallback callback, void *arg)
{
	Relation	rel = tables_open(table, AccessShareLock);
	Oid			index_oid = nkeys > 0 ? find_index(rel, keys, nkeys) :
	InvalidOid;
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = systable_beginscan(rel, index_oid, OidIsValid(index_oid), snapshot,
							  nkeys, keys);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!callback(rel, tuple, arg))
			break;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * Scan the rows of a table that match the key, or all rows if it is NULL, in
 * no particular order.
 */
void
scan_table(FeatureTable table, Snapshot snapshot, ScanKey key,
		   RowCallback callback, void *arg)
{
	scan_matching(table, snapshot, key, key != NULL ? 1 : 0, callback, arg);
}

/*
 * Scan for the settings of a feature on all scopes of a level, in no particular
 * order.
 */
void
scan_settings_of_feature(Snapshot snapshot, const char *feature,
						 FeatureLevel level, RowCallback callback, void *arg)
{
	ScanKeyData keys[2];

	init_text_key(&keys[0], Anum_setting_feature, feature, strlen(feature));
	init_text_key(&keys[1], Anum_setting_level, level_name(level),
				  strlen(level_name(level)));
	scan_matching(TABLE_SETTING, snapshot, keys, lengthof(keys), callback,
				  arg);
}

/*
 * Add a row version to a fingerprint.  This is a RowCallback.  Every change of
 * a row creates a version with a different TID or xmin.
 */
bool
scan_take_fingerprint(Relation rel, HeapTuple tuple, void *arg)
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
