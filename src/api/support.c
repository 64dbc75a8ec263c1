/*-------------------------------------------------------------------------
 *
 * support.c
 *	  Planner support functions of the readers.
 *
 * Of a clause feature_enabled('x', tenant) they make the index condition
 * tenant = ANY (enabled_instances('x', ...)); see enabledinstances.c.
 *
 * The rule: planning decides only which plan is chosen.  What it reads is not
 * in the plan, and is read again when the plan is executed, because a plan may
 * be executed after a change that does not invalidate it.  An index condition
 * is only offered where it holds for all rows for which the clause is true,
 * whatever the settings are by then; the clause itself is evaluated for each
 * row that is found.
 *
 * Planning must not fail because of a feature that is not defined, or of
 * tables that cannot be used: it is for execution to say so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_statistic.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "api/enabledinstances.h"
#include "api/get.h"
#include "base/compat.h"
#include "cache/cache.h"
#include "cache/definition.h"
#include "change/context.h"
#include "change/spread.h"
#include "model/tables.h"
#include "table/scan.h"

PG_FUNCTION_INFO_V1(feature_enabled_support);
PG_FUNCTION_INFO_V1(feature_states_support);

/*
 * Planning reads one setting for so many rows of the table, but the minimum in
 * any case and no more than the maximum.  With the estimates that the planner
 * makes of the list, a setting takes some microseconds, so planning is cheap
 * compared with a scan of the table.
 */
#define ROWS_PER_SETTING 300
#define MIN_SETTINGS 1000
#define MAX_SETTINGS 100000

/* The selectivity if there were more settings than that. */
#define UNKNOWN_SELECTIVITY 0.5

/*
 * The cost of feature_enabled() for another context at each call, in the cost
 * of an operator.
 */
#define LOOKUP_COST 20

/* The rows of a scope's own settings, unless there are fewer features. */
#define OWN_SETTINGS 10

/* The types of the arguments of enabled_instances(). */
static const Oid list_argument_types[NUM_LIST_ARGUMENTS] = {
	TEXTOID, BOOLOID, INTERNALOID
};

static bool
is_null_constant(const void *node)
{
	return IsA(node, Const) && ((const Const *) node)->constisnull;
}

/*
 * Return the number of settings that planning may read for a table.
 */
static int64
settings_limit(const RelOptInfo *rel)
{
	double		limit = rel ? rel->tuples / ROWS_PER_SETTING : 0;

	return Max(MIN_SETTINGS, Min(MAX_SETTINGS, limit));
}

/*
 * Read the spread of the feature in a call of feature_enabled(), for planning.
 * Returns NULL if the feature is not known yet, or the call will fail.
 */
static FeatureSpread *
plan_spread(const List *args, int64 limit)
{
	const Const *key = list_nth(args, ARGUMENT_FEATURE);
	const Const *fallback = list_nth(args, ARGUMENT_FALLBACK);
	const text *name;
	Snapshot	snapshot;
	FeatureSpread *spread;

	if (!IsA(key, Const) || key->constisnull || !tables_are_usable())
		return NULL;
	name = DatumGetTextPP(key->constvalue);

	snapshot = scan_begin();
	spread = spread_read(snapshot, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name),
						 limit);
	scan_end(snapshot);

	if (spread->type != NULL)
		return spread_is_boolean(spread) ? spread : NULL;
	if (!IsA(fallback, Const) || fallback->constisnull)
		return NULL;
	spread_set_inheritance(spread, DatumGetBool(fallback->constvalue));
	return spread;
}

/*
 * Return whether there are statistics of a column or expression, with values of
 * type text.
 */
static bool
has_text_statistics(const VariableStatData *vardata)
{
	Oid			type;

	if (!HeapTupleIsValid(vardata->statsTuple))
		return false;
	type = getBaseType(vardata->atttype);
	return type == TEXTOID || type == VARCHAROID;
}

/*
 * Estimate the fraction of rows whose id is that of an exception.  Each
 * exception that is not one of the most common values is taken to have as many
 * rows as any other value.
 */
