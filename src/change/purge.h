/*-------------------------------------------------------------------------
 *
 * purge.h
 *	  Deleting the events of a scope that nothing depends on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_PURGE_H
#define INSTANCE_FEATURES_PURGE_H

#include "model/tables.h"

extern int64 purge_scope(const ScopeName *name, TimestampTz before);

#endif							/* INSTANCE_FEATURES_PURGE_H */
