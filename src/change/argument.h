/*-------------------------------------------------------------------------
 *
 * argument.h
 *	  Arguments of SQL-callable functions, and the scopes that they name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ARGUMENT_H
#define INSTANCE_FEATURES_ARGUMENT_H

#include "fmgr.h"

#include "base/errors.h"
#include "cache/effective.h"

/* The setting instance_features.instance_id.  Written by SET. */
extern char *argument_instance_setting;

extern void argument_check_scope_id(const char *id, int len);
extern ScopeName argument_current_instance(void);
extern ScopeName argument_instance(FunctionCallInfo fcinfo, int argno);
extern const int64 *argument_sequence(FunctionCallInfo fcinfo, int argno);
extern char *argument_text(FunctionCallInfo fcinfo, int argno);
extern Jsonb *argument_jsonb(FunctionCallInfo fcinfo, int argno);
extern bool argument_boolean(FunctionCallInfo fcinfo, int argno,
							 const char *name);
extern void argument_require_feature(int feature, const char *key, int len);
extern ScopeChain argument_chain(const ScopeName *name);
extern ScopeChain argument_find_chain(const ScopeName *name);
extern ScopeRow argument_find_scope_row(const ScopeName *name);

#endif							/* INSTANCE_FEATURES_ARGUMENT_H */
