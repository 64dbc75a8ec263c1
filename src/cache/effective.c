/*-------------------------------------------------------------------------
 *
 * effective.c
 *	  Effective values of features: inheritance and defaults.
 *
 * The rule: the first scope of a chain that sets the feature, from the lowest
 * one up, determines the value.  A roll-out does so only for its share of the
 * scopes below.  A setting on a level where the feature may not be set, which
 * only direct DML can make, has no effect.
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
	state->share = setting->share;
	state->source = scope->name.level;
	state->sequence = setting->sequence;
	state->change_date = setting->change_date;
	return true;
}

/*
 * Return whether a roll-out by a scope of a level holds in a context.  It does
 * for nobody if the context has none of the scopes that it is for, and on a
 * level without roll-outs, where only direct DML can make one.
 */
static bool
rollout_holds(const NamedId *context, FeatureLevel level,
			  const FeatureState *state)
{
	const NamedId *id = &context[level_infos[level].rollout_level];

	return level_has_rollouts(level) && id->id != NULL &&
		share_includes(state->share, state->definition->key, id->id, id->len);
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
		FeatureLevel level = chain->names[i].level;

		if (level_is_in(level, definition->levels) &&
			effective_own_state(chain->scopes[i], feature, state) &&
			(state->share == NO_SHARE ||
			 rollout_holds(chain->context, level, state)))
			return;
	}

	state->definition = definition;
	state->value = definition->default_value;
	state->share = NO_SHARE;
	state->source = SOURCE_DEFAULT;
	state->sequence = 0;
	state->change_date = 0;
}

/*
 * Return the levels of whose scopes the effective value of a feature in a
 * context depends: those on which the feature may be set, and those that a
 * roll-out by a scope of the chain is for.
 */
LevelSet
effective_levels(const ScopeChain *chain, int feature)
{
	LevelSet	levels = definition_get(feature)->levels;

	for (int i = 0; i < chain->length; i++)
	{
		FeatureState state;

		if (effective_own_state(chain->scopes[i], feature, &state) &&
			state.share != NO_SHARE)
			levels |= LEVEL_BIT(level_infos[chain->names[i].level].rollout_level);
	}
	return levels;
}
