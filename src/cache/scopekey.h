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
 * 128 bits that identify a scope: as what its number is delivered, the rest of
 * the hash value that the number is taken from, and another one, whose seed
 * only this session knows, so that nobody can find two names with the same key.
 */
typedef struct ScopeKey
{
	uint32		delivered;
	uint32		rest;
	uint64		secret;
}			ScopeKey;

/* Written by create_cache() in cache.c, when the session first loads. */
extern uint64 scopekey_seed;

/*
 * Return the key of a scope.  Must be called in a transaction.
 */
static inline ScopeKey
scopekey_make(const ScopeName *name)
{
	uint64		hash = message_name_hash(name, 0);
	ScopeKey	key;

	key.delivered = message_delivered(message_number(hash));
	key.rest = (uint32) (hash >> 32);
	key.secret = message_name_hash(name, scopekey_seed);
	return key;
}

#endif							/* INSTANCE_FEATURES_SCOPEKEY_H */
