/*-------------------------------------------------------------------------
 *
 * instance_features.h
 *	  What other extensions may ask of instance_features.
 *
 * Include this header; there is nothing to link against.  The functions are
 * found at run time, in whatever order the two libraries are loaded:
 *
 *		static InstanceFeature *gate;
 *
 *		const InstanceFeaturesApi *api = instance_features_api(true);
 *
 *		if (api == NULL)
 *			...				not installed in this database
 *		if (gate == NULL)
 *			gate = api->resolve("login_default_org", "default", true);
 *		if (instance_feature_is_enabled(api, gate))
 *			...
 *
 * An answer is never older than the call: it includes what other sessions have
 * committed by then and what the current transaction has done, at every
 * isolation level, and on a standby what has been replayed.  In an output
 * plugin of logical decoding, answers are as of the decoded position, as are
 * all look-ups of catalogs there.
 *
 * Name the instance where an answer enforces something: callers choose the
 * current one, which is what an instance_id of NULL means.
 *
 * Transactions: call these functions inside of a transaction, in a backend
 * that is connected to a database; parallel workers and standbys are fine.
 * register_change_callback() and unregister_change_callback() may be called
 * anywhere, also in _PG_init().
 *
 * Errors are raised with ereport(ERROR):
 *		undefined_object (42704)		no feature has that key, or the
 *										extension is not installed in the
 *										database
 *		no_data_found (P0002)			there is no such instance
 *		invalid_parameter_value (22023)	the key or the id is NULL, empty or too
 *										long, or the feature is not boolean
 * The first two are answered with false, and without an error, where
 * missing_ok is true.
 *
 * Memory: nothing is allocated in the caller's memory context.
 *
 * DROP EXTENSION leaves the library loaded and the functions callable; they
 * then find the extension missing, and find it again once it is created anew.
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
 * Later versions only add functions to the end of InstanceFeaturesApi: check
 * that the version is at least the one that has what you call.
 */
#define INSTANCE_FEATURES_API_VERSION 1

/* The rendezvous variable that points to the InstanceFeaturesApi. */
#define INSTANCE_FEATURES_RENDEZVOUS "instance_features"

/*
 * A feature of an instance, resolved once and asked about often.  This is the
 * beginning of what resolve() allocates; it is for
 * instance_feature_is_enabled() alone.
 */
typedef struct InstanceFeature
{
	uint64		generation;		/* when "enabled" was found */
	const uint64 *current_generation;	/* it holds while this is the same */
	bool		enabled;
} InstanceFeature;

/*
 * Called when a previously returned answer may have become stale: the features
 * of this database or the current instance may have changed, or invalidation
 * messages may have been lost.  It runs while PostgreSQL handles invalidation
 * messages or a SET, at any time, also outside of a transaction: it must not
 * raise an error, read a table or call this API, but should only take a note.
 */
typedef void (*InstanceFeaturesChangeCallback) (void *arg);

typedef struct InstanceFeaturesApi
{
	/* INSTANCE_FEATURES_API_VERSION of the library. */
	int			version;

	/*
	 * The effective value of the boolean feature "key" on an instance, on the
	 * current one (setting instance_features.instance_id) if instance_id is
	 * NULL.  Both are C strings in the database's encoding.
	 */
	bool		(*enabled) (const char *key, const char *instance_id,
							bool missing_ok);

	/*
	 * A handle for the same question, for loops and triggers where it is
	 * asked again and again.  If instance_id is NULL, it is about the
	 * instance that is current when it is asked.  Neither the feature nor the
	 * instance nor the extension needs to exist yet.  The handle lasts until
	 * it is released or the session ends, whatever becomes of the
	 * transaction.
	 */
	InstanceFeature *(*resolve) (const char *key, const char *instance_id,
								 bool missing_ok);

	/* The answer to it, found anew: see instance_feature_is_enabled(). */
	bool		(*is_enabled) (InstanceFeature *feature);

	/* Free a handle. */
	void		(*release) (InstanceFeature *feature);

	/* Have "callback" called with "arg" on changes, or no longer. */
	void		(*register_change_callback) (InstanceFeaturesChangeCallback callback,
											 void *arg);
	void		(*unregister_change_callback) (InstanceFeaturesChangeCallback callback,
											   void *arg);
} InstanceFeaturesApi;

/*
 * The functions, loading the library if it is not loaded yet.  If the
 * extension is not installed in the current database: NULL if missing_ok is
 * true, else undefined_object (42704) is raised.  Must be called inside of a
 * transaction.
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
	return (const InstanceFeaturesApi *) *api;
}

/*
 * The answer to the question of a handle: a few nanoseconds while nothing
 * changes.  Raises the errors above.
 */
static inline bool
instance_feature_is_enabled(const InstanceFeaturesApi *api,
							InstanceFeature *feature)
{
	/* What others have committed advances the generation here. */
	AcceptInvalidationMessages();
	if (likely(feature->generation == *feature->current_generation))
		return feature->enabled;
	return api->is_enabled(feature);
}

#endif							/* INSTANCE_FEATURES_H */
