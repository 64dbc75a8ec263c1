/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  Whether a feature is enabled, remembered for as long as it holds.
 *
 * The rule: an answer is of the generation_of_answers at which the search for
 * it began, so that it does not outlive an invalidation that arrives
 * meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/jsonbuild.h"
#include "change/argument.h"
#include "change/lookup.h"

/*
 * The effective value of a boolean feature on an instance.  Raises
 * undefined_object, no_data_found or invalid_parameter_value; the first two
 * are false with missing_ok.
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
 * Put a question, to which there is no answer yet.  An id_length of -1 stands
 * for what is the current instance when the answer is sought.
 */
void
lookup_init(FeatureLookup *answer, const char *key, int key_length,
			const char *id, int id_length, bool missing_ok)
{
	Assert(key_length <= MAX_KEY_LENGTH && id_length <= MAX_SCOPE_ID_LENGTH);

	answer->generation = 0;
	answer->missing_ok = missing_ok;
	answer->key_length = key_length;
	memcpy(answer->key, key, key_length);
	answer->id_length = id_length;
	if (id_length > 0)
		memcpy(answer->id, id, id_length);
}

/*
 * Find the answer to a question that was put before, as lookup_enabled().
 */
bool
lookup_refresh(FeatureLookup *answer)
{
	uint64		generation = generation_of_answers;
	ScopeName	instance;

	if (answer->id_length < 0)
	{
		instance = scopename_instance(argument_instance_setting,
									  strlen(argument_instance_setting));
		argument_check_scope_id(instance.id, instance.len);
	}
	else
		instance = scopename_instance(answer->id, answer->id_length);

	answer->generation = 0;
	answer->enabled = lookup_enabled(answer->key, answer->key_length, &instance,
									 answer->missing_ok);
	if (cache_remembers() || !tables_extension_is_installed())
		answer->generation = generation;
	return answer->enabled;
}
