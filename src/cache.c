/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  The backend's cache of definitions, scopes and settings.
 *
 * Invalidation.  Every change of the tables makes PostgreSQL call our
 * relation cache callback: in other backends when the change commits, in our
 * own at the next command, and again when the change is rolled back.  The
 * callback frees nothing, since it may strike while somebody up the stack
 * uses what is cached; it advances data_generation.  What is cached carries
 * the generation at which its loading began.  An entry of an earlier
 * generation is loaded anew when somebody asks for it, and that covers the
 * invalidation that arrives during the loading: the entry then is outdated
 * from the beginning, though good enough for the call that loads it, as its
 * snapshot was taken after that call had begun.
 *
 * An invalidation arrives a moment after the change that it tells of became
 * visible.  So that no reader mixes an instance from after a change with the
 * system from before it, loading an instance compares the cached system with
 * its row in the same snapshot, and takes a difference for an invalidation.
 *
 * Memory.  An instance is one chunk, filled when all of it has been read, so
 * an error half-way through leaves nothing behind.  The least recently used
 * instance makes room for a new one when there are cache_size of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "common/hashfn.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "cache.h"

/* What instances are found by. */
typedef struct InstanceKey
{
	const char *id;				/* in the entry's scope */
	int			len;
} InstanceKey;

typedef struct InstanceEntry
{
	InstanceKey key;
	CachedScope *scope;
	uint32		hash;
	char		status;
} InstanceEntry;

static inline uint32
hash_instance_key(InstanceKey key)
{
	return hash_bytes((const unsigned char *) key.id, key.len);
}

static inline bool
equal_instance_keys(InstanceKey a, InstanceKey b)
{
	return a.len == b.len && memcmp(a.id, b.id, a.len) == 0;
}

#define SH_PREFIX instances
#define SH_ELEMENT_TYPE InstanceEntry
#define SH_KEY_TYPE InstanceKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_instance_key(key)
#define SH_EQUAL(tb, a, b) equal_instance_keys(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

int			cache_size = 1000;
uint64		cache_generation = 1;
CacheStats	cache_stats;

/* Advanced by invalidate() alone, the second when definitions may differ. */
static uint64 data_generation = 1;
static uint64 definitions_generation = 1;

/* All below is written by the loading functions alone. */
static MemoryContext cache_cxt = NULL;
static instances_hash *instances = NULL;
static dlist_head instances_lru = DLIST_STATIC_INIT(instances_lru);
static CachedScope *system_scope = NULL;

/* The definitions, ordered by key, in a context of their own. */
typedef struct Definitions
{
	MemoryContext cxt;
	uint64		generation;		/* 0: never loaded */
	FeatureDefinition *array;
	int			count;
	TimestampTz creation_date;	/* of the extension, by its own definitions */
} Definitions;

static Definitions definitions;

/* Written by cache_register_callback() and cache_unregister_callback(). */
typedef struct RegisteredCallback
{
	slist_node	node;
	CacheCallback callback;
	void	   *arg;
} RegisteredCallback;

static slist_head callbacks = SLIST_STATIC_INIT(callbacks);

/*
 * Every answer given may be outdated.
 */
void
cache_advance(void)
{
	slist_iter	iter;

	cache_generation++;
	slist_foreach(iter, &callbacks)
	{
		RegisteredCallback *registered;

		registered = slist_container(RegisteredCallback, node, iter.cur);
		registered->callback(registered->arg);
	}
}

void
cache_register_callback(CacheCallback callback, void *arg)
{
	RegisteredCallback *registered;

	registered = MemoryContextAlloc(TopMemoryContext,
									sizeof(RegisteredCallback));
	registered->callback = callback;
	registered->arg = arg;
	slist_push_head(&callbacks, &registered->node);
}

