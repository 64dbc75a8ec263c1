/*-------------------------------------------------------------------------
 *
 * purge.h
 *	  Deleting old events of a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_PURGE_H
#define INSTANCE_FEATURES_PURGE_H

#include "model/tables.h"

extern int64 purge_scope(const ScopeName *name, TimestampTz before);

#endif							/* INSTANCE_FEATURES_PURGE_H */
