/*-------------------------------------------------------------------------
 *
 * capi.c
 *	  The C API for other extensions.
 *
 * The rule: include/instance_features.h is the documentation of these
 * functions, and later versions keep what it promises.  A handle is allocated
 * in TopMemoryContext.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "../include/instance_features.h"
#include "api/capi.h"
#include "change/argument.h"
#include "change/lookup.h"

/* A handle: the part that the header declares, and our lookup. */
typedef struct ResolvedFeature
{
	InstanceFeature shown;
	FeatureLookup lookup;
} ResolvedFeature;

/*
 * Check the arguments that an extension passes.  Returns the instance, which
 * is the current one if instance_id is NULL.
 */
static ScopeName
check_arguments(const char *key, const char *instance_id)
{
	ScopeName	instance;

	if (key == NULL)
		report_null_argument("feature");
	if (instance_id == NULL)
		instance_id = argument_current_ids[LEVEL_INSTANCE];
	instance = scopename_instance(instance_id, strlen(instance_id));
	argument_check_scope_id(&instance);
	return instance;
}

static bool
api_enabled(const char *key, const char *instance_id, bool missing_ok)
{
	ScopeName	instance = check_arguments(key, instance_id);

	return lookup_enabled(key, strlen(key), &instance, missing_ok);
}

static InstanceFeature *
api_resolve(const char *key, const char *instance_id, bool missing_ok)
{
	ScopeName	instance = check_arguments(key, instance_id);
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
	lookup_init(&feature->lookup, key, key_length, instance.id,
				instance_id ? instance.len : -1, missing_ok);
	return &feature->shown;
}

static bool
api_is_enabled(InstanceFeature *shown)
{
	ResolvedFeature *feature = (ResolvedFeature *) shown;

	if (!lookup_is_current(&feature->lookup))
		(void) lookup_refresh(&feature->lookup);
	shown->generation = feature->lookup.generation;
	shown->enabled = feature->lookup.enabled;
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
 * Publish the API.  Called once, when the library is loaded.
 */
void
capi_init(void)
{
	void	  **variable;

	variable = find_rendezvous_variable(INSTANCE_FEATURES_RENDEZVOUS);
	*variable = unconstify(InstanceFeaturesApi *, &api);
}
