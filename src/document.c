/*-------------------------------------------------------------------------
 *
 * document.c
 *	  SQL-callable: the settings of many scopes as one document.
 *
 * The document is {"system": {...}, "instances": {"id": {...}, ...}}.  What it
 * says of a scope is all that the scope is to have set; what it does not
 * mention it leaves alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "change.h"
#include "errors.h"
#include "request.h"
#include "value.h"

PG_FUNCTION_INFO_V1(apply_features);
PG_FUNCTION_INFO_V1(export_features);

#define SYSTEM_FIELD "system"
#define INSTANCES_FIELD "instances"

/* What the document says of one scope. */
typedef struct ScopeDocument
{
	ScopeName	name;
	Jsonb	   *features;
} ScopeDocument;

/* Tells whose part of the document an error is about. */
static void
scope_error_callback(void *arg)
{
	const ScopeDocument *document = arg;

	errcontext("document, %s", scope_words(message_id(&document->name)));
}

/*
 * Raise invalid_parameter_value unless a value, which "what" names, is an
 * object.
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
	return compare_scope_names(&((ScopeDocument *) lfirst(a))->name,
							   &((ScopeDocument *) lfirst(b))->name);
}

/*
 * Take a document apart: a list of ScopeDocument, in the order in which scopes
 * are locked.
 */
static List *
parse_document(const Jsonb *document)
{
	List	   *result = NIL;
	JsonbIterator *it;
	JsonbValue	field;
	JsonbValue	value;

	root_value(document, &value);
	check_is_object(&value, "document");
	it = JsonbIteratorInit(value.val.binary.data);
	(void) JsonbIteratorNext(&it, &value, true);
	while (JsonbIteratorNext(&it, &field, true) == WJB_KEY)
	{
		char	   *name = pnstrdup(field.val.string.val,
									field.val.string.len);
		JsonbIterator *instances;

		(void) JsonbIteratorNext(&it, &value, true);
		if (strcmp(name, SYSTEM_FIELD) == 0)
		{
			result = lappend(result,
							 make_scope_document(system_scope_name, &value));
			continue;
		}
		if (strcmp(name, INSTANCES_FIELD) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown field \"%s\" of the document",
							clip_name(name, strlen(name))),
					 errhint("The fields are \"%s\" and \"%s\".",
							 SYSTEM_FIELD, INSTANCES_FIELD)));

		check_is_object(&value, "field \"" INSTANCES_FIELD "\" of the document");
		instances = JsonbIteratorInit(value.val.binary.data);
		(void) JsonbIteratorNext(&instances, &value, true);
		while (JsonbIteratorNext(&instances, &field, true) == WJB_KEY)
		{
			char	   *id = pnstrdup(field.val.string.val,
									  field.val.string.len);

			check_scope_id(field.val.string.len);
			(void) JsonbIteratorNext(&instances, &value, true);
			result = lappend(result,
							 make_scope_document(instance_name(id, strlen(id)),
												 &value));
		}
	}

	list_sort(result, compare_documents);
	return result;
}

/*
 * Put a row into the result of apply_features().  An "event" of NULL is the
 * creation of an instance.
 */
