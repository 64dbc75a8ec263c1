/*-------------------------------------------------------------------------
 *
 * service.c
 *	  feature_service: method, path and body in, status and body out.
 *
 * A request runs in a subtransaction, so that what it did before an error is
 * undone and the caller's transaction goes on.  Bodies are those that the
 * service documents, in protobuf's JSON mapping.  An error that is not the
 * caller's fault is told to the server's log, and to the caller only that there
 * was one.
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

#include "change/argument.h"
#include "change/change.h"
#include "base/compat.h"
#include "base/errors.h"
#include "change/notify.h"
#include "api/get.h"
#include "change/featurejson.h"
#include "base/jsonbuild.h"
#include "model/value.h"

PG_FUNCTION_INFO_V1(feature_service);

/* The setting from which PostgREST takes the status of its response. */
#define STATUS_SETTING "response.status"

#define ERROR_DETAIL_TYPE "type.googleapis.com/zitadel.v1.ErrorDetail"

/* In bytes, with the query.  An id of 200 bytes takes 600 when encoded. */
#define MAX_PATH_LENGTH 8192

/* What a client is told of an error that is not its own fault. */
#define INTERNAL_ERROR_ID "XX000"
#define INTERNAL_ERROR_MESSAGE "internal error"

static const ServiceStatus success = {200, 0};

/* 405 is HTTP's alone: gRPC calls it 12, UNIMPLEMENTED. */
static const ServiceStatus method_not_allowed = {405, 12};

typedef enum Method
{
	METHOD_GET,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_OTHER
} Method;

static const char *const method_names[] =
{
	[METHOD_GET] = "GET",
	[METHOD_PUT] = "PUT",
	[METHOD_DELETE] = "DELETE"
};

typedef struct ServiceRequest
{
	Method		method;
	FeatureLevel level;
	bool		inheritance;
} ServiceRequest;

static void
push_string_field(JsonbBuilder *state, const char *key, const char *string)
{
	json_push_string(state, WJB_KEY, key);
	json_push_string(state, WJB_VALUE, string);
}

/*
 * {"sequence": "2", "changeDate": "...", "resourceOwner": "..."}
 */
static void
push_details(JsonbBuilder *state, const FeatureDetails *details)
{
	json_push_string(state, WJB_KEY, DETAILS_FIELD);
	push_jsonb(state, WJB_BEGIN_OBJECT, NULL);
	push_string_field(state, "sequence",
					  psprintf("%lld", (long long) details->sequence));
	if (details->change_date != NO_DATE)
	{
		StringInfoData date;

		initStringInfo(&date);
		append_rfc3339(&date, details->change_date);
		push_string_field(state, "changeDate", date.data);
	}
	push_string_field(state, "resourceOwner", details->resource_owner);
	push_jsonb(state, WJB_END_OBJECT, NULL);
}

/*
 * "loginDefaultOrg": {"enabled": true, "source": "SOURCE_INSTANCE"}
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
 * The body of an error: the service's Status with one ErrorDetail.
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
 * The body that tells of an error: its message and, as the detail's message,
 * its DETAIL and HINT, or the message again if it has neither.
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
 * Write an error that the client is not told of to the server's log, with all
 * that is known of it.
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

	/* The error has its context already. */
	error_context_stack = NULL;
	ThrowErrorData(&logged);
	error_context_stack = context_stack;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Decode the percent-encoding of a path or a part of its query (RFC 3986),
 * in the latter "+" too.
 */
static char *
decode_percent(const char *encoded, int len, bool is_query)
{
	char	   *decoded = palloc(len + 1);
	int			out = 0;

	for (int i = 0; i < len; i++)
	{
		char		c = encoded[i];

		if (c == '%')
		{
			bool		complete = i + 2 < len;
			int			high = complete ? hex_digit(encoded[i + 1]) : -1;
			int			low = complete ? hex_digit(encoded[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid percent-encoding in path"),
						 errdetail("It is in \"%s\".",
								   clip_name(encoded, len))));
			c = (char) (high * 16 + low);
			i += 2;
		}
		else if (c == '+' && is_query)
			c = ' ';
		decoded[out++] = c;
	}
	decoded[out] = '\0';

	if (!pg_verifymbstr(decoded, out, true))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid percent-encoding in path"),
				 errdetail("\"%s\" is not valid in encoding \"%s\".",
						   clip_name(encoded, len), GetDatabaseEncodingName())));
	return decoded;
}

/*
 * Read the query of a path.  The one parameter there is, for GET, is
 * "inheritance", a boolean.
 */
