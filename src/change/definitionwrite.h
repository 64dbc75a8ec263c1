/*-------------------------------------------------------------------------
 *
 * definitionwrite.h
 *	  Writing the rows of definitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITIONWRITE_H
#define INSTANCE_FEATURES_DEFINITIONWRITE_H

#include "nodes/lockoptions.h"

#include "model/tables.h"

extern void definitionwrite_insert(const FeatureRow *row);
extern FeatureRow *definitionwrite_lock(const char *key,
										LockWaitPolicy wait_policy,
										ItemPointer tid);
extern void definitionwrite_update(const ItemPointerData *tid,
								   const FeatureRow *row,
								   bool with_description);
extern void definitionwrite_delete(const ItemPointerData *tid);

#endif							/* INSTANCE_FEATURES_DEFINITIONWRITE_H */
