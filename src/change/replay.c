/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  Reconstructing the settings of a scope from its events.
 *
 * The rule: the events up to some time determine the settings at that time.
 * This is preserved by a purge for all times since its own.  The column
 * purged_to of table scope is the event before which there may be gaps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/replay.h"
#include "table/tableread.h"

/*
 * Return the position of a feature's setting in the list, or the position at
 * which to insert it.
 */
static int
find_replayed_setting(const Replay *replay, const char *feature, bool *found)
{
	int			low = 0;
	int			high = list_length(replay->settings);

	*found = false;
	while (low < high && !*found)
	{
		int			middle = (low + high) / 2;
		const SettingRow *setting = list_nth(replay->settings, middle);
		int			cmp = strcmp(feature, setting->feature);

		*found = cmp == 0;
		if (cmp <= 0)
			high = middle;
		else
			low = middle + 1;
	}

	return high;
}

static void
free_setting(SettingRow *setting)
{
	pfree(setting->feature);
	pfree(setting->value);
	pfree(setting);
}

/*
 * Apply an event to the settings.
 */
static void
replay_change(Replay *replay, const EventRow *event)
{
	bool		found;
	int			place;
	SettingRow *setting;

	if (event->feature == NULL)
	{
		ListCell   *lc;

		foreach(lc, replay->settings)
			free_setting(lfirst(lc));
		list_free(replay->settings);
		replay->settings = NIL;
		return;
	}

	place = find_replayed_setting(replay, event->feature, &found);
	if (found)
	{
		free_setting(list_nth(replay->settings, place));
		replay->settings = list_delete_nth_cell(replay->settings, place);
	}
	if (event->value == NULL)
		return;
	setting = palloc0(sizeof(SettingRow));
	setting->feature = pstrdup(event->feature);
	setting->value = json_copy(event->value);
	setting->share = event->share;
	setting->sequence = event->sequence;
	setting->change_date = event->creation_date;
	replay->settings = list_insert_nth(replay->settings, place, setting);
}

/*
 * Apply an event if it is to be replayed.  Returns false if no later event can
 * be, and the event purged_to has been seen.
 */
static bool
replay_event(const EventRow *event, void *arg)
{
	Replay	   *replay = arg;
	MemoryContext caller_cxt;

	if (event->sequence == replay->purged_to)
		replay->oldest_known_time = event->creation_date;
	if (event->sequence > replay->max_sequence ||
		event->creation_date > replay->max_date)
		return event->sequence < replay->purged_to;
	if (event->sequence >= replay->purged_to)
		replay->is_reconstructible = true;
	replay->last_sequence = event->sequence;

	caller_cxt = MemoryContextSwitchTo(replay->cxt);
	replay_change(replay, event);
	MemoryContextSwitchTo(caller_cxt);
	return true;
}

/*
 * Replay the events of a scope up to an event or a time, whichever is earlier.
 * The settings are allocated in the current memory context.
 */
Replay
replay_events(const ScopeName *name, int64 max_sequence, TimestampTz max_date)
{
	Replay		replay = {
		.max_sequence = max_sequence,
		.max_date = max_date,
		.cxt = CurrentMemoryContext
	};
	Snapshot	snapshot = scan_begin();
	ScopeRow	row;

	if (tableread_scope(snapshot, name, &row, NULL))
		replay.purged_to = row.purged_to;
	replay.is_reconstructible = replay.purged_to == 0 || max_sequence == 0;
	tableread_foreach_event(snapshot, name, replay_event, &replay);
	scan_end(snapshot);
	return replay;
}

/*
 * Return the settings of a scope as they were after an event or at a time,
 * whichever is earlier, as a list of SettingRow ordered by key.  Raises
 * no_data_found if that requires purged events.
 */
List *
replay_settings(const ScopeName *name, int64 max_sequence,
				TimestampTz max_date)
{
	Replay		replay = replay_events(name, max_sequence, max_date);

	if (!replay.is_reconstructible)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("events of %s were purged",
						scopename_describe(name)),
				 errdetail("The earliest retained state is event %lld, at %s.",
						   (long long) replay.purged_to,
						   timestamptz_to_str(replay.oldest_known_time))));
	return replay.settings;
}
