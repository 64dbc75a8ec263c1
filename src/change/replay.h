/*-------------------------------------------------------------------------
 *
 * replay.h
 *	  The settings of a scope as its events say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_REPLAY_H
#define INSTANCE_FEATURES_REPLAY_H

#include "model/tables.h"

/* The settings of a scope as the events up to some point say. */
typedef struct Replay
{
	int64		max_sequence;	/* the events up to that one, */
	TimestampTz max_date;		/* and up to that time */
	int64		purged_to;		/* events before that one may be missing */
	TimestampTz oldest_known_time;	/* the time of that one */
	bool		is_reconstructible; /* whether that one is among them */
	int64		last_sequence;	/* the last event among them, 0 if none */
	List	   *settings;		/* SettingRow, ordered by key */
	MemoryContext cxt;			/* where they are */
} Replay;

extern Replay replay_events(const ScopeName *name, int64 max_sequence,
							TimestampTz max_date);
extern List *replay_settings(const ScopeName *name, int64 max_sequence,
							 TimestampTz max_date);

#endif							/* INSTANCE_FEATURES_REPLAY_H */
