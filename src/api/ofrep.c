/*-------------------------------------------------------------------------
 *
 * ofrep.c
 *	  Requests of OpenFeature's remote evaluation protocol (OFREP).
 *
 * The rule: the instance is the current one.  The user and the organization are
 * those that the context of the request names; where it names none, the current
 * ones.  Nothing is written, so a standby answers, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/ofrep.h"
#include "change/argument.h"
#include "change/etag.h"
#include "change/evaluation.h"

/* How many bytes of its hash tell an answer from another. */
#define ETAG_BYTES 16

/* How far a request has come, which tells what an error is about. */
typedef enum OfrepStage
{
	STAGE_REQUEST,				/* parsing it */
	STAGE_CONTEXT,				/* reading the context in it */
	STAGE_INSTANCE,				/* finding the scopes of the context */
	STAGE_FEATURE				/* finding the feature */
} OfrepStage;

/* The protocol's code of an error with status 400 or 404. */
typedef struct ErrorCodes
{
	const char *bad_request;
	const char *not_found;
} ErrorCodes;

static const ErrorCodes error_codes[] =
{
	[STAGE_REQUEST] = {"PARSE_ERROR", "GENERAL"},
	[STAGE_CONTEXT] = {"INVALID_CONTEXT", "GENERAL"},
	[STAGE_INSTANCE] = {"GENERAL", "GENERAL"},
	[STAGE_FEATURE] = {"GENERAL", "FLAG_NOT_FOUND"},
};

/* A member of a context that names a scope. */
typedef struct ContextField
{
	FeatureLevel level;
	const char *field;
} ContextField;

static const ContextField context_fields[] =
{
	{LEVEL_ORGANIZATION, "organizationId"},
	{LEVEL_USER, "targetingKey"},
};

/*
 * Get a member of an object.  Returns false if there is none, or it is null.
 */
static bool
find_member(const JsonbContainer *object, const char *field, JsonbValue *value)
{
	return object != NULL &&
		getKeyJsonValueFromContainer(unconstify(JsonbContainer *, object),
									 field, strlen(field), value) != NULL &&
		value->type != jbvNull;
}

/*
 * Return a value as an object.  Raises invalid_parameter_value if it is none.
 */
static const JsonbContainer *
require_object(const JsonbValue *value, const char *what)
{
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", what),
				 errdetail("It is %s.", json_type_name(value))));
	return value->val.binary.data;
}

/*
 * Return the context in the body of a request, or NULL if it has none.
 */
static const JsonbContainer *
read_context(ServiceRequest *request)
{
	const JsonbContainer *object;
	JsonbValue	value;

	if (request->body == NULL)
		return NULL;
	json_root_value(request->body, &value);
	if (value.type == jbvNull)
		return NULL;
	object = require_object(&value, "body");

	request->stage = STAGE_CONTEXT;
	return find_member(object, "context", &value) ?
		require_object(&value, "context") : NULL;
}

/*
 * Return the id that a context has in a field.  If the field is absent, null or
 * empty, that is the id of the current scope, or none.
 */
static NamedId
read_id(const JsonbContainer *context, const char *field, FeatureLevel level)
{
	const char *current = context_current_ids[level];
	NamedId		id = {0};
	JsonbValue	value;

	if (find_member(context, field, &value))
	{
		if (value.type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" must be a string", field),
					 errdetail("It is %s.", json_type_name(&value))));
		id.id = value.val.string.val;
		id.len = value.val.string.len;
	}
	if (id.len == 0)
	{
		id.len = strlen(current);
		id.id = id.len > 0 ? current : NULL;
	}
	return id;
}

/*
 * Return the scopes that a request is about.
 */
static ScopeChain
request_chain(ServiceRequest *request)
{
	const JsonbContainer *context = read_context(request);
	NamedIds	named = {0};
	ScopeChain	chain;

	request->stage = STAGE_CONTEXT;
	for (int i = 0; i < lengthof(context_fields); i++)
		named.ids[context_fields[i].level] =
			read_id(context, context_fields[i].field, context_fields[i].level);
	chain = context_chain(&named, CONTEXT_LEVEL);

	request->stage = STAGE_INSTANCE;
	context_find(&chain);
	return chain;
}

