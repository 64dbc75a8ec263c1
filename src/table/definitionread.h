/*-------------------------------------------------------------------------
 *
 * definitionread.h
 *	  Reading table feature.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITIONREAD_H
#define INSTANCE_FEATURES_DEFINITIONREAD_H

#include "table/scan.h"

extern FeatureRow *read_definition(Snapshot snapshot, const char *key);
extern char *find_key_by_name(Snapshot snapshot, const char *name);
extern List *read_definitions(Snapshot snapshot);
extern uint64 fingerprint_definitions(Snapshot snapshot);
extern bool read_definition_place(Snapshot snapshot, const char *key,
								  ItemPointer tid);

#endif							/* INSTANCE_FEATURES_DEFINITIONREAD_H */
