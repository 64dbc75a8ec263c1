/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  The reports of a caller's mistakes, and what HTTP and gRPC call them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_ERRORS_H
#define IF_ERRORS_H

#include "postgres.h"

#include "compat.h"
#include "scopename.h"

/* The HTTP status of what is not the caller's fault. */
#define HTTP_INTERNAL_ERROR 500

/* How a service answers: an HTTP status and a gRPC code. */
typedef struct ServiceStatus
{
	int			http;
	int			grpc;
} ServiceStatus;

extern ServiceStatus status_of_sqlstate(int sqlstate);
extern bool sqlstate_must_propagate(int sqlstate);

/* 200 bytes of a caller's name are enough to recognize it in a message. */
extern char *clip_name(const char *name, int len);

/*
 * What a message calls a scope: 'instance "default"', or 'the system' for an
 * id of NULL.
 */
extern char *scope_words(const char *instance_id);

pg_noreturn extern void report_instance_not_found(const char *instance_id);
pg_noreturn extern void report_no_settings(const char *instance_id);
pg_noreturn extern void report_instance_exists(const char *instance_id);
pg_noreturn extern void report_unknown_feature(const char *key, int len,
											   const char *nearest);
pg_noreturn extern void report_type_mismatch(const char *key, const char *type,
											 const char *wanted);
pg_noreturn extern void report_bad_value(const char *key, const char *type,
										 const char *violation);
pg_noreturn extern void report_sequence_mismatch(const char *instance_id,
												 int64 sequence, int64 expected);
pg_noreturn extern void report_rows_without_scope(const ScopeName *name);
pg_noreturn extern void report_null_argument(const char *name);

#endif							/* IF_ERRORS_H */
