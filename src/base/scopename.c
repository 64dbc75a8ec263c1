/*-------------------------------------------------------------------------
 *
 * scopename.c
 *	  Levels, names of scopes, and implicit scopes.
 *
 * The rule: a level is a row of level_infos[].  Besides that, it has its
 * functions in SQL; see api/level.h.
 *
 * Implicit scopes.  The system and the instance "default" exist without a row
 * in table scope, because rows inserted by the installation script would
 * collide with those of a restored dump.  Their first change inserts their
 * row.  If the instance "default" is dropped, its row is marked as dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/scopename.h"

const LevelInfo level_infos[NUM_LEVELS] =
{
	[LEVEL_SYSTEM] = {
		.name = "system",
		.description = "the system",
		.parent = NO_LEVEL,
		.only_id = "SYSTEM",
		.implicit_id = "SYSTEM",
		.service_source = "SOURCE_SYSTEM",
		.service_resource = "system",
		.document_field = "system",
		.write_permission = "system.feature.write",
		.delete_permission = "system.feature.delete"
	},
	[LEVEL_INSTANCE] = {
		.name = "instance",
		.description = "instance",
		.parent = LEVEL_SYSTEM,
		.implicit_id = "default",
		.setting = "instance_features.instance_id",
		.setting_description = "Sets the current instance.",
		.setting_details = "Functions called without an instance id are about this instance.",
		.service_source = "SOURCE_INSTANCE",
		.service_resource = "instance",
		.document_field = "instances",
		.write_permission = "iam.feature.write",
		.delete_permission = "iam.feature.delete"
	}
};

const ScopeName scopename_system = {LEVEL_SYSTEM, "", 0, "SYSTEM", 6};

/*
 * Find the level of that name.  Returns false if there is none.
 */
bool
level_parse(const char *name, FeatureLevel *level)
{
	for (int i = 0; i < NUM_LEVELS; i++)
	{
		if (strcmp(name, level_infos[i].name) == 0)
		{
			*level = i;
			return true;
		}
	}

	return false;
}

/*
 * Return a name that points to the given strings.
 */
ScopeName
scopename_make(FeatureLevel level, const char *instance_id, const char *id)
{
	ScopeName	name = {level, instance_id, strlen(instance_id), id, strlen(id)};

	return name;
}

/*
 * Return a palloc'd copy of a name and its strings.
 */
ScopeName  *
scopename_copy(const ScopeName *name)
{
	ScopeName  *copy = palloc(sizeof(ScopeName));

	*copy = scopename_make(name->level,
						   pnstrdup(name->instance_id, name->instance_len),
						   pnstrdup(name->id, name->len));
	return copy;
}

/*
 * Return a palloc'd description of a scope for a message: 'instance "default"'
 * or 'the system'.
 */
char *
scopename_describe(const ScopeName *name)
{
	const LevelInfo *info = &level_infos[name->level];

	if (info->only_id != NULL)
		return pstrdup(info->description);
	return psprintf("%s \"%.*s\"", info->description, name->len, name->id);
}

static int
compare_ids(const char *a, int a_len, const char *b, int b_len)
{
	int			cmp = memcmp(a, b, Min(a_len, b_len));

	return cmp != 0 ? cmp : a_len - b_len;
}

/*
 * Compare two names in the order in which scopes are locked: by level from the
 * top down, then by instance, then by id.
 */
int
scopename_compare(const ScopeName *a, const ScopeName *b)
{
	int			cmp = (int) a->level - (int) b->level;

	if (cmp == 0)
		cmp = compare_ids(a->instance_id, a->instance_len,
						  b->instance_id, b->instance_len);
	return cmp != 0 ? cmp : compare_ids(a->id, a->len, b->id, b->len);
}

/*
 * The same as a comparator of list_sort() for a list of ScopeName.
 */
int
scopename_compare_cells(const ListCell *a, const ListCell *b)
{
	return scopename_compare(lfirst(a), lfirst(b));
}

/*
 * Return the name of the implicit scope of a level.  Its id is NULL if the
 * level has none.
 */
ScopeName
scopename_implicit(FeatureLevel level)
{
	const char *id = level_infos[level].implicit_id;
	ScopeName	name = {level, "", 0, id, id ? strlen(id) : 0};

	return name;
}

/*
 * Return whether a scope exists implicitly.
 */
bool
scopename_is_implicit(const ScopeName *name)
{
	ScopeName	implicit = scopename_implicit(name->level);

	return implicit.id != NULL && scopename_compare(name, &implicit) == 0;
}

/*
 * Return a sentence that says why a row of table scope with these columns is
 * not valid, or NULL if it is.
 */
const char *
scopename_violation(const char *level, const char *instance_id,
					const char *id)
{
	FeatureLevel parsed;
	const LevelInfo *info;

	if (!level_parse(level, &parsed))
		return "There is no such level.";
	info = &level_infos[parsed];
	if (info->only_id != NULL && strcmp(id, info->only_id) != 0)
		return psprintf("The id of %s must be \"%s\".", info->description,
						info->only_id);
	if (strlen(id) < 1 || strlen(id) > MAX_SCOPE_ID_LENGTH)
		return psprintf("An id must have from 1 to %d bytes.",
						MAX_SCOPE_ID_LENGTH);
	if (instance_id[0] != '\0')
		return psprintf("Scopes of level \"%s\" belong to no instance, so instance_id must be empty.",
						info->name);
	return NULL;
}
