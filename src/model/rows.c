/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  The rows of the tables, and functions that read their columns.
 *
 * Results are palloc'd copies, so the tuple need not outlive them.  Reading a
 * null in a column that must not be null raises
 * object_not_in_prerequisite_state.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "model/rows.h"

/*
 * Return the value of a column that must not be null.  It may be null if its
 * constraint has been dropped.  The value points into the tuple.
 */
Datum
row_get_column(HeapTuple tuple, int attnum, Relation rel)
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
row_get_text(HeapTuple tuple, int attnum, Relation rel)
{
	return TextDatumGetCString(row_get_column(tuple, attnum, rel));
}

Jsonb *
row_get_jsonb(HeapTuple tuple, int attnum, Relation rel)
{
	return DatumGetJsonbPCopy(row_get_column(tuple, attnum, rel));
}

/* The same for a column that may be null; the result then is NULL. */
char *
row_get_nullable_text(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NULL;
	return row_get_text(tuple, attnum, rel);
}

Jsonb *
row_get_nullable_jsonb(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NULL;
	return row_get_jsonb(tuple, attnum, rel);
}

/*
 * Read a column with a percentage, which is null if there is no roll-out.
 */
int
row_get_share(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NO_SHARE;
	return share_from_percentage(DatumGetNumeric(row_get_column(tuple, attnum,
																rel)));
}

/*
 * Return a set of levels as a value of type text[], from the top down.
 */
Datum
row_make_levels(LevelSet levels)
{
	Datum		names[NUM_LEVELS];
	int			count = 0;

	for (int level = 0; level < NUM_LEVELS; level++)
	{
		if (level_is_in(level, levels))
			names[count++] = CStringGetTextDatum(level_name(level));
	}
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/*
 * Read a column of type text[] as a set of levels.  Direct DML may have stored
 * an array of any shape: what is not the name of a level is ignored.
 */
LevelSet
row_get_levels(HeapTuple tuple, int attnum, Relation rel)
{
	ArrayType  *array = DatumGetArrayTypeP(row_get_column(tuple, attnum, rel));
	LevelSet	levels = 0;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		FeatureLevel level;

		if (!nulls[i] && level_parse(TextDatumGetCString(elements[i]), &level))
			levels |= LEVEL_BIT(level);
	}
	return levels;
}

static TimestampTz
get_nullable_date(HeapTuple tuple, int attnum, Relation rel)
{
	if (heap_attisnull(tuple, attnum, RelationGetDescr(rel)))
		return NO_DATE;
	return DatumGetTimestampTz(row_get_column(tuple, attnum, rel));
}

/*
 * Read a row of table scope.
 */
void
row_get_scope(HeapTuple tuple, Relation rel, ScopeRow *row)
{
	memset(row, 0, sizeof(ScopeRow));
	row->has_owner = !heap_attisnull(tuple, Anum_scope_owner,
									 RelationGetDescr(rel));
	if (row->has_owner)
		memcpy(&row->owner,
			   DatumGetPointer(row_get_column(tuple, Anum_scope_owner, rel)),
			   sizeof(ScopeOwner));
	row->sequence =
		DatumGetInt64(row_get_column(tuple, Anum_scope_sequence, rel));
	row->change_date =
		get_nullable_date(tuple, Anum_scope_change_date, rel);
	row->creation_date =
		get_nullable_date(tuple, Anum_scope_creation_date, rel);
	if (!heap_attisnull(tuple, Anum_scope_purged_to, RelationGetDescr(rel)))
		row->purged_to =
			DatumGetInt64(row_get_column(tuple, Anum_scope_purged_to, rel));
	row->dropped = DatumGetBool(row_get_column(tuple, Anum_scope_dropped, rel));
}

/*
 * Read the scope's name from a row of any table except feature.  Returns false
 * if the level or the ids are not valid, which direct DML on tables setting
 * and event does not prevent.
 */
bool
row_get_scope_name(HeapTuple tuple, Relation rel, ScopeName *name)
{
	FeatureLevel level;

	if (!level_parse(row_get_text(tuple, Anum_scope_level, rel), &level))
		return false;
	*name = scopename_make(level,
						   row_get_text(tuple, Anum_scope_instance_id,
										rel),
						   row_get_text(tuple, Anum_scope_id, rel));
	return scopename_violation(level_name(level), name->instance_id,
							   name->id) == NULL;
}