void
cache_unregister_callback(CacheCallback callback, void *arg)
{
	slist_mutable_iter iter;

	slist_foreach_modify(iter, &callbacks)
	{
		RegisteredCallback *registered;

		registered = slist_container(RegisteredCallback, node, iter.cur);
		if (registered->callback == callback && registered->arg == arg)
		{
			slist_delete_current(&iter);
			pfree(registered);
		}
	}
}

/*
 * All that was loaded, and every answer given, may be outdated.
 */
static void
invalidate(bool with_definitions)
{
	cache_stats.invalidations++;
	data_generation++;
	if (with_definitions)
		definitions_generation++;
	cache_advance();
}

static void
relcache_callback(Datum arg, Oid relid)
{
	bool		with_definitions;

	if (store_concerns(relid, &with_definitions))
		invalidate(with_definitions);
}

/*
 * Some relation has been created, altered or dropped.  As long as ours are
 * missing, it may be one of them.
 */
static void
relname_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	if (store_found_missing())
		invalidate(true);
}

/*
 * Called once, when the library is loaded.
 */
void
cache_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(RELNAMENSP, relname_callback, (Datum) 0);
}

static void
create_cache(void)
{
	if (cache_cxt == NULL)
		cache_cxt = AllocSetContextCreate(CacheMemoryContext,
										  "instance_features cache",
										  ALLOCSET_DEFAULT_SIZES);
	if (instances == NULL)
		instances = instances_create(cache_cxt, 64, NULL);
}

static int
compare_definitions(const void *a, const void *b)
{
	return strcmp(((const FeatureDefinition *) a)->key,
				  ((const FeatureDefinition *) b)->key);
}

/*
 * Load the definitions into a context that replaces the present one when it
 * is complete.
 */
static void
load_definitions(Snapshot snapshot)
{
	uint64		generation = definitions_generation;
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "instance_features definitions",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext caller_cxt = MemoryContextSwitchTo(cxt);
	List	   *rows = store_read_features(snapshot);
	FeatureDefinition *array;
	int			count = 0;
	TimestampTz creation_date = 0;
	ListCell   *lc;

	array = palloc(sizeof(FeatureDefinition) * Max(list_length(rows), 1));
	foreach(lc, rows)
	{
		FeatureRow *row = lfirst(lc);

		array[count].key = row->key;
		array[count].json_name = row->json_name;
		array[count].value_type = row->value_type;
		array[count].default_value = row->default_value;
		array[count].allowed_values = row->allowed_values;
		array[count].builtin = row->builtin;
		array[count].stage = row->stage;
		array[count].deprecated = strcmp(row->stage, "deprecated") == 0;
		array[count].removed = strcmp(row->stage, "removed") == 0;
		count++;
		if (row->builtin &&
			(creation_date == 0 || row->creation_date < creation_date))
			creation_date = row->creation_date;
	}
	qsort(array, count, sizeof(FeatureDefinition), compare_definitions);
	MemoryContextSwitchTo(caller_cxt);

	MemoryContextSetParent(cxt, cache_cxt);
	if (definitions.cxt != NULL)
		MemoryContextDelete(definitions.cxt);
	definitions.cxt = cxt;
	definitions.generation = generation;
	definitions.array = array;
	definitions.count = count;
	definitions.creation_date = creation_date;
}

static int
compare_settings(const void *a, const void *b)
{
	return ((const CachedSetting *) a)->feature -
		((const CachedSetting *) b)->feature;
}

/*
 * Read the row of a scope, or make up that of one that exists implicitly.
 * False if there is no such scope.
 */
static bool
read_scope_row(Snapshot snapshot, const ScopeName *name, ScopeRow *row,
			   bool *stored)
{
	*stored = store_read_scope(snapshot, name, row);
	if (*stored)
		return OidIsValid(row->owner);

	if (name->level == LEVEL_INSTANCE &&
		(name->len != sizeof(DEFAULT_INSTANCE_ID) - 1 ||
		 memcmp(name->id, DEFAULT_INSTANCE_ID, name->len) != 0))
		return false;

	row->sequence = 0;
	row->change_date = row->creation_date = definitions.creation_date;
	return true;
}

