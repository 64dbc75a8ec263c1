/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  The rows of the tables, and functions that read their columns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ROWS_H
#define INSTANCE_FEATURES_ROWS_H

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"
#include "base/ownertype.h"
#include "base/scopename.h"
#include "model/share.h"

#define EXTENSION_NAME "instance_features"
#define EXTENSION_SCHEMA "instance_features"

#define MAX_KEY_LENGTH 63		/* of a feature, in bytes */
#define MAX_JSON_NAME_LENGTH 200

typedef enum FeatureTable
{
	TABLE_SCOPE,
	TABLE_SETTING,
	TABLE_EVENT,
	TABLE_FEATURE
} FeatureTable;

#define NUM_TABLES (TABLE_FEATURE + 1)

/* Column numbers. */
enum
{
	Anum_scope_level = 1,
	Anum_scope_instance_id,
	Anum_scope_id,
	Anum_scope_owner,
	Anum_scope_sequence,
	Anum_scope_change_date,
	Anum_scope_creation_date,
	Anum_scope_purged_to,
	Anum_scope_dropped
};

enum
{
	Anum_setting_level = 1,
	Anum_setting_instance_id,
	Anum_setting_scope_id,
	Anum_setting_feature,
	Anum_setting_value,
	Anum_setting_percentage,
	Anum_setting_sequence,
	Anum_setting_change_date
};

enum
{
	Anum_event_level = 1,
	Anum_event_instance_id,
	Anum_event_scope_id,
	Anum_event_sequence,
	Anum_event_event_type,
	Anum_event_feature,
	Anum_event_old_value,
	Anum_event_value,
	Anum_event_percentage,
	Anum_event_editor,
	Anum_event_creation_date,
	Anum_event_actor,
	Anum_event_reason
};

enum
{
	Anum_feature_key = 1,
	Anum_feature_json_name,
	Anum_feature_value_type,
	Anum_feature_default_value,
	Anum_feature_allowed_values,
	Anum_feature_levels,
	Anum_feature_stage,
	Anum_feature_description,
	Anum_feature_creation_date
};

#define MAX_COLUMNS Anum_event_reason

/* A null date. */
#define NO_DATE DT_NOBEGIN

/* A row of table scope, less the scope's name. */
typedef struct ScopeRow
{
	bool		has_owner;		/* else the parent's owner owns the scope */
	ScopeOwner	owner;
	int64		sequence;
	TimestampTz change_date;	/* or NO_DATE */
	TimestampTz creation_date;	/* or NO_DATE */
	int64		purged_to;		/* 0 if no events were purged */
	bool		dropped;
} ScopeRow;

/* A row of table feature. */
typedef struct FeatureRow
{
	char	   *key;
	char	   *json_name;
	char	   *value_type;
	Jsonb	   *default_value;
	Jsonb	   *allowed_values; /* or NULL */
	LevelSet	levels;			/* where it may be set */
	char	   *stage;
	const char *description;
} FeatureRow;

/* A row of table setting, less the scope's name. */
typedef struct SettingRow
{
	ItemPointerData tid;
	char	   *feature;
	Jsonb	   *value;
	int			share;			/* see share.h */
	int64		sequence;
	TimestampTz change_date;
} SettingRow;

/* A row of table event, less the scope's name. */
typedef struct EventRow
{
	ItemPointerData tid;
	int64		sequence;
	const char *event_type;
	const char *feature;		/* NULL for a reset */
	const Jsonb *old_value;		/* or NULL */
	const Jsonb *value;			/* or NULL */
	int			share;			/* see share.h */
	const char *editor;
	TimestampTz creation_date;
	const char *actor;			/* or NULL */
	const char *reason;			/* or NULL */
} EventRow;

/*
 * Return whether a scope with this row was dropped.  Only an instance can be,
 * even if direct DML has set the column for another scope.
 */
static inline bool
scope_row_is_dropped(const ScopeName *name, const ScopeRow *row)
{
	return row->dropped && name->level == LEVEL_INSTANCE;
}

extern Datum row_get_column(HeapTuple tuple, int attnum, Relation rel);
extern char *row_get_text(HeapTuple tuple, int attnum, Relation rel);
extern char *row_get_nullable_text(HeapTuple tuple, int attnum, Relation rel);
extern Jsonb *row_get_jsonb(HeapTuple tuple, int attnum, Relation rel);
extern Jsonb *row_get_nullable_jsonb(HeapTuple tuple, int attnum, Relation rel);
extern int	row_get_share(HeapTuple tuple, int attnum, Relation rel);
extern Datum row_make_levels(LevelSet levels);
extern LevelSet row_get_levels(HeapTuple tuple, int attnum, Relation rel);
extern bool row_get_scope_name(HeapTuple tuple, Relation rel, ScopeName *name);
extern void row_get_scope(HeapTuple tuple, Relation rel, ScopeRow *row);

#endif							/* INSTANCE_FEATURES_ROWS_H */
