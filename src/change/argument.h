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
#include "change/context.h"

extern ScopeChain argument_chain(FunctionCallInfo fcinfo, int argno,
								 FeatureLevel level);
extern ScopeName argument_scope(FunctionCallInfo fcinfo, int argno,
								FeatureLevel level);
extern NamedIds argument_context(FunctionCallInfo fcinfo, int argno);
extern const int64 *argument_sequence(FunctionCallInfo fcinfo, int argno);
extern char *argument_text(FunctionCallInfo fcinfo, int argno);
extern Jsonb *argument_jsonb(FunctionCallInfo fcinfo, int argno);
extern bool argument_boolean(FunctionCallInfo fcinfo, int argno,
							 const char *name);
extern void argument_require_feature(int feature, const char *key, int len);

#endif							/* INSTANCE_FEATURES_ARGUMENT_H */
