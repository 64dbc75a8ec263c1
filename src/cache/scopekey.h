/*-------------------------------------------------------------------------
 *
 * scopekey.h
 *	  What identifies a scope in the cache without its name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPEKEY_H
#define INSTANCE_FEATURES_SCOPEKEY_H

#include "table/message.h"

/*
 * 128 bits that identify a scope: the hash value of its messages, the rest of
 * the hash value that the number is taken from, and another one, whose seed
 * only this session knows, so that nobody can find two names with the same key.
 */
typedef struct ScopeKey
{
	uint32		delivered;
	uint32		rest;
	uint64		secret;
} ScopeKey;

extern ScopeKey scopekey_make(const ScopeName *name);

#endif							/* INSTANCE_FEATURES_SCOPEKEY_H */
