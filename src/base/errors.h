/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Error reports, and the HTTP and gRPC status of each SQLSTATE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ERRORS_H
#define INSTANCE_FEATURES_ERRORS_H

#include "postgres.h"

#include "base/compat.h"
#include "base/scopename.h"

/* The HTTP status of an error that is not the caller's fault. */
#define HTTP_INTERNAL_ERROR 500

/* The status of a service response: an HTTP status and a gRPC code. */
typedef struct ServiceStatus
{
	int			http;
	int			grpc;
} ServiceStatus;

extern ServiceStatus error_service_status(int sqlstate, bool conditional);
extern bool error_must_propagate(int sqlstate);

extern char *error_clip_name(const char *name, int len);

pg_noreturn extern void report_scope_not_found(const ScopeName *name);
pg_noreturn extern void report_no_settings(const ScopeName *name);
pg_noreturn extern void report_scope_exists(const ScopeName *name);
pg_noreturn extern void report_unknown_feature(const char *key, int len,
											   const char *nearest);
pg_noreturn extern void report_type_mismatch(const char *key, const char *type,
											 const char *wanted);
pg_noreturn extern void report_bad_value(const char *key, const char *type,
										 const char *violation);
pg_noreturn extern void report_sequence_mismatch(const ScopeName *name,
												 int64 sequence, int64 expected);
pg_noreturn extern void report_rows_without_scope(const ScopeName *name);
pg_noreturn extern void report_null_argument(const char *name);

#endif							/* INSTANCE_FEATURES_ERRORS_H */
