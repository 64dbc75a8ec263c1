/*-------------------------------------------------------------------------
 *
 * definition.c
 *	  The cached definitions of features.
 *
 * Features are numbered in the order of their keys.  The numbers change when
 * the definitions do, so they go with the scopes that were loaded with them:
 * see cache.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "base/jsonbuild.h"
#include "cache/definition.h"
#include "model/builtin.h"
#include "table/definitionread.h"
#include "table/tableread.h"

/* The definitions, ordered by key, in a context of their own. */
typedef struct Definitions
{
	MemoryContext cxt;			/* NULL: never loaded */
	uint64		generation;		/* 0: not to be used again */
	uint64		fingerprint;	/* of the rows of table feature */
	uint64		version;		/* incremented by each load */
	FeatureDefinition *array;
	int			count;
	int		   *by_json_name;	/* numbers, ordered by JSON name */
} Definitions;

/* Written by definitions_load() alone. */
static Definitions definitions;

/*
 * Whether the definitions can be used without a look at their table.
 */
bool
definitions_are_current(void)
{
	return definitions.generation == generation_of_definitions;
}

/*
 * Whether the rows of table feature are others than those that were loaded.
 */
bool
definitions_differ(uint64 fingerprint)
{
	return definitions.cxt != NULL && definitions.fingerprint != fingerprint;
}

/*
 * Differs from what it was if the definitions have been loaded anew.
 */
uint64
definitions_version(void)
{
	return definitions.version;
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
	definition->type = value_type(BUILTIN_TYPE);
	definition->default_value = json_make_boolean(false);
	definition->builtin = true;
	definition->stage = BUILTIN_STAGE;
}

static void
add_definition(FeatureDefinition *definition, const FeatureRow *row)
{
	definition->key = row->key;
	definition->json_name = row->json_name;
	definition->type = value_type(row->value_type);
	definition->default_value = row->default_value;
	definition->allowed_values = row->allowed_values;
	definition->builtin = false;
	definition->stage = row->stage;
	definition->deprecated = strcmp(row->stage, "deprecated") == 0;
	definition->removed = strcmp(row->stage, "removed") == 0;
}

/*
 * Load the definitions into a context that replaces the present one when it
 * is complete, given their fingerprint and the generation at which the load
 * began.  A row that has the key of a built-in feature, which only direct DML
 * makes, is no definition.
 */
void
definitions_load(Snapshot snapshot, uint64 fingerprint, uint64 generation,
				 MemoryContext parent_cxt)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext,
											  "instance_features definitions",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext caller_cxt = MemoryContextSwitchTo(cxt);
	List	   *rows = definitionread_all(snapshot);
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
		if (!builtin_is_key(((FeatureRow *) lfirst(lc))->key))
			add_definition(&array[count++], lfirst(lc));
	}
	qsort(array, count, sizeof(FeatureDefinition), compare_definitions);

	by_json_name = palloc(sizeof(int) * count);
	for (int i = 0; i < count; i++)
		by_json_name[i] = i;
	qsort_arg(by_json_name, count, sizeof(int), compare_json_names, array);
	MemoryContextSwitchTo(caller_cxt);

	MemoryContextSetParent(cxt, parent_cxt);
	if (definitions.cxt != NULL)
		MemoryContextDelete(definitions.cxt);
	definitions.cxt = cxt;
	definitions.generation = generation;
	definitions.fingerprint = fingerprint;
	definitions.version++;
	definitions.array = array;
	definitions.count = count;
	definitions.by_json_name = by_json_name;
}

/*
 * The definitions of all features, ordered by key.
 */
const FeatureDefinition *
definitions_all(int *count)
{
	*count = definitions.count;
	return definitions.array;
}

const FeatureDefinition *
definition_get(int feature)
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
definition_find(const char *key, int len)
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
definition_find_json_name(const char *json_name, int len)
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
definition_nearest_key(const char *name, int len)
{
	int			feature = definition_find_json_name(name, len);
	const char *nearest = NULL;
	int			distance = INT_MAX;

	if (feature >= 0)
		return definitions.array[feature].key;

	for (int i = 0; i < definitions.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		consider_name(name, len, definitions.array[i].key,
					  &nearest, &distance);
	}
	return nearest;
}

/*
 * The JSON name or key that is most like "name".  NULL if none is like it.
 */
const char *
definition_nearest_field(const char *name, int len)
{
	const char *nearest = NULL;
	int			distance = INT_MAX;

	for (int i = 0; i < definitions.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		consider_name(name, len, definitions.array[i].json_name,
					  &nearest, &distance);
		consider_name(name, len, definitions.array[i].key,
					  &nearest, &distance);
	}
	return nearest;
}
