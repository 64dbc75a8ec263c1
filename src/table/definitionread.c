/*-------------------------------------------------------------------------
 *
 * definitionread.c
 *	  Reading definitions of features.
 *
 * The snapshots are those of scan_begin().  Results are palloc'd.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "model/builtin.h"
#include "model/tables.h"
#include "table/definitionread.h"
#include "table/scan.h"

/*
 * Return a hash value of the row versions of table feature.  If any of them
 * changes, so does the value, except with a probability of 2^-64.
 */
uint64
definitionread_fingerprint(Snapshot snapshot)
{
	uint64		fingerprint = 1;

	scan_table(TABLE_FEATURE, snapshot, NULL, scan_take_fingerprint, &fingerprint);
	return fingerprint;
}

static bool
take_definition(Relation rel, HeapTuple tuple, void *arg)
{
	List	  **rows = arg;
	FeatureRow *row = palloc0(sizeof(FeatureRow));

	row->key = row_get_text(tuple, Anum_feature_key, rel);
	row->json_name = row_get_text(tuple, Anum_feature_json_name, rel);
	row->value_type = row_get_text(tuple, Anum_feature_value_type, rel);
	row->default_value =
		row_get_jsonb(tuple, Anum_feature_default_value, rel);
	row->allowed_values =
		row_get_nullable_jsonb(tuple, Anum_feature_allowed_values, rel);
	row->levels = row_get_levels(tuple, Anum_feature_levels, rel);
	row->stage = row_get_text(tuple, Anum_feature_stage, rel);
	*rows = lappend(*rows, row);
	return true;
}

static bool
take_described(Relation rel, HeapTuple tuple, void *arg)
{
	List	  **rows = arg;

	(void) take_definition(rel, tuple, arg);
	((FeatureRow *) llast(*rows))->description =
		row_get_text(tuple, Anum_feature_description, rel);
	return true;
}

static int
compare_rows(const ListCell *a, const ListCell *b)
{
	return strcmp(((FeatureRow *) lfirst(a))->key,
				  ((FeatureRow *) lfirst(b))->key);
}

/*
 * Read the definitions that are not built in, with their descriptions.
 * Returns a list of FeatureRow, ordered by key.
 */
List *
definitionread_described(Snapshot snapshot)
{
	List	   *rows = NIL;

	scan_table(TABLE_FEATURE, snapshot, NULL, take_described, &rows);
	list_sort(rows, compare_rows);
	return rows;
}

/*
 * Read the definitions that are not built in, without their descriptions.
 * Returns a list of FeatureRow, in no particular order.
 */
List *
definitionread_all(Snapshot snapshot)
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
 * Read the definition of a feature that is not built in, without its
 * description.  Returns NULL if there is none.
 */
FeatureRow *
definitionread_one(Snapshot snapshot, const char *key)
{
	List	   *rows = NIL;

	scan_definition(snapshot, Anum_feature_key, key, take_definition, &rows);
	return rows ? linitial(rows) : NULL;
}

/*
 * Return the key of the feature that has this key or JSON name, or NULL if
 * there is none.
 */
char *
definitionread_find_key(Snapshot snapshot, const char *name)
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
 * Find the TID of a definition that is not built in.  Returns false if there
 * is none.
 */
bool
definitionread_place(Snapshot snapshot, const char *key, ItemPointer tid)
{
	ItemPointerSetInvalid(tid);
	scan_definition(snapshot, Anum_feature_key, key, take_place, tid);
	return ItemPointerIsValid(tid);
}
