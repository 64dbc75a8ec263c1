/*-------------------------------------------------------------------------
 *
 * effective.c
 *	  Effective values of features: inheritance and defaults.
 *
 * The rule: the first scope of a chain that sets the feature, from the lowest
 * one up, determines the value.  A setting on a level where the feature may not
 * be set, which only direct DML can make, has no effect.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/effective.h"

/*
 * Get the state of a feature from a scope's own setting.  Returns false if it
 * has none.
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
 * Get the effective state of a feature on the lowest scope of a chain.  If no
 * scope sets the feature, or the feature is removed, that is the default.
 */
void
effective_state(const ScopeChain *chain, int feature, FeatureState *state)
{
	const FeatureDefinition *definition = definition_get(feature);

	for (int i = 0; i < chain->length && !definition->removed; i++)
	{
		if (level_is_in(chain->names[i].level, definition->levels) &&
			effective_own_state(chain->scopes[i], feature, state))
			return;
	}

	state->definition = definition;
	state->value = definition->default_value;
	state->source = SOURCE_DEFAULT;
	state->sequence = 0;
	state->change_date = 0;
}
