/*-------------------------------------------------------------------------
 *
 * states.c
 *	  The states of all features of a scope.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "change/states.h"

/*
 * Hand the features of a scope to "callback", ordered by key: those that it
 * sets or, with inheritance, all but the removed ones with their effective
 * values.  Raises no_data_found for an instance that sets none and is read
 * without.
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
