/*-------------------------------------------------------------------------
 *
 * argument.c
 *	  Arguments of SQL-callable functions, and the scopes that they name.
 *
 * The rule: an id is checked when it is used, wherever it comes from.  The
 * settings that have the current scopes, such as instance_features.instance_id,
 * may have any value: if loading the library rejected a value that was set
 * before, the session would continue with a different scope.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "change/argument.h"

char	   *argument_current_ids[NUM_LEVELS];

/*
 * Raise invalid_parameter_value unless the id of a name can be one.
 */
void
argument_check_scope_id(const ScopeName *name)
{
	const char *level = level_name(name->level);

	if (name->len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s id must not be empty", level)));
	if (name->len > MAX_SCOPE_ID_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s id is too long", level),
				 errdetail("It has %d bytes, and at most %d are allowed.",
						   name->len, MAX_SCOPE_ID_LENGTH)));
	if (!pg_verifymbstr(name->id, name->len, true))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s id is not valid in encoding \"%s\"", level,
						GetDatabaseEncodingName())));
}

/*
 * Return the current scope of a level, which may be its only one.  The id is a
 * palloc'd copy, because a trigger may change the setting.  Raises
 * invalid_parameter_value if the setting cannot be an id.
 */
ScopeName
argument_current_scope(FeatureLevel level)
{
	ScopeName	name;

	if (level_is_single(level))
		return scopename_implicit(level);

	name = scopename_make(level, "", pstrdup(argument_current_ids[level]));
	argument_check_scope_id(&name);
	return name;
}

/*
 * Return the scope of a level that is named by an argument of type text, or
 * the current one if that is null.  If the level has only one scope, there is
 * no such argument.  Raises invalid_parameter_value if it cannot be an id.
 */
ScopeName
argument_scope(FunctionCallInfo fcinfo, int argno, FeatureLevel level)
{
	ScopeName	name = {level, "", 0};
	text	   *id;

	if (level_is_single(level) || PG_ARGISNULL(argno))
		return argument_current_scope(level);

	id = PG_GETARG_TEXT_PP(argno);
	name.id = VARDATA_ANY(id);
	name.len = VARSIZE_ANY_EXHDR(id);
	argument_check_scope_id(&name);
	return name;
}

/*
 * Return an expected sequence in palloc'd memory, or NULL if the argument is
 * null.  Raises invalid_parameter_value if it is negative.
 */
const int64 *
argument_sequence(FunctionCallInfo fcinfo, int argno)
{
	int64	   *sequence;

	if (PG_ARGISNULL(argno))
		return NULL;
	sequence = palloc(sizeof(int64));
	*sequence = PG_GETARG_INT64(argno);
	if (*sequence < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expected_sequence must not be negative")));
	return sequence;
}

/*
 * Return an argument of type text as a palloc'd string, or NULL if it is null.
 */
char *
argument_text(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/*
 * Return an argument of type jsonb, or NULL if it is null.
 */
Jsonb *
argument_jsonb(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : PG_GETARG_JSONB_P(argno);
}

/*
 * Return an argument of type boolean.  Raises invalid_parameter_value if it is
 * null; "name" is the argument's name.
 */
bool
argument_boolean(FunctionCallInfo fcinfo, int argno, const char *name)
{
	if (PG_ARGISNULL(argno))
		report_null_argument(name);
	return PG_GETARG_BOOL(argno);
}

/*
 * Return the names of a scope and those that it inherits from, for
 * cache_find().
 */
ScopeChain
argument_chain(const ScopeName *name)
{
	ScopeChain	chain = {0};

	chain.names[chain.length++] = *name;
	for (int parent = level_infos[name->level].parent; parent != NO_LEVEL;
		 parent = level_infos[parent].parent)
		chain.names[chain.length++] = scopename_implicit(parent);
	return chain;
}

/*
 * Find a scope and those that it inherits from.  See cache.h for how long the
 * result is valid.  Raises no_data_found if the scope does not exist.
 */
ScopeChain
argument_find_chain(const ScopeName *name)
{
	ScopeChain	chain = argument_chain(name);

	if (!cache_find(&chain))
		report_scope_not_found(name);
	return chain;
}

/*
 * Return a copy of the cached row of a scope.  Raises no_data_found if the
 * scope does not exist.
 */
ScopeRow
argument_find_scope_row(const ScopeName *name)
{
	ScopeChain	chain = argument_find_chain(name);

	return chain.scopes[0]->row;
}

/*
 * Raise undefined_object if a lookup by key has found no feature.
 */
void
argument_require_feature(int feature, const char *key, int len)
{
	if (feature < 0)
		report_unknown_feature(key, len, definition_nearest_key(key, len));
}
