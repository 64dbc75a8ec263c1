/*-------------------------------------------------------------------------
 *
 * fact.h
 *	  What is known of scopes that are not cached.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_FACT_H
#define INSTANCE_FEATURES_FACT_H

#include "cache/scopekey.h"

typedef enum Fact
{
	FACT_UNKNOWN,
	FACT_NO_SETTINGS,			/* the scope exists and sets no feature */
	FACT_ABSENT,				/* there is no such scope */
	FACT_READ					/* absence.c has read what is below it */
} Fact;

extern Fact fact_find(const ScopeKey *key);
extern void fact_remember(const ScopeKey *key, Fact fact, Size max_size,
						  MemoryContext cxt);
extern bool fact_forget(uint32 delivered);
extern int	fact_count(void);
extern Size fact_size(void);

#endif							/* INSTANCE_FEATURES_FACT_H */
