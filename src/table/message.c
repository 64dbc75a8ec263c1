/*-------------------------------------------------------------------------
 *
 * message.c
 *	  The invalidation messages that changes of scopes send.
 *
 * The rule: what a message looks like is known here alone.  Others know its
 * number, and the hash value with which it is delivered.
 *
 * A message is a catalog cache invalidation, as PostgreSQL sends it for a row
 * of one of its catalogs.  PostgreSQL delivers it to all sessions of the
 * database when the transaction commits, also after COMMIT PREPARED; takes it
 * back with a subtransaction; and writes it to the WAL for standbys and logical
 * decoding.  It says only which cache it is about, and the hash value of a key.
 * So it can carry a number: ours are about the row of pg_sequence whose OID is
 * the number.  Of all sequences, it concerns at most the one that happens to
 * have this OID, whose entry in that cache, which hardly anything uses, is read
 * again.  Conversely, creating or altering such a sequence costs the sessions
 * that have cached a scope with its number a load of this scope.
 *
 * The number of a scope is a hash value of its name.  All servers of a cluster
 * compute the same one, as they must have the same architecture.  If two scopes
 * have the same number, a change of one invalidates both.
 *
 * A relation cache message could carry a number too, but each session that
 * receives one walks through all its cached plans.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_sequence.h"
#include "common/hashfn.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "table/message.h"

/*
 * Return a hash value of a scope's name.  That with seed 0 is the same in all
 * sessions.
 */
uint64
message_name_hash(const ScopeName *name, uint64 seed)
{
	uint64		hash = seed + name->level;

	if (name->instance_len > 0)
		hash = hash_bytes_extended((const unsigned char *) name->instance_id,
								   name->instance_len, hash);
	return hash_bytes_extended((const unsigned char *) name->id, name->len,
							   hash);
}

/*
 * Return the number of the scope whose name has this hash value.
 */
uint32
message_number(uint64 name_hash)
{
	uint32		number = (uint32) name_hash;

	return number < NUM_COMMON_MESSAGES ? number + NUM_COMMON_MESSAGES : number;
}

/*
 * Return the hash value with which a number is delivered.  Must be called in a
 * transaction.
 */
uint32
message_delivered(uint32 number)
{
	return GetSysCacheHashValue1(SEQRELID, ObjectIdGetDatum(number));
}

/*
 * Register a message to be sent when the current transaction commits.
 */
void
message_register(uint32 number)
{
	Relation	rel = table_open(SequenceRelationId, AccessShareLock);
	Datum		values[Natts_pg_sequence] = {0};
	bool		nulls[Natts_pg_sequence] = {false};
	HeapTuple	tuple;

	values[Anum_pg_sequence_seqrelid - 1] = ObjectIdGetDatum(number);
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	CacheInvalidateHeapTuple(rel, tuple, NULL);
	heap_freetuple(tuple);
	table_close(rel, AccessShareLock);

	/* Have the message registered at the end of the command. */
	(void) GetCurrentCommandId(true);
}
