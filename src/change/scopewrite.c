/*-------------------------------------------------------------------------
 *
 * scopewrite.c
 *	  Writing the changes of a scope.
 *
 * The rule: one command writes all rows: the scope, the events and the
 * settings.  The triggers on the tables fire at its end, and invalidate the
 * caches and collect the notification; see track.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "change/scopewrite.h"
#include "table/tablewriter.h"

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
} ScopeWrite;

/* Fill in the columns that name the scope, with which all tables begin. */
static void
fill_scope_columns(const ScopeWrite *write, Datum *values)
{
	values[Anum_scope_level - 1] = write->level;
	values[Anum_scope_instance_id - 1] = write->instance_id;
	values[Anum_scope_id - 1] = write->id;
}

/*
 * Update the scope's row, or insert it if it has none.  Returns false if
 * another transaction has inserted it.
 */
static bool
write_scope(const ScopeWrite *write)
{
	const ScopeRow *row = &write->scope->row;
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};

	fill_scope_columns(write, values);
	nulls[Anum_scope_owner - 1] = true;
	values[Anum_scope_sequence - 1] = Int64GetDatum(row->sequence);
	values[Anum_scope_change_date - 1] = TimestampTzGetDatum(row->change_date);
	nulls[Anum_scope_creation_date - 1] = true;
	nulls[Anum_scope_purged_to - 1] = true;
	values[Anum_scope_dropped - 1] = BoolGetDatum(false);

	if (!write->scope->stored)
		return writer_insert_new(write->writer, TABLE_SCOPE, values, nulls);
	writer_update(write->writer, TABLE_SCOPE, &write->scope->tid, values,
				  nulls);
	return true;
}

static void
write_event(const ScopeWrite *write, const FeatureChange *change,
			int64 sequence)
{
	Datum		values[MAX_COLUMNS] = {0};
	bool		nulls[MAX_COLUMNS] = {false};
	const char *level = level_name(write->name->level);
	const char *type;

	if (change->key == NULL)
		type = psprintf("feature.%s.reset", level);
	else
		type = psprintf("feature.%s.%s.%s", level, change->key,
						change->value ? "set" : "unset");

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
	values[Anum_event_editor - 1] = write->editor;
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
 * tablewriter.c, and object_not_in_prerequisite_state if the sequence has
 * reached its limit or disagrees with the events.
 */
bool
scope_write_changes(const ScopeName *name, ScopeTuple *scope, List *settings,
					List *changes)
{
	ScopeWrite	write = {.name = name,.scope = scope};
	int64		sequence = scope->row.sequence;
	ListCell   *lc;
	bool		written;

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
	written = write_scope(&write);
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
