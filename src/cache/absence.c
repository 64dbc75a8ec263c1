/*-------------------------------------------------------------------------
 *
 * absence.c
 *	  Which scopes below instances certainly set nothing.
 *
 * Organizations and users exist implicitly, and only a few of them differ from
 * their instance.  So this file reads, for an instance that a session asks much
 * about, which scopes below it have settings, and remembers their messages.
 * Whose message is not among them sets nothing.
 *
 * The rule: the messages of all instances are in one set, which only grows.
 * Every message that arrives, whatever it is about, joins the set before the
 * change that it tells of can be asked about, so the set stays complete for the
 * instances that were read.  A scope whose message is in the set for another
 * reason than its settings only has to be looked for in the tables.  The set is
 * given up when it has many such members, or becomes too large.
 *
 * An instance may have a million scopes with settings, and a session may ask
 * about two of them.  So reading goes on for as many rows as befits the number
 * of scopes that had to be looked for, and is tried again when that has doubled.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "cache/absence.h"
#include "cache/fact.h"
#include "table/generation.h"
#include "table/scan.h"

#define MIN_PLACES 1024

/* Rows that are read for each scope that had to be looked for. */
#define ROWS_PER_MISS 256

/* The set may have as many members that only messages have made. */
#define MIN_FALSE_MEMBERS 4096

/* The instances that scopes had to be looked for in, each at its place. */
#define NUM_ATTEMPTS 256

typedef struct Attempts
{
	uint32		instance;		/* its message */
	uint32		misses;
} Attempts;

/* All of these are written only by the functions of this file. */
static uint32 *members = NULL;	/* an open hash table; 0 if free */
static uint32 nplaces = 0;		/* a power of 2, or 0 */
static uint32 nmembers = 0;
static uint32 nfalse = 0;		/* that have come by messages */
static uint64 generation = 0;	/* of scopes, when listening began; 0 if not
								 * listening */
static uint64 epoch = 0;		/* how often listening began */
static Attempts attempts[NUM_ATTEMPTS];

static inline bool
is_listening(void)
{
	return generation == generation_of_scopes;
}

/*
 * Return the place of a member, or where it would be.
 */
static inline uint32 *
find_place(uint32 *places, uint32 n, uint32 delivered)
{
	uint32		i = delivered & (n - 1);

	while (places[i] != 0 && places[i] != delivered)
		i = (i + 1) & (n - 1);
	return &places[i];
}

/*
 * Begin to listen, unless it has begun, with an empty set.  The caller takes a
 * snapshot afterwards.
 */
void
absence_listen(MemoryContext cxt)
{
	if (is_listening())
		return;

	generation = 0;
	if (members != NULL)
		pfree(members);
	members = NULL;
	nplaces = 0;
	members = MemoryContextAllocZero(cxt, MIN_PLACES * sizeof(uint32));
	nplaces = MIN_PLACES;
	nmembers = nfalse = 0;
	memset(attempts, 0, sizeof(attempts));
	epoch++;
	generation = generation_of_scopes;
}

/*
 * A message has arrived, or our own transaction has written a scope.  Returns
 * whether an answer may depend on the scope not being in the set.  Does not
 * allocate memory: if there is no room, the set is given up.
 */
bool
absence_note(uint32 delivered)
{
	uint32	   *place;

	if (!is_listening() || delivered == 0)
		return false;
	place = find_place(members, nplaces, delivered);
	if (*place == delivered)
		return false;

	*place = delivered;
	nmembers++;
	nfalse++;
	if (nmembers >= nplaces / 4 * 3 ||
		nfalse > Max(MIN_FALSE_MEMBERS, nmembers / 4))
		generation = 0;
	return true;
}

/*
 * Return the key of the fact that an instance was read.  It must not be
 * forgotten when the instance changes, so its message is another one.
 */
ScopeKey
absence_read_key(const ScopeKey *instance)
{
	ScopeKey	key = *instance;

	key.delivered = ~key.delivered;
	key.secret += epoch;
	return key;
}

