/*-------------------------------------------------------------------------
 *
 * scopekey.c
 *	  What identifies a scope in the cache without its name.
 *
 * The rule: a key is used in place of a name only where there is no room for
 * names.  Two names have the same key with a probability of 2^-128.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "cache/scopekey.h"

/*
 * Return the key of a scope.  Must be called in a transaction.
 */
ScopeKey
scopekey_make(const ScopeName *name)
{
	static uint64 seed = 0;		/* of this session */
	uint64		hash = message_name_hash(name, 0);
	ScopeKey	key;

	while (seed == 0)
		seed = pg_prng_uint64(&pg_global_prng_state);
	key.delivered = message_delivered(message_number(hash));
	key.rest = (uint32) (hash >> 32);
	key.secret = message_name_hash(name, seed);
	return key;
}
