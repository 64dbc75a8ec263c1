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
 * collide with those of a restored dump.  So does every organization and user
 * of an instance, because nothing registers them.  Their first change inserts
 * their row.  If the instance "default" is dropped, its row is marked as
 * dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/scopename.h"

const LevelInfo level_infos[NUM_LEVELS] =
{
	[LEVEL_SYSTEM] = {
		.name = "system",
		.event_name = "system",
		.description = "the system",
		.parent = NO_LEVEL,
		.rollout_level = LEVEL_INSTANCE,
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
		.event_name = "instance",
		.description = "instance",
		.parent = LEVEL_SYSTEM,
		.rollout_level = LEVEL_USER,
		.implicit_id = "default",
		.setting = "instance_features.instance_id",
		.setting_description = "Sets the current instance.",
		.setting_details = "Functions called without an instance id are about this instance.",
		.service_source = "SOURCE_INSTANCE",
		.service_resource = "instance",
		.document_field = "instances",
		.write_permission = "iam.feature.write",
		.delete_permission = "iam.feature.delete"
	},
	[LEVEL_ORGANIZATION] = {
		.name = "organization",
		.event_name = "org",
		.description = "organization",
		.parent = LEVEL_INSTANCE,
		.in_instance = true,
		.setting = "instance_features.organization_id",
		.setting_description = "Sets the current organization.",
		.setting_details = "Functions called without an instance or organization id are about this organization of the current instance.",
		.service_source = "SOURCE_ORGANIZATION",
		.service_resource = "organization",
		.service_id_field = "organizationId",
		.document_field = "organizations",
		.write_permission = "org.feature.write",
		.delete_permission = "org.feature.delete"
	},
	[LEVEL_USER] = {
		.name = "user",
		.event_name = "user",
		.description = "user",
		.parent = LEVEL_ORGANIZATION,
		.in_instance = true,
		.is_personal = true,
		.setting = "instance_features.user_id",
		.setting_description = "Sets the current user.",
		.setting_details = "Functions called without an instance, organization or user id are about this user of the current instance.",
		.service_source = "SOURCE_USER",
		.service_resource = "user",
		.service_id_field = "userId",
		.document_field = "users",
		.write_permission = "user.feature.write",
		.delete_permission = "user.feature.delete"
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
 * Return the names of the levels of a set for a message: "system, instance".
 */
char *
level_list(LevelSet levels)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < NUM_LEVELS; i++)
	{
		if (level_is_in(i, levels))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 level_infos[i].name);
	}
	return names.data;
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
 * Return a palloc'd description of a scope for a message: 'the system',
 * 'instance "default"', or 'user "1" of instance "default"'.
 */
char *
scopename_describe(const ScopeName *name)
{
	const LevelInfo *info = &level_infos[name->level];

	if (info->only_id != NULL)
		return pstrdup(info->description);
	if (info->in_instance)
		return psprintf("%s \"%.*s\" of %s \"%.*s\"", info->description,
						name->len, name->id,
						level_infos[LEVEL_INSTANCE].description,
						name->instance_len, name->instance_id);
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
 * Return the name of the implicit scope of a level.  Its id is NULL if there
 * is none, or not only one.
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

	if (level_is_in_instance(name->level))
		return true;
	return implicit.id != NULL && scopename_compare(name, &implicit) == 0;
}

/*
 * Return the name of the scope whose owner owns this one: its instance, or the
 * scope itself.
 */
ScopeName
scopename_owner(const ScopeName *name)
{
	return level_is_in_instance(name->level) ?
		scopename_instance(name->instance_id, name->instance_len) : *name;
}

static bool
is_id_length(Size length)
{
	return length >= 1 && length <= MAX_SCOPE_ID_LENGTH;
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
	if (!is_id_length(strlen(id)) ||
		(info->in_instance && !is_id_length(strlen(instance_id))))
		return psprintf("An id must have from 1 to %d bytes.",
						MAX_SCOPE_ID_LENGTH);
	if (!info->in_instance && instance_id[0] != '\0')
		return psprintf("Scopes of level \"%s\" belong to no instance, so instance_id must be empty.",
						info->name);
	return NULL;
}
