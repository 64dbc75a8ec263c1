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

#include "utils/memutils.h"

#include "cache/definition.h"
#include "table/definitionread.h"

/* The definitions, ordered by key, in their own memory context. */
typedef struct Definitions
{
	MemoryContext cxt;			/* NULL if never loaded */
	uint64		generation;		/* when they were loaded; 0 if not reusable */
	uint64		fingerprint;	/* of the rows of table feature */
	uint64		version;		/* incremented by each load */
	DefinitionSet set;
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

/*
 * Load the definitions, given their fingerprint and the generation at which
 * the load began.  The new memory context, a child of "parent_cxt", replaces
 * the current one when it is complete.
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
	DefinitionSet set;

	elog(DEBUG2, "instance_features: loading the definitions");
	set = definitionset_make(rows);
	MemoryContextSwitchTo(caller_cxt);

	MemoryContextSetParent(cxt, parent_cxt);
	if (definitions.cxt != NULL)
		MemoryContextDelete(definitions.cxt);
	definitions.cxt = cxt;
	definitions.generation = generation;
	definitions.fingerprint = fingerprint;
	definitions.version++;
	definitions.set = set;
}

/*
 * Return the definitions as a set.
 */
const DefinitionSet *
definitions_loaded(void)
{
	return &definitions.set;
}

/*
 * Return the definitions of all features, ordered by key.
 */
const FeatureDefinition *
definitions_all(int *count)
{
	*count = definitions.set.count;
	return definitions.set.array;
}

/*
 * Return the definition with this number.
 */
const FeatureDefinition *
definition_get(int feature)
{
	Assert(feature >= 0 && feature < definitions.set.count);
	return &definitions.set.array[feature];
}

/*
 * Return the number of the feature with this key, or -1 if there is none.
 */
int
definition_find(const char *key, int len)
{
	return definitionset_find(&definitions.set, key, len);
}

/*
 * Return the key of the feature with this JSON name, or else the most similar
 * key, or NULL if none is similar.
 */
const char *
definition_nearest_key(const char *name, int len)
{
	return definitionset_nearest_key(&definitions.set, name, len);
}
