/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  The settings of a scope as its events say.
 *
 * The rule: the settings at some time are what the events up to it say.  A
 * purge keeps that so for all times since its own, and says up to which event
 * there may be gaps: the column purged_to of table scope.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/replay.h"
#include "table/tableread.h"

/* Where the setting of a feature is in the list, or would have to be. */
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
 * Bring the settings to what an event makes of them.
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
	setting->sequence = event->sequence;
	setting->change_date = event->creation_date;
	replay->settings = list_insert_nth(replay->settings, place, setting);
}

/*
 * Take an event into account if it is among those to be replayed.  False if no
 * later one can be, and none is needed to tell from when on events are known.
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
 * The settings of a scope, a list of SettingRow ordered by key, as they were
 * after an event or at a time, whichever is earlier.  Raises no_data_found
 * where purged events would be needed to tell.
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