/*
 * Return whether a scope below an instance certainly sets nothing.
 */
bool
absence_is_certain(const ScopeKey *instance, const ScopeKey *scope)
{
	ScopeKey	key;

	if (!is_listening() || scope->delivered == 0 ||
		*find_place(members, nplaces, scope->delivered) != 0)
		return false;
	key = absence_read_key(instance);
	return fact_find(&key) == FACT_READ;
}

/*
 * A scope below an instance has to be looked for.  Return whether the instance
 * should be read.
 */
bool
absence_wants_read(const ScopeKey *instance)
{
	Attempts   *attempt = &attempts[instance->delivered % NUM_ATTEMPTS];
	ScopeKey	key = absence_read_key(instance);

	if (!is_listening() || fact_find(&key) == FACT_READ)
		return false;
	if (attempt->instance != instance->delivered)
	{
		attempt->instance = instance->delivered;
		attempt->misses = 0;
	}
	attempt->misses++;
	return (attempt->misses & (attempt->misses - 1)) == 0;
}

/*
 * Give the set twice as many places.
 */
static void
enlarge(void)
{
	uint32	   *larger;

	larger = MemoryContextAllocZero(GetMemoryChunkContext(members),
									2 * nplaces * sizeof(uint32));
	for (uint32 i = 0; i < nplaces; i++)
	{
		if (members[i] != 0)
			*find_place(larger, 2 * nplaces, members[i]) = members[i];
	}
	pfree(members);
	members = larger;
	nplaces *= 2;
}

typedef struct AbsenceRead
{
	uint64		rows;			/* that may still be read */
	Size		max_size;
	bool		complete;
	MemoryContext row_cxt;
} AbsenceRead;

static bool
take_scope(Relation rel, HeapTuple tuple, void *arg)
{
	AbsenceRead *read = arg;
	MemoryContext caller_cxt = MemoryContextSwitchTo(read->row_cxt);
	ScopeName	name;
	uint32		delivered = 0;

	if (row_get_scope_name(tuple, rel, &name))
		delivered = message_delivered(message_number(message_name_hash(&name, 0)));
	MemoryContextSwitchTo(caller_cxt);
	MemoryContextReset(read->row_cxt);

	/* Leave room for messages. */
	if (nmembers + MIN_PLACES / 2 >= nplaces / 4 * 3 &&
		2 * nplaces * sizeof(uint32) <= read->max_size)
		enlarge();
	read->complete = is_listening() && read->rows > 0 &&
		nmembers + MIN_PLACES / 4 < nplaces / 4 * 3;
	if (!read->complete)
		return false;
	read->rows--;
	if (delivered != 0)
	{
		uint32	   *place = find_place(members, nplaces, delivered);

		if (*place == 0)
			nmembers++;
		*place = delivered;
	}
	return true;
}

/*
 * Read which scopes below an instance have settings.  Returns false if they
 * are too many.  The set may take at most "max_size" bytes.
 */
bool
absence_read(Snapshot snapshot, const ScopeName *instance,
			 const ScopeKey *key, Size max_size)
{
	const Attempts *attempt = &attempts[key->delivered % NUM_ATTEMPTS];
	AbsenceRead read = {.max_size = max_size,.complete = true};

	read.rows = (uint64) attempt->misses * ROWS_PER_MISS;
	read.row_cxt = AllocSetContextCreate(CurrentMemoryContext,
										 "instance_features row",
										 ALLOCSET_DEFAULT_SIZES);
	for (int level = 0; level < NUM_LEVELS && read.complete; level++)
	{
		if (level_is_in_instance(level))
			scan_rows_of_level(TABLE_SETTING, snapshot, level, instance->id,
							   instance->len, take_scope, &read);
	}
	MemoryContextDelete(read.row_cxt);
	return read.complete && is_listening();
}

/*
 * Return the memory that the set takes, in bytes.
 */
Size
absence_size(void)
{
	return nplaces * sizeof(uint32);
}
