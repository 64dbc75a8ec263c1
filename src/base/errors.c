/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Error reports, and the HTTP and gRPC status of each SQLSTATE.
 *
 * The rule: only service_statuses[] below maps SQLSTATEs to HTTP and gRPC
 * codes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/errors.h"

/* https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
#define GRPC_INVALID_ARGUMENT	3
#define GRPC_NOT_FOUND			5
#define GRPC_ALREADY_EXISTS		6
#define GRPC_PERMISSION_DENIED	7
#define GRPC_FAILED_PRECONDITION 9
#define GRPC_INTERNAL			13
#define GRPC_UNAVAILABLE		14

/* The HTTP status of a failed precondition if the request has a condition. */
#define HTTP_PRECONDITION_FAILED 412

typedef struct SqlstateStatus
{
	int			sqlstate;
	ServiceStatus status;
} SqlstateStatus;

static const SqlstateStatus service_statuses[] =
{
	{ERRCODE_INVALID_PARAMETER_VALUE, {400, GRPC_INVALID_ARGUMENT}},
	{ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, {400, GRPC_INVALID_ARGUMENT}},
	{ERRCODE_STATEMENT_TOO_COMPLEX, {400, GRPC_INVALID_ARGUMENT}},
	{ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, {400, GRPC_INVALID_ARGUMENT}},
	{ERRCODE_INSUFFICIENT_PRIVILEGE, {403, GRPC_PERMISSION_DENIED}},
	{ERRCODE_NO_DATA_FOUND, {404, GRPC_NOT_FOUND}},
	{ERRCODE_UNDEFINED_OBJECT, {404, GRPC_NOT_FOUND}},
	{ERRCODE_DUPLICATE_OBJECT, {409, GRPC_ALREADY_EXISTS}},
	{ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, {400, GRPC_FAILED_PRECONDITION}},
	{ERRCODE_LOCK_NOT_AVAILABLE, {503, GRPC_UNAVAILABLE}},
};

/* The status of all other SQLSTATEs. */
static const ServiceStatus internal_error = {HTTP_INTERNAL_ERROR, GRPC_INTERNAL};

/*
 * Return the HTTP status and gRPC code of an error.  "conditional" says whether
 * the request names what it expects of the scope that it changes.
 */
ServiceStatus
error_service_status(int sqlstate, bool conditional)
{
	ServiceStatus status = internal_error;

	for (int i = 0; i < lengthof(service_statuses); i++)
	{
		if (service_statuses[i].sqlstate == sqlstate)
			status = service_statuses[i].status;
	}
	if (conditional && status.grpc == GRPC_FAILED_PRECONDITION)
		status.http = HTTP_PRECONDITION_FAILED;
	return status;
}

/*
 * Return whether an error must reach the client as an error: either the
 * transaction has to be retried (class 40), or it was canceled (class 57,
 * operator intervention).
 */
bool
error_must_propagate(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/*
 * Return a palloc'd copy of a name that a caller passed, for use in a message.
 * It is truncated to 200 bytes, at a character boundary.
 */
char *
error_clip_name(const char *name, int len)
{
	int			clipped = pg_mbcliplen(name, len, 200);

	if (clipped == len)
		return pnstrdup(name, len);
	return psprintf("%.*s...", clipped, name);
}

/*
 * What does not exist is the scope or, if it belongs to one, the instance.
 */
void
report_scope_not_found(const ScopeName *name)
{
	ScopeName	missing = scopename_owner(name);

	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("%s does not exist", scopename_describe(&missing))));
}

void
report_no_settings(const ScopeName *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("%s has no feature settings", scopename_describe(name)),
			 errhint("Read it with inheritance to get the effective values.")));
}

void
report_scope_exists(const ScopeName *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("%s already exists", scopename_describe(name))));
}

/*
 * Report that no feature has this key.  "nearest" is the most similar key, or
 * NULL.
 */
void
report_unknown_feature(const char *key, int len, const char *nearest)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("feature \"%s\" does not exist", error_clip_name(key, len)),
			 nearest ? errhint("Perhaps you meant \"%s\".", nearest) : 0));
}

/*
 * Report that a feature was read by a function for features of type "wanted".
 * If the feature has that type, its stored value does not.
 */
void
report_type_mismatch(const char *key, const char *type, const char *wanted)
{
	if (strcmp(type, wanted) == 0)
		report_bad_value(key, type, NULL);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("feature \"%s\" is of type %s, not %s", key, type, wanted),
			 errhint("Use feature_value() to read a feature of any type.")));
}

/*
 * Report that a stored value, perhaps written by direct DML, does not conform
 * to the feature's type.  "violation" is a sentence for the DETAIL, or NULL.
 */
void
report_bad_value(const char *key, const char *type, const char *violation)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("feature \"%s\" has a value that is not %s %s", key,
					strchr("aeiou", type[0]) ? "an" : "a", type),
			 violation ? errdetail_internal("%s", violation) : 0,
			 errhint("check_instance_features() lists such values.")));
}

void
report_sequence_mismatch(const ScopeName *name, int64 sequence,
						 int64 expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("sequence of %s is %lld, not %lld as expected",
					scopename_describe(name),
					(long long) sequence, (long long) expected),
			 errhint("Read the features again, then repeat the change with their sequence.")));
}

/*
 * Return a condition that finds the rows of a scope and of those below it in
 * tables setting and event.
 */
static char *
scope_condition(const ScopeName *name)
{
	char	   *level = quote_literal_cstr(level_name(name->level));
	char	   *id = quote_literal_cstr(pnstrdup(name->id, name->len));

	if (level_is_in_instance(name->level))
		return psprintf("level = %s AND instance_id = %s AND scope_id = %s",
						level,
						quote_literal_cstr(pnstrdup(name->instance_id,
													name->instance_len)),
						id);
	if (name->level == LEVEL_INSTANCE)
		return psprintf("level = %s AND scope_id = %s OR instance_id = %s",
						level, id, id);
	return psprintf("level = %s", level);
}

/*
 * Report that a scope without a row has settings, events or scopes below it,
 * which may be left behind by direct DML or by a restore that failed halfway.
 */
void
report_rows_without_scope(const ScopeName *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s has settings, events or scopes below it, but no row in table \"%s\"",
					scopename_describe(name), "instance_features.scope"),
			 errdetail("They would come into force with the row."),
			 errhint("Restore the row, or use DELETE FROM instance_features.setting WHERE %s, the same for instance_features.event, and for instance_features.scope with column id.",
					 scope_condition(name))));
}

void
report_null_argument(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must not be null", name)));
}
