/*-------------------------------------------------------------------------
 *
 * scopewrite.h
 *	  Writing the changes of a scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPEWRITE_H
#define INSTANCE_FEATURES_SCOPEWRITE_H

#include "table/locks.h"
#include "table/tablewriter.h"

/* The change of one setting, or of all of them. */
typedef struct FeatureChange
{
	const char *key;			/* NULL to remove all settings */
	const SettingRow *setting;	/* the current one, or NULL */
	const Jsonb *value;			/* the new value, or NULL to unset */
	int			share;			/* of a new value; see share.h */
} FeatureChange;

/*
 * The settings instance_features.actor and instance_features.reason, which
 * events record.  Written by SET.
 */
extern char *scope_actor;
extern char *scope_reason;

extern bool scope_insert_row(const ScopeName *name, const ScopeRow *row);
extern void scope_update_row(TableWriter *writer, const ScopeName *name,
							 const ScopeTuple *scope);
extern bool scope_write_changes(const ScopeName *name, ScopeTuple *scope,
								List *settings, List *changes);

#endif							/* INSTANCE_FEATURES_SCOPEWRITE_H */
