/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  The backend's cache of definitions, scopes and settings.
 *
 * Invalidation.  What is cached carries the generation at which its loading
 * began: see generation.c.  An entry of an earlier generation is loaded anew
 * when somebody asks for it, and that covers the invalidation that arrives
 * during the loading: the entry then is stale from the beginning, though good
 * enough for the call that loads it, as its snapshot was taken after that call
 * had begun.
 *
 * Invalidation messages arrive slightly after the change itself becomes
 * visible.  So that no reader mixes an instance from after a change with
 * definitions or a system from before it, each load compares the cached
 * definitions and the cached system with their rows in the same snapshot, and
 * takes a difference for an invalidation.
 *
 * Nothing is used twice that is loaded while our own transaction is writing a
 * row, or while triggers of ours are disabled, because then changes may not
 * be told.
 *
 * Memory.  An instance is one chunk, filled when all of it has been read, so
 * an error half-way through leaves nothing behind.  The least recently used
 * instances make room for a new one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "common/hashfn.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "builtin.h"
#include "cache.h"
#include "generation.h"
#include "tableread.h"
#include "value.h"

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

int			cache_size = 16 * 1024;
CacheStats	cache_stats;

/* All below is written by the loading functions alone. */
static MemoryContext cache_cxt = NULL;
static instances_hash *instances = NULL;
static dlist_head instances_lru = DLIST_STATIC_INIT(instances_lru);
static Size instances_size = 0; /* of all instances in the hash */
static CachedScope *system_scope = NULL;

/* The definitions, ordered by key, in a context of their own. */
typedef struct Definitions
{
	MemoryContext cxt;
	uint64		generation;		/* 0: not to be used again */
	uint64		fingerprint;	/* of the rows of table feature */
	uint64		version;		/* incremented by each load */
	FeatureDefinition *array;
	int			count;
	int		   *by_json_name;	/* numbers, ordered by JSON name */
} Definitions;

static Definitions definitions;

/*
 * The label of a source in enum feature_source.
 */
