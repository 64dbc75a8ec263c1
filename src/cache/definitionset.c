/*-------------------------------------------------------------------------
 *
 * definitionset.c
 *	  A set of definitions, and finding features in it.
 *
 * The rule: a set never changes.  Features are numbered in the order of their
 * keys, so a number is only good for the set that it was found in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "base/jsonbuild.h"
#include "cache/definitionset.h"
#include "model/builtin.h"
#include "model/tables.h"

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
	int			cmp = strcmp(array[*(const int *) a].json_name,
							 array[*(const int *) b].json_name);

	return cmp != 0 ? cmp : *(const int *) a - *(const int *) b;
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
	definition->deprecated = strcmp(row->stage, STAGE_DEPRECATED) == 0;
	definition->removed = strcmp(row->stage, STAGE_REMOVED) == 0;
}

/*
 * Make a set of the built-in features and of those with these rows, a list of
 * FeatureRow, in the current memory context.  It points into the rows.  Rows
 * with the key of a built-in feature, which only direct DML can insert, are
 * ignored.
 */
DefinitionSet
definitionset_make(const List *rows)
{
	DefinitionSet set = {0};
	ListCell   *lc;

	set.array = MemoryContextAllocHuge(CurrentMemoryContext,
									   sizeof(FeatureDefinition) *
									   (list_length(rows) + NUM_BUILTIN_FEATURES));
	for (int i = 0; i < NUM_BUILTIN_FEATURES; i++)
		add_builtin_definition(&set.array[set.count++],
							   &builtin_feature_table[i]);
	foreach(lc, rows)
	{
		if (!builtin_is_key(((FeatureRow *) lfirst(lc))->key))
			add_definition(&set.array[set.count++], lfirst(lc));
	}
	qsort(set.array, set.count, sizeof(FeatureDefinition),
		  compare_definitions);

	set.by_json_name = palloc(sizeof(int) * set.count);
	for (int i = 0; i < set.count; i++)
		set.by_json_name[i] = i;
	qsort_arg(set.by_json_name, set.count, sizeof(int), compare_json_names,
			  set.array);
	return set;
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
definitionset_find(const DefinitionSet *set, const char *key, int len)
{
	int			low = 0;
	int			high = set->count - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			cmp = compare_name(key, len,
									   set->array[middle].key);

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
 * none: of several, as a document may define them, the first.
 */
int
definitionset_find_json_name(const DefinitionSet *set, const char *json_name,
							 int len)
{
	int			low = 0;
	int			high = set->count - 1;
	int			found = -1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			feature = set->by_json_name[middle];
		int			cmp = compare_name(json_name, len,
									   set->array[feature].json_name);

		if (cmp == 0)
			found = feature;
		if (cmp <= 0)
			high = middle - 1;
		else
			low = middle + 1;
	}

	return found;
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
definitionset_nearest_key(const DefinitionSet *set, const char *name, int len)
{
	int			feature = definitionset_find_json_name(set, name, len);
	const char *nearest = NULL;
	int			distance = INT_MAX;

	if (feature >= 0)
		return set->array[feature].key;

	for (int i = 0; i < set->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		consider_name(name, len, set->array[i].key,
					  &nearest, &distance);
	}
	return nearest;
}

/*
 * Return the JSON name or key that is most similar to "name", or NULL if none
 * is similar.
 */
const char *
definitionset_nearest_field(const DefinitionSet *set, const char *name, int len)
{
	const char *nearest = NULL;
	int			distance = INT_MAX;

	for (int i = 0; i < set->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		consider_name(name, len, set->array[i].json_name,
					  &nearest, &distance);
		consider_name(name, len, set->array[i].key,
					  &nearest, &distance);
	}
	return nearest;
}
