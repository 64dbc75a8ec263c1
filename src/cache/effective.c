/*-------------------------------------------------------------------------
 *
 * effective.c
 *	  The value that a feature has on a scope.
 *
 * Inheritance is a walk: from the lowest scope of a chain up, the first one
 * that sets the feature wins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/effective.h"

/*
 * The state of a feature by a scope's own setting.  False if it has none.
 */
bool
effective_own_state(const CachedScope *scope, int feature,
					FeatureState *state)
{
	const CachedSetting *setting = scopeload_find_setting(scope, feature);

	if (setting == NULL)
		return false;

	state->definition = definition_get(feature);
	state->value = setting_value(scope, setting);
	state->source = scope->name.level;
	state->sequence = setting->sequence;
	state->change_date = setting->change_date;
	return true;
}

/*
 * The effective state of a feature on the lowest scope of a chain: by the walk,
 * else by default, as is that of a removed feature everywhere.
 */
void
effective_state(const ScopeChain *chain, int feature, FeatureState *state)
{
	const FeatureDefinition *definition = definition_get(feature);

	for (int i = 0; i < chain->length && !definition->removed; i++)
	{
		if (effective_own_state(chain->scopes[i], feature, state))
			return;
	}

	state->definition = definition;
	state->value = definition->default_value;
	state->source = SOURCE_DEFAULT;
	state->sequence = 0;
	state->change_date = 0;
}
