/*-------------------------------------------------------------------------
 *
 * service.c
 *	  SQL-callable function feature_service().
 *
 * The rule: a request runs in a subtransaction, so that an error rolls back
 * its changes but not the caller's transaction.  Bodies are those documented
 * by the service, in protobuf's JSON mapping.  An error that is not the
 * caller's fault is written to the server log, and its details are not
 * returned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/jsonbuild.h"
#include "base/timeformat.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/featurejson.h"
#include "change/servicerequest.h"
#include "change/states.h"
#include "model/value.h"

PG_FUNCTION_INFO_V1(feature_service);

/* The setting from which PostgREST reads the status of its response. */
#define STATUS_SETTING "response.status"

#define ERROR_DETAIL_TYPE "type.googleapis.com/zitadel.v1.ErrorDetail"

/* The fields of a response to an internal error. */
#define INTERNAL_ERROR_ID "XX000"
#define INTERNAL_ERROR_MESSAGE "internal error"

static const ServiceStatus success = {200, 0};

/* No SQLSTATE has this status.  The gRPC code 12 is UNIMPLEMENTED. */
static const ServiceStatus method_not_allowed = {405, 12};

static void
push_string_field(JsonbBuilder *state, const char *key, const char *string)
{
	json_push_string(state, WJB_KEY, key);
	json_push_string(state, WJB_VALUE, string);
}

/*
 * Push "details": {"sequence": "2", "changeDate": "...", "resourceOwner": ""}
 */
static void
push_details(JsonbBuilder *state, const FeatureDetails *details)
{
	json_push_string(state, WJB_KEY, DETAILS_FIELD);
	push_jsonb(state, WJB_BEGIN_OBJECT, NULL);
	push_string_field(state, "sequence",
					  psprintf("%lld", (long long) details->sequence));
	if (timeformat_is_rfc3339(details->change_date))
	{
		StringInfoData date;

		initStringInfo(&date);
		timeformat_append_rfc3339(&date, details->change_date);
		push_string_field(state, "changeDate", date.data);
	}
	push_string_field(state, "resourceOwner", details->resource_owner);
	push_jsonb(state, WJB_END_OBJECT, NULL);
}

/*
 * Push "loginDefaultOrg": {"enabled": true, "source": "SOURCE_INSTANCE"}
 */
static void
push_state(const FeatureState *state, void *arg)
{
	JsonbBuilder *builder = arg;
	const char *source = state->source == SOURCE_DEFAULT ?
	"SOURCE_UNSPECIFIED" : level_infos[state->source].service_source;
	bool		is_boolean;
	JsonbValue	value;

	is_boolean = state->definition->type == value_type("boolean");
	json_root_value(state->value, &value);

	json_push_string(builder, WJB_KEY, state->definition->json_name);
	push_jsonb(builder, WJB_BEGIN_OBJECT, NULL);
	json_push_string(builder, WJB_KEY, is_boolean ? "enabled" : "value");
	push_jsonb(builder, WJB_VALUE, &value);
	push_string_field(builder, "source", source);
	push_jsonb(builder, WJB_END_OBJECT, NULL);
}

/*
 * Form the body of an error: the service's Status with one ErrorDetail.
 */
static Jsonb *
error_body(int grpc, const char *id, const char *message, const char *detail)
{
	JsonbBuilder state = {0};
	JsonbValue	code;

	code.type = jbvNumeric;
	code.val.numeric = int64_to_numeric(grpc);

	push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	json_push_string(&state, WJB_KEY, "code");
	push_jsonb(&state, WJB_VALUE, &code);
	push_string_field(&state, "message", message);
	json_push_string(&state, WJB_KEY, "details");
	push_jsonb(&state, WJB_BEGIN_ARRAY, NULL);
	push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	push_string_field(&state, "@type", ERROR_DETAIL_TYPE);
	push_string_field(&state, "id", id);
	push_string_field(&state, "message", detail);
	push_jsonb(&state, WJB_END_OBJECT, NULL);
	push_jsonb(&state, WJB_END_ARRAY, NULL);
	push_jsonb(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/*
 * Form the body of an error: its message and, as the detail's message, its
 * DETAIL and HINT, or the message again if it has neither.
 */
static Jsonb *
error_data_body(int grpc, const ErrorData *edata)
{
	StringInfoData detail;

	initStringInfo(&detail);
	if (edata->detail)
		appendStringInfoString(&detail, edata->detail);
	if (edata->hint)
		appendStringInfo(&detail, "%s%s", detail.len > 0 ? " " : "",
						 edata->hint);

	return error_body(grpc, unpack_sql_state(edata->sqlerrcode),
					  edata->message,
					  detail.len > 0 ? detail.data : edata->message);
}

/*
 * Write an error to the server log with all its fields.
 */
static void
log_internal_error(const ErrorData *edata)
{
	ErrorData	logged = *edata;
	ErrorContextCallback *context_stack = error_context_stack;

	logged.elevel = LOG_SERVER_ONLY;
	logged.message = psprintf("feature_service() failed with SQLSTATE %s: %s",
							  unpack_sql_state(edata->sqlerrcode),
							  edata->message);

	/* The error already has its context. */
	error_context_stack = NULL;
	ThrowErrorData(&logged);
	error_context_stack = context_stack;
}

/*
 * Return the chain of the scope that a request is about.
 */
static ScopeChain
request_chain(const ServiceRequest *request)
{
	NamedIds	named = {0};

	if (request->id != NULL)
		named.ids[request->level] = (NamedId)
	{
		request->id, strlen(request->id)
	};
	return context_chain(&named, request->level);
}

/*
 * Return the features in the body of a request, without the id of the scope,
 * which the body may repeat.  Raises invalid_parameter_value if it is another.
 */
static const Jsonb *
request_features(const ServiceRequest *request, const Jsonb *body)
{
	const char *field = level_infos[request->level].service_id_field;
	JsonbValue *value;

	if (field == NULL || body == NULL || !JB_ROOT_IS_OBJECT(body))
		return body;
	value = getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &body->root),
										 field, strlen(field), NULL);
	if (value == NULL)
		return body;
	if (value->type != jbvString ||
		value->val.string.len != strlen(request->id) ||
		memcmp(value->val.string.val, request->id, value->val.string.len) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("field \"%s\" differs from the id in the path", field)));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete,
											  JsonbPGetDatum(body),
											  CStringGetTextDatum(field)));
}

