/*-------------------------------------------------------------------------
 *
 * tableread.h
 *	  Reading scopes, their settings and their events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_TABLEREAD_H
#define INSTANCE_FEATURES_TABLEREAD_H

#include "table/scan.h"

/* Returns false to end the scan. */
typedef bool (*EventCallback) (const EventRow *event, void *arg);
typedef void (*SettingCallback) (const ScopeName *name, const Jsonb *value,
								 void *arg);
typedef void (*ScopeCallback) (const ScopeName *name, const ScopeRow *row,
							   void *arg);
typedef void (*ScopeSettingCallback) (const ScopeName *name,
									  const SettingRow *setting, void *arg);
typedef bool (*PlaceCallback) (FeatureTable table, ItemPointer tid, void *arg);

extern bool tableread_scope(Snapshot snapshot, const ScopeName *name,
							ScopeRow *row, ItemPointer tid);
extern List *tableread_settings(Snapshot snapshot, const ScopeName *name);
extern uint64 tableread_fingerprint(Snapshot snapshot, const ScopeName *name);
extern List *tableread_scope_names(Snapshot snapshot);
extern void tableread_foreach_scope(Snapshot snapshot, FeatureLevel level,
									const char *instance_id, int instance_len,
									ScopeCallback callback, void *arg);
extern void tableread_foreach_scope_setting(Snapshot snapshot,
											FeatureLevel level,
											const char *instance_id,
											int instance_len,
											ScopeSettingCallback callback,
											void *arg);
extern char *tableread_editor(Snapshot snapshot, const ScopeName *name,
							  int64 sequence);
extern void tableread_foreach_setting(Snapshot snapshot, const char *feature,
									  SettingCallback callback, void *arg);
extern void tableread_foreach_event(Snapshot snapshot, const ScopeName *name,
									EventCallback callback, void *arg);
extern void tableread_foreach_row_below(Snapshot snapshot,
										const ScopeName *instance,
										PlaceCallback callback, void *arg);
extern bool tableread_has_rows_without_scope(Snapshot snapshot, const ScopeName *name);

#endif							/* INSTANCE_FEATURES_TABLEREAD_H */
