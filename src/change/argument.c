/*-------------------------------------------------------------------------
 *
 * argument.c
 *	  Arguments of SQL-callable functions, and the scopes that they name.
 *
 * The rule: a null argument is the same as leaving it out, unless it has no
 * default; then it is invalid_parameter_value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "change/argument.h"

/*
 * Return the id in an argument of type text.
 */
static NamedId
id_argument(FunctionCallInfo fcinfo, int argno)
{
	NamedId		id = {0};

	if (!PG_ARGISNULL(argno))
	{
		text	   *value = PG_GETARG_TEXT_PP(argno);

		id.id = VARDATA_ANY(value);
		id.len = VARSIZE_ANY_EXHDR(value);
	}
	return id;
}

/*
 * Return the chain of the scope of a level that the arguments name: its id and,
 * if it belongs to an instance, that of the instance.  If the level has only
 * one scope, there are no such arguments.  Raises invalid_parameter_value if
 * one of them cannot be an id, or there is no such scope.
 */
ScopeChain
argument_chain(FunctionCallInfo fcinfo, int argno, FeatureLevel level)
{
	NamedIds	named = {0};
	ScopeChain	chain;

	if (!level_is_single(level))
		named.ids[level] = id_argument(fcinfo, argno);
	if (level_is_in_instance(level))
		named.ids[LEVEL_INSTANCE] = id_argument(fcinfo, argno + 1);
	chain = context_chain(&named, level);
	context_require(&chain, &named, level);
	return chain;
}

/*
 * Return the name of that scope.  The strings are palloc'd copies, because a
 * trigger may change the settings.
 */
ScopeName
argument_scope(FunctionCallInfo fcinfo, int argno, FeatureLevel level)
{
	ScopeChain	chain = argument_chain(fcinfo, argno, level);

	return *scopename_copy(&chain.names[0]);
}

/*
 * Return the context that three arguments name, from the top down: the ids of
 * the instance, the organization and the user.
 */
NamedIds
argument_context(FunctionCallInfo fcinfo, int argno)
{
	NamedIds	named = {0};

	for (int level = LEVEL_INSTANCE; level <= CONTEXT_LEVEL; level++)
		named.ids[level] = id_argument(fcinfo, argno++);
	return named;
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
 * Raise undefined_object if a lookup by key has found no feature.
 */
void
argument_require_feature(int feature, const char *key, int len)
{
	if (feature < 0)
		report_unknown_feature(key, len, definition_nearest_key(key, len));
}