/*
 * Execute a request.  Returns the body of the response.
 */
static Jsonb *
dispatch_request(const ServiceRequest *request, const Jsonb *body)
{
	ScopeChain	chain = request_chain(request);
	ScopeName	name = *scopename_copy(&chain.names[0]);
	JsonbBuilder state = {0};
	FeatureDetails details;

	push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	if (request->method == METHOD_GET)
	{
		context_find(&chain);
		details = result_scope_details(&name, &chain.scopes[0]->row);
		push_details(&state, &details);
		states_read(&chain, request->inheritance, push_state, &state);
	}
	else
	{
		change_prevent_command(servicerequest_method_name(request->method));
		if (request->method == METHOD_PUT)
			details = change_set_features(&name, request_features(request, body), NULL);
		else
			details = change_reset_features(&name, NULL);
		push_details(&state, &details);
	}
	push_jsonb(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/*
 * Handle a request.  Returns the body of the response, allocated in the
 * current memory context, and sets *status.  Errors are converted to
 * responses, except those of error_must_propagate().
 */
static Jsonb *
handle_request(const char *method, const char *path, const Jsonb *body,
			   ServiceStatus *status)
{
	MemoryContext caller_cxt = CurrentMemoryContext;
	ResourceOwner caller_owner = CurrentResourceOwner;
	Jsonb	   *volatile response = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller_cxt);
	PG_TRY();
	{
		ServiceRequest request = servicerequest_parse(method, path);

		if (request.method == METHOD_OTHER)
		{
			*status = method_not_allowed;
			response = error_body(status->grpc, "0A000",
								  psprintf("method \"%s\" is not allowed",
										   error_clip_name(method, strlen(method))),
								  "The path has the methods GET, PUT and DELETE.");
		}
		else
		{
			response = dispatch_request(&request, body);
			*status = success;
		}

		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller_cxt);
		CurrentResourceOwner = caller_owner;
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(caller_cxt);
		edata = CopyErrorData();
		FlushErrorState();

		/* Roll back even if we rethrow: outer handlers undo only their work */
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller_cxt);
		CurrentResourceOwner = caller_owner;
		if (error_must_propagate(edata->sqlerrcode))
			ReThrowError(edata);

		*status = error_service_status(edata->sqlerrcode);
		if (status->http == HTTP_INTERNAL_ERROR)
		{
			log_internal_error(edata);
			response = error_body(status->grpc, INTERNAL_ERROR_ID,
								  INTERNAL_ERROR_MESSAGE,
								  INTERNAL_ERROR_MESSAGE);
		}
		else
			response = error_data_body(status->grpc, edata);
		FreeErrorData(edata);
	}
	PG_END_TRY();

	return response;
}

/*
 * Return an argument of type text as a palloc'd string, or "" if it is null.
 */
static char *
text_argument_or_empty(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? pstrdup("") :
		text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/*
 * feature_service(method, path, body)
 */
Datum
feature_service(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {INT4OID, JSONBOID};
	Datum		values[lengthof(types)];
	bool		nulls[lengthof(types)] = {false};
	ServiceStatus status;
	Jsonb	   *response;

	result_check_argument_count(fcinfo, 3);
	response = handle_request(text_argument_or_empty(fcinfo, 0),
							  text_argument_or_empty(fcinfo, 1),
							  PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2),
							  &status);

	(void) set_config_option(STATUS_SETTING, psprintf("%d", status.http),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, 0, false);

	values[0] = Int32GetDatum(status.http);
	values[1] = JsonbPGetDatum(response);
	return result_row(fcinfo, types, lengthof(types), values, nulls);
}
