/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  The backend's cache of definitions, scopes and settings.
 *
 * Invalidation.  An entry has the generation at which its loading began; see
 * generation.c.  An entry of an earlier generation is loaded again when it is
 * needed.  This covers invalidations that arrive during a load: the entry is
 * stale from the beginning, but still valid for the call that loads it,
 * because the snapshot was taken after the call began.
 *
 * Invalidation messages arrive slightly after the change itself becomes
 * visible.  To avoid combining a scope from after a change with definitions or
 * an upper scope from before it, each load compares the fingerprints of all
 * entries that it uses with their rows in its snapshot, and treats a
 * difference as an invalidation.
 *
 * Entries that are loaded while our own transaction is writing a row, or while
 * triggers of ours are disabled, are not reused, because changes may not
 * invalidate them.
 *
 * Memory.  The least recently used scopes are evicted to make room.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "cache/cache.h"
#include "cache/definition.h"
#include "table/definitionread.h"
#include "table/generation.h"
#include "table/tableread.h"

/* A scope in the hash table.  The key points into the scope. */
typedef struct ScopeEntry
{
	const ScopeName *name;
	CachedScope *scope;
	uint32		hash;
	char		status;
} ScopeEntry;

static inline uint32
hash_scope_name(const ScopeName *name)
{
	uint32		hash = hash_bytes((const unsigned char *) name->id, name->len);

	hash = hash_combine(hash, hash_bytes((const unsigned char *) name->instance_id,
										 name->instance_len));
	return hash_combine(hash, name->level);
}

#define SH_PREFIX scopes
#define SH_ELEMENT_TYPE ScopeEntry
#define SH_KEY_TYPE const ScopeName *
#define SH_KEY name
#define SH_HASH_KEY(tb, key) hash_scope_name(key)
#define SH_EQUAL(tb, a, b) (scopename_compare(a, b) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

int			cache_size = 16 * 1024;
CacheStats	cache_stats;

/* The following are written only by the functions that load. */
static MemoryContext cache_cxt = NULL;
static scopes_hash * scopes = NULL;
static dlist_head lru = DLIST_STATIC_INIT(lru);
static Size scopes_size = 0;	/* of all scopes in the hash table */
static uint64 load_number = 0;	/* of the current or last load */

/* The generations at which a load began, before it took its snapshot. */
typedef struct Generations
{
	uint64		data;
	uint64		definitions;
} Generations;

static void
create_cache(void)
{
	if (cache_cxt == NULL)
		cache_cxt = AllocSetContextCreate(CacheMemoryContext,
										  "instance_features cache",
										  ALLOCSET_DEFAULT_SIZES);
	if (scopes == NULL)
		scopes = scopes_create(cache_cxt, 64, NULL);
}

/*
 * Return whether entries that are loaded now may be reused.
 */
bool
cache_remembers(void)
{
	return tables_are_tracked() && !generation_write_is_pending();
}

/*
 * Warn that nothing is cached, once per session.
 */
static void
warn_if_untracked(void)
{
	static bool warned = false;

	if (warned || !tables_are_untracked())
		return;
	warned = true;
	ereport(WARNING,
			(errmsg("features are not cached because triggers of extension \"%s\" are missing or disabled",
					EXTENSION_NAME),
			 errhint("check_instance_features() names the triggers; enable them by ALTER TABLE ... ENABLE ALWAYS TRIGGER.")));
}

/*
 * The tables are newer than the last message that we have received, so all
 * other entries are stale too.  Entries of the current load are not, unless
 * another message has arrived since it began.
 */
static void
run_ahead(bool with_definitions, Generations *begun)
{
	bool		data_current = begun->data == generation_of_scopes;
	bool		definitions_current =
	begun->definitions == generation_of_definitions;

	generation_invalidate(with_definitions);
	if (data_current)
		begun->data = generation_of_scopes;
	if (definitions_current)
		begun->definitions = generation_of_definitions;
}

/*
 * Load the definitions unless they are current in a snapshot.  A change also
 * invalidates the cached scopes, whose settings refer to definitions by
 * number.
 */
static void
refresh_definitions(Snapshot snapshot, Generations *begun)
{
	uint64		fingerprint = definitionread_fingerprint(snapshot);

	if (definitions_differ(fingerprint))
		run_ahead(true, begun);
	if (!definitions_are_current())
		definitions_load(snapshot, fingerprint,
						 cache_remembers() ? begun->definitions : 0,
						 cache_cxt);
}

static CachedScope *
find_cached(const ScopeName *name)
{
	ScopeEntry *entry = scopes_lookup(scopes, name);

	return entry ? entry->scope : NULL;
}

static void
forget_scope(CachedScope *scope)
{
	scopes_delete(scopes, &scope->name);
	dlist_delete(&scope->lru);
	scopes_size -= scope->size;
	pfree(scope);
}

/*
 * Add a scope to the cache after evicting others to make room.  Scopes that
 * the current load uses are kept.
 */
