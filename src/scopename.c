/*-------------------------------------------------------------------------
 *
 * scopename.c
 *	  What scopes are called, and which of them exist without a row.
 *
 * Implicit scopes.  The system and the instance "default" exist from the
 * beginning, without a row in table scope: rows of the installation script
 * would collide with those of a restored dump.  They get a row with their
 * first change.  The instance "default" can be dropped; its row then says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "scopename.h"

static const char *const level_names[NUM_LEVELS] =
{
	[LEVEL_SYSTEM] = "system",
	[LEVEL_INSTANCE] = "instance"
};

const ScopeName system_scope_name =
{
	LEVEL_SYSTEM, SYSTEM_SCOPE_ID, sizeof(SYSTEM_SCOPE_ID) - 1
};

const char *
level_name(FeatureLevel level)
{
	return level_names[level];
}

/*
 * Find the level of that name.  False if there is none.
 */
bool
parse_level(const char *name, FeatureLevel *level)
{
	for (int i = 0; i < NUM_LEVELS; i++)
	{
		if (strcmp(name, level_names[i]) == 0)
		{
			*level = i;
			return true;
		}
	}

	return false;
}

ScopeName  *
make_scope_name(FeatureLevel level, const char *id)
{
	ScopeName  *name = palloc(sizeof(ScopeName));

	name->level = level;
	name->id = id;
	name->len = strlen(id);
	return name;
}

ScopeName  *
copy_scope_name(const ScopeName *name)
{
	return make_scope_name(name->level, pnstrdup(name->id, name->len));
}

/*
 * The instance's id as a palloc'd string, or NULL for the system: what the
 * reports of errors.h want.
 */
const char *
message_id(const ScopeName *name)
{
	return name->level == LEVEL_SYSTEM ? NULL : pnstrdup(name->id, name->len);
}

/*
 * The order in which scopes are locked: the system, then the instances by id.
 */
int
compare_scope_names(const ScopeName *a, const ScopeName *b)
{
	int			cmp;

	if (a->level != b->level)
		return (int) a->level - (int) b->level;
	cmp = memcmp(a->id, b->id, Min(a->len, b->len));
	return cmp != 0 ? cmp : a->len - b->len;
}

/* The same for a list of ScopeName, as list_sort() wants it. */
int
compare_scope_cells(const ListCell *a, const ListCell *b)
{
	return compare_scope_names(lfirst(a), lfirst(b));
}

bool
scope_exists_implicitly(const ScopeName *name)
{
	return name->level == LEVEL_SYSTEM ||
		(name->len == sizeof(DEFAULT_INSTANCE_ID) - 1 &&
		 memcmp(name->id, DEFAULT_INSTANCE_ID, name->len) == 0);
}
