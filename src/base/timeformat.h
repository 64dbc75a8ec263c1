/*-------------------------------------------------------------------------
 *
 * timeformat.h
 *	  Writing timestamps as protobuf's JSON mapping does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_TIMEFORMAT_H
#define INSTANCE_FEATURES_TIMEFORMAT_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

extern bool timeformat_is_rfc3339(TimestampTz timestamp);
extern void timeformat_append_rfc3339(StringInfo buf, TimestampTz timestamp);

#endif							/* INSTANCE_FEATURES_TIMEFORMAT_H */
