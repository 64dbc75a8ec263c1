/*-------------------------------------------------------------------------
 *
 * documentdefine.c
 *	  Making the definitions those of a document.
 *
 * The rule: what a document allows that the definitions did not comes before
 * its settings, and what it no longer allows comes after them.  In between, a
 * definition allows what either does, and a feature that will be removed still
 * has the stage that it had.  The settings of the document itself must conform
 * to what it says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/argument.h"
#include "change/definitionjson.h"
#include "change/definitionwrite.h"
#include "change/documentdefine.h"
#include "change/permission.h"
#include "model/builtin.h"
#include "table/definitionread.h"

/*
 * Raise object_not_in_prerequisite_state if a document gives a feature another
 * type or JSON name than it has.
 */
static void
check_fixed_fields(const FeatureRow *old, const FeatureRow *given)
{
	if (given->value_type != NULL &&
		strcmp(given->value_type, old->value_type) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("feature \"%s\" is of type %s, not %s",
						old->key, old->value_type, given->value_type),
				 errdetail("The type of a feature cannot be altered."),
				 errhint("Drop the feature and define it again, or give the new feature another key.")));
	if (given->json_name != NULL &&
		strcmp(given->json_name, old->json_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("feature \"%s\" has the JSON name \"%s\", not \"%s\"",
						old->key, old->json_name,
						error_clip_name(given->json_name,
										strlen(given->json_name))),
				 errdetail("The JSON name of a feature cannot be altered."),
				 errhint("Drop the feature and define it again, or give the new feature another key.")));
}

/*
 * Raise insufficient_privilege unless what a document gives of a built-in
 * feature is what it has.
 */
static void
check_builtin(const FeatureRow *given)
{
	FeatureRow	row = {.key = given->key};
	FeatureRow	merged;

	for (int i = 0; i < NUM_BUILTIN_FEATURES; i++)
	{
		const BuiltinFeature *feature = &builtin_feature_table[i];

		if (strcmp(feature->key, given->key) != 0)
			continue;
		row.json_name = unconstify(char *, feature->json_name);
		row.description = feature->description;
	}
	row.value_type = BUILTIN_TYPE;
	row.default_value = json_make_boolean(false);
	row.levels = BUILTIN_LEVELS;
	row.stage = BUILTIN_STAGE;

	merged = definitionjson_merge(&row, given);
	if (!definitionjson_differs(&merged, &row))
		return;
	permission_check_system(PERMISSION_SYSTEM_WRITE);
	definition_report_builtin(given->key);
}

/*
 * Return the step that defines a new feature.  Raises the errors of
 * define_feature().
 */
static DefinitionStep *
plan_new(const FeatureRow *given)
{
	DefinitionStep *step = palloc0(sizeof(DefinitionStep));
	FeatureRow	defaults = {
		.default_value = json_make_boolean(false),
		.description = "",
		.levels = BUILTIN_LEVELS,
		.stage = STAGE_EXPERIMENTAL
	};

	defaults.key = given->key;
	step->final = definitionjson_merge(&defaults, given);
	definition_complete(&step->final);
	permission_check_system(PERMISSION_SYSTEM_WRITE);
	definition_check_names(&step->final);
	step->interim = step->final;
	if (strcmp(step->final.stage, STAGE_REMOVED) == 0)
		step->interim.stage = STAGE_EXPERIMENTAL;
	step->for_settings = step->interim;
	return step;
}

/*
 * Return the step that alters a feature, or NULL if the document gives nothing
 * else than it has.  Raises the errors of alter_feature().
 */
static DefinitionStep *
plan_altered(const FeatureRow *old, const FeatureRow *given)
{
	DefinitionStep *step = palloc0(sizeof(DefinitionStep));
	FeatureRow *interim = &step->interim;
	FeatureRow	default_only = *old;
	FeatureRow	allowed_only = *old;

	step->old = old;
	step->final = definitionjson_merge(old, given);
	if (!definitionjson_differs(&step->final, old))
		return NULL;
	permission_check_system(PERMISSION_SYSTEM_WRITE);
	check_fixed_fields(old, given);

	default_only.default_value = step->final.default_value;
	allowed_only.allowed_values = step->final.allowed_values;
	definition_check_limits(old->key,
							definitionjson_differs(&default_only, old) ?
							default_only.default_value : NULL,
							definitionjson_differs(&allowed_only, old) ?
							allowed_only.allowed_values : NULL);
	if (definitionjson_differs(&default_only, old) ||
		definitionjson_differs(&allowed_only, old))
		definition_check_values(&step->final);

	step->narrowing = definition_narrowing(old, &step->final);
	*interim = step->final;
	interim->levels |= old->levels;
	if (step->narrowing.values)
		interim->allowed_values = NULL;
	if (step->narrowing.removes)
		interim->stage = old->stage;
	step->for_settings = step->final;
	step->for_settings.stage = interim->stage;
	return step;
}

/*
 * Raise duplicate_object if two features that a document defines have a name in
 * common.  Names that exist already were checked before.
 */
