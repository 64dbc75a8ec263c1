/*-------------------------------------------------------------------------
 *
 * writer.h
 *	  Writing rows of a few tables without a plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_WRITER_H
#define IF_WRITER_H

#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

typedef struct Writer Writer;

extern Writer *writer_begin(int ntables, const Relation *rels,
							Bitmapset *const *updated_columns);
extern bool writer_insert(Writer *writer, int table, const Datum *values,
						  const bool *nulls);
extern bool writer_update(Writer *writer, int table, TupleTableSlot *old,
						  const Datum *values);
extern void writer_end(Writer *writer);

extern bool writer_lock(Relation rel, ItemPointer tid, TupleTableSlot *slot);

#endif							/* IF_WRITER_H */
