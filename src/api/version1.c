/*-------------------------------------------------------------------------
 *
 * version1.c
 *	  Functions of development version 1 that have other names now.
 *
 * The rule: version 1 cannot be updated, and with its tables, every function
 * of this library raises an error with a hint.  The functions below raise the
 * same error, instead of PostgreSQL reporting a missing symbol.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"

#include "api/capi.h"
#include "base/compat.h"
#include "model/tables.h"
#include "table/generation.h"

PG_FUNCTION_INFO_V1(create_feature_instance);
PG_FUNCTION_INFO_V1(drop_feature_instance);
PG_FUNCTION_INFO_V1(instance_features_invalidate);

/* The C API of version 1.  No handle exists for the functions left out. */
typedef struct Version1Api
{
	int			version;
	bool		(*enabled) (const char *key, const char *instance_id,
							bool missing_ok);
	void	   *(*resolve) (const char *key, const char *instance_id,
							bool missing_ok);
	void	   *is_enabled;
	void	   *release;
	void		(*register_change_callback) (CacheCallback callback,
											 void *arg);
	void		(*unregister_change_callback) (CacheCallback callback,
											   void *arg);
} Version1Api;

/*
 * Raise object_not_in_prerequisite_state if the tables are those of version 1.
 * Otherwise, the SQL function "name" is not ours: raise undefined_function.
 */
static void
report_version1(const char *name)
{
	table_close(tables_open(TABLE_SCOPE, AccessShareLock), AccessShareLock);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("function \"%s\" belongs to version 1 of extension \"%s\"",
					name, EXTENSION_NAME)));
}

Datum
create_feature_instance(PG_FUNCTION_ARGS)
{
	report_version1("create_feature_instance");
	PG_RETURN_NULL();
}

Datum
drop_feature_instance(PG_FUNCTION_ARGS)
{
	report_version1("drop_feature_instance");
	PG_RETURN_NULL();
}

Datum
instance_features_invalidate(PG_FUNCTION_ARGS)
{
	report_version1("instance_features_invalidate");
	PG_RETURN_NULL();
}

pg_noreturn static void
report_version1_api(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the calling module was built with version 1 of the API of extension \"%s\"",
					EXTENSION_NAME),
			 errhint("Build the module with instance_features.h of version %s.",
					 INSTANCE_FEATURES_VERSION)));
}

static bool
version1_enabled(const char *key, const char *instance_id, bool missing_ok)
{
	report_version1_api();
}

static void *
version1_resolve(const char *key, const char *instance_id, bool missing_ok)
{
	report_version1_api();
}

static const Version1Api version1_api = {
	.version = 1,
	.enabled = version1_enabled,
	.resolve = version1_resolve,
	.register_change_callback = generation_register_callback,
	.unregister_change_callback = generation_unregister_callback
};

/*
 * Publish that API.  Called once, when the library is loaded.
 */
void
version1_init(void)
{
	void	  **variable = find_rendezvous_variable("instance_features");

	*variable = unconstify(Version1Api *, &version1_api);
}