static void
check_new_names(Document *document, const DefinitionPlan *plan)
{
	const DefinitionSet *set = &plan->for_settings;
	ListCell   *lc;

	foreach(lc, plan->steps)
	{
		const DefinitionStep *step = lfirst(lc);
		const char *key = step->final.key;
		const char *json_name = step->final.json_name;
		int			feature = definitionset_find(set, key, strlen(key));
		int			other = definitionset_find(set, json_name,
											   strlen(json_name));

		if (step->old != NULL)
			continue;
		document->place.feature = key;
		if (other >= 0 && other != feature)
			definition_report_name_in_use(json_name, set->array[other].key,
										  "JSON name");

		/* Of two with one JSON name, this finds the first. */
		other = definitionset_find_json_name(set, json_name,
											 strlen(json_name));
		if (other != feature)
			definition_report_name_in_use(json_name, set->array[other].key,
										  "JSON name");
	}
	document->place.feature = NULL;
}

/*
 * Decide how to make the definitions those of a document.  Raises
 * invalid_parameter_value, insufficient_privilege if something differs,
 * object_not_in_prerequisite_state and duplicate_object.
 */
DefinitionPlan
documentdefine_plan(Document *document)
{
	DefinitionPlan plan = {0};
	Snapshot	snapshot = scan_begin();
	List	   *rows = definitionread_described(snapshot);
	List	   *interim_rows = NIL;
	int			next = 0;		/* row whose key is not less */
	ListCell   *lc;

	scan_end(snapshot);
	foreach(lc, document->definitions)
	{
		const FeatureRow *given = lfirst(lc);
		FeatureRow *old = NULL;
		DefinitionStep *step;
		int			cmp = 1;

		CHECK_FOR_INTERRUPTS();
		document->place.feature = given->key;
		if (builtin_is_key(given->key))
		{
			check_builtin(given);
			continue;
		}
		for (; next < list_length(rows); next++)
		{
			old = list_nth(rows, next);
			cmp = strcmp(old->key, given->key);
			if (cmp >= 0)
				break;
			interim_rows = lappend(interim_rows, old);
		}
		step = cmp == 0 ? plan_altered(old, given) : plan_new(given);
		if (cmp == 0)
			next++;
		if (step == NULL)
		{
			interim_rows = lappend(interim_rows, old);
			continue;
		}
		plan.steps = lappend(plan.steps, step);
		plan.excludes_writers = plan.excludes_writers || step->narrowing.any;
		interim_rows = lappend(interim_rows, &step->for_settings);
	}
	document->place.feature = NULL;
	if (plan.steps == NIL)
		return plan;

	for (; next < list_length(rows); next++)
		interim_rows = lappend(interim_rows, list_nth(rows, next));
	plan.for_settings = definitionset_make(interim_rows);
	check_new_names(document, &plan);
	return plan;
}

/*
 * Lock the rows of the definitions that will be altered, because somebody may
 * change them by direct DML.  The caller then plans again.
 */
void
documentdefine_lock(const DefinitionPlan *plan, LockWaitPolicy wait_policy)
{
	ListCell   *lc;

	foreach(lc, plan->steps)
	{
		const DefinitionStep *step = lfirst(lc);
		ItemPointerData tid;

		if (step->old != NULL)
			(void) lock_definition_row(step->final.key, wait_policy, &tid);
	}
}

/*
 * Update a definition from one state to another, if they differ.
 */
static void
update_definition(const FeatureRow *from, const FeatureRow *to,
				  LockWaitPolicy wait_policy)
{
	ItemPointerData tid;

	if (!definitionjson_differs(from, to))
		return;
	(void) definitionwrite_lock(to->key, wait_policy, &tid);
	definitionwrite_update(&tid, to,
						   strcmp(from->description, to->description) != 0);
}

/*
 * Take the steps that come before the settings.  The definitions are locked.
 */
void
documentdefine_widen(const DefinitionPlan *plan, LockWaitPolicy wait_policy,
					 Document *document)
{
	ListCell   *lc;

	foreach(lc, plan->steps)
	{
		const DefinitionStep *step = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		document->place.feature = step->final.key;
		if (step->old == NULL)
			definitionwrite_insert(&step->interim);
		else
			update_definition(step->old, &step->interim, wait_policy);
	}
	document->place.feature = NULL;
}

/*
 * Take the steps that come after the settings.  Raises
 * object_not_in_prerequisite_state if there are settings that the document no
 * longer allows.
 */
void
documentdefine_narrow(const DefinitionPlan *plan, LockWaitPolicy wait_policy,
					  Document *document)
{
	ListCell   *lc;

	foreach(lc, plan->steps)
	{
		const DefinitionStep *step = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		document->place.feature = step->final.key;
		definition_check_settings(&step->final, &step->narrowing, NULL, NULL);
		update_definition(&step->interim, &step->final, wait_policy);
	}
	document->place.feature = NULL;
}

/*
 * Return whether a document, which is "arg", has the settings of a scope.
 */
static bool
has_settings(const ScopeName *name, void *arg)
{
	const ScopeDocument *scope = documentparse_find_scope(arg, name);

	return scope != NULL && documentparse_has_settings(scope);
}

/*
 * Raise the errors that documentdefine_narrow() would raise, before anything
 * was written.  The settings of a scope in the document will be what it says,
 * except those of features that are removed already.
 */
void
documentdefine_check_narrowing(const DefinitionPlan *plan, Document *document)
{
	ListCell   *lc;

	foreach(lc, plan->steps)
	{
		const DefinitionStep *step = lfirst(lc);
		bool		is_removed;

		CHECK_FOR_INTERRUPTS();
		document->place.feature = step->final.key;
		is_removed = strcmp(step->interim.stage, STAGE_REMOVED) == 0;
		definition_check_settings(&step->final, &step->narrowing,
								  is_removed ? NULL : has_settings, document);
	}
	document->place.feature = NULL;
}
