/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Scans of the tables with catalog snapshots.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCAN_H
#define INSTANCE_FEATURES_SCAN_H

#include "access/skey.h"
#include "utils/snapshot.h"
#include "model/rows.h"

/* Called for each row of a scan.  Returns false to end the scan. */
typedef bool (*RowCallback) (Relation rel, HeapTuple tuple, void *arg);

extern Snapshot scan_begin(void);
extern uint64 scan_moment(void);
extern void scan_end(Snapshot snapshot);
extern void scan_rows_of_scope(FeatureTable table, Snapshot snapshot,
							   const ScopeName *name, RowCallback callback,
							   void *arg);
extern void scan_event(Snapshot snapshot, const ScopeName *name,
					   int64 sequence, RowCallback callback, void *arg);
extern void scan_rows_of_level(FeatureTable table, Snapshot snapshot,
							   FeatureLevel level, const char *instance_id,
							   int instance_len, RowCallback callback,
							   void *arg);
extern void scan_table(FeatureTable table, Snapshot snapshot, ScanKey key,
					   RowCallback callback, void *arg);
extern void scan_settings_of_feature(Snapshot snapshot, const char *feature,
									 FeatureLevel level, RowCallback callback,
									 void *arg);
extern bool scan_take_fingerprint(Relation rel, HeapTuple tuple, void *arg);

#endif							/* INSTANCE_FEATURES_SCAN_H */
