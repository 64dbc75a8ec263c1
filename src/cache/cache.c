/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  The backend's cache of definitions, scopes and settings.
 *
 * What is cached.  Scopes that have settings, and others that somebody wants
 * the details of, are in store.c.  Of a scope without settings, it is enough
 * for the value of a feature to know that (fact.c), and whoever is not among
 * the organizations and users that have settings has none (absence.c).
 *
 * Invalidation.  All of these notice the message about a scope; see
 * generation.c.  A message that arrives while the scope is loaded is noticed
 * too, because it is watched for before the snapshot is taken: the entry is
 * stale from the beginning, but still valid for the call that loads it, because
 * the snapshot was taken after the call began.
 *
 * Invalidation messages arrive slightly after the change itself becomes
 * visible.  To avoid combining a scope from after a change with definitions or
 * an upper scope from before it, each load compares the fingerprints of all
 * entries that it uses with their rows in its snapshot, and treats a
 * difference as an invalidation of everything.  An entry therefore knows the
 * moments of the first and the last snapshot that it has agreed with, and
 * entries are combined without a load only if there is a moment that all of
 * them agree with.  When the system or the definitions are loaded again,
 * everything else is.  What is known of a scope without settings has no
 * moments: until a commit that gives it the first one is complete, this may be
 * unknown to a call that knows another change of that commit.
 *
 * Entries that are loaded while our own transaction is writing a row, or while
 * triggers of ours are disabled, are not reused, because changes may not
 * invalidate them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/inval.h"
#include "utils/memutils.h"

#include "cache/absence.h"
#include "cache/cache.h"
#include "cache/definition.h"
#include "cache/fact.h"
#include "cache/store.h"
#include "table/definitionread.h"
#include "table/generation.h"
#include "table/ownwrite.h"
#include "table/tableread.h"

int			cache_size = 32 * 1024;
CacheStats	cache_stats;

/* Written by create_cache(). */
static MemoryContext cache_cxt = NULL;

/* The moment of the snapshot that the definitions have last agreed with. */
static uint64 definitions_moment = 0;

/*
 * The scopes of the current load, and whether a message about them has arrived
 * since it began.  Written by load_chain() and scope_has_changed().
 */
typedef struct Watch
{
	uint32		delivered;
	bool		arrived;
} Watch;

static Watch watches[NUM_LEVELS];
static int	nwatches = 0;

/* The generations at which a load began, before it took its snapshot. */
typedef struct Generations
{
	uint64		data;
	uint64		definitions;
} Generations;

/* A load of a chain.  The arrays are in the order of the chain. */
typedef struct Load
{
	ScopeChain *chain;
	const ScopeKey *keys;
	bool		values_only;	/* see cache_find_values() */
	Generations begun;
	Snapshot	snapshot;
	uint64		moment;			/* of the snapshot */
	CachedScope *scopes[NUM_LEVELS];	/* NULL if without settings */
	bool		found;			/* all scopes exist */
	int			lowest;			/* that exists, or the first that does not */
	bool		was_read;		/* what is below the instance */
} Load;

/*
 * The part of the cache's memory that each kind of entries may take.  Scopes
 * may take what the others leave.
 */
static Size
max_facts_size(void)
{
	return (Size) cache_size * 1024 / 4 * 3;
}

static Size
max_absence_size(void)
{
	return (Size) cache_size * 1024 / 8;
}

static Size
max_scopes_size(void)
{
	Size		max_size = (Size) cache_size * 1024;
	Size		others = fact_size() + absence_size();

	return Max(max_size / 8, max_size - Min(others, max_size));
}

/*
 * A scope has changed.  This is a ScopeListener.
 */
static bool
scope_has_changed(uint32 delivered)
{
	bool		found = store_invalidate(delivered);

	found = fact_forget(delivered) || found;
	found = absence_note(delivered) || found;
	for (int i = 0; i < nwatches; i++)
	{
		if (watches[i].delivered == delivered)
			found = watches[i].arrived = true;
	}
	return found;
}

