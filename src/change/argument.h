/*-------------------------------------------------------------------------
 *
 * argument.h
 *	  Arguments of SQL-callable functions, and the scope that a call is about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ARGUMENT_H
#define INSTANCE_FEATURES_ARGUMENT_H

#include "fmgr.h"

#include "base/errors.h"
#include "cache/effective.h"

/* The setting instance_features.instance_id.  Written by SET. */
extern char *current_instance_id;

extern void check_scope_id(const char *id, int len);
extern ScopeName current_instance(void);
extern ScopeName instance_argument(FunctionCallInfo fcinfo, int argno);
extern const int64 *sequence_argument(FunctionCallInfo fcinfo, int argno);
extern char *text_argument_or_null(FunctionCallInfo fcinfo, int argno);
extern Jsonb *jsonb_argument_or_null(FunctionCallInfo fcinfo, int argno);
extern bool boolean_argument(FunctionCallInfo fcinfo, int argno,
							 const char *name);
extern void require_feature(int feature, const char *key, int len);
extern ScopeChain scope_chain(const ScopeName *name);
extern ScopeChain find_chain(const ScopeName *name);
extern ScopeRow find_scope_row(const ScopeName *name);

#endif							/* INSTANCE_FEATURES_ARGUMENT_H */
