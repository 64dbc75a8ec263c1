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

#include "base/jsonbuild.h"
#include "change/argument.h"
#include "change/lookup.h"

/*
 * Return the effective value of a boolean feature on an instance.  Raises
 * undefined_object and no_data_found, or returns false instead if missing_ok
 * is true.  Raises invalid_parameter_value if the feature is not boolean.
 */
bool
lookup_enabled(const char *key, int key_length, const ScopeName *instance,
			   bool missing_ok)
{
	ScopeChain	chain = argument_chain(instance);
	int			feature;
	FeatureState state;
	JsonbValue	value;

	if (missing_ok && !tables_extension_is_installed())
		return false;
	if (!cache_find(&chain))
	{
		if (missing_ok)
			return false;
		report_scope_not_found(instance);
	}

	feature = definition_find(key, key_length);
	if (feature < 0 && missing_ok)
		return false;
	argument_require_feature(feature, key, key_length);
	effective_state(&chain, feature, &state);
	json_root_value(state.value, &value);
	if (state.definition->type != value_type("boolean") ||
		value.type != jbvBool)
		report_type_mismatch(state.definition->key,
							 state.definition->type->name, "boolean");

	return value.val.boolean;
}

/*
 * Initialize a lookup without a result.  An id_length of -1 stands for the
 * instance that is current at the time of lookup_refresh().  The caller has
 * checked the lengths.
 */
void
lookup_init(FeatureLookup *lookup, const char *key, int key_length,
			const char *id, int id_length, bool missing_ok)
{
	Assert(key_length <= MAX_KEY_LENGTH && id_length <= MAX_SCOPE_ID_LENGTH);

	lookup->generation = 0;
	lookup->missing_ok = missing_ok;
	lookup->key_length = key_length;
	memcpy(lookup->key, key, key_length);
	lookup->id_length = id_length;
	if (id_length > 0)
		memcpy(lookup->id, id, id_length);
}

/*
 * Repeat a lookup and memoize the result.  Raises the errors of
 * lookup_enabled(), and invalid_parameter_value if the current instance is not
 * a valid id.
 */
bool
lookup_refresh(FeatureLookup *lookup)
{
	uint64		generation = generation_of_answers;
	ScopeName	instance;

	if (lookup->id_length < 0)
	{
		const char *id = argument_current_ids[LEVEL_INSTANCE];

		instance = scopename_instance(id, strlen(id));
		argument_check_scope_id(&instance);
	}
	else
		instance = scopename_instance(lookup->id, lookup->id_length);

	lookup->generation = 0;
	lookup->enabled = lookup_enabled(lookup->key, lookup->key_length, &instance,
									 lookup->missing_ok);
	if (cache_remembers() || !tables_extension_is_installed())
		lookup->generation = generation;
	return lookup->enabled;
}
