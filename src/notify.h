/*-------------------------------------------------------------------------
 *
 * notify.h
 *	  Telling listeners of committed changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_NOTIFY_H
#define IF_NOTIFY_H

#include "store.h"

/* The setting instance_features.notify. */
extern bool notify_enabled;

extern void notify_init(void);
extern void notify_change(const ScopeName *name, int64 sequence,
						  TimestampTz change_date, List *keys);
extern void append_rfc3339(StringInfo buf, TimestampTz timestamp);

#endif							/* IF_NOTIFY_H */