/*
 * Push the evaluation of one feature.  Raises undefined_object if there is none
 * of that key.
 */
static void
push_flag(ServiceRequest *request, const ScopeChain *chain,
		  const char *flag_set, JsonbBuilder *builder)
{
	int			len = strlen(request->key);
	FeatureState state;
	int			feature;

	request->stage = STAGE_FEATURE;
	feature = definition_find(request->key, len);
	argument_require_feature(feature, request->key, len);
	effective_state(chain, feature, &state);
	evaluation_push(builder, &state, flag_set);
}

/*
 * Push the evaluations of all features: {"flags": [...]}.  There is no other
 * member, even where the protocol has an optional one, because some clients
 * refuse an answer with members that they do not know.
 */
static void
push_flags(const ScopeChain *chain, const char *flag_set,
		   JsonbBuilder *builder)
{
	int			count;

	(void) definitions_all(&count);
	push_jsonb(builder, WJB_BEGIN_OBJECT, NULL);
	json_push_string(builder, WJB_KEY, "flags");
	push_jsonb(builder, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		FeatureState state;

		CHECK_FOR_INTERRUPTS();
		effective_state(chain, i, &state);
		evaluation_push(builder, &state, flag_set);
	}
	push_jsonb(builder, WJB_END_ARRAY, NULL);
	push_jsonb(builder, WJB_END_OBJECT, NULL);
}

/*
 * Return the entity tag of an answer, a hash of its text.  Sequences would not
 * do: those of different contexts may be equal.
 */
static char *
body_etag(const Jsonb *body)
{
	const char *text = JsonbToCString(NULL,
									  &unconstify(Jsonb *, body)->root, -1);
	bytea	   *hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
														   PointerGetDatum(cstring_to_text(text))));
	char		hex[2 * ETAG_BYTES + 1];

	hex[hex_encode(VARDATA_ANY(hash), ETAG_BYTES, hex)] = '\0';
	return psprintf("\"%s\"", hex);
}

/*
 * Answer a request.  Raises invalid_parameter_value for a bad request,
 * no_data_found if the instance does not exist, and undefined_object if the
 * feature does not.
 */
void
ofrep_answer(ServiceRequest *request, ServiceResponse *response)
{
	const char *condition = NULL;
	EtagList	known = {0};
	JsonbBuilder builder = {0};
	ScopeChain	chain;
	const ScopeName *instance;
	const char *flag_set;
	char	   *etag;

	if (request->key == NULL)
		condition = servicerequest_header(request, "if-none-match");
	if (condition != NULL)
		known = etag_parse_list("if-none-match", condition);
	chain = request_chain(request);
	instance = &chain.names[chain.length - 2];
	flag_set = pnstrdup(instance->id, instance->len);

	response->status = 200;
	if (request->key != NULL)
	{
		push_flag(request, &chain, flag_set, &builder);
		response->body = JsonbValueToJsonb(builder.result);
		return;
	}

	push_flags(&chain, flag_set, &builder);
	response->body = JsonbValueToJsonb(builder.result);
	etag = body_etag(response->body);
	serviceresponse_add_header(response, "etag", etag);
	if (etag_matches_weakly(&known, etag))
	{
		response->status = 304;
		response->body = NULL;
	}
}

static const char *
error_code(const ServiceRequest *request, int status)
{
	if (status == 400)
		return error_codes[request->stage].bad_request;
	if (status == 404)
		return error_codes[request->stage].not_found;
	return "GENERAL";
}

/*
 * Form the body of an error.  That of a request about one flag has its key.
 */
Jsonb *
ofrep_error_body(const ServiceRequest *request, const ServiceError *error)
{
	const char *details = error->message;
	JsonbBuilder builder = {0};

	if (error->detail != NULL)
		details = psprintf("%s. %s", error->message, error->detail);

	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	if (request->key != NULL)
		serviceresponse_push_string(&builder, "key", request->key);
	serviceresponse_push_string(&builder, "errorCode",
								error_code(request, error->status.http));
	serviceresponse_push_string(&builder, "errorDetails", details);
	json_push_string(&builder, WJB_KEY, "metadata");
	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(builder.result);
}
