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
 * Check the arguments that an extension passes, and return the context that
 * they name.
 */
static NamedIds
check_arguments(const char *key, const char *instance_id,
				const char *organization_id, const char *user_id)
{
	NamedIds	named = {0};

	if (key == NULL)
		report_null_argument("feature");
	named.ids[LEVEL_INSTANCE].id = instance_id;
	named.ids[LEVEL_ORGANIZATION].id = organization_id;
	named.ids[LEVEL_USER].id = user_id;
	for (int level = LEVEL_INSTANCE; level <= CONTEXT_LEVEL; level++)
	{
		NamedId    *id = &named.ids[level];

		if (id->id == NULL)
			continue;
		id->len = strlen(id->id);
		context_check_id(level, id->id, id->len);
	}
	return named;
}

static bool
api_enabled(const char *key, const char *instance_id,
			const char *organization_id, const char *user_id, bool missing_ok)
{
	NamedIds	named = check_arguments(key, instance_id, organization_id,
										user_id);

	return lookup_enabled(key, strlen(key), &named,
						  missing_ok ? MISSING_ANYTHING : MISSING_NOTHING) ==
		LOOKUP_TRUE;
}

static InstanceFeature *
api_resolve(const char *key, const char *instance_id,
			const char *organization_id, const char *user_id, bool missing_ok)
{
	NamedIds	named = check_arguments(key, instance_id, organization_id,
										user_id);
	int			key_length = strlen(key);
	ResolvedFeature *feature;

	if (key_length > MAX_KEY_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key of a feature is too long: \"%s\"",
						error_clip_name(key, key_length)),
				 errdetail("It has %d bytes, and at most %d are allowed.",
						   key_length, MAX_KEY_LENGTH)));

	feature = MemoryContextAllocZero(TopMemoryContext,
									 sizeof(ResolvedFeature));
	feature->shown.generation = 0;
	feature->shown.current_generation = &generation_of_answers;
	feature->shown.enabled = false;
	lookup_init(&feature->lookup, key, key_length, &named,
				missing_ok ? MISSING_ANYTHING : MISSING_NOTHING);
	return &feature->shown;
}

static bool
api_is_enabled(InstanceFeature *shown)
{
	ResolvedFeature *feature = (ResolvedFeature *) shown;

	if (!lookup_is_current(&feature->lookup))
		(void) lookup_refresh(&feature->lookup);
	shown->generation = feature->lookup.generation;
	shown->enabled = feature->lookup.result == LOOKUP_TRUE;
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
