/*-------------------------------------------------------------------------
 *
 * tables.h
 *	  Finding, verifying and opening the extension's tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_TABLES_H
#define INSTANCE_FEATURES_TABLES_H

#include "storage/lockdefs.h"

#include "model/rows.h"

/* The effect of an invalidation message on the tables. */
typedef enum TableInvalidation
{
	TABLES_UNAFFECTED,
	TABLES_CHANGED
} TableInvalidation;

extern bool tables_extension_is_installed(void);
extern bool tables_forget_absence(void);
extern TableInvalidation tables_invalidate(Oid relid);
extern void tables_resolve(void);
extern bool tables_are_usable(void);
extern bool tables_are_tracked(void);
extern bool tables_are_untracked(void);
extern Oid	tables_oid(FeatureTable table);
extern bool tables_find_by_oid(Oid relid, FeatureTable *table);
extern Relation tables_open(FeatureTable table, LOCKMODE lockmode);

#endif							/* INSTANCE_FEATURES_TABLES_H */
