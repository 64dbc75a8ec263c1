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
#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

#define SYSTEM_SCOPE_ID "SYSTEM"
#define DEFAULT_INSTANCE_ID "default"
#define MAX_SCOPE_ID_LENGTH 200 /* bytes */

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
	bool		builtin;
	TimestampTz creation_date;
} FeatureRow;

/* A row of table setting. */
typedef struct SettingRow
{
	char	   *feature;
	Jsonb	   *value;
	int64		sequence;
	TimestampTz change_date;
} SettingRow;

/* A row of table event, less the scope's name. */
typedef struct EventRow
{
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

/* Reading */
typedef void (*EventCallback) (const EventRow *event, void *arg);

extern bool store_is_there(void);
extern bool store_found_missing(void);
extern bool store_concerns(Oid relid, bool *definitions);
extern Snapshot store_begin_read(void);
extern void store_end_read(Snapshot snapshot);
extern bool store_read_scope(Snapshot snapshot, const ScopeName *name,
							 ScopeRow *row);
extern List *store_read_features(Snapshot snapshot);
extern List *store_read_settings(Snapshot snapshot, const ScopeName *name);
extern void store_read_events(Snapshot snapshot, const ScopeName *name,
							  EventCallback callback, void *arg);

/* Writing, between store_begin_write and store_end_write */
typedef struct StoreWrite
{
	Oid			save_userid;
	int			save_sec_context;
} StoreWrite;

extern void store_begin_write(StoreWrite *write);
extern void store_end_write(StoreWrite *write);
extern bool store_insert_scope(const ScopeName *name, const ScopeRow *row);
extern bool store_revive_scope(const ScopeName *name, const ScopeRow *row);
extern bool store_lock_scope(const ScopeName *name);
extern bool store_advance_scope(const ScopeName *name, const ScopeRow *known,
								int64 nevents, TimestampTz *change_date);
extern void store_set_owner(const ScopeName *name, Oid owner);
extern void store_delete_scope(const ScopeName *name);
extern void store_append_event(const ScopeName *name, const EventRow *event);
extern void store_put_setting(const ScopeName *name, const SettingRow *row,
							  bool exists);
extern void store_delete_setting(const ScopeName *name, const char *feature);
extern void store_delete_settings(const ScopeName *name);

#endif							/* IF_STORE_H */
