/*-------------------------------------------------------------------------
 *
 * chain.c
 *	  Finding the scopes of a context among what is cached.
 *
 * The rule: nothing is loaded here.  Entries are combined only if there is a
 * moment that all of them agree with; see cache.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/absence.h"
#include "cache/chain.h"
#include "cache/fact.h"
#include "cache/store.h"
#include "table/generation.h"

const CachedScope chain_no_settings;

/*
 * Return the keys of the scopes of a chain.  The only scope of a level needs
 * none, because all messages that are about it are about all scopes.
 */
void
chain_make_keys(const ScopeChain *chain, ScopeKey *keys)
{
	for (int i = 0; i < chain->length; i++)
	{
		if (level_is_single(chain->names[i].level))
			memset(&keys[i], 0, sizeof(ScopeKey));
		else
			keys[i] = scopekey_make(&chain->names[i]);
	}
}

/*
 * Find a chain among what is cached.  Returns false if that is not enough.
 * Sets *exists to whether all of its scopes exist.
 */
bool
chain_find_cached(ScopeChain *chain, const ScopeKey *keys, bool values_only,
				  bool *exists)
{
	int			instance = chain->length - 2;
	uint64		first_moment = 0;
	uint64		last_moment = PG_UINT64_MAX;

	*exists = true;
	for (int i = chain->length - 1; i >= 0; i--)
	{
		CachedScope *scope;

		chain->scopes[i] = &chain_no_settings;
		if (values_only && i < instance &&
			absence_is_certain(&keys[instance], &keys[i]))
			continue;
		scope = store_find(keys[i].delivered, &chain->names[i]);
		if (scope != NULL && scope->generation == generation_of_scopes)
		{
			chain->scopes[i] = scope;
			first_moment = Max(first_moment, scope->first_moment);
			last_moment = Min(last_moment, scope->last_moment);
			continue;
		}
		switch (fact_find(&keys[i]))
		{
			case FACT_NO_SETTINGS:
				if (!values_only)
					return false;
				break;
			case FACT_ABSENT:
				*exists = false;
				return true;
			default:
				return false;
		}
	}
	return first_moment <= last_moment;
}
