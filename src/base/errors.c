/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  The reports of a caller's mistakes, and what HTTP and gRPC call them.
 *
 * The rule: which HTTP and gRPC codes answer a SQLSTATE is said in
 * service_statuses[] below.
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

/* For all others. */
static const ServiceStatus internal_error = {HTTP_INTERNAL_ERROR, GRPC_INTERNAL};

/*
 * The HTTP status and gRPC code that answer an error.
 */
ServiceStatus
error_service_status(int sqlstate)
{
	for (int i = 0; i < lengthof(service_statuses); i++)
	{
		if (service_statuses[i].sqlstate == sqlstate)
			return service_statuses[i].status;
	}

	return internal_error;
}

/*
 * Whether an error must reach the client as an error: the transaction has to
 * be retried (class 40), or somebody wants it to end (class 57, operator
 * intervention).
 */
bool
error_must_propagate(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/*
 * A palloc'd copy of a name that a caller gave, fit for a message: a very long
 * one is cut at a character's end.
 */
char *
error_clip_name(const char *name, int len)
{
	int			clipped = pg_mbcliplen(name, len, 200);

	if (clipped == len)
		return pnstrdup(name, len);
	return psprintf("%.*s...", clipped, name);
}

void
report_scope_not_found(const ScopeName *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("%s does not exist", scopename_describe(name))));
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
 * No feature has this key.  "nearest" is the most similar one, or NULL.
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
 * A feature was read by a function for features of type "wanted".  If that is
 * its type, it is the stored value that is of another one.
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
 * A stored value is not of the feature's type, as direct DML may leave it.
 * "violation" is a sentence that says so, or NULL.
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
 * A scope that has no row has settings or events, which a restore that failed
 * half-way or direct DML leaves behind.
 */
void
report_rows_without_scope(const ScopeName *name)
{
	char	   *id = pnstrdup(name->id, name->len);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s has settings or events, but no row in table \"%s\"",
					scopename_describe(name), "instance_features.scope"),
			 errdetail("They would come into force with the row."),
			 errhint("Restore the row, or use DELETE FROM instance_features.setting WHERE level = %s AND scope_id = %s, and the same for instance_features.event.",
					 quote_literal_cstr(level_name(name->level)),
					 quote_literal_cstr(id))));
}

void
report_null_argument(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must not be null", name)));
}