static void
create_cache(void)
{
	if (cache_cxt != NULL)
		return;
	cache_cxt = AllocSetContextCreate(CacheMemoryContext,
									  "instance_features cache",
									  ALLOCSET_DEFAULT_SIZES);
	generation_listen(scope_has_changed);
}

/*
 * Return whether entries that are loaded now may be reused.
 */
bool
cache_remembers(void)
{
	return tables_are_tracked() && !ownwrite_is_pending();
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
 * Load the definitions unless they are current in a snapshot of this moment.  A
 * change also invalidates the cached scopes, whose settings refer to
 * definitions by number.
 */
static void
refresh_definitions(Snapshot snapshot, uint64 moment, Generations *begun)
{
	bool		pending = ownwrite_is_pending();
	uint64		fingerprint;

	if (definitions_are_current() && definitions_moment == moment && !pending)
		return;

	fingerprint = definitionread_fingerprint(snapshot);
	if (definitions_differ(fingerprint))
		run_ahead(true, begun);
	if (!definitions_are_current())
		definitions_load(snapshot, fingerprint,
						 cache_remembers() ? begun->definitions : 0,
						 cache_cxt);
	definitions_moment = pending ? 0 : moment;
}

/*
 * Return whether a scope is valid and agrees with the load's snapshot.  If it
 * does not agree, everything is invalidated.
 */
static bool
agrees(Load *load, const CachedScope *scope)
{
	if (scope->generation != load->begun.data)
		return false;
	if (scope->last_moment == load->moment && !ownwrite_is_pending())
		return true;
	if (scope->fingerprint == tableread_fingerprint(load->snapshot,
													&scope->name))
		return true;
	run_ahead(false, &load->begun);
	return false;
}

/*
 * Get the scope at a place of the chain as of the load's snapshot.  Loads it
 * unless it is cached in that state.  Returns false if there is no such scope.
 */
static bool
refresh_scope(Load *load, int i)
{
	const ScopeName *name = &load->chain->names[i];
	bool		whole = !load->values_only || level_is_single(name->level);
	CachedScope *scope = store_find(load->keys[i].delivered, name);

	if (scope != NULL && agrees(load, scope))
	{
		store_use(scope);
		load->scopes[i] = scope;
		return true;
	}

	elog(DEBUG2, "instance_features: loading %s \"%.*s\"",
		 level_name(name->level), name->len, name->id);
	if (scope != NULL)
		store_remove(scope);
	scope = scopeload(load->snapshot, name, whole, cache_cxt);
	if (scope == NULL)
		return false;
	if (!whole && scope->nsettings == 0)
	{
		pfree(scope);
		scope = NULL;
	}
	else
	{
		scope->first_moment = load->moment;
		store_add(scope, load->keys[i].delivered, max_scopes_size());
	}
	load->scopes[i] = scope;
	return true;
}

/*
 * Remember what was loaded: all parts match one snapshot, also those that were
 * loaded before.
 */
static void
remember(Load *load)
{
	const ScopeKey *instance = &load->keys[Max(load->chain->length - 2, 0)];

	if (!cache_remembers())
		return;
	for (int i = load->chain->length - 1; i >= load->lowest; i--)
	{
		CachedScope *scope = load->scopes[i];
		Fact		fact = FACT_NO_SETTINGS;

		if (watches[i].arrived)
			continue;
		if (scope != NULL)
		{
			scope->generation = load->begun.data;
			scope->last_moment = load->moment;
			continue;
		}
		if (load->begun.data != generation_of_scopes)
			continue;
		if (i == load->lowest && !load->found)
			fact = FACT_ABSENT;
		else if (absence_is_certain(instance, &load->keys[i]))
			continue;
		fact_remember(&load->keys[i], fact, max_facts_size(), cache_cxt);
	}
	if (load->was_read && load->begun.data == generation_of_scopes)
	{
		ScopeKey	key = absence_read_key(instance);

		fact_remember(&key, FACT_READ, max_facts_size(), cache_cxt);
	}
}

/*
 * Load the missing scopes of a chain, and the definitions if needed, with one
 * snapshot.  Returns false if one of the scopes does not exist.
 */
static bool
load_chain(ScopeChain *chain, const ScopeKey *keys, bool values_only)
{
	Load		load = {
		.chain = chain,.keys = keys,.values_only = values_only,.found = true,
		.begun = {generation_of_scopes, generation_of_definitions}
	};
	int			instance = chain->length - 2;
	MemoryContext load_cxt;
	MemoryContext caller_cxt;

	cache_stats.loads++;
	load_cxt = AllocSetContextCreate(CurrentMemoryContext,
									 "instance_features load",
									 ALLOCSET_DEFAULT_SIZES);
	caller_cxt = MemoryContextSwitchTo(load_cxt);

	/* Miss no message from before the snapshot on. */
	store_begin_load(cache_cxt);
	if (values_only && instance > 0)
		absence_listen(cache_cxt);
	for (int i = 0; i < chain->length; i++)
		watches[i] = (Watch)
	{
		.delivered = keys[i].delivered
	};
	nwatches = chain->length;

	load.snapshot = scan_begin();
	load.moment = scan_moment();
	refresh_definitions(load.snapshot, load.moment, &load.begun);
	load.lowest = chain->length;
	while (load.lowest > 0 && load.found)
		load.found = refresh_scope(&load, --load.lowest);
	if (load.found && values_only && instance > 0 &&
		absence_wants_read(&keys[instance]))
		load.was_read = absence_read(load.snapshot, &chain->names[instance],
									 &keys[instance], max_absence_size());
	scan_end(load.snapshot);

	remember(&load);
	nwatches = 0;
	store_end_load(max_scopes_size());
	for (int i = load.lowest; i < chain->length; i++)
		chain->scopes[i] = load.scopes[i] ? load.scopes[i] : &chain_no_settings;

	MemoryContextSwitchTo(caller_cxt);
	MemoryContextDelete(load_cxt);
	warn_if_untracked();
	return load.found;
}

static bool
find_chain(ScopeChain *chain, bool values_only)
{
	ScopeKey	keys[NUM_LEVELS];
	bool		exists;

	AcceptInvalidationMessages();
	create_cache();
	chain_make_keys(chain, keys);
	if (!definitions_are_current() || ownwrite_is_pending() ||
		!chain_find_cached(chain, keys, values_only, &exists))
		return load_chain(chain, keys, values_only);
	cache_count_hit();
	return exists;
}

/*
 * Find the scopes of a chain, including all committed changes and those of the
 * current transaction, and the definitions to go with them.  Returns false if
 * one of the scopes does not exist.  Raises the errors of tables_open().
 */
bool
cache_find(ScopeChain *chain)
{
	return find_chain(chain, false);
}

/*
 * The same for one who needs nothing but the values of features.  This is
 * cheaper: of a scope without settings, only nsettings is right.
 */
bool
cache_find_values(ScopeChain *chain)
{
	return find_chain(chain, true);
}

/*
 * Load the definitions unless they are current, without a scope.  Raises the
 * errors of tables_open().
 */
void
cache_refresh_definitions(void)
{
	AcceptInvalidationMessages();
	if (!definitions_are_current() || ownwrite_is_pending())
	{
		Generations begun = {generation_of_scopes, generation_of_definitions};
		Snapshot	snapshot;

		create_cache();
		snapshot = scan_begin();
		refresh_definitions(snapshot, scan_moment(), &begun);
		scan_end(snapshot);
	}
}

/*
 * Return the size of the cache in bytes, and set *entries to the number of
 * scopes that it knows something of.
 */
Size
cache_memory(int64 *entries)
{
	*entries = store_count() + fact_count();
	return cache_cxt ? MemoryContextMemAllocated(cache_cxt, true) : 0;
}
