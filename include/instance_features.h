/*-------------------------------------------------------------------------
 *
 * instance_features.h
 *	  The C API of instance_features for other extensions.
 *
 * Include this header; there is nothing to link against.  The functions are
 * found at run time, regardless of the order in which the two libraries are
 * loaded:
 *
 *		static InstanceFeature *gate;
 *
 *		const InstanceFeaturesApi *api = instance_features_api(true);
 *
 *		if (api == NULL)
 *			...				the extension is not installed in this database
 *		if (gate == NULL)
 *			gate = api->resolve("login_default_org", "default", NULL, NULL, true);
 *		if (instance_feature_is_enabled(api, gate))
 *			...
 *
 * Results are never older than the call: at every isolation level, they
 * include all committed changes and those made by the current transaction, and
 * on a standby all replayed changes.  In an output plugin of logical decoding,
 * results are as of the decoded position, like all catalog lookups there.
 *
 * The context of a lookup is an instance, an organization and a user.  Each is
 * the one whose id is passed; else, if no id above it is passed, the current
 * one, which the settings instance_features.instance_id, organization_id and
 * user_id name; else none.  Organizations and users always exist.  If a result
 * enforces something, pass the id of the instance, because any user can set the
 * current one.
 *
 * Transactions: call these functions in a transaction, in a backend that is
 * connected to a database; parallel workers and standbys are supported.
 * register_change_callback() and unregister_change_callback() may be called
 * anywhere, including _PG_init().
 *
 * Errors are raised with ereport(ERROR):
 *		undefined_object (42704)		no feature has this key, or the
 *										extension is not installed in the
 *										database
 *		no_data_found (P0002)			the instance does not exist
 *		invalid_parameter_value (22023)	the key is NULL (or, in resolve(), too
 *										long), an id is empty or longer than
 *										200 bytes, or the feature is not boolean
 * If missing_ok is true, the functions return false instead of raising the
 * first two.
 *
 * Memory: no memory is left allocated in the caller's memory context.
 *
 * After DROP EXTENSION, the library stays loaded and the functions can still
 * be called.  They treat the extension as not installed until it is created
 * again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_H
#define INSTANCE_FEATURES_H

#include "postgres.h"

#include "commands/extension.h"
#include "fmgr.h"
#include "utils/inval.h"

/*
 * The version of the API.  Later versions only add functions at the end of
 * InstanceFeaturesApi, so a library works with modules that were built with its
 * version or an earlier one.  Version 1 was a development version, which
 * is found by another variable.
 */
#define INSTANCE_FEATURES_API_VERSION 2

/* The rendezvous variable that points to the InstanceFeaturesApi. */
#define INSTANCE_FEATURES_RENDEZVOUS "instance_features_api"

/*
 * A handle for repeated lookups of a feature in a context.  This is the
 * beginning of the struct that resolve() allocates, and only
 * instance_feature_is_enabled() may access it.
 */
typedef struct InstanceFeature
{
	uint64		generation;		/* at which "enabled" is valid */
	const uint64 *current_generation;
	bool		enabled;
} InstanceFeature;

/*
 * Called when a previously returned answer may have become stale: the features
 * of this database or the current scopes may have changed, or invalidation
 * messages may have been lost.  It runs while PostgreSQL processes
 * invalidation messages or SET, possibly outside a transaction: it must not
 * raise errors, read tables or call this API, and should only set a flag.
 */
typedef void (*InstanceFeaturesChangeCallback) (void *arg);

typedef struct InstanceFeaturesApi
{
	/* INSTANCE_FEATURES_API_VERSION of the library. */
	int			version;

	/*
	 * Return the effective value of the boolean feature "key" in a context.
	 * All are C strings in the database's encoding; ids may be NULL.
	 */
	bool		(*enabled) (const char *key, const char *instance_id,
							const char *organization_id, const char *user_id,
							bool missing_ok);

	/*
	 * Return a handle for repeating the same lookup in loops and triggers.
	 * Where an id is NULL, each lookup uses the scope that is current then,
	 * by the same rule. The feature, the instance and the extension need not
	 * exist yet. The handle is valid until it is released or the session
	 * ends, even if the transaction is rolled back.
	 */
	InstanceFeature *(*resolve) (const char *key, const char *instance_id,
								 const char *organization_id,
								 const char *user_id, bool missing_ok);

	/* Refresh a handle.  Call instance_feature_is_enabled() instead. */
	bool		(*is_enabled) (InstanceFeature *feature);

	/* Free a handle. */
	void		(*release) (InstanceFeature *feature);

	/* Register or unregister a callback to be called with "arg". */
	void		(*register_change_callback) (InstanceFeaturesChangeCallback callback,
											 void *arg);
	void		(*unregister_change_callback) (InstanceFeaturesChangeCallback callback,
											   void *arg);
} InstanceFeaturesApi;

/*
 * Return the API, loading the library if it is not loaded yet.  If it is not
 * loaded and the extension is not installed in the current database, returns
 * NULL if missing_ok is true, else raises undefined_object (42704).  Raises
 * object_not_in_prerequisite_state (55000) if the library is older than this
 * header.  Must be called in a transaction.
 */
static inline const InstanceFeaturesApi *
instance_features_api(bool missing_ok)
{
	static void **api = NULL;

	if (api == NULL)
		api = find_rendezvous_variable(INSTANCE_FEATURES_RENDEZVOUS);
	if (*api == NULL &&
		OidIsValid(get_extension_oid("instance_features", missing_ok)))
		(void) load_external_function("$libdir/instance_features",
									  "feature_enabled", true, NULL);
	if (*api == NULL ? OidIsValid(get_extension_oid("instance_features", true)) :
		*(const int *) *api < INSTANCE_FEATURES_API_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of the API of extension \"%s\" is too old",
						*api == NULL ? 1 : *(const int *) *api,
						"instance_features"),
				 errdetail("The calling module was built with version %d.",
						   INSTANCE_FEATURES_API_VERSION),
				 errhint("Install a newer version of the library.")));
	return (const InstanceFeaturesApi *) *api;
}

/*
 * Return the result of a handle's lookup.  This takes a few nanoseconds while
 * nothing changes.  Raises the errors above.
 */
static inline bool
instance_feature_is_enabled(const InstanceFeaturesApi *api,
							InstanceFeature *feature)
{
	/* Changes committed by other sessions advance the generation here. */
	AcceptInvalidationMessages();
	if (likely(feature->generation == *feature->current_generation))
		return feature->enabled;
	return api->is_enabled(feature);
}

#endif							/* INSTANCE_FEATURES_H */
