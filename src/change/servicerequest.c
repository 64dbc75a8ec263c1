/*-------------------------------------------------------------------------
 *
 * servicerequest.c
 *	  Parsing the method, the path and the headers of a service request.
 *
 * The rule: this file knows the service's paths; level_infos[] has what they
 * call the levels.  A path is split before it is decoded, so that an encoded
 * slash is a part of an id.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/servicerequest.h"

/* In bytes, including the query.  An encoded id takes up to 600 bytes. */
#define MAX_PATH_LENGTH 8192

#define OFREP_PREFIX "/ofrep/"
#define OFREP_FLAGS "/ofrep/v1/evaluate/flags"

/* The most segments that a path has, and one more. */
#define MAX_SEGMENTS 6

static const char *const method_names[] =
{
	[METHOD_GET] = "GET",
	[METHOD_PUT] = "PUT",
	[METHOD_DELETE] = "DELETE",
	[METHOD_POST] = "POST"
};

static const uint32 protocol_methods[] =
{
	[PROTOCOL_FEATURES] = 1 << METHOD_GET | 1 << METHOD_PUT | 1 << METHOD_DELETE,
	[PROTOCOL_OFREP] = 1 << METHOD_POST
};

/* The segments of a path, decoded. */
typedef struct Segments
{
	int			count;			/* at most MAX_SEGMENTS: then there may be
								 * more */
	char	   *names[MAX_SEGMENTS];
} Segments;

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
 * Decode the percent-encoding (RFC 3986) of a path or a part of its query.  In
 * a query, "+" is a space.
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
								   error_clip_name(encoded, len))));
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
						   error_clip_name(encoded, len), GetDatabaseEncodingName())));
	return decoded;
}

/*
 * Parse the query of a path.  The only parameter is "inheritance", a boolean,
 * for GET.
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
							error_clip_name(name, strlen(name))),
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
							name, error_clip_name(value, strlen(value))),
					 errhint("It must be \"true\" or \"false\".")));
	}
}

/*
 * Split a path into its segments and decode them.  A path that does not begin
 * with "/" has none.
 */
static Segments
split_path(const char *path, int len)
{
	Segments	segments = {0};
	const char *end = path + len;

	while (path < end && *path == '/' && segments.count < MAX_SEGMENTS)
	{
		const char *slash = memchr(path + 1, '/', end - path - 1);
		const char *next = slash ? slash : end;

		segments.names[segments.count++] = decode_percent(path + 1,
														  next - path - 1, false);
		path = next;
	}
	return segments;
}

/*
 * Return whether a path begins with these segments.
 */
static bool
begins_with(const Segments *segments, int count, const char *const *names)
{
	if (segments->count < count)
		return false;
	for (int i = 0; i < count; i++)
	{
		if (strcmp(segments->names[i], names[i]) != 0)
			return false;
	}
	return true;
}

/*
 * Find the scope of a path as in /v2beta/features/user/{id}: the resource of a
 * level and, if requests for the level have an id, the id.  Returns false if
 * there is no such path.
 */
static bool
find_scope(const Segments *segments, ServiceRequest *request)
{
	static const char *const names[][2] = {
		{"v2beta", "features"}, {"v2", "features"}
	};

	if ((!begins_with(segments, 2, names[0]) &&
		 !begins_with(segments, 2, names[1])) || segments->count < 3)
		return false;

	for (int i = 0; i < NUM_LEVELS; i++)
	{
		const LevelInfo *info = &level_infos[i];

		if (strcmp(segments->names[2], info->service_resource) != 0)
			continue;
		request->protocol = PROTOCOL_FEATURES;
		request->level = i;
		if (info->service_id_field == NULL)
			return segments->count == 3;
		request->id = segments->names[3];
		return segments->count == 4 && request->id[0] != '\0';
	}

	return false;
}

/*
 * Find the flag of a path as in /ofrep/v1/evaluate/flags/{key}; without a key,
 * it is about all of them.  Returns false if there is no such path.
 */
static bool
find_flag(const Segments *segments, ServiceRequest *request)
{
	static const char *const names[] = {"ofrep", "v1", "evaluate", "flags"};
	const int	count = lengthof(names);

	if (!begins_with(segments, count, names) || segments->count > count + 1)
		return false;
	request->protocol = PROTOCOL_OFREP;
	request->key = segments->count > count ? segments->names[count] : NULL;
	return true;
}

/*
 * Guess the protocol of a path, and the key of the flag that it is about, for
 * the answer to a request that cannot be parsed.
 */
