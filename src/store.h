/*-------------------------------------------------------------------------
 *
 * store.h
 *	  The extension's tables: reading them as a catalog, writing them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_STORE_H
#define IF_STORE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

#define SYSTEM_SCOPE_ID "SYSTEM"
#define DEFAULT_INSTANCE_ID "default"
#define MAX_SCOPE_ID_LENGTH 200 /* bytes */
#define MAX_KEY_LENGTH 63		/* of a feature */
#define MAX_JSON_NAME_LENGTH 200

typedef enum FeatureLevel
{
	LEVEL_SYSTEM,
	LEVEL_INSTANCE
} FeatureLevel;

/* Names a scope.  The id need not end in a zero byte. */
typedef struct ScopeName
{
	FeatureLevel level;
	const char *id;
	int			len;
} ScopeName;

/* A row of table scope. */
typedef struct ScopeRow
{
	Oid			owner;			/* InvalidOid: the dropped "default" */
	int64		sequence;
	TimestampTz change_date;
	TimestampTz creation_date;
} ScopeRow;

/* A row of table feature. */
typedef struct FeatureRow
{
	char	   *key;
	char	   *json_name;
	char	   *value_type;
	Jsonb	   *default_value;
	const char *description;	/* not read; written if it is not NULL */
	bool		builtin;
	TimestampTz creation_date;
	char	   *stage;
	Jsonb	   *allowed_values; /* or NULL */
} FeatureRow;

/* The row of a scope that is going to be changed. */
typedef struct LockedScope
{
	ScopeRow	row;
	ItemPointerData tid;
} LockedScope;

/* A row of table setting. */
typedef struct SettingRow
{
	ItemPointerData tid;
	char	   *feature;
	Jsonb	   *value;
	int64		sequence;
	TimestampTz change_date;
} SettingRow;

/* A row of table event, less the scope's name. */
typedef struct EventRow
{
	const SettingRow *setting;	/* the one that it changes; NULL: none yet */
	int64		sequence;
	const char *event_type;
	const char *feature;		/* NULL for a reset */
	const Jsonb *old_value;		/* or NULL */
	const Jsonb *value;			/* or NULL */
	const char *editor;
	TimestampTz creation_date;
} EventRow;

extern const ScopeName system_scope_name;

extern const char *level_name(FeatureLevel level);
extern const char *message_id(const ScopeName *name);
extern int	compare_scope_names(const ScopeName *a, const ScopeName *b);
extern int	compare_scope_cells(const ListCell *a, const ListCell *b);

/* Reading */

/* False ends the reading. */
typedef bool (*EventCallback) (const EventRow *event, void *arg);
typedef void (*SettingCallback) (const ScopeName *name, const Jsonb *value,
								 void *arg);

extern bool store_is_there(void);
extern bool store_found_missing(void);
extern bool store_concerns(Oid relid, bool *definitions);
extern Snapshot store_begin_read(void);
extern void store_end_read(Snapshot snapshot);
extern bool store_read_scope(Snapshot snapshot, const ScopeName *name,
							 ScopeRow *row);
extern List *store_read_features(Snapshot snapshot);
extern List *store_read_settings(Snapshot snapshot, const ScopeName *name);
extern List *store_read_instances(Snapshot snapshot);
extern void store_read_feature(Snapshot snapshot, const char *feature,
							   SettingCallback callback, void *arg);
extern int64 store_read_purged_to(Snapshot snapshot, const ScopeName *name);
extern void store_read_events(Snapshot snapshot, const ScopeName *name,
							  EventCallback callback, void *arg);

/* Writing */
extern bool store_find_scope(const ScopeName *name, LockedScope *scope);
extern bool store_lock_scope(const ScopeName *name, LockedScope *scope);
extern void store_append(const ScopeName *name, LockedScope *scope,
						 List *events);
extern bool store_insert_scope(const ScopeName *name, const ScopeRow *row);
extern bool store_create_scope(const ScopeName *name, const ScopeRow *row);
extern void store_set_owner(const ScopeName *name, Oid owner);
extern void store_delete_scope(const ScopeName *name);
extern int64 store_purge_events(TimestampTz before);

/* Definitions */
extern void store_hold_definitions(void);
extern void store_lock_definitions(bool against_writers);
extern void store_insert_feature(const FeatureRow *row);
extern void store_update_feature(const FeatureRow *row);
extern void store_delete_feature(const char *key);

#endif							/* IF_STORE_H */
