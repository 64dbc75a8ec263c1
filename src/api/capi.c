/*-------------------------------------------------------------------------
 *
 * api.c
 *	  The functions that other extensions call.
 *
 * include/instance_features.h says what they promise.  A handle is, in
 * TopMemoryContext, what the header shows of it and behind that a
 * FeatureLookup, which has the question.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "../include/instance_features.h"
#include "api/capi.h"
#include "change/argument.h"
#include "change/lookup.h"

typedef struct ResolvedFeature
{
	InstanceFeature shown;
	FeatureLookup answer;
} ResolvedFeature;

/*
 * Check what an extension asks for, which is code and not to be trusted with
 * lengths.  Returns the instance, the current one if instance_id is NULL.
 */
static ScopeName
check_question(const char *key, const char *instance_id)
{
	ScopeName	instance;

	if (key == NULL)
		report_null_argument("feature");
	if (instance_id == NULL)
		instance_id = argument_instance_setting;
	instance = scopename_instance(instance_id, strlen(instance_id));
	argument_check_scope_id(instance.id, instance.len);
	return instance;
}

static bool
api_enabled(const char *key, const char *instance_id, bool missing_ok)
{
	ScopeName	instance = check_question(key, instance_id);

	return lookup_enabled(key, strlen(key), &instance, missing_ok);
}

static InstanceFeature *
api_resolve(const char *key, const char *instance_id, bool missing_ok)
{
	ScopeName	instance = check_question(key, instance_id);
	int			key_length = strlen(key);
	ResolvedFeature *feature;

	if (key_length > MAX_KEY_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key of a feature is too long: \"%s\"",
						error_clip_name(key, key_length)),
				 errdetail("It has %d bytes, and at most %d are allowed.",
						   key_length, MAX_KEY_LENGTH)));

	feature = MemoryContextAlloc(TopMemoryContext, sizeof(ResolvedFeature));
	feature->shown.generation = 0;
	feature->shown.current_generation = &generation_of_answers;
	feature->shown.enabled = false;
	lookup_init(&feature->answer, key, key_length, instance.id,
				instance_id ? instance.len : -1, missing_ok);
	return &feature->shown;
}

static bool
api_is_enabled(InstanceFeature *shown)
{
	ResolvedFeature *feature = (ResolvedFeature *) shown;

	if (!lookup_is_current(&feature->answer))
		(void) lookup_refresh(&feature->answer);
	shown->generation = feature->answer.generation;
	shown->enabled = feature->answer.enabled;
	return shown->enabled;
}

static void
api_release(InstanceFeature *feature)
{
	pfree(feature);
}

static const InstanceFeaturesApi api =
{
	.version = INSTANCE_FEATURES_API_VERSION,
	.enabled = api_enabled,
	.resolve = api_resolve,
	.is_enabled = api_is_enabled,
	.release = api_release,
	.register_change_callback = generation_register_callback,
	.unregister_change_callback = generation_unregister_callback
};

/*
 * Called once, when the library is loaded.
 */
void
capi_init(void)
{
	void	  **variable;

	variable = find_rendezvous_variable(INSTANCE_FEATURES_RENDEZVOUS);
	*variable = unconstify(InstanceFeaturesApi *, &api);
}
