/*-------------------------------------------------------------------------
 *
 * document.c
 *	  SQL-callable functions for documents: the definitions and the settings of
 *	  many scopes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/compat.h"
#include "change/argument.h"
#include "change/change.h"
#include "change/definitionjson.h"
#include "change/documentapply.h"
#include "change/documentexport.h"

PG_FUNCTION_INFO_V1(apply_features);
PG_FUNCTION_INFO_V1(export_features);

static const Oid change_types[] = {
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, INT8OID
};

/* The columns of a row of apply_features(). */
enum
{
	CHANGE_LEVEL,
	CHANGE_INSTANCE_ID,
	CHANGE_SCOPE_ID,
	CHANGE_FEATURE,
	CHANGE_OLD_VALUE,
	CHANGE_VALUE,
	CHANGE_SEQUENCE
};

/* A row of apply_features(); what is 0 is null. */
typedef struct ChangeRow
{
	Datum		columns[lengthof(change_types)];
	bool		has_sequence;
} ChangeRow;

static void
emit_row(ReturnSetInfo *rsinfo, ChangeRow *row)
{
	bool		nulls[lengthof(change_types)];

	for (int i = 0; i < lengthof(change_types); i++)
		nulls[i] = row->columns[i] == (Datum) 0;
	nulls[CHANGE_SEQUENCE] = !row->has_sequence;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->columns,
						 nulls);
}

static Datum
text_datum(const char *string, int len)
{
	return PointerGetDatum(cstring_to_text_with_len(string, len));
}

/*
 * Add the change of a setting to the result, or the creation of a scope if
 * "change" is NULL.
 */
static void
emit_setting(const ScopeName *name, const FeatureChange *change,
			 int64 sequence, void *arg)
{
	ChangeRow	row = {.has_sequence = true};

	row.columns[CHANGE_LEVEL] = CStringGetTextDatum(level_name(name->level));
	if (level_is_in_instance(name->level) || name->level == LEVEL_INSTANCE)
	{
		ScopeName	instance = scopename_owner(name);

		row.columns[CHANGE_INSTANCE_ID] = text_datum(instance.id, instance.len);
	}
	row.columns[CHANGE_SCOPE_ID] = text_datum(name->id, name->len);
	if (change != NULL)
	{
		row.columns[CHANGE_FEATURE] = CStringGetTextDatum(change->key);
		if (change->setting != NULL)
			row.columns[CHANGE_OLD_VALUE] =
				JsonbPGetDatum(change->setting->value);
		row.columns[CHANGE_VALUE] = JsonbPGetDatum(change->value);
	}
	row.columns[CHANGE_SEQUENCE] = Int64GetDatum(sequence);
	emit_row(arg, &row);
}

/*
 * Return the fields in which a definition differs from another one, or all if
 * that is NULL.
 */
static Datum
definition_datum(const FeatureRow *definition, const FeatureRow *other)
{
	JsonbBuilder builder = {0};

	definitionjson_push(&builder, definition, other);
	return JsonbPGetDatum(JsonbValueToJsonb(builder.result));
}

/*
 * Add the change of a definition to the result.
 */
static void
emit_definition(const FeatureRow *old, const FeatureRow *new, void *arg)
{
	ChangeRow	row = {0};

	row.columns[CHANGE_FEATURE] = CStringGetTextDatum(new->key);
	if (old != NULL)
		row.columns[CHANGE_OLD_VALUE] = definition_datum(old, new);
	row.columns[CHANGE_VALUE] = definition_datum(new, old);
	emit_row(arg, &row);
}

static void
clear_result(void *arg)
{
	tuplestore_clear(((ReturnSetInfo *) arg)->setResult);
}

/*
 * apply_features(document, dry_run)
 */
Datum
apply_features(PG_FUNCTION_ARGS)
{
	bool		dry_run;
	Document	document = {0};
	DocumentReceiver receiver = {
		.definition = emit_definition,
		.scope = emit_setting,
		.restart = clear_result
	};
	ErrorContextCallback error_context;

	result_check_argument_count(fcinfo, 2);
	dry_run = argument_boolean(fcinfo, 1, "dry_run");
	if (!dry_run)
		change_prevent_command("apply_features()");
	if (PG_ARGISNULL(0))
		report_null_argument("document");
	receiver.arg = result_begin_set(fcinfo, change_types,
									lengthof(change_types));

	error_context.callback = documentparse_error_callback;
	error_context.arg = &document;
	error_context.previous = error_context_stack;
	error_context_stack = &error_context;
	documentparse(PG_GETARG_JSONB_P(0), &document);
	documentapply(&document, dry_run, &receiver);
	error_context_stack = error_context.previous;
	return (Datum) 0;
}

/*
 * export_features(users)
 */
Datum
export_features(PG_FUNCTION_ARGS)
{
	result_check_argument_count(fcinfo, 1);
	PG_RETURN_JSONB_P(documentexport(argument_boolean(fcinfo, 0, "users")));
}
