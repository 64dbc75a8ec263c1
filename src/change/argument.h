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

/*
 * The settings that have the id of each level's current scope, such as
 * instance_features.instance_id.  Written by SET.
 */
extern char *argument_current_ids[NUM_LEVELS];

extern void argument_check_scope_id(const ScopeName *name);
extern ScopeName argument_current_scope(FeatureLevel level);
extern ScopeName argument_scope(FunctionCallInfo fcinfo, int argno,
								FeatureLevel level);
extern const int64 *argument_sequence(FunctionCallInfo fcinfo, int argno);
extern char *argument_text(FunctionCallInfo fcinfo, int argno);
extern Jsonb *argument_jsonb(FunctionCallInfo fcinfo, int argno);
extern bool argument_boolean(FunctionCallInfo fcinfo, int argno,
							 const char *name);
extern void argument_require_feature(int feature, const char *key, int len);
extern ScopeChain argument_chain(const ScopeName *name);
extern ScopeChain argument_find_chain(const ScopeName *name);
extern ScopeRow argument_find_scope_row(const ScopeName *name);

static inline ScopeName
argument_instance(FunctionCallInfo fcinfo, int argno)
{
	return argument_scope(fcinfo, argno, LEVEL_INSTANCE);
}

#endif							/* INSTANCE_FEATURES_ARGUMENT_H */
