/*-------------------------------------------------------------------------
 *
 * store.c
 *	  The cached scopes, and which of them make room for others.
 *
 * The rule: a scope that leaves the store while it is valid takes along the
 * answers that depend on it, because nobody would notice the messages about it.
 *
 * Replacement.  If all scopes that a session asks for in turn do not fit, the
 * least recently used one is the one that is needed next, and a cache that
 * evicts it never has a hit.  So the victims are chosen at random, and a new
 * scope replaces a valid one only if it was missed not long ago, which says
 * that it is asked for more often than most, or once in ADMISSION_RATE times,
 * so that the cache follows when a session turns to other scopes.  A scope that
 * is not admitted is a guest: it stays until the next load that does not use
 * it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "cache/store.h"
#include "table/generation.h"

#define ADMISSION_RATE 64

/* Scopes by message; they are linked by "next". */
typedef struct StoreEntry
{
	uint32		message;
	CachedScope *first;
	char		status;
} StoreEntry;

#define SH_PREFIX messages
#define SH_ELEMENT_TYPE StoreEntry
#define SH_KEY_TYPE uint32
#define SH_KEY message
#define SH_HASH_KEY(tb, key) (key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* All of these are written only by the functions of this file. */
static MemoryContext store_cxt = NULL;
static messages_hash * by_message = NULL;
static CachedScope **all = NULL;	/* in no particular order */
static int	count = 0;
static int	capacity = 0;
static Size size = 0;			/* of all but the guests */
static uint64 load_number = 0;	/* of the current or last load */

static CachedScope *guests[2 * NUM_LEVELS];
static int	nguests = 0;

/* The messages of scopes that were missed, each at its place or nowhere. */
static uint32 *missed = NULL;
static uint32 nmissed = 0;		/* a power of 2, or 0 */

/*
 * Begin a load.  The scopes that it uses are kept.
 */
void
store_begin_load(MemoryContext cxt)
{
	load_number++;
	store_cxt = cxt;
	if (by_message == NULL)
		by_message = messages_create(cxt, 64, NULL);
}

/*
 * The current load uses this scope.
 */
void
store_use(CachedScope *scope)
{
	scope->last_load = load_number;
}

/*
 * Find a scope, valid or not.  Returns NULL if it is not here.
 */
CachedScope *
store_find(uint32 message, const ScopeName *name)
{
	StoreEntry *entry = by_message ? messages_lookup(by_message, message) :
	NULL;
	CachedScope *scope = entry ? entry->first : NULL;

	while (scope != NULL && scopename_compare(&scope->name, name) != 0)
		scope = scope->next;
	return scope;
}

/*
 * Mark the scopes with this message as not reusable.  Returns whether one of
 * them was valid.
 */
bool
store_invalidate(uint32 message)
{
	StoreEntry *entry = by_message ? messages_lookup(by_message, message) :
	NULL;
	bool		was_valid = false;

	for (CachedScope *scope = entry ? entry->first : NULL; scope != NULL;
		 scope = scope->next)
	{
		was_valid = was_valid || scope->generation == generation_of_scopes;
		scope->generation = 0;
	}
	return was_valid;
}

/*
 * Remove a scope and free it.
 */
void
store_remove(CachedScope *scope)
{
	StoreEntry *entry = messages_lookup(by_message, scope->message);
	CachedScope **link;

	/* store_add() has put it there. */
	if (entry == NULL)
		pg_unreachable();
	link = &entry->first;
	while (*link != scope)
		link = &(*link)->next;
	*link = scope->next;
	if (entry->first == NULL)
		messages_delete(by_message, scope->message);

	all[scope->place] = all[--count];
	all[scope->place]->place = scope->place;
	if (scope->is_guest)
	{
		for (int i = 0; i < nguests; i++)
		{
			if (guests[i] == scope)
				guests[i--] = guests[--nguests];
		}
	}
	else
		size -= scope->size;
	if (scope->generation == generation_of_scopes)
		generation_advance();
	pfree(scope);
}