/*
 * Read the settings of a scope and put all that is known of it into one chunk
 * in the cache's context.  Settings of undefined features are left out.
 */
static CachedScope *
load_settings(Snapshot snapshot, const ScopeName *name, const ScopeRow *row,
			  bool stored, uint64 generation)
{
	List	   *rows = stored ? store_read_settings(snapshot, name) : NIL;
	Size		id_offset;
	Size		size;
	CachedScope *scope;
	ListCell   *lc;

	id_offset = offsetof(CachedScope, settings) +
		sizeof(CachedSetting) * list_length(rows);
	size = id_offset + name->len + 1;
	foreach(lc, rows)
		size = MAXALIGN(size) + VARSIZE(((SettingRow *) lfirst(lc))->value);

	scope = MemoryContextAlloc(cache_cxt, size);
	scope->size = size;
	scope->generation = generation;
	scope->stored = stored;
	scope->row = *row;
	scope->level = name->level;
	scope->id_length = name->len;
	scope->id_offset = id_offset;
	scope->nsettings = 0;
	memcpy((char *) scope + id_offset, name->id, name->len);
	((char *) scope)[id_offset + name->len] = '\0';

	size = id_offset + name->len + 1;
	foreach(lc, rows)
	{
		SettingRow *setting = lfirst(lc);
		int			feature = cache_find_feature(setting->feature,
												 strlen(setting->feature));
		CachedSetting *cached = &scope->settings[scope->nsettings];

		if (feature < 0)
			continue;
		size = MAXALIGN(size);
		cached->feature = feature;
		cached->value_offset = size;
		cached->sequence = setting->sequence;
		cached->change_date = setting->change_date;
		scope->nsettings++;
		memcpy((char *) scope + size, setting->value, VARSIZE(setting->value));
		size += VARSIZE(setting->value);
	}
	qsort(scope->settings, scope->nsettings, sizeof(CachedSetting),
		  compare_settings);

	return scope;
}

static bool
same_row(const CachedScope *scope, const ScopeRow *row, bool stored)
{
	return scope->stored == stored &&
		scope->row.owner == row->owner &&
		scope->row.sequence == row->sequence &&
		scope->row.change_date == row->change_date;
}

/*
 * Bring the cached system up to date with a snapshot.  *generation is that of
 * the load; it advances if the system turns out to have changed.
 */
static void
load_system(Snapshot snapshot, uint64 *generation)
{
	CachedScope *old = system_scope;
	ScopeRow	row;
	bool		stored;

	read_scope_row(snapshot, &system_scope_name, &row, &stored);

	if (old != NULL && old->generation == *generation)
	{
		if (same_row(old, &row, stored))
			return;

		/* We are ahead of the message: what else is cached is outdated. */
		if (data_generation == *generation)
			(*generation)++;
		invalidate(false);
	}

	system_scope = load_settings(snapshot, &system_scope_name, &row, stored,
								 *generation);
	if (old != NULL)
		pfree(old);
}

static InstanceKey
instance_key(const char *id, int len)
{
	InstanceKey key = {id, len};

	return key;
}

static void
forget_instance(CachedScope *scope)
{
	instances_delete(instances,
					 instance_key(scope_id(scope), scope->id_length));
	dlist_delete(&scope->lru);
	pfree(scope);
}

/*
 * Remember an instance in place of its "old" state, if that is not NULL.
 */
static void
remember_instance(CachedScope *scope, CachedScope *old)
{
	InstanceEntry *entry;
	bool		found;

	if (old != NULL)
		forget_instance(old);
	while (instances->members >= cache_size)
		forget_instance(dlist_tail_element(CachedScope, lru, &instances_lru));

	entry = instances_insert(instances,
							 instance_key(scope_id(scope), scope->id_length),
							 &found);
	Assert(!found);
	entry->scope = scope;
	dlist_push_head(&instances_lru, &scope->lru);
}