static void
remember_scope(CachedScope *scope)
{
	ScopeEntry *entry;
	bool		found;

	while (!dlist_is_empty(&lru) &&
		   scopes_size + scope->size > (Size) cache_size * 1024)
	{
		CachedScope *victim = dlist_tail_element(CachedScope, lru, &lru);

		if (victim->last_load == load_number)
			break;
		elog(DEBUG2, "instance_features: %s \"%s\" leaves the cache",
			 level_name(victim->name.level), victim->name.id);
		forget_scope(victim);
	}

	entry = scopes_insert(scopes, &scope->name, &found);
	Assert(!found);
	entry->name = &scope->name;
	entry->scope = scope;
	dlist_push_head(&lru, &scope->lru);
	scopes_size += scope->size;
}

/*
 * Return a scope as of a snapshot.  Loads it unless it is cached in that
 * state.  Returns NULL if there is no such scope.
 */
static CachedScope *
refresh_scope(Snapshot snapshot, const ScopeName *name, Generations *begun)
{
	CachedScope *scope = find_cached(name);

	if (scope != NULL && scope->generation == begun->data)
	{
		if (scope->fingerprint == tableread_fingerprint(snapshot, name))
		{
			scope->last_load = load_number;
			dlist_move_head(&lru, &scope->lru);
			return scope;
		}
		run_ahead(false, begun);
	}

	elog(DEBUG2, "instance_features: loading %s \"%.*s\"",
		 level_name(name->level), name->len, name->id);
	if (scope != NULL)
		forget_scope(scope);
	scope = scopeload(snapshot, name, cache_cxt);
	if (scope != NULL)
	{
		/* Include the allocator's overhead, and a half-full hash table. */
		scope->size = GetMemoryChunkSpace(scope) + 2 * sizeof(ScopeEntry);
		scope->last_load = load_number;
		scope->generation = begun->data;
		remember_scope(scope);
	}
	return scope;
}

/*
 * Load the missing scopes of a chain, and the definitions if needed, with one
 * snapshot.  Returns false if one of the scopes does not exist.
 */
static bool
load_chain(ScopeChain *chain)
{
	Generations begun = {generation_of_scopes, generation_of_definitions};
	bool		found = true;
	Snapshot	snapshot;
	MemoryContext load_cxt;
	MemoryContext caller_cxt;

	cache_stats.loads++;
	load_number++;
	create_cache();
	load_cxt = AllocSetContextCreate(CurrentMemoryContext,
									 "instance_features load",
									 ALLOCSET_DEFAULT_SIZES);
	caller_cxt = MemoryContextSwitchTo(load_cxt);

	snapshot = scan_begin();
	refresh_definitions(snapshot, &begun);
	for (int i = chain->length - 1; i >= 0 && found; i--)
	{
		CachedScope *scope = refresh_scope(snapshot, &chain->names[i], &begun);

		chain->scopes[i] = scope;
		found = scope != NULL;
	}
	scan_end(snapshot);

	/* All parts match one snapshot, also those that were loaded before. */
	for (int i = 0; i < chain->length && found; i++)
		unconstify(CachedScope *, chain->scopes[i])->generation =
			cache_remembers() ? begun.data : 0;

	MemoryContextSwitchTo(caller_cxt);
	MemoryContextDelete(load_cxt);
	warn_if_untracked();
	return found;
}

/*
 * Find the scopes of a chain, including all committed changes and those of the
 * current transaction, and the definitions to go with them.  Returns false if
 * one of the scopes does not exist.  Raises the errors of tables_open().
 */
bool
cache_find(ScopeChain *chain)
{
	bool		current;

	AcceptInvalidationMessages();

	current = definitions_are_current() && !generation_write_is_pending() &&
		scopes != NULL;
	for (int i = 0; i < chain->length && current; i++)
	{
		CachedScope *scope = find_cached(&chain->names[i]);

		chain->scopes[i] = scope;
		current = scope != NULL && scope->generation == generation_of_scopes;
		if (current)
			dlist_move_head(&lru, &scope->lru);
	}
	if (!current)
		return load_chain(chain);
	cache_count_hit();
	return true;
}

/*
 * Load the definitions unless they are current, without a scope.  Raises the
 * errors of tables_open().
 */
void
cache_refresh_definitions(void)
{
	AcceptInvalidationMessages();
	if (!definitions_are_current() || generation_write_is_pending())
	{
		Generations begun = {generation_of_scopes, generation_of_definitions};
		Snapshot	snapshot;

		create_cache();
		snapshot = scan_begin();
		refresh_definitions(snapshot, &begun);
		scan_end(snapshot);
	}
}

/*
 * Return the size of the cache in bytes, and set *entries to the number of
 * cached scopes.
 */
Size
cache_memory(int64 *entries)
{
	*entries = scopes ? scopes->members : 0;
	return cache_cxt ? MemoryContextMemAllocated(cache_cxt, true) : 0;
}