static double
exceptions_selectivity(VariableStatData *vardata, const FeatureSpread *spread)
{
	bool		isdefault;
	double		ndistinct = get_variable_numdistinct(vardata, &isdefault);
	double		exceptions = spread->nexceptions;
	double		rest = 1;
	double		selectivity = 0;
	AttStatsSlot common;

	if (has_text_statistics(vardata))
		rest -= ((Form_pg_statistic) GETSTRUCT(vardata->statsTuple))->stanullfrac;
	if (has_text_statistics(vardata) &&
		get_attstatsslot(&common, vardata->statsTuple, STATISTIC_KIND_MCV,
						 InvalidOid,
						 ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
	{
		for (int i = 0; i < common.nvalues; i++)
		{
			text	   *id = DatumGetTextPP(common.values[i]);

			rest -= common.numbers[i];
			ndistinct--;
			if (!spread_is_exception(spread, PointerGetDatum(id)))
				continue;
			selectivity += common.numbers[i];
			exceptions--;
		}
		free_attstatsslot(&common);
	}

	if (exceptions > 0 && rest > 0)
		selectivity += rest * Min(1, exceptions / Max(1, ndistinct));
	return selectivity;
}

/*
 * Estimate the fraction of rows whose id, which is the same for all, is that
 * of an exception.  Null is the current instance.
 */
static double
exception_probability(const Const *instance, const FeatureSpread *spread)
{
	text	   *id = instance->constisnull ?
	cstring_to_text(context_current_ids[LEVEL_INSTANCE]) :
	DatumGetTextPP(instance->constvalue);

	return spread_is_exception(spread, PointerGetDatum(id)) ? 1 : 0;
}

/*
 * Estimate the fraction of rows for which a call is true.
 */
static Node *
estimate_selectivity(SupportRequestSelectivity *request)
{
	VariableStatData vardata;
	Node	   *instance;
	FeatureSpread *spread;
	double		selectivity;

	if (list_length(request->args) != NUM_ARGUMENTS)
		return NULL;
	instance = list_nth(request->args, ARGUMENT_INSTANCE);
	examine_variable(request->root, instance, request->varRelid, &vardata);
	spread = plan_spread(request->args, settings_limit(vardata.rel));
	if (spread == NULL)
	{
		ReleaseVariableStats(vardata);
		return NULL;
	}

	if (!spread->complete)
		selectivity = UNKNOWN_SELECTIVITY;
	else if (spread->inheritance == INHERIT_BY_SHARE)
		selectivity = spread->share;
	else
	{
		selectivity = IsA(instance, Const) ?
			exception_probability((const Const *) instance, spread) :
			exceptions_selectivity(&vardata, spread);
		if (spread->inheritance == INHERIT_ON)
			selectivity = 1 - selectivity;
	}
	ReleaseVariableStats(vardata);

	CLAMP_PROBABILITY(selectivity);
	request->selectivity = selectivity;
	return (Node *) request;
}

/*
 * Estimate the cost of a call, which is the declared one if the context is
 * always the same.
 */
static Node *
estimate_cost(SupportRequestCost *request)
{
	const FuncExpr *call = (const FuncExpr *) request->node;
	bool		varies = false;

	if (call == NULL || !IsA(call, FuncExpr) ||
		list_length(call->args) != NUM_ARGUMENTS)
		return NULL;
	for (int i = 0; i < ARGUMENT_FALLBACK; i++)
		varies = varies || !(IsA(list_nth(call->args, i), Const) ||
							 IsA(list_nth(call->args, i), Param));
	if (!varies)
		return NULL;

	request->startup = 0;
	request->per_tuple = LOOKUP_COST * cpu_operator_cost;
	return (Node *) request;
}

/*
 * Return enabled_instances(), or InvalidOid if it cannot be called.
 */
static Oid
find_list_function(void)
{
	Oid			schema = get_namespace_oid(EXTENSION_SCHEMA, true);
	oidvector  *types = buildoidvector(list_argument_types,
									   NUM_LIST_ARGUMENTS);
	Oid			function;

	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							   CStringGetDatum("enabled_instances"),
							   PointerGetDatum(types),
							   ObjectIdGetDatum(schema));
	if (!OidIsValid(function) || get_func_rettype(function) != TEXTARRAYOID ||
		!may_execute_function(function, GetUserId()))
		return InvalidOid;
	return function;
}

/*
 * Return whether the argument that matches the index column cannot be null: it
 * is a column of the table that is declared NOT NULL.  Null means the current
 * instance, and a scan without the index would find such rows.
 */
static bool
index_column_is_not_null(const SupportRequestIndexCondition *request,
						 const Node *argument)
{
	const IndexOptInfo *index = request->index;
	const Var  *var;

	while (IsA(argument, RelabelType))
		argument = (const Node *) ((const RelabelType *) argument)->arg;
	if (!IsA(argument, Var))
		return false;
	var = (const Var *) argument;
	return var->varno == index->rel->relid && var->varattno > 0 &&
		var->varlevelsup == 0 &&
		column_is_not_null(index->rel,
						   planner_rt_fetch(var->varno, request->root)->relid,
						   var->varattno);
}

/*
 * Return the operator by which an index is searched for ids, or InvalidOid if
 * it cannot be searched for an array of them, or would pass them to somebody
 * else's operator.  Whatever the collation, equal bytes are equal.
 */
static Oid
index_equality(const SupportRequestIndexCondition *request)
{
	if (!array_keeps_index_order(request->indexcol) ||
		(request->opfamily != TEXT_BTREE_FAM_OID &&
		 request->opfamily != TEXT_PATTERN_BTREE_FAM_OID))
		return InvalidOid;
	return get_opfamily_member(request->opfamily, TEXTOID, TEXTOID,
							   BTEqualStrategyNumber);
}

/*
 * Make an index condition of a call.  Returns NIL if there is none, or a scan
 * of the whole table is better.
 */
static List *
make_index_condition(SupportRequestIndexCondition *request)
{
	const FuncExpr *call = (const FuncExpr *) request->node;
	Node	   *argument;
	Node	   *fallback;
	Oid			operator = index_equality(request);
	Oid			function;
	FeatureSpread *spread;
	List	   *list_args;
	Expr	   *list;
	ScalarArrayOpExpr *condition;

	if (!OidIsValid(operator) || !IsA(call, FuncExpr) ||
		list_length(call->args) != NUM_ARGUMENTS ||
		request->indexarg != ARGUMENT_INSTANCE)
		return NIL;
	argument = list_nth(call->args, ARGUMENT_INSTANCE);
	fallback = list_nth(call->args, ARGUMENT_FALLBACK);

	/* An instance without the others is one without them; see context.c. */
	if (!is_null_constant(list_nth(call->args, ARGUMENT_ORGANIZATION)) ||
		!is_null_constant(list_nth(call->args, ARGUMENT_USER)) ||
		!index_column_is_not_null(request, argument) ||
		!is_pseudo_constant_for_index(request->root, fallback,
									  request->index))
		return NIL;

	spread = plan_spread(call->args, settings_limit(request->index->rel));
	if (spread == NULL || !spread_can_be_listed(spread))
		return NIL;
	function = find_list_function();
	if (!OidIsValid(function))
		return NIL;

	/*
	 * The processes of a parallel scan share their position in the array, so
	 * each needs the same one, but they would ask at different times.
	 */
	request->index->amcanparallel = false;

	list_args = list_make3(copyObject(list_nth(call->args, ARGUMENT_FEATURE)),
						   copyObject(fallback),
						   makeNullConst(INTERNALOID, -1, InvalidOid));
	list = (Expr *) makeFuncExpr(function, TEXTARRAYOID, list_args,
								 DEFAULT_COLLATION_OID, InvalidOid,
								 COERCE_EXPLICIT_CALL);
	condition = makeNode(ScalarArrayOpExpr);
	condition->opno = operator;
	condition->opfuncid = get_opcode(operator);
	condition->useOr = true;
	condition->inputcollid = request->indexcollation;
	condition->args = list_make2(copyObject(argument), list);
	condition->location = -1;
	request->lossy = true;
	return list_make1(condition);
}

/*
 * feature_enabled_support(internal), the support function of feature_enabled()
 */
Datum
feature_enabled_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	void	   *result = NULL;

	if (IsA(request, SupportRequestSelectivity))
		result = estimate_selectivity((SupportRequestSelectivity *) request);
	else if (IsA(request, SupportRequestCost))
		result = estimate_cost((SupportRequestCost *) request);
	else if (IsA(request, SupportRequestIndexCondition))
		result = make_index_condition((SupportRequestIndexCondition *) request);
	PG_RETURN_POINTER(result);
}

