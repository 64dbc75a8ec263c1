/*-------------------------------------------------------------------------
 *
 * definitionwrite.c
 *	  Writing the rows of definitions.
 *
 * The rule: the caller has checked the permission, locked the definitions, and
 * checked what it writes.  Each row is written by a command of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "change/argument.h"
#include "change/definitionwrite.h"
#include "table/definitionread.h"
#include "table/locks.h"
#include "table/tablewriter.h"

/* The columns that altering a definition updates. */
static const ColumnRange updated_columns[NUM_TABLES] =
{
	[TABLE_FEATURE] = {Anum_feature_default_value, Anum_feature_stage}
};

static const ColumnRange updated_with_description[NUM_TABLES] =
{
	[TABLE_FEATURE] = {Anum_feature_default_value, Anum_feature_description}
};

/*
 * Insert the row of a new definition.
 */
void
definitionwrite_insert(const FeatureRow *row)
{
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};
	TableWriter *writer = writer_begin(updated_columns);

	values[Anum_feature_key - 1] = CStringGetTextDatum(row->key);
	values[Anum_feature_json_name - 1] = CStringGetTextDatum(row->json_name);
	values[Anum_feature_value_type - 1] = CStringGetTextDatum(row->value_type);
	values[Anum_feature_default_value - 1] =
		JsonbPGetDatum(row->default_value);
	nulls[Anum_feature_allowed_values - 1] = row->allowed_values == NULL;
	values[Anum_feature_allowed_values - 1] =
		JsonbPGetDatum(row->allowed_values);
	values[Anum_feature_levels - 1] = row_make_levels(row->levels);
	values[Anum_feature_stage - 1] = CStringGetTextDatum(row->stage);
	values[Anum_feature_description - 1] =
		CStringGetTextDatum(row->description ? row->description : "");
	values[Anum_feature_creation_date - 1] =
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	writer_insert(writer, TABLE_FEATURE, values, nulls);
	writer_end(writer);
}

/*
 * Lock the row of a definition, read it, and return its TID.  Raises
 * undefined_object if it has been dropped.
 */
FeatureRow *
definitionwrite_lock(const char *key, LockWaitPolicy wait_policy,
					 ItemPointer tid)
{
	Snapshot	snapshot;
	FeatureRow *row;

	if (!lock_definition_row(key, wait_policy, tid))
		argument_require_feature(-1, key, strlen(key));
	snapshot = scan_begin();
	row = definitionread_one(snapshot, key);
	scan_end(snapshot);
	return row;
}

/*
 * Update the locked row of a definition.
 */
void
definitionwrite_update(const ItemPointerData *tid, const FeatureRow *row,
					   bool with_description)
{
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};
	TableWriter *writer = writer_begin(with_description ?
									   updated_with_description :
									   updated_columns);

	values[Anum_feature_default_value - 1] =
		JsonbPGetDatum(row->default_value);
	nulls[Anum_feature_allowed_values - 1] = row->allowed_values == NULL;
	values[Anum_feature_allowed_values - 1] =
		JsonbPGetDatum(row->allowed_values);
	values[Anum_feature_levels - 1] = row_make_levels(row->levels);
	values[Anum_feature_stage - 1] = CStringGetTextDatum(row->stage);
	if (with_description)
		values[Anum_feature_description - 1] =
			CStringGetTextDatum(row->description);
	writer_update(writer, TABLE_FEATURE, tid, values, nulls);
	writer_end(writer);
}

/*
 * Delete the locked row of a definition.
 */
void
definitionwrite_delete(const ItemPointerData *tid)
{
	TableWriter *writer = writer_begin(updated_columns);

	writer_delete(writer, TABLE_FEATURE, tid);
	writer_end(writer);
}