const char *
source_name(FeatureSource source)
{
	static const char *const names[] =
	{
		[SOURCE_DEFAULT] = "default",
		[SOURCE_SYSTEM] = "system",
		[SOURCE_INSTANCE] = "instance"
	};

	return names[source];
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

/*
 * Whether what is loaded now may be used again.
 */
bool
cache_remembers(void)
{
	return tables_are_tracked() && !write_is_pending();
}

/* Say once a session why everything is slow. */
static void
warn_if_untracked(void)
{
	static bool warned = false;

	if (warned || tables_are_tracked())
		return;
	warned = true;
	ereport(WARNING,
			(errmsg("features are not cached because triggers of extension \"%s\" are missing or disabled",
					EXTENSION_NAME),
			 errhint("check_instance_features() names the triggers; enable them by ALTER TABLE ... ENABLE ALWAYS TRIGGER.")));
}

static int
compare_definitions(const void *a, const void *b)
{
	return strcmp(((const FeatureDefinition *) a)->key,
				  ((const FeatureDefinition *) b)->key);
}

static int
compare_json_names(const void *a, const void *b, void *arg)
{
	const FeatureDefinition *array = arg;

	return strcmp(array[*(const int *) a].json_name,
				  array[*(const int *) b].json_name);
}

static void
add_builtin_definition(FeatureDefinition *definition,
					   const BuiltinFeature *feature)
{
	memset(definition, 0, sizeof(FeatureDefinition));
	definition->key = feature->key;
	definition->json_name = feature->json_name;
	definition->value_type = "boolean";
	definition->default_value = make_boolean(false);
	definition->builtin = true;
	definition->stage = "experimental";
}

static void
add_definition(FeatureDefinition *definition, const FeatureRow *row)
{
	definition->key = row->key;
	definition->json_name = row->json_name;
	definition->value_type = row->value_type;
	definition->default_value = row->default_value;
	definition->allowed_values = row->allowed_values;
	definition->builtin = false;
	definition->stage = row->stage;
	definition->deprecated = strcmp(row->stage, "deprecated") == 0;
	definition->removed = strcmp(row->stage, "removed") == 0;
}

/*
 * Load the definitions into a context that replaces the present one when it
 * is complete.  A row that has the key of a built-in feature, which only
 * direct DML makes, is no definition.
 */
static void
load_definitions(Snapshot snapshot, uint64 fingerprint, uint64 generation)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "instance_features definitions",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext caller_cxt = MemoryContextSwitchTo(cxt);
	List	   *rows = read_definitions(snapshot);
	FeatureDefinition *array;
	int		   *by_json_name;
	int			count = 0;
	ListCell   *lc;

	elog(DEBUG2, "instance_features: loading the definitions");
	array = MemoryContextAllocHuge(cxt, sizeof(FeatureDefinition) *
								   (list_length(rows) + NUM_BUILTIN_FEATURES));
	for (int i = 0; i < NUM_BUILTIN_FEATURES; i++)
		add_builtin_definition(&array[count++], &builtin_feature_table[i]);
	foreach(lc, rows)
	{
		if (!is_builtin_key(((FeatureRow *) lfirst(lc))->key))
			add_definition(&array[count++], lfirst(lc));
	}
	qsort(array, count, sizeof(FeatureDefinition), compare_definitions);

	by_json_name = palloc(sizeof(int) * count);
	for (int i = 0; i < count; i++)
		by_json_name[i] = i;
	qsort_arg(by_json_name, count, sizeof(int), compare_json_names, array);
	MemoryContextSwitchTo(caller_cxt);

	MemoryContextSetParent(cxt, cache_cxt);
	if (definitions.cxt != NULL)
		MemoryContextDelete(definitions.cxt);
	definitions.cxt = cxt;
	definitions.generation = cache_remembers() ? generation : 0;
	definitions.fingerprint = fingerprint;
	definitions.version++;
	definitions.array = array;
	definitions.count = count;
	definitions.by_json_name = by_json_name;
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
	*stored = read_scope(snapshot, name, row, NULL);
	if (*stored)
		return !row->dropped;
	if (!scope_exists_implicitly(name))
		return false;

	memset(row, 0, sizeof(ScopeRow));
	row->change_date = row->creation_date = NO_DATE;
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
	List	   *rows = stored ? read_settings(snapshot, name) : NIL;
	Size		id_offset;
	Size		size;
	CachedScope *scope;
	ListCell   *lc;

	id_offset = offsetof(CachedScope, settings) +
		sizeof(CachedSetting) * list_length(rows);
	size = id_offset + name->len + 1;
	foreach(lc, rows)
		size = MAXALIGN(size) + VARSIZE(((SettingRow *) lfirst(lc))->value);

	scope = MemoryContextAllocHuge(cache_cxt, size);

	/* With the allocator's overhead, and the place in a hash that is half full. */
	scope->size = GetMemoryChunkSpace(scope) + 2 * sizeof(InstanceEntry);
	scope->generation = cache_remembers() ? generation : 0;
	scope->fingerprint = 0;
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

/* The generations at which a load began, before it took its snapshot. */
typedef struct Generations
{
	uint64		data;
	uint64		definitions;
} Generations;

/*
 * The tables are newer than the last message that we have received, so
 * everything else that is cached is stale.  What is being loaded is not, unless
 * another message has arrived since its loading began.
 */
static void
run_ahead(bool with_definitions, Generations *begun)
{
	bool		data_current = begun->data == data_generation;
	bool		definitions_current =
	begun->definitions == definitions_generation;

	generation_invalidate(with_definitions);
	if (data_current)
		begun->data = data_generation;
	if (definitions_current)
		begun->definitions = definitions_generation;
}

/*
 * Bring the cached definitions up to date with a snapshot.  The settings of
 * cached scopes have the numbers of the definitions that they were loaded with.
 */
static void
refresh_definitions(Snapshot snapshot, Generations *begun)
{
	uint64		fingerprint = fingerprint_definitions(snapshot);

	if (definitions.cxt != NULL && definitions.fingerprint != fingerprint)
		run_ahead(true, begun);
	if (definitions.generation != definitions_generation)
		load_definitions(snapshot, fingerprint, begun->definitions);
}

/*
 * Bring the cached system up to date with a snapshot.
 */
static void
refresh_system(Snapshot snapshot, Generations *begun)
{
	CachedScope *old = system_scope;
	uint64		fingerprint = fingerprint_scope(snapshot, &system_scope_name);
	ScopeRow	row;
	bool		stored;

	if (old != NULL && old->generation == begun->data)
	{
		if (old->fingerprint == fingerprint)
			return;
		run_ahead(false, begun);
	}

	read_scope_row(snapshot, &system_scope_name, &row, &stored);
	system_scope = load_settings(snapshot, &system_scope_name, &row, stored,
								 begun->data);
	system_scope->fingerprint = fingerprint;
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
	instances_size -= scope->size;
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
	while (instances->members > 0 &&
		   instances_size + scope->size > (Size) cache_size * 1024)
	{
		CachedScope *victim = dlist_tail_element(CachedScope, lru,
												 &instances_lru);

		elog(DEBUG2, "instance_features: instance \"%s\" leaves the cache",
			 scope_id(victim));
		forget_instance(victim);
	}

	entry = instances_insert(instances,
							 instance_key(scope_id(scope), scope->id_length),
							 &found);
	Assert(!found);
	entry->scope = scope;
	dlist_push_head(&instances_lru, &scope->lru);
	instances_size += scope->size;
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
	Generations begun = {data_generation, definitions_generation};
	CachedScope *scope = NULL;
	Snapshot	snapshot;
	MemoryContext load_cxt;
	MemoryContext caller_cxt;

	elog(DEBUG2, "instance_features: loading scope \"%.*s\"",
		 name->len, name->id);
	cache_stats.loads++;
	create_cache();
	load_cxt = AllocSetContextCreate(CurrentMemoryContext,
									 "instance_features load",
									 ALLOCSET_DEFAULT_SIZES);
	caller_cxt = MemoryContextSwitchTo(load_cxt);

	snapshot = begin_read();
	refresh_definitions(snapshot, &begun);
	refresh_system(snapshot, &begun);
	if (name->level == LEVEL_SYSTEM)
		scope = system_scope;
	else
	{
		CachedScope *old = find_cached(name);
		ScopeRow	row;
		bool		stored;

		if (read_scope_row(snapshot, name, &row, &stored))
		{
			scope = load_settings(snapshot, name, &row, stored,
								  begun.data);
			remember_instance(scope, old);
		}
		else if (old != NULL)
			forget_instance(old);
	}
	end_read(snapshot);

	MemoryContextSwitchTo(caller_cxt);
	MemoryContextDelete(load_cxt);
	warn_if_untracked();
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

	if (definitions.generation == definitions_generation &&
		!write_is_pending())
	{
		scope = find_cached(name);
		if (scope != NULL && scope->generation == data_generation &&
			system_scope->generation == data_generation)
		{
			if (scope->level == LEVEL_INSTANCE)
				dlist_move_head(&instances_lru, &scope->lru);
			cache_count_hit();
			return scope;
		}
	}

	return load_scope(name);
}

/*
 * Bring the definitions up to date, without a scope.
 */
void
cache_refresh_definitions(void)
{
	AcceptInvalidationMessages();
	if (definitions.generation != definitions_generation ||
		write_is_pending())
	{
		Generations begun = {data_generation, definitions_generation};
		Snapshot	snapshot;

		create_cache();
		snapshot = begin_read();
		refresh_definitions(snapshot, &begun);
		end_read(snapshot);
	}
}

/*
 * Differs from what it was if the definitions have been loaded anew.
 */
uint64
cache_definitions_version(void)
{
	return definitions.version;
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

const FeatureDefinition *
cache_definition(int feature)
{
	Assert(feature >= 0 && feature < definitions.count);
	return &definitions.array[feature];
}

/*
 * Compare a name of "len" bytes with a zero-terminated one.
 */
static int
compare_name(const char *name, int len, const char *other)
{
	int			cmp = strncmp(name, other, len);

	return cmp == 0 && other[len] != '\0' ? -1 : cmp;
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
		int			cmp = compare_name(key, len,
									   definitions.array[middle].key);

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
	int			low = 0;
	int			high = definitions.count - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			feature = definitions.by_json_name[middle];
		int			cmp = compare_name(json_name, len,
									   definitions.array[feature].json_name);

		if (cmp == 0)
			return feature;
		if (cmp < 0)
			high = middle - 1;
		else
			low = middle + 1;
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
	if (len > 2 * MAX_JSON_NAME_LENGTH || limit < 0)
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
static const CachedSetting *
find_setting(const CachedScope *scope, int feature)
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
	const CachedSetting *setting = find_setting(scope, feature);

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