/*
 * Return whether a scope with this message was missed not long ago, and note
 * that it was missed now.
 */
static bool
note_miss(uint32 message)
{
	uint32	   *place;
	bool		again;

	if (nmissed < count)
	{
		uint32		n = pg_nextpower2_32(Max(count, 64));
		uint32	   *larger = MemoryContextAllocZero(store_cxt,
													n * sizeof(uint32));

		if (missed != NULL)
			pfree(missed);
		missed = larger;
		nmissed = n;
	}
	place = &missed[message & (nmissed - 1)];
	again = *place == message;

	/* Two that share a place must not expel each other for ever. */
	if (*place == 0 || pg_prng_bool(&pg_global_prng_state))
		*place = message;
	return again;
}

/*
 * Choose a scope that may leave, or NULL if there is none.
 */
static CachedScope *
choose_victim(void)
{
	int			first;

	if (count == 0)
		return NULL;
	first = pg_prng_uint64_range(&pg_global_prng_state, 0, count - 1);
	for (int i = 0; i < count; i++)
	{
		CachedScope *scope = all[(first + i) % count];

		if (!scope->is_guest && scope->last_load != load_number &&
			!level_is_single(scope->name.level))
			return scope;
	}
	return NULL;
}

static void
evict(CachedScope *victim)
{
	elog(DEBUG2, "instance_features: %s \"%s\" leaves the cache",
		 level_name(victim->name.level), victim->name.id);
	store_remove(victim);
}

/*
 * Make room for a scope.  Returns whether it is admitted.
 */
static bool
make_room(const CachedScope *scope, Size budget)
{
	bool		admitted;

	if (size + scope->size <= budget)
		return true;

	admitted = note_miss(scope->message) ||
		pg_prng_uint32(&pg_global_prng_state) % ADMISSION_RATE == 0;
	while (size + scope->size > budget)
	{
		CachedScope *victim = choose_victim();

		/* The scopes of the current load are kept in any case. */
		if (victim == NULL)
			return true;
		if (!admitted && size <= budget &&
			victim->generation == generation_of_scopes)
			return false;
		evict(victim);
	}
	return true;
}

/*
 * Add a scope that the current load has loaded.  "budget" is the memory that
 * all scopes may take, in bytes.
 */
void
store_add(CachedScope *scope, uint32 message, Size budget)
{
	StoreEntry *entry;
	bool		is_guest;
	bool		found;

	if (count == capacity)
	{
		int			larger = Max(64, 2 * capacity);

		all = all ? repalloc_huge(all, larger * sizeof(CachedScope *)) :
			MemoryContextAlloc(store_cxt, larger * sizeof(CachedScope *));
		capacity = larger;
	}

	/* Include the overhead of the allocator and of what is kept here. */
	scope->size = GetMemoryChunkSpace(scope) + 2 * sizeof(StoreEntry) +
		2 * sizeof(CachedScope *);
	scope->message = message;
	scope->last_load = load_number;
	is_guest = !level_is_single(scope->name.level) &&
		nguests < lengthof(guests) && !make_room(scope, budget);

	entry = messages_insert(by_message, message, &found);
	if (!found)
		entry->first = NULL;
	scope->next = entry->first;
	entry->first = scope;
	scope->place = count;
	all[count++] = scope;
	scope->is_guest = is_guest;
	if (is_guest)
		guests[nguests++] = scope;
	else
		size += scope->size;
}

/*
 * End a load: the guests that it has not used leave, and those for whom there
 * is no room any more.  "budget" is that of store_add().
 */
void
store_end_load(Size budget)
{
	for (int i = nguests - 1; i >= 0; i--)
	{
		if (guests[i]->last_load != load_number)
			store_remove(guests[i]);
	}
	while (size > budget)
	{
		CachedScope *victim = choose_victim();

		if (victim == NULL)
			break;
		evict(victim);
	}
}

/*
 * Return how many scopes are here.
 */
int
store_count(void)
{
	return count;
}
