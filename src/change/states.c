/*-------------------------------------------------------------------------
 *
 * states.c
 *	  Reading the states of a scope's features.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "change/states.h"

/*
 * Call "callback" for the features that a scope sets or, with inheritance, for
 * all features except removed ones, with their effective values.  The order is
 * that of keys.  The callback must not load the cache.  Without inheritance,
 * raises no_data_found for an instance that sets no features.
 */
void
states_read(const ScopeChain *chain, bool inheritance,
			StateCallback callback, void *arg)
{
	const CachedScope *scope = chain->scopes[0];
	const FeatureDefinition *definitions;
	int			ndefinitions;

	if (!inheritance && scope->nsettings == 0 &&
		!level_is_single(scope->name.level))
		report_no_settings(&scope->name);

	definitions = definitions_all(&ndefinitions);
	for (int i = 0; i < ndefinitions; i++)
	{
		FeatureState state;

		if (inheritance && definitions[i].removed)
			continue;
		if (inheritance)
			effective_state(chain, i, &state);
		else if (!effective_own_state(scope, i, &state))
			continue;
		callback(&state, arg);
	}
}
