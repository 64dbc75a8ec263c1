/*-------------------------------------------------------------------------
 *
 * servicerequest.c
 *	  Parsing the method and the path of a service request.
 *
 * The rule: this file knows the service's paths; level_infos[] has their last
 * parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "change/servicerequest.h"

/* In bytes, including the query.  An encoded id takes up to 600 bytes. */
#define MAX_PATH_LENGTH 8192

static const char *const method_names[] =
{
	[METHOD_GET] = "GET",
	[METHOD_PUT] = "PUT",
	[METHOD_DELETE] = "DELETE"
};

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
 * Return a list of the service's paths, from the lowest level up.
 */
static char *
list_paths(void)
{
	StringInfoData paths;

	initStringInfo(&paths);
	for (int i = NUM_LEVELS - 1; i >= 0; i--)
		appendStringInfo(&paths, "%s/v2beta/features/%s%s",
						 i == NUM_LEVELS - 1 ? "" : i > 0 ? ", " : " and ",
						 level_infos[i].service_resource,
						 level_infos[i].service_id_field ? "/{id}" : "");
	return paths.data;
}

/*
 * Parse what follows "features/" in a path: the resource of a level and, if
 * requests for the level have an id, one segment more.  Returns false if there
 * is no such path.
 */
static bool
parse_resource(const char *resource, int len, ServiceRequest *request)
{
	const char *slash = memchr(resource, '/', len);
	int			name_len = slash ? slash - resource : len;
	char	   *name = decode_percent(resource, name_len, false);

	for (int i = 0; i < NUM_LEVELS; i++)
	{
		const LevelInfo *info = &level_infos[i];

		if (strcmp(name, info->service_resource) != 0)
			continue;
		request->level = i;
		if (slash == NULL || info->service_id_field == NULL)
			return slash == NULL && info->service_id_field == NULL;

		len -= name_len + 1;
		if (len == 0 || memchr(slash + 1, '/', len) != NULL)
			return false;
		request->id = decode_percent(slash + 1, len, false);
		return true;
	}

	return false;
}

/*
 * Parse a method and a path.  Raises no_data_found for an unknown path, and
 * invalid_parameter_value for an invalid one.  An unknown method is
 * METHOD_OTHER.
 */
ServiceRequest
servicerequest_parse(const char *method, const char *path)
{
	static const char *const prefixes[] = {
		"/v2beta/features/", "/v2/features/"
	};
	ServiceRequest request = {.method = METHOD_OTHER};
	Size		len = strlen(path);
	int			path_len;
	bool		found = false;

	if (len > MAX_PATH_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("path is too long"),
				 errdetail("It has %zu bytes, and at most %d are allowed.",
						   len, MAX_PATH_LENGTH)));
	path_len = strcspn(path, "?");

	for (int i = 0; i < lengthof(prefixes) && !found; i++)
	{
		int			prefix_len = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], prefix_len) == 0)
			found = parse_resource(path + prefix_len, path_len - prefix_len,
								   &request);
	}
	if (!found)
	{
		char	   *decoded = decode_percent(path, path_len, false);

		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("path \"%s\" does not exist",
						error_clip_name(decoded, strlen(decoded))),
				 errhint("The paths are %s.", list_paths())));
	}

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
 * Return the name of a method other than METHOD_OTHER.
 */
const char *
servicerequest_method_name(ServiceMethod method)
{
	return method_names[method];
}
