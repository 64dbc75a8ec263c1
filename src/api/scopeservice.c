/*-------------------------------------------------------------------------
 *
 * scopeservice.c
 *	  Requests of the feature service: reading and changing a scope.
 *
 * The rule: bodies are those documented by the service, in protobuf's JSON
 * mapping.
 *
 * A read without inheritance has the scope's sequence as its entity tag.  A
 * request with the header "if-match" changes a scope only if its sequence is
 * one of those named there, or, for "*", if it has settings to be read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "api/scopeservice.h"
#include "base/timeformat.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/etag.h"
#include "change/featurejson.h"
#include "change/scopelock.h"
#include "change/states.h"
#include "model/value.h"

#define ERROR_DETAIL_TYPE "type.googleapis.com/zitadel.v1.ErrorDetail"

/*
 * Push "details": {"sequence": "2", "changeDate": "...", "resourceOwner": ""}
 */
static void
push_details(JsonbBuilder *state, const FeatureDetails *details)
{
	json_push_string(state, WJB_KEY, DETAILS_FIELD);
	push_jsonb(state, WJB_BEGIN_OBJECT, NULL);
	serviceresponse_push_string(state, "sequence",
								psprintf("%lld", (long long) details->sequence));
	if (timeformat_is_rfc3339(details->change_date))
	{
		StringInfoData date;

		initStringInfo(&date);
		timeformat_append_rfc3339(&date, details->change_date);
		serviceresponse_push_string(state, "changeDate", date.data);
	}
	serviceresponse_push_string(state, "resourceOwner", details->resource_owner);
	push_jsonb(state, WJB_END_OBJECT, NULL);
}

/*
 * Push "loginDefaultOrg": {"enabled": true, "source": "SOURCE_INSTANCE"
 */
static void
begin_state(JsonbBuilder *builder, const FeatureState *state)
{
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
	serviceresponse_push_string(builder, "source", source);
}

/*
 * Push an effective value, which does not tell whether it is rolled out.  This
 * is a StateCallback.
 */
static void
push_state(const FeatureState *state, void *arg)
{
	JsonbBuilder *builder = arg;

	begin_state(builder, state);
	push_jsonb(builder, WJB_END_OBJECT, NULL);
}

/*
 * Push a setting of the scope itself, with its percentage if it is a roll-out.
 * This is a StateCallback.
 */
static void
push_own_state(const FeatureState *state, void *arg)
{
	JsonbBuilder *builder = arg;
	JsonbValue	percentage;

	begin_state(builder, state);
	if (state->share != NO_SHARE)
	{
		percentage.type = jbvNumeric;
		percentage.val.numeric =
			DatumGetNumeric(share_make_percentage(state->share));
		json_push_string(builder, WJB_KEY, "percentage");
		push_jsonb(builder, WJB_VALUE, &percentage);
	}
	push_jsonb(builder, WJB_END_OBJECT, NULL);
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
 * Return the sequence of a scope as an entity tag.
 */
static char *
sequence_etag(int64 sequence)
{
	return psprintf("\"%lld\"", (long long) sequence);
}

/*
 * If a request has the header "if-match", lock the scope, and raise
 * object_not_in_prerequisite_state unless the header is right.  Returns the
 * sequence that the scope has until it is changed, or NULL if the request has no
 * such header.
 */
static const int64 *
check_if_match(ServiceRequest *request, const ScopeName *name,
			   FeaturePermission permission)
{
	char	   *value = servicerequest_header(request, "if-match");
	EtagList	tags;
	ScopeTuple	scope;
	int64	   *sequence;
	bool		matches;

	if (value == NULL)
		return NULL;
	request->conditional = true;
	tags = etag_parse_list("if-match", value);

	scopelock_scope(name, permission, LockTupleNoKeyExclusive, LockWaitBlock,
					&scope);
	sequence = palloc(sizeof(int64));
	*sequence = scope.row.sequence;
	if (tags.any)
		matches = level_is_single(name->level) ||
			(scope.stored && change_read_settings(name) != NIL);
	else
		matches = etag_matches_strongly(&tags, sequence_etag(*sequence));
	if (!matches)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s has another state than \"if-match\" says",
						scopename_describe(name)),
				 tags.any ?
				 errdetail("It has no feature settings.") :
				 errdetail("Its entity tag is %s, and \"if-match\" is %s.",
						   sequence_etag(*sequence),
						   error_clip_name(value, strlen(value))),
				 errhint("Read the features again, then repeat the change with their entity tag.")));
	return sequence;
}

/*
 * Set the features of a request.  A bad request is reported before what
 * "if-match" says, which counts only if the request would succeed without it.
 */
static FeatureDetails
set_features(ServiceRequest *request, const ScopeName *name)
{
	const Jsonb *features = request_features(request, request->body);
	const int64 *expected;

	cache_refresh_definitions();
	(void) featurejson_parse_request(features, name->level);
	expected = check_if_match(request, name, PERMISSION_WRITE);
	return change_set_features(name, features, expected);
}

static FeatureDetails
reset_features(ServiceRequest *request, const ScopeName *name)
{
	const int64 *expected = check_if_match(request, name, PERMISSION_DELETE);

	return change_reset_features(name, expected);
}

/*
 * Answer a request.  Raises the errors of reading and changing a scope.
 */
void
scopeservice_answer(ServiceRequest *request, ServiceResponse *response)
{
	ScopeChain	chain = request_chain(request);
	ScopeName	name = *scopename_copy(&chain.names[0]);
	JsonbBuilder builder = {0};
	FeatureDetails details;

	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	if (request->method == METHOD_GET)
	{
		context_find(&chain);
		details = result_scope_details(&name, &chain.scopes[0]->row);
		push_details(&builder, &details);
		states_read(&chain, request->inheritance,
					request->inheritance ? push_state : push_own_state,
					&builder);
		if (!request->inheritance)
			serviceresponse_add_header(response, "etag",
									   sequence_etag(details.sequence));
	}
	else
	{
		change_prevent_command(request->method_name);
		details = request->method == METHOD_PUT ?
			set_features(request, &name) : reset_features(request, &name);
		push_details(&builder, &details);
	}
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	response->status = 200;
	response->body = JsonbValueToJsonb(builder.result);
}

/*
 * Form the body of an error: the service's Status with one ErrorDetail.  If the
 * error has no detail, its message is repeated.
 */
Jsonb *
scopeservice_error_body(const ServiceRequest *request,
						const ServiceError *error)
{
	JsonbBuilder builder = {0};

	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	serviceresponse_push_integer(&builder, "code", error->status.grpc);
	serviceresponse_push_string(&builder, "message", error->message);
	json_push_string(&builder, WJB_KEY, "details");
	push_jsonb(&builder, WJB_BEGIN_ARRAY, NULL);
	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	serviceresponse_push_string(&builder, "@type", ERROR_DETAIL_TYPE);
	serviceresponse_push_string(&builder, "id", error->sqlstate);
	serviceresponse_push_string(&builder, "message",
								error->detail ? error->detail : error->message);
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	push_jsonb(&builder, WJB_END_ARRAY, NULL);
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(builder.result);
}
