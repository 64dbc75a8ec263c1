/*-------------------------------------------------------------------------
 *
 * context.c
 *	  The context of a call: the instance, organization and user it is about.
 *
 * The rule: a scope of each level is the one that the call names; else, if the
 * call names no scope above it, the current one; else none.  So what a call
 * names is never combined with what happens to be current below it.
 *
 * An id is checked when it is used, wherever it comes from.  The settings that
 * have the current scopes, such as instance_features.instance_id, may have any
 * value: if loading the library rejected a value that was set before, the
 * session would continue with a different scope.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/errors.h"
#include "change/context.h"

char	   *context_current_ids[NUM_LEVELS];

/*
 * Raise invalid_parameter_value unless this can be the id of a scope.
 */
void
context_check_id(FeatureLevel level, const char *id, int len)
{
	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s id must not be empty", level_name(level))));
	if (len > MAX_SCOPE_ID_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s id is too long", level_name(level)),
				 errdetail("It has %d bytes, and at most %d are allowed.",
						   len, MAX_SCOPE_ID_LENGTH)));
	if (!pg_verifymbstr(id, len, true))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s id is not valid in encoding \"%s\"",
						level_name(level), GetDatabaseEncodingName())));
}

/*
 * The same for all ids that a call names.
 */
void
context_check_ids(const NamedIds *named)
{
	for (int level = 0; level < NUM_LEVELS; level++)
	{
		const NamedId *id = &named->ids[level];

		if (id->id != NULL)
			context_check_id(level, id->id, id->len);
	}
}

/*
 * Find the id of a scope of a level, which is the named one or, if no scope
 * above is named, the current one.  The result has no id if there is none.
 */
static NamedId
find_id(const NamedIds *named, FeatureLevel level, bool named_above)
{
	NamedId		id = named->ids[level];

	if (id.id == NULL && !named_above)
	{
		id.id = context_current_ids[level];
		id.len = strlen(id.id);
		if (id.len == 0 && level_is_in_instance(level))
			id.id = NULL;
	}
	if (id.id != NULL)
		context_check_id(level, id.id, id.len);
	return id;
}

/*
 * Return the names of the scopes of a context down to a level, from the lowest
 * up, for cache_find().  The strings are those of "named" and of the settings.
 * Raises invalid_parameter_value if one of them cannot be an id.
 */
ScopeChain
context_chain(const NamedIds *named, FeatureLevel lowest)
{
	FeatureLevel levels[NUM_LEVELS] = {0};	/* from the lowest up */
	ScopeName	names[NUM_LEVELS] = {0};	/* alike */
	int			count = 0;
	NamedId		instance = {"", 0};
	bool		named_above = false;
	ScopeChain	chain = {0};

	for (int level = lowest; level != NO_LEVEL;
		 level = level_infos[level].parent)
		levels[count++] = level;

	for (int i = count - 1; i >= 0; i--)
	{
		FeatureLevel level = levels[i];
		NamedId		id;

		names[i] = scopename_implicit(level);
		if (level_is_single(level))
			continue;
		id = find_id(named, level, named_above);
		names[i].id = id.id;
		names[i].len = id.len;
		chain.context[level] = id;
		if (level_is_in_instance(level))
		{
			names[i].instance_id = instance.id;
			names[i].instance_len = instance.len;
		}
		else
			instance = id;
		named_above = named_above || named->ids[level].id != NULL;
	}

	for (int i = 0; i < count; i++)
	{
		if (names[i].id != NULL)
			chain.names[chain.length++] = names[i];
	}
	return chain;
}

/*
 * Return the chain of a scope whose name is complete.
 */
ScopeChain
context_chain_of(const ScopeName *name)
{
	ScopeName	owner = scopename_owner(name);
	NamedIds	named = {0};

	if (!level_is_single(name->level))
	{
		named.ids[LEVEL_INSTANCE] = (NamedId)
		{
			owner.id, owner.len
		};
		named.ids[name->level] = (NamedId)
		{
			name->id, name->len
		};
	}
	return context_chain(&named, name->level);
}

/*
 * Raise invalid_parameter_value unless a context has a scope of a level, which
 * then is the first of its chain.
 */
void
context_require(const ScopeChain *chain, const NamedIds *named,
				FeatureLevel level)
{
	if (chain->names[0].level == level)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no %s is named", level_name(level)),
			 named->ids[LEVEL_INSTANCE].id != NULL ?
			 errdetail("The instance is named, so no scope below it is taken from the settings.") : 0,
			 errhint("Give argument \"%s_id\", or leave out the instance too and set \"%s\".",
					 level_name(level), level_infos[level].setting)));
}

/*
 * Find the scopes of a chain.  See cache.h for how long the result is valid.
 * Raises no_data_found if the instance does not exist; all other scopes do.
 */
void
context_find(ScopeChain *chain)
{
	if (!cache_find(chain))
		report_scope_not_found(&chain->names[chain->length - 2]);
}

/*
 * Return the row of the scope whose owner owns the lowest scope of a chain that
 * was found: the system, or the instance.
 */
const ScopeRow *
context_owner_row(const ScopeChain *chain)
{
	return &chain->scopes[Max(chain->length - 2, 0)]->row;
}
