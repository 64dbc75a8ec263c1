/*-------------------------------------------------------------------------
 *
 * scopewrite.c
 *	  Writing the rows of a scope.
 *
 * The rule: one command writes all rows: the scope, the events and the
 * settings.  The triggers on the tables fire at its end, and invalidate the
 * caches and collect the notification; see track.c.
 *
 * Events record who made a change for which reason, as two settings say.  They
 * may say anything: what is too long is an error when it is to be recorded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "change/scopewrite.h"

/* The columns that a change updates. */
static const ColumnRange updated_columns[NUM_TABLES] =
{
	[TABLE_SCOPE] = {Anum_scope_sequence, Anum_scope_change_date},
	[TABLE_SETTING] = {Anum_setting_value, Anum_setting_change_date}
};

/* A command that changes one scope. */
typedef struct ScopeWrite
{
	TableWriter *writer;
	const ScopeName *name;
	ScopeTuple *scope;
	Datum		level;
	Datum		instance_id;
	Datum		id;
	Datum		editor;
	Datum		actor;			/* 0 if none */
	Datum		reason;			/* 0 if none */
} ScopeWrite;

#define MAX_ACTOR_LENGTH 200	/* bytes */
#define MAX_REASON_LENGTH 1000

char	   *scope_actor;
char	   *scope_reason;

/* Fill in the columns that name the scope, with which all tables begin. */
static void
fill_scope_columns(const ScopeWrite *write, Datum *values)
{
	values[Anum_scope_level - 1] = write->level;
	values[Anum_scope_instance_id - 1] = write->instance_id;
	values[Anum_scope_id - 1] = write->id;
}

/*
 * Form the row of a scope.  The values point into "row".
 */
static void
form_scope_row(const ScopeName *name, const ScopeRow *row, Datum *values,
			   bool *nulls)
{
	memset(values, 0, sizeof(Datum) * MAX_COLUMNS);
	memset(nulls, 0, sizeof(bool) * MAX_COLUMNS);
	values[Anum_scope_level - 1] =
		CStringGetTextDatum(level_name(name->level));
	values[Anum_scope_instance_id - 1] =
		PointerGetDatum(cstring_to_text_with_len(name->instance_id,
												 name->instance_len));
	values[Anum_scope_id - 1] =
		PointerGetDatum(cstring_to_text_with_len(name->id, name->len));
	nulls[Anum_scope_owner - 1] = !row->has_owner;
	values[Anum_scope_owner - 1] = ScopeOwnerPGetDatum(&row->owner);
	values[Anum_scope_sequence - 1] = Int64GetDatum(row->sequence);
	nulls[Anum_scope_change_date - 1] = row->change_date == NO_DATE;
	values[Anum_scope_change_date - 1] = TimestampTzGetDatum(row->change_date);
	nulls[Anum_scope_creation_date - 1] = row->creation_date == NO_DATE;
	values[Anum_scope_creation_date - 1] =
		TimestampTzGetDatum(row->creation_date);
	nulls[Anum_scope_purged_to - 1] = row->purged_to == 0;
	values[Anum_scope_purged_to - 1] = Int64GetDatum(row->purged_to);
	values[Anum_scope_dropped - 1] = BoolGetDatum(row->dropped);
}

static bool
insert_row(TableWriter *writer, const ScopeName *name, const ScopeRow *row)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];

	form_scope_row(name, row, values, nulls);
	return writer_insert_new(writer, TABLE_SCOPE, values, nulls);
}

/*
 * Insert the row of a scope, by a command of its own.  Returns false if another
 * transaction has inserted it.
 */
bool
scope_insert_row(const ScopeName *name, const ScopeRow *row)
{
	static const ColumnRange none[NUM_TABLES] = {{0}};
	TableWriter *writer = writer_begin(none);
	bool		inserted = insert_row(writer, name, row);

	writer_end(writer);
	return inserted;
}

/*
 * Update the locked row of a scope.
 */
void
scope_update_row(TableWriter *writer, const ScopeName *name,
				 const ScopeTuple *scope)
{
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];

	form_scope_row(name, &scope->row, values, nulls);
	writer_update(writer, TABLE_SCOPE, &scope->tid, values, nulls);
}

/*
 * Return the value of a setting that an event records, or 0 if it is empty.
 * Raises invalid_parameter_value if it is too long or not valid text.
 */
static Datum
recorded_text(const char *setting, const char *value, int max_length)
{
	int			length = strlen(value);

	if (length == 0)
		return (Datum) 0;
	if (length > max_length)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value of setting \"%s\" is too long", setting),
				 errdetail("It has %d bytes, and at most %d are recorded.",
						   length, max_length)));
	if (!pg_verifymbstr(value, length, true))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value of setting \"%s\" is not valid in encoding \"%s\"",
						setting, GetDatabaseEncodingName())));
	return PointerGetDatum(cstring_to_text_with_len(value, length));
}

static bool
is_rollout(const FeatureChange *change)
{
	return change->value != NULL && change->share != NO_SHARE;
}

/*
 * Return the last part of the type of an event that changes a setting.
 */
static const char *
event_verb(const FeatureChange *change)
{
	if (change->value == NULL)
		return "unset";
	return is_rollout(change) ? "rolled_out" : "set";
}