/*
 * Return the number of features that are not removed.
 */
static int
count_features(void)
{
	const FeatureDefinition *definitions;
	int			ndefinitions;
	int			count = 0;

	cache_refresh_definitions();
	definitions = definitions_all(&ndefinitions);
	for (int i = 0; i < ndefinitions; i++)
		count += definitions[i].removed ? 0 : 1;
	return count;
}

/*
 * feature_states_support(internal), the support function of functions that
 * return the states of a scope's features: of all or, if the first argument
 * is "inheritance" and not true, of those that the scope sets.
 */
Datum
feature_states_support(PG_FUNCTION_ARGS)
{
	SupportRequestRows *request = (SupportRequestRows *) PG_GETARG_POINTER(0);
	const FuncExpr *call;
	const Const *inheritance;
	double		rows;

	if (!IsA(request, SupportRequestRows) || !IsA(request->node, FuncExpr) ||
		!tables_are_usable())
		PG_RETURN_POINTER(NULL);

	call = (const FuncExpr *) request->node;
	rows = count_features();
	inheritance = call->args ? linitial(call->args) : NULL;
	if (inheritance != NULL && IsA(inheritance, Const) &&
		inheritance->consttype == BOOLOID &&
		!(DatumGetBool(inheritance->constvalue) && !inheritance->constisnull))
		rows = Min(rows, OWN_SETTINGS);
	request->rows = Max(rows, 1);
	PG_RETURN_POINTER(request);
}
