/*-------------------------------------------------------------------------
 *
 * replay.h
 *	  Reconstructing the settings of a scope from its events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_REPLAY_H
#define INSTANCE_FEATURES_REPLAY_H

#include "model/tables.h"

/* The settings of a scope according to its events up to a point. */
typedef struct Replay
{
	int64		max_sequence;	/* replay events up to this one, */
	TimestampTz max_date;		/* and up to this time */
	int64		purged_to;		/* events before this one may be missing */
	TimestampTz oldest_known_time;	/* time of event purged_to */
	bool		is_reconstructible; /* no purged events are needed */
	int64		last_sequence;	/* last replayed event, 0 if none */
	List	   *settings;		/* SettingRow, ordered by key */
	MemoryContext cxt;			/* holds the settings */
} Replay;

extern Replay replay_events(const ScopeName *name, int64 max_sequence,
							TimestampTz max_date);
extern List *replay_settings(const ScopeName *name, int64 max_sequence,
							 TimestampTz max_date);

#endif							/* INSTANCE_FEATURES_REPLAY_H */
