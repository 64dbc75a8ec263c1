/*-------------------------------------------------------------------------
 *
 * definitionrules.h
 *	  Checks of definitions of features.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DEFINITIONRULES_H
#define INSTANCE_FEATURES_DEFINITIONRULES_H

#include "base/compat.h"
#include "cache/definitionset.h"
#include "model/tables.h"

/* In which ways a definition is narrower than another one. */
typedef struct DefinitionNarrowing
{
	bool		any;			/* settings may become invalid */
	bool		values;			/* some values are no longer allowed */
	LevelSet	levels;			/* where it may no longer be set */
	bool		removes;		/* the stage becomes "removed" */
} DefinitionNarrowing;

typedef bool (*ScopeFilter) (const ScopeName *name, void *arg);

extern void definition_check_limits(const char *key,
									const Jsonb *default_value,
									const Jsonb *allowed_values);
extern void definition_check_values(const FeatureRow *row);
extern DefinitionNarrowing definition_narrowing(const FeatureRow *old,
												const FeatureRow *new);
extern void definition_check_settings(const FeatureRow *row,
									  const DefinitionNarrowing *narrowing,
									  ScopeFilter is_exempt, void *arg);
pg_noreturn extern void definition_report_builtin(const char *key);
pg_noreturn extern void definition_report_name_in_use(const char *name,
													  const char *key,
													  const char *what);
extern void definition_check_names(const FeatureRow *row);
extern void definition_complete(FeatureRow *row);

#endif							/* INSTANCE_FEATURES_DEFINITIONRULES_H */
