/*-------------------------------------------------------------------------
 *
 * instance_features.c
 *	  Settings, and the initialization of the library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "api/capi.h"
#include "base/compat.h"
#include "change/argument.h"
#include "change/notify.h"
#include "change/result.h"
#include "change/scopewrite.h"
#include "model/value.h"
#include "table/generation.h"
#include "table/ownwrite.h"

/*
 * The upper limit of instance_features.max_value_size, in kilobytes.  Jsonb
 * values are smaller than 256 MB.
 */
#define MAX_MAX_VALUE_SIZE (256 * 1024 - 1)

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(instance_features_version);
PG_FUNCTION_INFO_V1(set_feature_context);

extern PGDLLEXPORT void _PG_init(void);

/* Results for the current scopes become stale when those change. */
static void
assign_current_id(const char *newval, void *extra)
{
	generation_advance();
}

void
_PG_init(void)
{
	for (int level = 0; level < NUM_LEVELS; level++)
	{
		const LevelInfo *info = &level_infos[level];

		if (info->setting == NULL)
			continue;
		DefineCustomStringVariable(info->setting,
								   info->setting_description,
								   info->setting_details,
								   &context_current_ids[level],
								   info->implicit_id ? info->implicit_id : "",
								   PGC_USERSET,
								   0,
								   NULL,
								   assign_current_id,
								   NULL);
	}
	DefineCustomStringVariable("instance_features.actor",
							   "Sets the end user that events record.",
							   "Nothing verifies it.  It may have up to 200 bytes.",
							   &scope_actor,
							   "",
							   PGC_USERSET,
							   0,
							   NULL,
							   NULL,
							   NULL);
	DefineCustomStringVariable("instance_features.reason",
							   "Sets the reason for changes that events record.",
							   "It may have up to 1000 bytes.",
							   &scope_reason,
							   "",
							   PGC_USERSET,
							   0,
							   NULL,
							   NULL,
							   NULL);
	DefineCustomBoolVariable("instance_features.notify",
							 "Notifies the channel \"instance_features\" of committed changes.",
							 NULL,
							 &notify_enabled,
							 true,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
	DefineCustomIntVariable("instance_features.cache_size",
							"Sets the memory that a session uses for caching scopes.",
							"The scopes that a call needs are kept even if they are larger.",
							&cache_size,
							32 * 1024,
							64,
							MAX_KILOBYTES,
							PGC_USERSET,
							GUC_UNIT_KB,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("instance_features.max_value_size",
							"Sets the largest size of a feature's value.",
							"This applies to values that are set, to default values, and to lists of allowed values.",
							&value_max_size,
							64,
							1,
							MAX_MAX_VALUE_SIZE,
							PGC_SUSET,
							GUC_UNIT_KB,
							NULL,
							NULL,
							NULL);
	MarkGUCPrefixReserved("instance_features");

	generation_init();
	ownwrite_init();
	capi_init();
	version1_init();
	notify_init();
}

/*
 * instance_features_version()
 */
Datum
instance_features_version(PG_FUNCTION_ARGS)
{
	/* The Makefile gets the version from the control file. */
	PG_RETURN_TEXT_P(cstring_to_text(INSTANCE_FEATURES_VERSION));
}

/*
 * set_feature_context(instance_id, organization_id, user_id, is_local)
 *
 * All settings are set, so that nothing of the last context is left.
 */
Datum
set_feature_context(PG_FUNCTION_ARGS)
{
	NamedIds	named;
	bool		is_local;

	result_check_argument_count(fcinfo, 4);
	if (PG_ARGISNULL(0))
		report_null_argument("instance_id");
	is_local = argument_boolean(fcinfo, 3, "is_local");
	named = argument_context(fcinfo, 0);
	context_check_ids(&named);

	for (int level = LEVEL_INSTANCE; level <= CONTEXT_LEVEL; level++)
	{
		const NamedId *id = &named.ids[level];

		(void) set_config_option(level_infos[level].setting,
								 id->id ? pnstrdup(id->id, id->len) : "",
								 PGC_USERSET, PGC_S_SESSION,
								 is_local ? GUC_ACTION_LOCAL : GUC_ACTION_SET,
								 true, 0, false);
	}
	PG_RETURN_VOID();
}
