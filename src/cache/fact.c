/*-------------------------------------------------------------------------
 *
 * fact.c
 *	  What is known of scopes that are not cached.
 *
 * Most scopes set nothing.  Of such a scope, and of one that does not exist,
 * there is nothing to cache but that, for which this file takes 16 bytes.  It
 * identifies scopes by their keys, without their names: see scopekey.h for why
 * two scopes do not have the same one.
 *
 * The rule: a fact that is forgotten while it is valid takes along the answers
 * that depend on it, because nobody would notice the messages about it.
 *
 * The table consists of buckets of FACTS_PER_BUCKET places, which are used from
 * the first one on.  The message of a scope determines its bucket; while that
 * is full, the next one may have facts of it too.  The table grows when both are
 * full, until it has the size that is allowed; then a fact replaces another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/memutils.h"

#include "cache/fact.h"
#include "table/generation.h"

#define FACTS_PER_BUCKET 16
#define MIN_BUCKETS 16

/* A key, whose "rest" has lost its last two bits for the fact. */
typedef struct KnownFact
{
	uint32		delivered;
	uint32		rest_and_fact;	/* 0 if the place is free */
	uint64		secret;
} KnownFact;

typedef struct FactBucket
{
	KnownFact	facts[FACTS_PER_BUCKET];
} FactBucket;

#define FACT_BITS 3

/* All of these are written only by the functions of this file. */
static FactBucket *buckets = NULL;
static uint32 nbuckets = 0;
static int	nfacts = 0;
static uint64 generation = 0;	/* of the facts; they are valid if it is that
								 * of scopes */

static inline FactBucket *
find_bucket(uint32 delivered)
{
	return &buckets[((uint64) delivered * nbuckets) >> 32];
}

static inline FactBucket *
next_bucket(const FactBucket *bucket)
{
	return &buckets[(bucket - buckets + 1) % nbuckets];
}

static inline bool
is_about(const KnownFact *known, const ScopeKey *key)
{
	return known->secret == key->secret &&
		known->delivered == key->delivered &&
		((known->rest_and_fact ^ key->rest) & ~FACT_BITS) == 0;
}

/*
 * Return what is known of a scope.
 */
Fact
fact_find(const ScopeKey *key)
{
	const FactBucket *bucket;

	if (generation != generation_of_scopes)
		return FACT_UNKNOWN;
	bucket = find_bucket(key->delivered);
	for (int n = 0; n < 2; n++)
	{
		for (int i = 0; i < FACTS_PER_BUCKET; i++)
		{
			const KnownFact *known = &bucket->facts[i];

			if (known->rest_and_fact == 0)
				return FACT_UNKNOWN;
			if (is_about(known, key))
				return known->rest_and_fact & FACT_BITS;
		}
		bucket = next_bucket(bucket);
	}
	return FACT_UNKNOWN;
}

/*
 * Remove a fact from its bucket, whose last one takes the place.
 */
static void
remove_fact(FactBucket *bucket, int place)
{
	int			last = FACTS_PER_BUCKET - 1;

	while (bucket->facts[last].rest_and_fact == 0)
		last--;
	bucket->facts[place] = bucket->facts[last];
	memset(&bucket->facts[last], 0, sizeof(KnownFact));
	nfacts--;
}

/*
 * Forget what is known of the scopes with this message.  Returns whether there
 * was something.  Looks into the next bucket in any case: what is there cannot
 * be found now if this one is not full, but could be again.
 */
bool
fact_forget(uint32 delivered)
{
	FactBucket *bucket;
	bool		found = false;

	if (generation != generation_of_scopes)
		return false;
	bucket = find_bucket(delivered);
	for (int n = 0; n < 2; n++)
	{
		for (int i = FACTS_PER_BUCKET - 1; i >= 0; i--)
		{
			if (bucket->facts[i].rest_and_fact != 0 &&
				bucket->facts[i].delivered == delivered)
			{
				remove_fact(bucket, i);
				found = true;
			}
		}
		bucket = next_bucket(bucket);
	}
	return found;
}

