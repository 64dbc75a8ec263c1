/*-------------------------------------------------------------------------
 *
 * notify.h
 *	  Notifications of committed changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_NOTIFY_H
#define INSTANCE_FEATURES_NOTIFY_H

#include "datatype/timestamp.h"

#include "base/scopename.h"

/* The setting instance_features.notify.  Written by SET. */
extern bool notify_enabled;

extern void notify_init(void);
extern void notify_feature(const ScopeName *name, const char *key);
extern void notify_sequence(const ScopeName *name, int64 sequence,
							TimestampTz change_date);
extern void notify_existence(const ScopeName *name, int64 sequence,
							 TimestampTz change_date, bool erased);
extern void notify_everything(void);

#endif							/* INSTANCE_FEATURES_NOTIFY_H */