static void
parse_query(const char *query, ServiceRequest *request)
{
	bool		seen = false;

	for (;;)
	{
		int			len;
		const char *equals;
		int			name_len;
		char	   *name;
		char	   *value = "";

		query += strspn(query, "&");
		if (*query == '\0')
			break;

		len = strcspn(query, "&");
		equals = memchr(query, '=', len);
		name_len = equals ? equals - query : len;
		name = decode_percent(query, name_len, true);
		if (equals)
			value = decode_percent(equals + 1, len - name_len - 1, true);
		query += len;

		if (request->method != METHOD_GET || strcmp(name, "inheritance") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown query parameter \"%s\"",
							clip_name(name, strlen(name))),
					 errhint("The only one is \"inheritance\", for GET.")));
		if (seen)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("query parameter \"%s\" is given more than once",
							name)));
		seen = true;

		if (strcmp(value, "true") == 0)
			request->inheritance = true;
		else if (strcmp(value, "false") == 0)
			request->inheritance = false;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for query parameter \"%s\": \"%s\"",
							name, clip_name(value, strlen(value))),
					 errhint("It must be \"true\" or \"false\".")));
	}
}

/*
 * Find the level whose features a resource is.  False if there is none.
 */
static bool
parse_resource(const char *resource, FeatureLevel *level)
{
	for (int i = 0; i < NUM_LEVELS; i++)
	{
		if (strcmp(resource, level_infos[i].service_resource) == 0)
		{
			*level = i;
			return true;
		}
	}

	return false;
}

/*
 * Read method and path.  Raises no_data_found for an unknown path; a method
 * that no path has is left to the caller.
 */
static ServiceRequest
parse_service_request(const char *method, const char *path)
{
	ServiceRequest request = {.method = METHOD_OTHER};
	Size		len = strlen(path);
	int			path_len;
	char	   *decoded;
	const char *resource = NULL;

	if (len > MAX_PATH_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path is too long"),
				 errdetail("It has %zu bytes, and at most %d are allowed.",
						   len, MAX_PATH_LENGTH)));
	path_len = strcspn(path, "?");
	decoded = decode_percent(path, path_len, false);

	if (strncmp(decoded, "/v2beta/features/", 17) == 0)
		resource = decoded + 17;
	else if (strncmp(decoded, "/v2/features/", 13) == 0)
		resource = decoded + 13;

	if (resource == NULL || !parse_resource(resource, &request.level))
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("path \"%s\" does not exist",
						clip_name(decoded, strlen(decoded))),
				 errhint("The paths are /v2beta/features/instance and /v2beta/features/system.")));

	for (int i = 0; i < lengthof(method_names); i++)
	{
		if (strcmp(method, method_names[i]) == 0)
			request.method = i;
	}
	if (request.method != METHOD_OTHER && path[path_len] == '?')
		parse_query(path + path_len + 1, &request);

	return request;
}

/*
 * Do what a request asks for.  Returns the body of the response to it.
 */
static Jsonb *
dispatch_request(const ServiceRequest *request, const Jsonb *body)
{
	ScopeName	name;
	JsonbBuilder state = {0};
	FeatureDetails details;

	name = level_is_single(request->level) ? system_scope_name :
		current_instance();

	push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	if (request->method == METHOD_GET)
	{
		ScopeChain	chain = find_chain(&name);

		details = scope_details(&name, &chain.scopes[0]->row);
		push_details(&state, &details);
		read_states(&chain, request->inheritance, push_state, &state);
	}
	else
	{
		prevent_command(method_names[request->method]);
		if (request->method == METHOD_PUT)
			details = set_features(&name, body, NULL);
		else
			details = reset_features(&name, NULL);
		push_details(&state, &details);
	}
	push_jsonb(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/*
 * Answer a request, mistakes included.  The result's body is allocated in the
 * caller's memory context.
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
		ServiceRequest request = parse_service_request(method, path);

		if (request.method == METHOD_OTHER)
		{
			*status = method_not_allowed;
			response = error_body(status->grpc, "0A000",
								  psprintf("method \"%s\" is not allowed",
										   clip_name(method, strlen(method))),
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

		/* Even if we rethrow: the outer handler undoes its own work. */
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller_cxt);
		CurrentResourceOwner = caller_owner;
		if (sqlstate_must_propagate(edata->sqlerrcode))
			ReThrowError(edata);

		*status = status_of_sqlstate(edata->sqlerrcode);
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

/* An argument of type text, "" if it is null. */
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

	check_argument_count(fcinfo, 3);
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