static void
put_change(ReturnSetInfo *rsinfo, const ScopeName *name,
		   const EventRow *event, int64 sequence)
{
	Datum		values[6] = {0};
	bool		nulls[6] = {false};

	values[0] = CStringGetTextDatum(level_name(name->level));
	values[1] = CStringGetTextDatum(name->id);
	nulls[2] = event == NULL;
	if (event != NULL)
		values[2] = CStringGetTextDatum(event->feature);
	nulls[3] = event == NULL || event->old_value == NULL;
	if (!nulls[3])
		values[3] = PointerGetDatum(event->old_value);
	nulls[4] = event == NULL || event->value == NULL;
	if (!nulls[4])
		values[4] = PointerGetDatum(event->value);
	values[5] = Int64GetDatum(sequence);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * Bring one scope to what the document says, or only find out what that would
 * change.  An instance that does not exist is created, for who may do so.
 */
static void
apply_scope(const ScopeDocument *document, bool dry_run,
			ReturnSetInfo *rsinfo)
{
	const ScopeName *name = &document->name;
	const CachedScope *cached = cache_find_scope(name);
	bool		exists = cached != NULL;
	LockedScope scope = {{0}};
	List	   *settings = NIL;
	List	   *events;
	ListCell   *lc;
	int64		sequence;

	if (!exists && !is_system_owner())
		report_instance_not_found(message_id(name));
	if (!exists)
	{
		put_change(rsinfo, name, NULL, 0);
		if (!dry_run)
		{
			ScopeRow	row = {.owner = GetUserId()};

			row.change_date = row.creation_date = GetCurrentTimestamp();
			(void) store_create_scope(name, &row);
		}
	}

	if (!dry_run)
	{
		scope = lock_scope(name, PERMISSION_WRITE);
		settings = read_settings(name);
	}
	else if (exists)
	{
		scope.row = cached->row;
		check_permission(name, scope.row.owner, PERMISSION_WRITE);
		settings = read_settings(name);
	}
	cache_refresh_definitions();
	events = list_differences(name->level, settings,
							  unset_all_others(parse_features(document->features),
											   settings));
	sequence = scope.row.sequence;
	foreach(lc, events)
		put_change(rsinfo, name, lfirst(lc), ++sequence);
	if (!dry_run)
		append_changes(name, &scope, events);
}

/*
 * apply_features(document, dry_run)
 */
Datum
apply_features(PG_FUNCTION_ARGS)
{
	bool		dry_run = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	List	   *documents;
	MemoryContext scope_cxt;
	ScopeDocument *current;
	ErrorContextCallback error_context;
	ListCell   *lc;

	if (!dry_run)
		prevent_if_read_only("apply_features()");
	if (PG_ARGISNULL(0))
		report_null_argument("document");
	documents = parse_document(PG_GETARG_JSONB_P(0));
	InitMaterializedSRF(fcinfo, 0);

	scope_cxt = AllocSetContextCreate(CurrentMemoryContext,
									  "instance_features scope",
									  ALLOCSET_DEFAULT_SIZES);
	error_context.callback = scope_error_callback;
	error_context.previous = error_context_stack;
	error_context_stack = &error_context;

	/* A first round to find what is wrong, before anything is locked. */
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
				(void) parse_features(current->features);
			else
				apply_scope(current, dry_run,
							(ReturnSetInfo *) fcinfo->resultinfo);
			MemoryContextSwitchTo(caller_cxt);
			MemoryContextReset(scope_cxt);
		}
	}
	error_context_stack = error_context.previous;
	MemoryContextDelete(scope_cxt);
	return (Datum) 0;
}

/*
 * Write the settings of a scope as an object, less those of removed features.
 */
static void
export_scope(JsonbBuilder *builder, Snapshot snapshot, const ScopeName *name)
{
	ListCell   *lc;

	push_jsonb(builder, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, store_read_settings(snapshot, name))
	{
		const SettingRow *setting = lfirst(lc);
		int			feature = cache_find_feature(setting->feature,
												 strlen(setting->feature));
		int			count;
		const FeatureDefinition *definition;
		JsonbValue	value;

		if (feature < 0)
			continue;
		definition = &cache_definitions(&count)[feature];
		if (definition->removed)
			continue;
		push_string(builder, WJB_KEY, pstrdup(definition->json_name));
		root_value(setting->value, &value);
		push_jsonb(builder, WJB_VALUE, &value);
	}
	push_jsonb(builder, WJB_END_OBJECT, NULL);
}

/*
 * export_features()
 */
Datum
export_features(PG_FUNCTION_ARGS)
{
	bool		everything = is_system_owner();
	JsonbBuilder builder = {0};
	Snapshot	snapshot;
	ListCell   *lc;

	cache_refresh_definitions();
	snapshot = store_begin_read();
	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	if (everything)
	{
		push_string(&builder, WJB_KEY, SYSTEM_FIELD);
		export_scope(&builder, snapshot, &system_scope_name);
	}
	push_string(&builder, WJB_KEY, INSTANCES_FIELD);
	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	foreach(lc, store_read_instances(snapshot))
	{
		const ScopeName *name = lfirst(lc);
		ScopeRow	row;

		CHECK_FOR_INTERRUPTS();
		if (!everything)
		{
			(void) store_read_scope(snapshot, name, &row);
			if (!has_privs_of_role(GetUserId(), row.owner))
				continue;
		}
		push_string(&builder, WJB_KEY, name->id);
		export_scope(&builder, snapshot, name);
	}
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	store_end_read(snapshot);
	return JsonbPGetDatum(JsonbValueToJsonb(builder.result));
}