/*
 * Put a fact where the same key is, or into a free place.  Returns false if
 * there is neither.
 */
static bool
put_fact(const KnownFact *fact)
{
	FactBucket *bucket = find_bucket(fact->delivered);
	ScopeKey	key = {fact->delivered, fact->rest_and_fact, fact->secret};

	for (int n = 0; n < 2; n++)
	{
		for (int i = 0; i < FACTS_PER_BUCKET; i++)
		{
			KnownFact  *place = &bucket->facts[i];

			if (place->rest_and_fact == 0)
				nfacts++;
			else if (!is_about(place, &key))
				continue;
			*place = *fact;
			return true;
		}
		bucket = next_bucket(bucket);
	}
	return false;
}

/*
 * Make an empty table of this number of buckets.
 */
static void
allocate_table(uint32 new_nbuckets, MemoryContext cxt)
{
	buckets = MemoryContextAllocExtended(cxt,
										 new_nbuckets * sizeof(FactBucket),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	nbuckets = new_nbuckets;
	nfacts = 0;
}

/*
 * Enlarge the table.  A bucket's facts, which are of neighboring numbers, go to
 * as many buckets as the table becomes larger, so hardly any is lost.
 */
static void
enlarge_table(uint32 new_nbuckets, MemoryContext cxt)
{
	FactBucket *old = buckets;
	uint32		old_nbuckets = nbuckets;
	bool		lost = false;

	allocate_table(new_nbuckets, cxt);
	for (uint32 i = 0; i < old_nbuckets; i++)
	{
		for (int j = 0; j < FACTS_PER_BUCKET; j++)
		{
			const KnownFact *fact = &old[i].facts[j];

			if (fact->rest_and_fact != 0 && !put_fact(fact))
				lost = true;
		}
	}
	pfree(old);
	if (lost)
		generation_advance();
}

/*
 * Have a table that is valid and not too large.
 */
static void
prepare_table(uint32 max_buckets, MemoryContext cxt)
{
	bool		valid = generation == generation_of_scopes;
	FactBucket *old;

	if (valid && nbuckets <= max_buckets)
		return;

	/* What was known is stale, or answers may depend on it. */
	if (valid)
		generation_advance();
	generation = 0;
	old = buckets;
	allocate_table(MIN_BUCKETS, cxt);
	if (old != NULL)
		pfree(old);
	generation = generation_of_scopes;
}

/*
 * Remember a fact.  The table may take at most "max_size" bytes in "cxt".
 */
void
fact_remember(const ScopeKey *key, Fact fact, Size max_size,
			  MemoryContext cxt)
{
	uint32		max_buckets = Max(max_size / sizeof(FactBucket), MIN_BUCKETS);
	KnownFact	known;

	known.delivered = key->delivered;
	known.rest_and_fact = (key->rest & ~FACT_BITS) | fact;
	known.secret = key->secret;
	prepare_table(max_buckets, cxt);
	while (!put_fact(&known))
	{
		/* Scopes with the same message do not fit, whatever the size. */
		if (nbuckets < max_buckets && nfacts >= nbuckets)
			enlarge_table(Min(2 * nbuckets, max_buckets), cxt);
		else
		{
			FactBucket *bucket = find_bucket(key->delivered);

			bucket->facts[pg_prng_uint32(&pg_global_prng_state) %
						  FACTS_PER_BUCKET] = known;
			generation_advance();
			break;
		}
	}
}

/*
 * Return how much is known.
 */
int
fact_count(void)
{
	return generation == generation_of_scopes ? nfacts : 0;
}

/*
 * Return the memory that the table takes, in bytes.
 */
Size
fact_size(void)
{
	return nbuckets * sizeof(FactBucket);
}
