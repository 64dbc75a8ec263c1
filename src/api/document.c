/*-------------------------------------------------------------------------
 *
 * document.c
 *	  SQL-callable functions for documents: the settings of many scopes.
 *
 * The rule: a document {"system": {...}, "instances": {"id": {...}, ...}} has
 * all settings of the scopes that it mentions, and does not affect others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/jsonbuild.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/featurejson.h"
#include "change/scopes.h"
#include "model/value.h"
#include "table/tableread.h"

PG_FUNCTION_INFO_V1(apply_features);
PG_FUNCTION_INFO_V1(export_features);

/* The part of a document for one scope. */
typedef struct ScopeDocument
{
	ScopeName	name;
	Jsonb	   *features;
} ScopeDocument;

/* Add the scope that is being processed to an error's context. */
static void
scope_error_callback(void *arg)
{
	const ScopeDocument *document = arg;

	if (document != NULL)
		errcontext("document, %s", scopename_describe(&document->name));
}

/*
 * Raise invalid_parameter_value unless a value is an object.  "what" is its
 * name in the message.
 */
static void
check_is_object(const JsonbValue *value, const char *what)
{
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", what),
				 errdetail("It is %s.", json_type_name(value))));
}

static ScopeDocument *
make_scope_document(ScopeName name, JsonbValue *features)
{
	ScopeDocument *document = palloc(sizeof(ScopeDocument));

	document->name = name;
	document->features = JsonbValueToJsonb(features);
	return document;
}

static int
compare_documents(const ListCell *a, const ListCell *b)
{
	return scopename_compare(&((ScopeDocument *) lfirst(a))->name,
							 &((ScopeDocument *) lfirst(b))->name);
}

/*
 * Return the level of a field of a document.  Raises invalid_parameter_value
 * if there is none.
 */
static FeatureLevel
parse_document_field(const char *field)
{
	StringInfoData fields;

	initStringInfo(&fields);
	for (int i = 0; i < NUM_LEVELS; i++)
	{
		if (strcmp(field, level_infos[i].document_field) == 0)
			return i;
		appendStringInfo(&fields, "%s\"%s\"", i == 0 ? "" :
						 i < NUM_LEVELS - 1 ? ", " : " and ",
						 level_infos[i].document_field);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown field \"%s\" of the document",
					error_clip_name(field, strlen(field))),
			 errhint("The fields are %s.", fields.data)));
}

/*
 * Parse the field of a document that has the scopes of one level by their ids.
 * Appends to a list of ScopeDocument.
 */
static List *
parse_scopes(List *result, FeatureLevel level, JsonbValue *value)
{
	JsonbIterator *it;
	JsonbValue	field;

	check_is_object(value, psprintf("field \"%s\" of the document",
									level_infos[level].document_field));
	it = JsonbIteratorInit(value->val.binary.data);
	(void) JsonbIteratorNext(&it, value, true);
	while (JsonbIteratorNext(&it, &field, true) == WJB_KEY)
	{
		char	   *id = pnstrdup(field.val.string.val, field.val.string.len);
		ScopeName	name = scopename_make(level, "", id);

		context_check_id(level, name.id, name.len);
		(void) JsonbIteratorNext(&it, value, true);
		result = lappend(result, make_scope_document(name, value));
	}
	return result;
}

/*
 * Parse a document.  Returns a list of ScopeDocument, in the order in which
 * scopes are locked.
 */
static List *
parse_document(const Jsonb *document)
{
	List	   *result = NIL;
	JsonbIterator *it;
	JsonbValue	field;
	JsonbValue	value;

	json_root_value(document, &value);
	check_is_object(&value, "document");
	it = JsonbIteratorInit(value.val.binary.data);
	(void) JsonbIteratorNext(&it, &value, true);
	while (JsonbIteratorNext(&it, &field, true) == WJB_KEY)
	{
		FeatureLevel level;

		level = parse_document_field(pnstrdup(field.val.string.val,
											  field.val.string.len));
		(void) JsonbIteratorNext(&it, &value, true);
		if (level_is_single(level))
			result = lappend(result,
							 make_scope_document(scopename_implicit(level),
												 &value));
		else
			result = parse_scopes(result, level, &value);
	}

	list_sort(result, compare_documents);
	return result;
}

