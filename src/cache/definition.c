/*-------------------------------------------------------------------------
 *
 * definition.c
 *	  The cached definitions of features.
 *
 * The rule: features are numbered in the order of their keys, and the numbers
 * may change when the definitions are loaded again.  So they must only be used
 * with scopes that were loaded with the same definitions; see cache.c.
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

/* The definitions, ordered by key, in their own memory context. */
typedef struct Definitions
{
	MemoryContext cxt;			/* NULL if never loaded */
	uint64		generation;		/* when they were loaded; 0 if not reusable */
	uint64		fingerprint;	/* of the rows of table feature */
	uint64		version;		/* incremented by each load */
	FeatureDefinition *array;
	int			count;
	int		   *by_json_name;	/* numbers, ordered by JSON name */
} Definitions;

/* Written only by definitions_load(). */
static Definitions definitions;

/*
 * Return whether the definitions can be used without checking their table.
 */
bool
definitions_are_current(void)
{
	return definitions.generation == generation_of_definitions;
}

/*
 * Return whether definitions are loaded and the rows of table feature have
 * changed since, given the current fingerprint.
 */
bool
definitions_differ(uint64 fingerprint)
{
	return definitions.cxt != NULL && definitions.fingerprint != fingerprint;
}

/*
 * Return a number that changes whenever the definitions are loaded.
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
	definition->levels = BUILTIN_LEVELS;
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
	definition->levels = row->levels;
	definition->builtin = false;
	definition->stage = row->stage;
	definition->deprecated = strcmp(row->stage, "deprecated") == 0;
	definition->removed = strcmp(row->stage, "removed") == 0;
}

/*
 * Load the definitions, given their fingerprint and the generation at which
 * the load began.  The new memory context, a child of "parent_cxt", replaces
 * the current one when it is complete.  Rows with the key of a built-in
 * feature, which only direct DML can insert, are ignored.
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
 * Return the definitions of all features, ordered by key.
 */
const FeatureDefinition *
definitions_all(int *count)
{
	*count = definitions.count;
	return definitions.array;
}

/*
 * Return the definition with this number.
 */
const FeatureDefinition *
definition_get(int feature)
{
	Assert(feature >= 0 && feature < definitions.count);
	return &definitions.array[feature];
}

/*
 * Compare a name of "len" bytes with a null-terminated one.
 */
static int
compare_name(const char *name, int len, const char *other)
{
	int			cmp = strncmp(name, other, len);

	return cmp == 0 && other[len] != '\0' ? -1 : cmp;
}

/*
 * Return the number of the feature with this key, or -1 if there is none.
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
 * Return the number of the feature with this JSON name, or -1 if there is
 * none.
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
 * Set *nearest to "candidate" if it is more similar to "name" than all
 * previous candidates.  At most half of the longer one may have to be edited.
 */
static void
consider_name(const char *name, int len, const char *candidate,
			  const char **nearest, int *distance)
{
	int			candidate_len = strlen(candidate);
	int			limit = Min(*distance - 1, Max(len, candidate_len) / 2);
	int			d;

	/* So long a string was not meant to be a feature's name. */
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
 * Return the key of the feature with this JSON name, or else the most similar
 * key, or NULL if none is similar.
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
 * Return the JSON name or key that is most similar to "name", or NULL if none
 * is similar.
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
