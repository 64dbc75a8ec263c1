/*-------------------------------------------------------------------------
 *
 * service.c
 *	  SQL-callable function feature_service().
 *
 * The rule: a request runs in a subtransaction, so that an error rolls back
 * its changes but not the caller's transaction.  What the request does and what
 * bodies are like is the protocol's, in protocols[].  An error that is not the
 * caller's fault is written to the server log, and its details are not
 * returned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "api/ofrep.h"
#include "api/scopeservice.h"
#include "base/compat.h"
#include "base/errors.h"
#include "change/argument.h"
#include "change/result.h"
#include "change/servicerequest.h"
#include "change/serviceresponse.h"

PG_FUNCTION_INFO_V1(feature_service);

/* The settings from which PostgREST reads what to respond with. */
#define STATUS_SETTING "response.status"
#define HEADERS_SETTING "response.headers"

/* The fields of a response to an internal error. */
#define INTERNAL_ERROR_ID "XX000"
#define INTERNAL_ERROR_MESSAGE "internal error"

/* No SQLSTATE has this status.  The gRPC code 12 is UNIMPLEMENTED. */
static const ServiceStatus method_not_allowed = {405, 12};

/* How requests of a protocol are answered, and which bodies errors have. */
typedef struct ProtocolInfo
{
	void		(*answer) (ServiceRequest *request, ServiceResponse *response);
	Jsonb	   *(*error_body) (const ServiceRequest *request,
							   const ServiceError *error);
} ProtocolInfo;

static const ProtocolInfo protocols[] =
{
	[PROTOCOL_FEATURES] = {scopeservice_answer, scopeservice_error_body},
	[PROTOCOL_OFREP] = {ofrep_answer, ofrep_error_body},
};

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
 * Answer a request with an error.
 */
static void
answer_error(const ServiceRequest *request, const ServiceError *error,
			 ServiceResponse *response)
{
	response->status = error->status.http;
	response->body = protocols[request->protocol].error_body(request, error);
}

/*
 * Answer a request that raised an error: with its message and, as the detail,
 * its DETAIL and HINT.
 */
static void
answer_error_data(const ServiceRequest *request, const ErrorData *edata,
				  ServiceResponse *response)
{
	ServiceError error = {
		.status = error_service_status(edata->sqlerrcode, request->conditional),
		.sqlstate = INTERNAL_ERROR_ID,
		.message = INTERNAL_ERROR_MESSAGE
	};

	if (error.status.http == HTTP_INTERNAL_ERROR)
		log_internal_error(edata);
	else
	{
		error.sqlstate = pstrdup(unpack_sql_state(edata->sqlerrcode));
		error.message = edata->message;
		error.detail = edata->detail ? edata->detail : edata->hint;
		if (edata->detail && edata->hint)
			error.detail = psprintf("%s %s", edata->detail, edata->hint);
	}
	answer_error(request, &error, response);
}

/*
 * Answer a request whose method the path does not have.
 */
static void
answer_method_not_allowed(const ServiceRequest *request,
						  ServiceResponse *response)
{
	const char *allowed = servicerequest_allowed_methods(request->protocol);
	const char *method = request->method_name;
	ServiceError error = {
		.status = method_not_allowed,
		.sqlstate = "0A000",
		.message = psprintf("method \"%s\" is not allowed",
							error_clip_name(method, strlen(method))),
		.detail = psprintf("The path allows %s.", allowed)
	};

	serviceresponse_add_header(response, "allow", allowed);
	answer_error(request, &error, response);
}

/*
 * Handle a request.  The response is allocated in the current memory context.
 * Errors are converted to responses, except those of error_must_propagate().
 */
static void
handle_request(ServiceRequest *request, ServiceResponse *response)
{
	MemoryContext caller_cxt = CurrentMemoryContext;
	ResourceOwner caller_owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller_cxt);
	PG_TRY();
	{
		servicerequest_parse(request);
		if (request->method == METHOD_OTHER)
			answer_method_not_allowed(request, response);
		else
			protocols[request->protocol].answer(request, response);

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

		response->headers = NIL;
		answer_error_data(request, edata, response);
		FreeErrorData(edata);
	}
	PG_END_TRY();
}

/*
 * Set a setting until the transaction ends.
 */
static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Return an argument of type text as a palloc'd string, or "" if it is null.
 */
static char *
text_argument_or_empty(FunctionCallInfo fcinfo, int argno)
{
	char	   *value = argument_text(fcinfo, argno);

	return value ? value : pstrdup("");
}

/*
 * feature_service(method, path, body, headers)
 */
Datum
feature_service(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {INT4OID, JSONBOID, JSONBOID};
	Datum		values[lengthof(types)];
	bool		nulls[lengthof(types)] = {false};
	ServiceRequest request = {0};
	ServiceResponse response = {0};

	result_check_argument_count(fcinfo, 4);
	request.method_name = text_argument_or_empty(fcinfo, 0);
	request.path = text_argument_or_empty(fcinfo, 1);
	request.body = argument_jsonb(fcinfo, 2);
	request.headers = argument_jsonb(fcinfo, 3);
	handle_request(&request, &response);

	set_local(STATUS_SETTING, psprintf("%d", response.status));
	set_local(HEADERS_SETTING,
			  JsonbToCString(NULL,
							 &serviceresponse_header_list(&response)->root, -1));

	values[0] = Int32GetDatum(response.status);
	values[1] = PointerGetDatum(response.body);
	nulls[1] = response.body == NULL;
	values[2] = JsonbPGetDatum(serviceresponse_headers(&response));
	return result_row(fcinfo, types, lengthof(types), values, nulls);
}
