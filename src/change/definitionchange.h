/*-------------------------------------------------------------------------
 *
 * definitionchange.h
 *	  Defining, altering and dropping features.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITIONCHANGE_H
#define INSTANCE_FEATURES_DEFINITIONCHANGE_H

#include "change/permission.h"
#include "table/locks.h"

/* A change of an existing definition. */
typedef struct DefinitionChange
{
	char	   *key;
	FeaturePermission permission;
	LockWaitPolicy wait_policy; /* for rows; set by definitionchange.c */

	/* New values; NULL if not altered. */
	Jsonb	   *default_value;
	Jsonb	   *allowed_values; /* JSON null removes the restriction */
	LevelSet	levels;			/* empty if not altered */
	char	   *description;
	char	   *stage;

	bool		excludes_writers;	/* set by definitionchange.c */
	bool		cascade;		/* for drop_feature() */
} DefinitionChange;

extern void definition_create(const FeatureRow *row);
extern void definition_alter(DefinitionChange *change);
extern void definition_drop(DefinitionChange *change);

#endif							/* INSTANCE_FEATURES_DEFINITIONCHANGE_H */
