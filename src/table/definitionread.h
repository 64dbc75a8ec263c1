/*-------------------------------------------------------------------------
 *
 * definitionread.h
 *	  Reading definitions of features.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITIONREAD_H
#define INSTANCE_FEATURES_DEFINITIONREAD_H

#include "table/scan.h"

extern FeatureRow *definitionread_one(Snapshot snapshot, const char *key);
extern char *definitionread_find_key(Snapshot snapshot, const char *name);
extern List *definitionread_all(Snapshot snapshot);
extern List *definitionread_described(Snapshot snapshot);
extern uint64 definitionread_fingerprint(Snapshot snapshot);
extern bool definitionread_place(Snapshot snapshot, const char *key,
								 ItemPointer tid);

#endif							/* INSTANCE_FEATURES_DEFINITIONREAD_H */
