/*-------------------------------------------------------------------------
 *
 * share.h
 *	  Shares of roll-outs: which scopes belong to them.
 *
 * A share is a number of hundredths of a per cent, from 0 to WHOLE_SHARE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SHARE_H
#define INSTANCE_FEATURES_SHARE_H

#include "fmgr.h"
#include "utils/numeric.h"

#include "base/compat.h"

#define WHOLE_SHARE 10000

/* The share of a setting that is no roll-out: it holds for all below. */
#define NO_SHARE (-1)

extern bool share_parse(Numeric percentage, int *share);
pg_noreturn extern void share_report_bad_percentage(void);
extern int	share_from_percentage(Numeric percentage);
extern Datum share_make_percentage(int share);
extern int	share_position(const char *key, int key_length,
						   const char *id, int id_length);
extern bool share_includes(int share, const char *key,
						   const char *id, int id_length);

#endif							/* INSTANCE_FEATURES_SHARE_H */
