/*-------------------------------------------------------------------------
 *
 * enabledinstances.c
 *	  The function that index conditions call; see support.c.
 *
 * The rule: the list has all instances for which feature_enabled() is true when
 * it is made, which is once for a statement that repeats an index scan.  It may
 * have others, because feature_enabled() is evaluated for each row that is
 * found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api/enabledinstances.h"
#include "base/compat.h"
#include "change/argument.h"
#include "change/result.h"
#include "change/spread.h"
#include "table/scan.h"

PG_FUNCTION_INFO_V1(enabled_instances);

/*
 * The result of enabled_instances() for these arguments, in a memory context
 * that lasts as long as the expression: a statement that repeats an index scan
 * makes the list once.
 */
typedef struct KnownList
{
	MemoryContext cxt;
	text	   *feature;
	bool		has_fallback;
	bool		fallback;
	ArrayType  *list;
} KnownList;

static bool
is_known(const KnownList *known, const text *feature, bool has_fallback,
		 bool fallback)
{
	return known->has_fallback == has_fallback &&
		known->fallback == fallback &&
		VARSIZE_ANY_EXHDR(known->feature) == VARSIZE_ANY_EXHDR(feature) &&
		memcmp(VARDATA_ANY(known->feature), VARDATA_ANY(feature),
			   VARSIZE_ANY_EXHDR(feature)) == 0;
}

/*
 * Make the list of the instances where a feature is on, in the current memory
 * context.  Raises the errors of feature_enabled() that do not depend on the
 * instance.
 */
static ArrayType *
make_list(const text *feature, bool has_fallback, bool fallback)
{
	const char *key = VARDATA_ANY(feature);
	int			len = VARSIZE_ANY_EXHDR(feature);
	Snapshot	snapshot = scan_begin();
	FeatureSpread *spread = spread_read(snapshot, key, len, SPREAD_NO_LIMIT);
	ArrayType  *list;

	if (spread->type == NULL && !has_fallback)
	{
		cache_refresh_definitions();
		argument_require_feature(-1, key, len);
	}
	if (spread->type == NULL)
		spread_set_inheritance(spread, fallback);
	else if (!spread_is_boolean(spread))
		report_type_mismatch(pnstrdup(key, len), spread->type, "boolean");
	list = spread_list(spread, snapshot);
	scan_end(snapshot);
	return list;
}

/*
 * Make the list, to be known in a child of a memory context.
 */
static KnownList *
make_known_list(MemoryContext parent_cxt, const text *feature,
				bool has_fallback, bool fallback)
{
	MemoryContext known_cxt = AllocSetContextCreate(parent_cxt,
													"instance_features known list",
													ALLOCSET_SMALL_SIZES);
	MemoryContext list_cxt = AllocSetContextCreate(CurrentMemoryContext,
												   "instance_features list",
												   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller_cxt = MemoryContextSwitchTo(list_cxt);
	ArrayType  *list = make_list(feature, has_fallback, fallback);
	KnownList  *known;

	MemoryContextSwitchTo(known_cxt);
	known = palloc(sizeof(KnownList));
	known->cxt = known_cxt;
	known->feature = cstring_to_text_with_len(VARDATA_ANY(feature),
											  VARSIZE_ANY_EXHDR(feature));
	known->has_fallback = has_fallback;
	known->fallback = fallback;
	known->list = DatumGetArrayTypePCopy(PointerGetDatum(list));
	MemoryContextSwitchTo(caller_cxt);
	MemoryContextDelete(list_cxt);
	return known;
}

/*
 * enabled_instances(feature, fallback, internal), which only index conditions
 * call, because SQL has no value of the last argument's type
 */
Datum
enabled_instances(PG_FUNCTION_ARGS)
{
	KnownList  *known = fcinfo->flinfo->fn_extra;
	text	   *feature;
	bool		has_fallback;
	bool		fallback;

	result_check_argument_count(fcinfo, NUM_LIST_ARGUMENTS);
	if (PG_ARGISNULL(LIST_FEATURE))
		report_null_argument("feature");
	feature = PG_GETARG_TEXT_PP(LIST_FEATURE);
	has_fallback = !PG_ARGISNULL(LIST_FALLBACK);
	fallback = has_fallback && PG_GETARG_BOOL(LIST_FALLBACK);

	if (known == NULL || !is_known(known, feature, has_fallback, fallback))
	{
		KnownList  *last = known;

		known = make_known_list(fcinfo->flinfo->fn_mcxt, feature, has_fallback,
								fallback);
		fcinfo->flinfo->fn_extra = known;
		if (last != NULL)
			MemoryContextDelete(last->cxt);
	}
	PG_RETURN_POINTER(known->list);
}
