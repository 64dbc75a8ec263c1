/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  Deleting old events of a scope.
 *
 * The rule: a purge keeps the events that determine the settings at any time
 * since the time passed to it; see replay.c.  Who made the changes that it
 * keeps, and why, is deleted: column "editor" remains.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "change/purge.h"
#include "change/replay.h"
#include "table/locks.h"
#include "table/tableread.h"
#include "table/tablewriter.h"

/* The events of one scope that a purge deletes. */
typedef struct Purge
{
	TableWriter *writer;
	int64		last_sequence;	/* this event and later ones are kept, */
	int64	   *kept;			/* and so are these, sorted */
	int			nkept;
	TimestampTz before;
	int64		deleted;
} Purge;

static int
compare_sequences(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

/*
 * Delete an event, or only its actor and reason.
 */
static bool
purge_event(const EventRow *event, void *arg)
{
	Purge	   *purge = arg;

	if (event->creation_date >= purge->before)
		return false;
	if (event->sequence < purge->last_sequence &&
		bsearch(&event->sequence, purge->kept, purge->nkept, sizeof(int64),
				compare_sequences) == NULL)
	{
		writer_delete(purge->writer, TABLE_EVENT, &event->tid);
		purge->deleted++;
	}
	else if (event->actor != NULL || event->reason != NULL)
	{
		Datum		values[MAX_COLUMNS] = {0};
		bool		nulls[MAX_COLUMNS] = {false};

		nulls[Anum_event_actor - 1] = nulls[Anum_event_reason - 1] = true;
		writer_update(purge->writer, TABLE_EVENT, &event->tid, values, nulls);
	}
	return true;
}

static bool
take_event_date(const EventRow *event, void *arg)
{
	*(TimestampTz *) arg = event->creation_date;
	return false;
}

/*
 * Return whether a scope has an event before a time.
 */
static bool
has_event_before(const ScopeName *name, TimestampTz before)
{
	TimestampTz first = DT_NOEND;
	Snapshot	snapshot = scan_begin();

	tableread_foreach_event(snapshot, name, take_event_date, &first);
	scan_end(snapshot);
	return first < before;
}

/*
 * Delete the events of a scope before a time, except the last one and those
 * whose settings were in effect at that time, which lose their actors and
 * reasons.  Returns the number of deleted events.  Locks the definitions and the scope's row if there are such events.
 * The caller has checked the permission.
 */
int64
purge_scope(const ScopeName *name, TimestampTz before)
{
	static const ColumnRange updated_columns[NUM_TABLES] =
	{
		[TABLE_SCOPE] = {Anum_scope_purged_to, Anum_scope_purged_to},
		[TABLE_EVENT] = {Anum_event_actor, Anum_event_reason}
	};
	Purge		purge = {.before = before};
	Replay		replay;
	ScopeTuple	scope;
	Snapshot	snapshot;
	ListCell   *lc;

	/* Most scopes have no such events, and need no lock. */
	if (!has_event_before(name, before))
		return 0;
	lock_definitions_for_writing();
	if (!lock_find_scope_row(name, LockTupleNoKeyExclusive, LockWaitBlock,
							 &scope))
		return 0;

	replay = replay_events(name, PG_INT64_MAX, before - 1);
	purge.last_sequence = replay.last_sequence;
	purge.kept = palloc(sizeof(int64) * Max(list_length(replay.settings), 1));
	foreach(lc, replay.settings)
		purge.kept[purge.nkept++] = ((SettingRow *) lfirst(lc))->sequence;
	qsort(purge.kept, purge.nkept, sizeof(int64), compare_sequences);

	purge.writer = writer_begin(updated_columns);
	snapshot = scan_begin();
	tableread_foreach_event(snapshot, name, purge_event, &purge);
	scan_end(snapshot);
	if (purge.deleted > 0)
	{
		Datum		values[MAX_COLUMNS] = {0};
		bool		nulls[MAX_COLUMNS] = {false};

		values[Anum_scope_purged_to - 1] =
			Int64GetDatum(Max(scope.row.purged_to, purge.last_sequence));
		writer_update(purge.writer, TABLE_SCOPE, &scope.tid, values, nulls);
	}
	writer_end(purge.writer);
	return purge.deleted;
}
