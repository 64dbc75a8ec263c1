/*-------------------------------------------------------------------------
 *
 * context.h
 *	  The context of a call: the instance, organization and user it is about.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_CONTEXT_H
#define INSTANCE_FEATURES_CONTEXT_H

#include "cache/cache.h"

/* The ids that a call names, by level. */
typedef struct NamedIds
{
	NamedId		ids[NUM_LEVELS];
} NamedIds;

/*
 * The settings that have the id of each level's current scope, such as
 * instance_features.instance_id.  Written by SET.
 */
extern char *context_current_ids[NUM_LEVELS];

extern void context_check_id(FeatureLevel level, const char *id, int len);
extern void context_check_ids(const NamedIds *named);
extern ScopeChain context_chain(const NamedIds *named, FeatureLevel lowest);
extern ScopeChain context_chain_of(const ScopeName *name);
extern void context_require(const ScopeChain *chain, const NamedIds *named,
							FeatureLevel level);
extern void context_find(ScopeChain *chain);
extern const ScopeRow *context_owner_row(const ScopeChain *chain);

#endif							/* INSTANCE_FEATURES_CONTEXT_H */
