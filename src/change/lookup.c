/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  Memoized lookups of boolean features.
 *
 * The rule: a result has the generation_of_answers at which the lookup began,
 * so that an invalidation that arrives during the lookup makes it stale.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "change/argument.h"
#include "change/lookup.h"

/*
 * Return the levels below the instance on which a feature may be set, which are
 * none if the feature is not defined.
 */
static LevelSet
lower_levels(int feature)
{
	return feature < 0 ? 0 : definition_get(feature)->levels & LOWER_LEVELS;
}

/*
 * Remove the scopes below the instance from a chain, except those of "levels".
 */
static void
keep_lower_levels(ScopeChain *chain, LevelSet levels)
{
	int			length = 0;

	for (int i = 0; i < chain->length; i++)
	{
		if (level_is_in(chain->names[i].level, levels | ~LOWER_LEVELS))
			chain->names[length++] = chain->names[i];
	}
	chain->length = length;
}

/*
 * The number of a feature, or -1 if no feature has the key, as of a version of
 * the definitions; nothing is known if that is 0.
 */
typedef struct KnownFeature
{
	int			number;
	uint64		version;
} KnownFeature;

/*
 * Make the number that of the present definitions.
 */
static inline void
renew(KnownFeature *feature, const char *key, int key_length)
{
	if (likely(feature->version != 0 &&
			   feature->version == definitions_version()))
		return;
	feature->number = definition_find(key, key_length);
	feature->version = definitions_version();
}

/*
 * Do what lookup_find() does, given what was known of the feature.
 */
static void
find(const NamedIds *named, const char *key, int key_length,
	 KnownFeature *feature, ScopeChain *chain)
{
	ScopeChain	context = context_chain(named, CONTEXT_LEVEL);
	LevelSet	levels;

	/* Which scopes matter is known only when the definitions are current. */
	renew(feature, key, key_length);
	do
	{
		levels = lower_levels(feature->number);
		*chain = context;
		keep_lower_levels(chain, levels);
		if (!cache_find_values(chain))
			chain->length = 0;
		renew(feature, key, key_length);
	} while ((lower_levels(feature->number) & ~levels) != 0);
}

/*
 * Find a feature, and those scopes of a context that its value may depend on.
 * Returns its number, or -1 if no feature has this key.  Sets chain->length to
 * 0 if the instance does not exist.
 */
int
lookup_find(const NamedIds *named, const char *key, int key_length,
			ScopeChain *chain)
{
	KnownFeature feature = {0};

	find(named, key, key_length, &feature, chain);
	return feature.number;
}

/*
 * Get a boolean out of a value, without the functions that take a value apart,
 * which would allocate memory.  Returns false if it is not a boolean.
 */
static inline bool
get_boolean(const Jsonb *value, bool *result)
{
	if (value->root.header != (JB_FARRAY | JB_FSCALAR | 1) ||
		!JBE_ISBOOL(value->root.children[0]))
		return false;
	*result = JBE_ISBOOL_TRUE(value->root.children[0]);
	return true;
}

/*
 * Do what lookup_enabled() does, given what was known of the feature.  Sets
 * *levels to those of whose scopes the value depends, which are none if
 * something is missing.
 */
static LookupResult
find_enabled(const char *key, int key_length, const NamedIds *named,
			 MissingPolicy missing, KnownFeature *feature, LevelSet *levels)
{
	ScopeChain	chain;
	FeatureState state;
	bool		value;

	*levels = 0;
	if (missing == MISSING_ANYTHING && !tables_extension_is_installed())
		return LOOKUP_MISSING;
	find(named, key, key_length, feature, &chain);
	if (chain.length == 0)
	{
		if (missing == MISSING_ANYTHING)
			return LOOKUP_MISSING;
		chain = context_chain(named, LEVEL_INSTANCE);
		report_scope_not_found(&chain.names[0]);
	}
	if (feature->number < 0 && missing != MISSING_NOTHING)
		return LOOKUP_MISSING;
	argument_require_feature(feature->number, key, key_length);
	*levels = effective_levels(&chain, feature->number);
	effective_state(&chain, feature->number, &state);
	if (!get_boolean(state.value, &value) ||
		state.definition->type != value_type("boolean"))
		report_type_mismatch(state.definition->key,
							 state.definition->type->name, "boolean");

	return value ? LOOKUP_TRUE : LOOKUP_FALSE;
}

/*
 * Return the effective value of a boolean feature in a context.  Raises
 * undefined_object and no_data_found, unless that may be missing.  Raises
 * invalid_parameter_value if the feature is not boolean.
 */
LookupResult
lookup_enabled(const char *key, int key_length, const NamedIds *named,
			   MissingPolicy missing)
{
	KnownFeature feature = {0};
	LevelSet	levels;

	return find_enabled(key, key_length, named, missing, &feature, &levels);
}

/*
 * Initialize a lookup without a result.  What it does not name is what is
 * current at the time of lookup_refresh().  The caller has checked the lengths,
 * and "lookup" is zeroed or was initialized before.
 */
void
lookup_init(FeatureLookup *lookup, const char *key, int key_length,
			const NamedIds *named, MissingPolicy missing)
{
	Assert(key_length <= MAX_KEY_LENGTH);

	lookup->generation = 0;
	lookup->missing = missing;
	if (lookup->version == 0 || lookup->key_length != key_length ||
		memcmp(lookup->key, key, key_length) != 0)
	{
		lookup->version = 0;
		lookup->key_length = key_length;
		memcpy(lookup->key, key, key_length);
	}
	for (int level = 0; level < NUM_LEVELS; level++)
	{
		const NamedId *id = &named->ids[level];

		Assert(id->len <= MAX_SCOPE_ID_LENGTH);
		lookup->ids[level].length = id->id ? id->len : -1;
		if (id->id != NULL)
			memcpy(lookup->ids[level].id, id->id, id->len);
	}
}

/*
 * Repeat a lookup and memoize the result.  Raises the errors of
 * lookup_enabled(), and invalid_parameter_value if the current scopes do not
 * have valid ids.
 */
LookupResult
lookup_refresh(FeatureLookup *lookup)
{
	uint64		generation = generation_of_answers;
	NamedIds	named = {0};
	KnownFeature feature = {lookup->feature, lookup->version};
	LevelSet	levels;

	for (int level = 0; level < NUM_LEVELS; level++)
	{
		if (lookup->ids[level].length >= 0)
			named.ids[level] = (NamedId)
		{
			lookup->ids[level].id, lookup->ids[level].length
		};
	}

	lookup->generation = 0;
	lookup->result = find_enabled(lookup->key, lookup->key_length, &named,
								  lookup->missing, &feature, &levels);
	lookup->feature = feature.number;
	lookup->version = feature.version;
	lookup->has_lower_levels = (levels & LOWER_LEVELS) != 0;
	if (cache_remembers() || !tables_extension_is_installed())
		lookup->generation = generation;
	return lookup->result;
}