static CachedScope *
find_cached(const ScopeName *name)
{
	InstanceEntry *entry;

	if (name->level == LEVEL_SYSTEM)
		return system_scope;
	entry = instances_lookup(instances, instance_key(name->id, name->len));
	return entry ? entry->scope : NULL;
}

/*
 * Load a scope, with the definitions and the system, from one snapshot.  NULL
 * if there is no such scope.
 */
static CachedScope *
load_scope(const ScopeName *name)
{
	uint64		generation = data_generation;
	CachedScope *scope = NULL;
	Snapshot	snapshot;
	MemoryContext load_cxt;
	MemoryContext caller_cxt;

	cache_stats.loads++;
	create_cache();
	load_cxt = AllocSetContextCreate(CurrentMemoryContext,
									 "instance_features load",
									 ALLOCSET_DEFAULT_SIZES);
	caller_cxt = MemoryContextSwitchTo(load_cxt);

	snapshot = store_begin_read();
	if (definitions.generation != definitions_generation)
		load_definitions(snapshot);
	load_system(snapshot, &generation);
	if (name->level == LEVEL_SYSTEM)
		scope = system_scope;
	else
	{
		CachedScope *old = find_cached(name);
		ScopeRow	row;
		bool		stored;

		if (read_scope_row(snapshot, name, &row, &stored))
		{
			scope = load_settings(snapshot, name, &row, stored, generation);
			remember_instance(scope, old);
		}
		else if (old != NULL)
			forget_instance(old);
	}
	store_end_read(snapshot);

	MemoryContextSwitchTo(caller_cxt);
	MemoryContextDelete(load_cxt);
	return scope;
}

/*
 * Find a scope as it is now: what is committed, and what our own transaction
 * did.  NULL if there is none of that name.
 */
const CachedScope *
cache_find_scope(const ScopeName *name)
{
	CachedScope *scope;

	AcceptInvalidationMessages();

	if (definitions.generation == definitions_generation)
	{
		scope = find_cached(name);
		if (scope != NULL && scope->generation == data_generation &&
			system_scope->generation == data_generation)
		{
			if (scope->level == LEVEL_INSTANCE)
				dlist_move_head(&instances_lru, &scope->lru);
			cache_stats.hits++;
			return scope;
		}
	}

	return load_scope(name);
}

/*
 * Have the next call of cache_find_scope() load.  A change becomes visible a
 * moment before the message that tells of it arrives, so whoever has met a
 * row that differs from what is cached must not wait for the message.
 */
void
cache_distrust(void)
{
	invalidate(false);
}

/*
 * Bring the definitions up to date, without a scope.
 */
void
cache_refresh_definitions(void)
{
	AcceptInvalidationMessages();
	if (definitions.generation != definitions_generation)
	{
		Snapshot	snapshot;

		create_cache();
		snapshot = store_begin_read();
		load_definitions(snapshot);
		store_end_read(snapshot);
	}
}

/*
 * Differs from what it was if the definitions have been loaded anew.
 */
uint64
cache_definitions_generation(void)
{
	return definitions.generation;
}

/*
 * The bytes that the cache takes, and how many instances it has.
 */
Size
cache_memory(int64 *entries)
{
	*entries = instances ? instances->members : 0;
	return cache_cxt ? MemoryContextMemAllocated(cache_cxt, true) : 0;
}

/*
 * The definitions of all features, ordered by key.
 */
const FeatureDefinition *
cache_definitions(int *count)
{
	*count = definitions.count;
	return definitions.array;
}

/*
 * The number of the feature with this key, -1 if there is none.
 */
int
cache_find_feature(const char *key, int len)
{
	int			low = 0;
	int			high = definitions.count - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		const char *candidate = definitions.array[middle].key;
		int			cmp = strncmp(key, candidate, len);

		if (cmp == 0 && candidate[len] != '\0')
			cmp = -1;
		if (cmp == 0)
			return middle;
		if (cmp < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}

	return -1;
}

