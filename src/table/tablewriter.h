/*-------------------------------------------------------------------------
 *
 * tablewriter.h
 *	  Writing rows of the extension's tables without a plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_TABLEWRITER_H
#define INSTANCE_FEATURES_TABLEWRITER_H

#include "model/tables.h"

typedef struct TableWriter TableWriter;

/* The columns that an update changes, which never include key columns. */
typedef struct ColumnRange
{
	int			first;
	int			last;
} ColumnRange;

extern TableWriter *writer_begin(const ColumnRange *updated_columns);
extern void writer_insert(TableWriter *writer, FeatureTable table,
						  const Datum *values, const bool *nulls);
extern bool writer_insert_new(TableWriter *writer, FeatureTable table,
							  const Datum *values, const bool *nulls);
extern void writer_update(TableWriter *writer, FeatureTable table,
						  const ItemPointerData *tid, const Datum *values,
						  const bool *nulls);
extern void writer_delete(TableWriter *writer, FeatureTable table,
						  const ItemPointerData *tid);
extern void writer_end(TableWriter *writer);

#endif							/* INSTANCE_FEATURES_TABLEWRITER_H */
