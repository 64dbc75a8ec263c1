/*-------------------------------------------------------------------------
 *
 * tableread.h
 *	  Reading the extension's tables as PostgreSQL reads its catalogs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_TABLEREAD_H
#define INSTANCE_FEATURES_TABLEREAD_H

#include "utils/snapshot.h"

#include "model/tables.h"

/* False ends the reading. */
typedef bool (*EventCallback) (const EventRow *event, void *arg);
typedef void (*SettingCallback) (const ScopeName *name, const Jsonb *value,
								 void *arg);

extern Snapshot begin_read(void);
extern void end_read(Snapshot snapshot);

extern bool read_scope(Snapshot snapshot, const ScopeName *name,
					   ScopeRow *row, ItemPointer tid);
extern List *read_settings(Snapshot snapshot, const ScopeName *name);
extern uint64 fingerprint_scope(Snapshot snapshot, const ScopeName *name);
extern List *read_definitions(Snapshot snapshot);
extern FeatureRow *read_definition(Snapshot snapshot, const char *key);
extern char *find_key_by_name(Snapshot snapshot, const char *name);
extern uint64 fingerprint_definitions(Snapshot snapshot);
extern bool read_definition_place(Snapshot snapshot, const char *key,
								  ItemPointer tid);
extern List *read_scope_names(Snapshot snapshot);
extern void foreach_setting_of_feature(Snapshot snapshot, const char *feature,
									   SettingCallback callback, void *arg);
extern void foreach_event(Snapshot snapshot, const ScopeName *name,
						  EventCallback callback, void *arg);
extern bool has_rows_without_scope(Snapshot snapshot, const ScopeName *name);

#endif							/* INSTANCE_FEATURES_TABLEREAD_H */