static void
guess_protocol(ServiceRequest *request)
{
	const char *const prefix = OFREP_FLAGS "/";
	const char *path = request->path;

	if (strncmp(path, OFREP_PREFIX, strlen(OFREP_PREFIX)) != 0)
		return;
	request->protocol = PROTOCOL_OFREP;
	if (strncmp(path, prefix, strlen(prefix)) == 0)
	{
		path += strlen(prefix);
		request->key = error_clip_name(path, strcspn(path, "?"));
	}
}

/*
 * Return a list of a protocol's paths, from the lowest level up.
 */
static char *
list_paths(ServiceProtocol protocol)
{
	StringInfoData paths;

	if (protocol == PROTOCOL_OFREP)
		return OFREP_FLAGS " and " OFREP_FLAGS "/{key}";

	initStringInfo(&paths);
	for (int i = NUM_LEVELS - 1; i >= 0; i--)
		appendStringInfo(&paths, "%s/v2beta/features/%s%s",
						 i == NUM_LEVELS - 1 ? "" : i > 0 ? ", " : " and ",
						 level_infos[i].service_resource,
						 level_infos[i].service_id_field ? "/{id}" : "");
	return paths.data;
}

/*
 * Return the method of that name, if the protocol has it, or METHOD_OTHER.
 */
static ServiceMethod
find_method(const char *name, ServiceProtocol protocol)
{
	for (int i = 0; i < lengthof(method_names); i++)
	{
		if (strcmp(name, method_names[i]) == 0 &&
			(protocol_methods[protocol] & 1 << i) != 0)
			return i;
	}

	return METHOD_OTHER;
}

static void
check_headers(const Jsonb *headers)
{
	JsonbValue	value;

	if (headers == NULL || JB_ROOT_IS_OBJECT(headers))
		return;
	json_root_value(headers, &value);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("headers must be a JSON object"),
			 errdetail("They are %s.", json_type_name(&value))));
}

/*
 * Parse the method and the path of a request.  Raises no_data_found for an
 * unknown path, and invalid_parameter_value for an invalid one.  In the case of
 * an error, request->protocol and request->key are what the path looks like.
 *
 * The query of PROTOCOL_OFREP is ignored: its clients may add parameters of
 * their own.
 */
void
servicerequest_parse(ServiceRequest *request)
{
	const char *path = request->path;
	Size		len = strlen(path);
	int			path_len = strcspn(path, "?");
	Segments	segments;

	guess_protocol(request);
	if (len > MAX_PATH_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path is too long"),
				 errdetail("It has %zu bytes, and at most %d are allowed.",
						   len, MAX_PATH_LENGTH)));

	segments = split_path(path, path_len);
	if (!find_scope(&segments, request) && !find_flag(&segments, request))
	{
		char	   *decoded = decode_percent(path, path_len, false);

		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("path \"%s\" does not exist",
						error_clip_name(decoded, strlen(decoded))),
				 errhint("The paths are %s.", list_paths(request->protocol))));
	}

	request->method = find_method(request->method_name, request->protocol);
	if (request->method != METHOD_OTHER &&
		request->protocol == PROTOCOL_FEATURES && path[path_len] == '?')
		parse_query(path + path_len + 1, request);
	check_headers(request->headers);
}

/*
 * Return the value of a header, or NULL if it is absent or null.  Raises
 * invalid_parameter_value if it is no string, or its name is not in lower case:
 * ignoring such a header could mean to ignore a condition.
 */
char *
servicerequest_header(const ServiceRequest *request, const char *name)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	key;
	char	   *value = NULL;

	if (request->headers == NULL)
		return NULL;

	it = JsonbIteratorInit(unconstify(JsonbContainer *, &request->headers->root));
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		JsonbValue	member;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &member, true);
		if (key.val.string.len != strlen(name) ||
			pg_strncasecmp(key.val.string.val, name, key.val.string.len) != 0)
			continue;
		if (memcmp(key.val.string.val, name, key.val.string.len) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("header \"%s\" is not in lower case",
							pnstrdup(key.val.string.val, key.val.string.len)),
					 errhint("Use \"%s\".", name)));
		if (member.type == jbvString)
			value = pnstrdup(member.val.string.val, member.val.string.len);
		else if (member.type != jbvNull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("header \"%s\" must be a string", name),
					 errdetail("It is %s.", json_type_name(&member))));
	}
	return value;
}

/*
 * Return the methods of a protocol's paths: "GET, PUT, DELETE".
 */
const char *
servicerequest_allowed_methods(ServiceProtocol protocol)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(method_names); i++)
	{
		if (find_method(method_names[i], protocol) != METHOD_OTHER)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 method_names[i]);
	}
	return names.data;
}
