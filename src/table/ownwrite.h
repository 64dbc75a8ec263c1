/*-------------------------------------------------------------------------
 *
 * ownwrite.h
 *	  What the current transaction has written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_OWNWRITE_H
#define INSTANCE_FEATURES_OWNWRITE_H

#include "base/scopename.h"

extern void ownwrite_init(void);
extern void ownwrite_begins(void);
extern void ownwrite_scope(const ScopeName *name);
extern void ownwrite_anything(bool definitions);
extern void ownwrite_ends(void);
extern bool ownwrite_is_pending(void);

#endif							/* INSTANCE_FEATURES_OWNWRITE_H */
