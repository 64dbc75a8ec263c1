/*-------------------------------------------------------------------------
 *
 * flag_user.c
 *	  An extension that uses the C API of instance_features.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "extension/instance_features/instance_features.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(flag_user_gate);
PG_FUNCTION_INFO_V1(flag_user_pass);
PG_FUNCTION_INFO_V1(flag_user_empty);
PG_FUNCTION_INFO_V1(flag_user_version);
PG_FUNCTION_INFO_V1(flag_user_enabled);
PG_FUNCTION_INFO_V1(flag_user_resolve);
PG_FUNCTION_INFO_V1(flag_user_ask);
PG_FUNCTION_INFO_V1(flag_user_watch);
PG_FUNCTION_INFO_V1(flag_user_changes);
PG_FUNCTION_INFO_V1(flag_user_version1);

/* Written by flag_user_gate() and flag_user_resolve(), at first use. */
static InstanceFeature *gate = NULL;
static InstanceFeature *resolved = NULL;

/* Written by the change callback and flag_user_changes(). */
static int64 changes = 0;

static void
check_trigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(((TriggerData *) fcinfo->context)->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(((TriggerData *) fcinfo->context)->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be fired as a BEFORE row trigger")));
}

Datum
flag_user_gate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const InstanceFeaturesApi *api;

	check_trigger(fcinfo);
	api = instance_features_api(true);
	if (api == NULL)
		PG_RETURN_POINTER(NULL);
	if (gate == NULL)
		gate = api->resolve("login_default_org", NULL, NULL, NULL, true);
	PG_RETURN_POINTER(instance_feature_is_enabled(api, gate) ?
					  trigdata->tg_trigtuple : NULL);
}

Datum
flag_user_pass(PG_FUNCTION_ARGS)
{
	check_trigger(fcinfo);
	PG_RETURN_POINTER(((TriggerData *) fcinfo->context)->tg_trigtuple);
}

Datum
flag_user_empty(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

Datum
flag_user_version(PG_FUNCTION_ARGS)
{
	const InstanceFeaturesApi *api = instance_features_api(true);

	if (api == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT32(api->version);
}

static char *
string_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

Datum
flag_user_enabled(PG_FUNCTION_ARGS)
{
	bool		missing_ok = PG_GETARG_BOOL(2);
	const InstanceFeaturesApi *api = instance_features_api(missing_ok);

	if (api == NULL)
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(api->enabled(string_argument(fcinfo, 0),
								string_argument(fcinfo, 1),
								string_argument(fcinfo, 3),
								string_argument(fcinfo, 4), missing_ok));
}

Datum
flag_user_resolve(PG_FUNCTION_ARGS)
{
	const InstanceFeaturesApi *api = instance_features_api(false);

	if (resolved != NULL)
		api->release(resolved);
	resolved = NULL;
	resolved = api->resolve(string_argument(fcinfo, 0),
							string_argument(fcinfo, 1),
							string_argument(fcinfo, 3),
							string_argument(fcinfo, 4), PG_GETARG_BOOL(2));
	PG_RETURN_VOID();
}

Datum
flag_user_ask(PG_FUNCTION_ARGS)
{
	const InstanceFeaturesApi *api = instance_features_api(true);

	if (api == NULL || resolved == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(instance_feature_is_enabled(api, resolved));
}

static void
count_change(void *arg)
{
	(*(int64 *) arg)++;
}

Datum
flag_user_watch(PG_FUNCTION_ARGS)
{
	const InstanceFeaturesApi *api = instance_features_api(false);

	if (PG_GETARG_BOOL(0))
		api->register_change_callback(count_change, &changes);
	else
		api->unregister_change_callback(count_change, &changes);
	PG_RETURN_VOID();
}

Datum
flag_user_changes(PG_FUNCTION_ARGS)
{
	int64		count = changes;

	changes = 0;
	PG_RETURN_INT64(count);
}

/* The beginning of the API of version 1, as a module built with it sees it. */
typedef struct Version1Api
{
	int			version;
	bool		(*enabled) (const char *key, const char *instance_id,
							bool missing_ok);
} Version1Api;

Datum
flag_user_version1(PG_FUNCTION_ARGS)
{
	void	  **api = find_rendezvous_variable("instance_features");

	if (*api == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(((const Version1Api *) *api)->enabled("user_schema", NULL,
														 true));
}