/*
 * The number of the feature with this JSON name, -1 if there is none.
 */
int
cache_find_json_name(const char *json_name, int len)
{
	for (int i = 0; i < definitions.count; i++)
	{
		if (strlen(definitions.array[i].json_name) == len &&
			memcmp(definitions.array[i].json_name, json_name, len) == 0)
			return i;
	}

	return -1;
}

/*
 * Take "candidate" for *nearest if it is more like "name" than all before.
 * Both must have something in common: more than half of the longer one.
 */
static void
consider_name(const char *name, int len, const char *candidate,
			  const char **nearest, int *distance)
{
	int			candidate_len = strlen(candidate);
	int			limit = Min(*distance - 1, Max(len, candidate_len) / 2);
	int			d;

	/* Nothing as long as that was meant to be a feature's name. */
	if (len > 2 * MAX_SCOPE_ID_LENGTH || limit < 0)
		return;

	d = varstr_levenshtein_less_equal(name, len, candidate, candidate_len,
									  1, 1, 1, limit, true);
	if (d <= limit)
	{
		*nearest = candidate;
		*distance = d;
	}
}

/*
 * The key that is most like "name", or whose feature has it for a JSON name.
 * NULL if none is like it.
 */
const char *
cache_nearest_key(const char *name, int len)
{
	int			feature = cache_find_json_name(name, len);
	const char *nearest = NULL;
	int			distance = INT_MAX;

	if (feature >= 0)
		return definitions.array[feature].key;

	for (int i = 0; i < definitions.count; i++)
		consider_name(name, len, definitions.array[i].key,
					  &nearest, &distance);
	return nearest;
}

/*
 * The JSON name or key that is most like "name".  NULL if none is like it.
 */
const char *
cache_nearest_field(const char *name, int len)
{
	const char *nearest = NULL;
	int			distance = INT_MAX;

	for (int i = 0; i < definitions.count; i++)
	{
		consider_name(name, len, definitions.array[i].json_name,
					  &nearest, &distance);
		consider_name(name, len, definitions.array[i].key,
					  &nearest, &distance);
	}
	return nearest;
}

/*
 * A scope's own setting of a feature, or NULL.
 */
const CachedSetting *
cache_find_setting(const CachedScope *scope, int feature)
{
	CachedSetting key = {.feature = feature};

	return bsearch(&key, scope->settings, scope->nsettings,
				   sizeof(CachedSetting), compare_settings);
}

/*
 * The state of a feature by a scope's own setting.  False if it has none.
 */
bool
cache_own_state(const CachedScope *scope, int feature, FeatureState *state)
{
	const CachedSetting *setting = cache_find_setting(scope, feature);

	if (setting == NULL)
		return false;

	state->definition = &definitions.array[feature];
	state->value = setting_value(scope, setting);
	state->source = scope->level == LEVEL_SYSTEM ? SOURCE_SYSTEM :
		SOURCE_INSTANCE;
	state->sequence = setting->sequence;
	state->change_date = setting->change_date;
	return true;
}

/*
 * The effective state of a feature on a scope: by its own setting, else by
 * the system's, else the default, which a removed feature has everywhere.
 */
void
cache_effective_state(const CachedScope *scope, int feature,
					  FeatureState *state)
{
	if (!definitions.array[feature].removed &&
		(cache_own_state(scope, feature, state) ||
		 cache_own_state(system_scope, feature, state)))
		return;

	state->definition = &definitions.array[feature];
	state->value = definitions.array[feature].default_value;
	state->source = SOURCE_DEFAULT;
	state->sequence = 0;
	state->change_date = 0;
}

/*
 * The owner of the system.
 */
Oid
cache_system_owner(void)
{
	return system_scope->row.owner;
}