/* Fill in a column with the percentage of a change, which may have none. */
static void
fill_percentage(const FeatureChange *change, int attnum, Datum *values,
				bool *nulls)
{
	nulls[attnum - 1] = !is_rollout(change);
	if (is_rollout(change))
		values[attnum - 1] = share_make_percentage(change->share);
}

static void
write_event(const ScopeWrite *write, const FeatureChange *change,
			int64 sequence)
{
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};
	const char *level = level_infos[write->name->level].event_name;
	const char *type;

	if (change->key == NULL)
		type = psprintf("feature.%s.reset", level);
	else
		type = psprintf("feature.%s.%s.%s", level, change->key,
						event_verb(change));

	fill_scope_columns(write, values);
	values[Anum_event_sequence - 1] = Int64GetDatum(sequence);
	values[Anum_event_event_type - 1] = CStringGetTextDatum(type);
	nulls[Anum_event_feature - 1] = change->key == NULL;
	if (change->key != NULL)
		values[Anum_event_feature - 1] = CStringGetTextDatum(change->key);
	nulls[Anum_event_old_value - 1] = change->setting == NULL;
	if (change->setting != NULL)
		values[Anum_event_old_value - 1] =
			JsonbPGetDatum(change->setting->value);
	nulls[Anum_event_value - 1] = change->value == NULL;
	values[Anum_event_value - 1] = JsonbPGetDatum(change->value);
	fill_percentage(change, Anum_event_percentage, values, nulls);
	values[Anum_event_editor - 1] = write->editor;
	values[Anum_event_actor - 1] = write->actor;
	nulls[Anum_event_actor - 1] = write->actor == (Datum) 0;
	values[Anum_event_reason - 1] = write->reason;
	nulls[Anum_event_reason - 1] = write->reason == (Datum) 0;
	values[Anum_event_creation_date - 1] =
		TimestampTzGetDatum(write->scope->row.change_date);
	if (!writer_insert_new(write->writer, TABLE_EVENT, values, nulls))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s already has an event %lld",
						scopename_describe(write->name),
						(long long) sequence),
				 errdetail("The sequence of the scope differs from its events."),
				 errhint("See check_instance_features().")));
}

static void
write_setting(const ScopeWrite *write, const FeatureChange *change,
			  int64 sequence)
{
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};

	if (change->value == NULL)
	{
		writer_delete(write->writer, TABLE_SETTING,
					  &change->setting->tid);
		return;
	}

	fill_scope_columns(write, values);
	values[Anum_setting_feature - 1] = CStringGetTextDatum(change->key);
	values[Anum_setting_value - 1] = JsonbPGetDatum(change->value);
	fill_percentage(change, Anum_setting_percentage, values, nulls);
	values[Anum_setting_sequence - 1] = Int64GetDatum(sequence);
	values[Anum_setting_change_date - 1] =
		TimestampTzGetDatum(write->scope->row.change_date);
	if (change->setting != NULL)
		writer_update(write->writer, TABLE_SETTING,
					  &change->setting->tid,
					  values, nulls);
	else
		writer_insert(write->writer, TABLE_SETTING, values, nulls);
}

/*
 * Write changes of a locked scope, and update *scope; its change_date never
 * goes backwards.  Returns false without writing anything if the scope had no
 * row and another transaction has inserted it.  Raises the errors described in
 * tablewriter.c, object_not_in_prerequisite_state if the sequence has reached
 * its limit or disagrees with the events, and invalid_parameter_value if the
 * actor or the reason is too long.
 */
bool
scope_write_changes(const ScopeName *name, ScopeTuple *scope, List *settings,
					List *changes)
{
	ScopeWrite	write = {.name = name,.scope = scope};
	int64		sequence = scope->row.sequence;
	ListCell   *lc;
	bool		written = true;

	write.actor = recorded_text("instance_features.actor", scope_actor,
								MAX_ACTOR_LENGTH);
	write.reason = recorded_text("instance_features.reason", scope_reason,
								 MAX_REASON_LENGTH);
	if (sequence > PG_INT64_MAX - list_length(changes))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sequence of %s has reached its limit",
						scopename_describe(name))));
	scope->row.sequence += list_length(changes);
	scope->row.change_date = Max(scope->row.change_date,
								 GetCurrentTimestamp());

	write.level = CStringGetTextDatum(level_name(name->level));
	write.instance_id =
		PointerGetDatum(cstring_to_text_with_len(name->instance_id,
												 name->instance_len));
	write.id = PointerGetDatum(cstring_to_text_with_len(name->id, name->len));
	write.editor = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	write.writer = writer_begin(updated_columns);
	if (scope->stored)
		scope_update_row(write.writer, name, scope);
	else
		written = insert_row(write.writer, name, &scope->row);
	if (written)
	{
		foreach(lc, changes)
		{
			const FeatureChange *change = lfirst(lc);
			ListCell   *setting;

			CHECK_FOR_INTERRUPTS();
			write_event(&write, change, ++sequence);
			if (change->key != NULL)
			{
				write_setting(&write, change, sequence);
				continue;
			}
			foreach(setting, settings)
				writer_delete(write.writer, TABLE_SETTING,
							  &((SettingRow *) lfirst(setting))->tid);
		}
	}
	writer_end(write.writer);
	return written;
}