static const Oid change_types[] = {
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, INT8OID
};

/*
 * Add a row to the result of apply_features().  A "change" of NULL is the
 * creation of a scope.
 */
static void
emit_change(ReturnSetInfo *rsinfo, const ScopeName *name,
			const FeatureChange *change, int64 sequence)
{
	Datum		values[lengthof(change_types)] = {0};
	bool		nulls[lengthof(change_types)] = {false};

	values[0] = CStringGetTextDatum(level_name(name->level));
	nulls[1] = name->level != LEVEL_INSTANCE;
	values[1] = values[2] = CStringGetTextDatum(name->id);
	nulls[3] = change == NULL;
	if (change != NULL)
		values[3] = CStringGetTextDatum(change->key);
	nulls[4] = change == NULL || change->setting == NULL;
	if (!nulls[4])
		values[4] = JsonbPGetDatum(change->setting->value);
	nulls[5] = change == NULL || change->value == NULL;
	if (!nulls[5])
		values[5] = JsonbPGetDatum(change->value);
	values[6] = Int64GetDatum(sequence);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The changes that apply_features() makes to one scope. */
typedef struct ApplyPlan
{
	const Jsonb *features;
	int64		sequence;		/* before the changes */
	List	   *changes;		/* FeatureChange */
} ApplyPlan;

static List *
plan_apply(const ScopeName *name, const ScopeTuple *scope, List *settings,
		   void *arg)
{
	ApplyPlan  *plan = arg;

	cache_refresh_definitions();
	plan->sequence = scope->row.sequence;
	plan->changes =
		change_find_differences(settings,
								featurejson_unset_others(featurejson_parse(plan->features, name->level),
														 settings));
	return plan->changes;
}

/*
 * Determine the changes that apply_scope() would make.
 */
static void
plan_dry_run(const ScopeName *name, ApplyPlan *plan, ReturnSetInfo *rsinfo)
{
	ScopeChain	chain = context_chain_of(name);
	ScopeTuple	scope = {0};
	List	   *settings = NIL;

	if (cache_find(&chain))
	{
		scope.stored = chain.scopes[0]->stored;
		scope.row = chain.scopes[0]->row;
		permission_check(name, context_owner_row(&chain), PERMISSION_WRITE);
		if (scope.stored)
			settings = change_read_settings(name);
	}
	else
	{
		if (!permission_is_system_owner())
			report_scope_not_found(name);
		emit_change(rsinfo, name, NULL, 0);
	}
	(void) plan_apply(name, &scope, settings, plan);
}

/*
 * Apply a document to one scope, or only determine the changes if "dry_run" is
 * true.  Missing instances are created if the role is allowed to.
 */
static void
apply_scope(const ScopeDocument *document, bool dry_run,
			ReturnSetInfo *rsinfo)
{
	const ScopeName *name = &document->name;
	ApplyPlan	plan = {.features = document->features};
	FeatureDetails details;
	int64		sequence;
	ListCell   *lc;

	if (dry_run)
		plan_dry_run(name, &plan, rsinfo);
	else
	{
		while (!change_try_scope(name, PERMISSION_WRITE, LockWaitBlock,
								 plan_apply, &plan, &details))
		{
			if (!permission_is_system_owner())
				report_scope_not_found(name);
			if (scope_create(name, GetUserId(), &details))
				emit_change(rsinfo, name, NULL, 0);
		}
	}

	sequence = plan.sequence;
	foreach(lc, plan.changes)
		emit_change(rsinfo, name, lfirst(lc), ++sequence);
}

/*
 * apply_features(document, dry_run)
 */
Datum
apply_features(PG_FUNCTION_ARGS)
{
	bool		dry_run;
	List	   *documents;
	ReturnSetInfo *rsinfo;
	MemoryContext scope_cxt;
	ScopeDocument *current;
	ErrorContextCallback error_context;
	ListCell   *lc;

	result_check_argument_count(fcinfo, 2);
	dry_run = argument_boolean(fcinfo, 1, "dry_run");
	if (!dry_run)
		change_prevent_command("apply_features()");
	if (PG_ARGISNULL(0))
		report_null_argument("document");
	documents = parse_document(PG_GETARG_JSONB_P(0));
	rsinfo = result_begin_set(fcinfo, change_types, lengthof(change_types));

	scope_cxt = AllocSetContextCreate(CurrentMemoryContext,
									  "instance_features scope",
									  ALLOCSET_DEFAULT_SIZES);
	error_context.callback = scope_error_callback;
	error_context.arg = NULL;
	error_context.previous = error_context_stack;
	error_context_stack = &error_context;

	/* The first round reports errors before anything is locked. */
	cache_refresh_definitions();
	for (int round = 0; round < 2; round++)
	{
		foreach(lc, documents)
		{
			MemoryContext caller_cxt = MemoryContextSwitchTo(scope_cxt);

			CHECK_FOR_INTERRUPTS();
			current = lfirst(lc);
			error_context.arg = current;
			if (round == 0)
				(void) featurejson_parse(current->features, current->name.level);
			else
				apply_scope(current, dry_run, rsinfo);
			MemoryContextSwitchTo(caller_cxt);
			MemoryContextReset(scope_cxt);
		}
	}
	error_context_stack = error_context.previous;
	MemoryContextDelete(scope_cxt);
	return (Datum) 0;
}

/*
 * Push the settings of a scope as an object, without removed features.
 */
static void
export_scope(JsonbBuilder *builder, Snapshot snapshot, const ScopeName *name)
{
	ListCell   *lc;

	push_jsonb(builder, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, tableread_settings(snapshot, name))
	{
		const SettingRow *setting = lfirst(lc);
		int			feature = definition_find(setting->feature,
											  strlen(setting->feature));
		const FeatureDefinition *definition;
		JsonbValue	value;

		if (feature < 0)
			continue;
		definition = definition_get(feature);
		if (definition->removed)
			continue;
		json_push_string(builder, WJB_KEY, pstrdup(definition->json_name));
		json_root_value(setting->value, &value);
		push_jsonb(builder, WJB_VALUE, &value);
	}
	push_jsonb(builder, WJB_END_OBJECT, NULL);
}

/*
 * Return the scopes of a level that the current role may change, as a list of
 * ScopeName ordered by id.  If "everything" is true, it may change all.
 */
static List *
scopes_to_export(Snapshot snapshot, FeatureLevel level, bool everything)
{
	ScopeName	implicit = scopename_implicit(level);
	List	   *names = tableread_scope_names(snapshot);
	List	   *result = NIL;
	ListCell   *lc;
	ScopeRow	row;

	if (implicit.id != NULL && !tableread_scope(snapshot, &implicit, &row, NULL))
	{
		names = lappend(names, scopename_copy(&implicit));
		list_sort(names, scopename_compare_cells);
	}
	foreach(lc, names)
	{
		const ScopeName *name = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (name->level != level)
			continue;
		memset(&row, 0, sizeof(row));
		(void) tableread_scope(snapshot, name, &row, NULL);
		if (!scope_row_is_dropped(name, &row) && (everything || permission_may_change(name, &row)))
			result = lappend(result, lfirst(lc));
	}

	return result;
}

/*
 * export_features()
 */
Datum
export_features(PG_FUNCTION_ARGS)
{
	bool		everything = permission_is_system_owner();
	JsonbBuilder builder = {0};
	Snapshot	snapshot;

	cache_refresh_definitions();
	snapshot = scan_begin();
	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	for (int level = 0; level < NUM_LEVELS; level++)
	{
		List	   *names = scopes_to_export(snapshot, level, everything);
		ListCell   *lc;

		if (names == NIL && (level_is_single(level) ||
							 level_infos[level].implicit_id == NULL))
			continue;
		json_push_string(&builder, WJB_KEY, level_infos[level].document_field);
		if (!level_is_single(level))
			push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
		foreach(lc, names)
		{
			const ScopeName *name = lfirst(lc);

			CHECK_FOR_INTERRUPTS();
			if (!level_is_single(level))
				json_push_string(&builder, WJB_KEY, name->id);
			export_scope(&builder, snapshot, name);
		}
		if (!level_is_single(level))
			push_jsonb(&builder, WJB_END_OBJECT, NULL);
	}
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	scan_end(snapshot);
	return JsonbPGetDatum(JsonbValueToJsonb(builder.result));
}
