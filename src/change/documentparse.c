/*-------------------------------------------------------------------------
 *
 * documentparse.c
 *	  Parsing documents: the definitions and the settings of many scopes.
 *
 * The rule: a document has all settings of each scope that it names, with the
 * roll-outs in a part of their own, and what it gives of each definition that it names; it says nothing about others.  See
 * parse_document_field() for its fields.
 *
 * A document may name a million scopes, so what is kept of each is small, and
 * points into the document.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/jsonbuild.h"
#include "change/context.h"
#include "change/definitionjson.h"
#include "change/documentparse.h"

/*
 * Add the part of a document that is being processed to an error's context.
 * "arg" is the document.
 */
void
documentparse_error_callback(void *arg)
{
	const DocumentPlace *place = &((Document *) arg)->place;

	if (place->feature != NULL)
		errcontext("document, feature \"%s\"",
				   error_clip_name(place->feature, strlen(place->feature)));
	else if (place->scope != NULL)
		errcontext("document, %s", scopename_describe(place->scope));
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

/*
 * Begin to iterate over the fields of an object.
 */
static JsonbIterator *
begin_object(const JsonbValue *object)
{
	JsonbIterator *it = JsonbIteratorInit(object->val.binary.data);
	JsonbValue	value;

	(void) JsonbIteratorNext(&it, &value, true);
	return it;
}

/*
 * Get the next field of an object.  Returns false at its end.
 */
static bool
next_field(JsonbIterator **it, JsonbValue *name, JsonbValue *value)
{
	CHECK_FOR_INTERRUPTS();
	if (JsonbIteratorNext(it, name, true) != WJB_KEY)
		return false;
	(void) JsonbIteratorNext(it, value, true);
	return true;
}

static ScopeDocument *
add_scope(Document *document, const ScopeName *name)
{
	ScopeDocument *scope;

	if (document->nscopes == document->capacity)
	{
		Size		capacity = Max(document->capacity * 2, 16);

		document->scopes = document->scopes == NULL ?
			palloc(capacity * sizeof(ScopeDocument)) :
			repalloc_huge(document->scopes, capacity * sizeof(ScopeDocument));
		document->capacity = capacity;
	}
	scope = &document->scopes[document->nscopes++];
	memset(scope, 0, sizeof(ScopeDocument));
	scope->name = *name;
	return scope;
}

/*
 * Add a scope with a part of its settings.
 */
static void
add_part(Document *document, DocumentPart part, const ScopeName *name,
		 const JsonbValue *features)
{
	ScopeDocument *scope;

	document->place.scope = name;
	check_is_object(features, "features");
	document->place.scope = NULL;
	scope = add_scope(document, name);
	scope->parts[part] = features->val.binary.data;
	scope->part_lens[part] = features->val.binary.len;
}

/*
 * Parse an object that has the scopes of a level by their ids: those of an
 * instance, or of none if its id is empty.
 */
static void
parse_scopes(Document *document, DocumentPart part, FeatureLevel level,
			 const char *instance_id, int instance_len,
			 const JsonbValue *object)
{
	JsonbIterator *it = begin_object(object);
	JsonbValue	id;
	JsonbValue	value;

	while (next_field(&it, &id, &value))
	{
		ScopeName	name = {
			level, instance_id, instance_len,
			id.val.string.val, id.val.string.len
		};

		context_check_id(level, name.id, name.len);
		add_part(document, part, &name, &value);
	}
}

/*
 * Parse an object that has such objects by the ids of instances.
 */
static void
parse_scopes_below(Document *document, FeatureLevel level,
				   const JsonbValue *object)
{
	const char *field = level_infos[level].document_field;
	JsonbIterator *it = begin_object(object);
	JsonbValue	id;
	JsonbValue	value;

	while (next_field(&it, &id, &value))
	{
		ScopeName	instance = scopename_instance(id.val.string.val,
												  id.val.string.len);

		context_check_id(LEVEL_INSTANCE, instance.id, instance.len);
		check_is_object(&value, psprintf("field \"%s\" of %s", field,
										 scopename_describe(&instance)));
		(void) add_scope(document, &instance);
		parse_scopes(document, DOCUMENT_SETTINGS, level, instance.id,
					 instance.len, &value);
	}
}

static int
compare_rows(const ListCell *a, const ListCell *b)
{
	return strcmp(((FeatureRow *) lfirst(a))->key,
				  ((FeatureRow *) lfirst(b))->key);
}

/*
 * Parse the field of a document that has definitions by their keys.
 */
static void
parse_definitions(Document *document, const JsonbValue *object)
{
	JsonbIterator *it = begin_object(object);
	JsonbValue	name;
	JsonbValue	value;

	while (next_field(&it, &name, &value))
	{
		char	   *key = pnstrdup(name.val.string.val, name.val.string.len);

		document->place.feature = key;
		document->definitions = lappend(document->definitions,
										definitionjson_parse(key, &value));
		document->place.feature = NULL;
	}
	list_sort(document->definitions, compare_rows);
}

static bool
is_field(const JsonbValue *name, const char *field)
{
	return name->val.string.len == strlen(field) &&
		memcmp(name->val.string.val, field, name->val.string.len) == 0;
}

pg_noreturn static void
report_unknown_field(const JsonbValue *name)
{
	StringInfoData fields;

	initStringInfo(&fields);
	appendStringInfoString(&fields, "\"" DEFINITIONS_FIELD "\"");
	for (int level = 0; level < NUM_LEVELS; level++)
		appendStringInfo(&fields, ", \"%s\"", level_infos[level].document_field);
	appendStringInfoString(&fields, " and \"" ROLLOUTS_FIELD "\"");
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown field \"%s\" of the document",
					error_clip_name(name->val.string.val,
									name->val.string.len)),
			 errhint("The fields are %s.", fields.data)));
}

/*
 * Find the level whose scopes a field has.  Raises invalid_parameter_value if
 * there is none.
 */
static FeatureLevel
find_level(const JsonbValue *name)
{
	int			level = 0;

	while (level < NUM_LEVELS &&
		   !is_field(name, level_infos[level].document_field))
		level++;
	if (level == NUM_LEVELS)
		report_unknown_field(name);
	return level;
}

/*
 * Parse a field that has a part of the settings of the scopes of a level.
 */
static void
parse_level(Document *document, DocumentPart part, const JsonbValue *name,
			const JsonbValue *value)
{
	FeatureLevel level = find_level(name);

	if (part == DOCUMENT_ROLLOUTS && !level_has_rollouts(level))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("features cannot be rolled out on level %s",
						level_name(level))));
	if (level_is_single(level))
	{
		ScopeName	only = scopename_implicit(level);

		add_part(document, part, &only, value);
		return;
	}
	check_is_object(value, psprintf("field \"%s\" of the document",
									level_infos[level].document_field));
	if (level_is_in_instance(level))
		parse_scopes_below(document, level, value);
	else
		parse_scopes(document, part, level, "", 0, value);
}

static void
parse_rollouts(Document *document, const JsonbValue *object)
{
	JsonbIterator *it = begin_object(object);
	JsonbValue	name;
	JsonbValue	value;

	while (next_field(&it, &name, &value))
		parse_level(document, DOCUMENT_ROLLOUTS, &name, &value);
}

/*
 * Parse a field of a document: the definitions, the roll-outs, or the scopes of
 * a level.
 */
static void
parse_document_field(Document *document, const JsonbValue *name,
					 const JsonbValue *value)
{
	if (is_field(name, DEFINITIONS_FIELD))
	{
		check_is_object(value, "field \"" DEFINITIONS_FIELD "\" of the document");
		parse_definitions(document, value);
	}
	else if (is_field(name, ROLLOUTS_FIELD))
	{
		check_is_object(value, "field \"" ROLLOUTS_FIELD "\" of the document");
		parse_rollouts(document, value);
	}
	else
		parse_level(document, DOCUMENT_SETTINGS, name, value);
}

static int
compare_scopes(const void *a, const void *b)
{
	CHECK_FOR_INTERRUPTS();
	return scopename_compare(&((const ScopeDocument *) a)->name,
							 &((const ScopeDocument *) b)->name);
}

static void
merge_parts(ScopeDocument *scope, const ScopeDocument *other)
{
	for (int part = 0; part < NUM_DOCUMENT_PARTS; part++)
	{
		if (other->parts[part] == NULL)
			continue;
		scope->parts[part] = other->parts[part];
		scope->part_lens[part] = other->part_lens[part];
	}
}

/*
 * Sort the scopes in the order in which they are locked.  A scope that is named
 * more than once, because of its roll-outs or of scopes below it, becomes one.
 */
static void
sort_scopes(Document *document)
{
	ScopeDocument *last = document->scopes;

	if (document->nscopes == 0)
		return;
	qsort(document->scopes, document->nscopes, sizeof(ScopeDocument),
		  compare_scopes);
	for (Size i = 1; i < document->nscopes; i++)
	{
		const ScopeDocument *scope = &document->scopes[i];

		CHECK_FOR_INTERRUPTS();
		if (scopename_compare(&scope->name, &last->name) != 0)
			*++last = *scope;
		else
			merge_parts(last, scope);
	}
	document->nscopes = last - document->scopes + 1;
}

/*
 * Parse a document.  *document is zeroed, or has only a place; it points into
 * the jsonb.  Raises invalid_parameter_value.
 */
void
documentparse(const Jsonb *jsonb, Document *document)
{
	JsonbIterator *it;
	JsonbValue	root;
	JsonbValue	name;
	JsonbValue	value;

	json_root_value(jsonb, &root);
	check_is_object(&root, "document");
	it = begin_object(&root);
	while (next_field(&it, &name, &value))
		parse_document_field(document, &name, &value);
	sort_scopes(document);
}

/*
 * Find what a document says about a scope.  Returns NULL if it says nothing.
 */
ScopeDocument *
documentparse_find_scope(const Document *document, const ScopeName *name)
{
	ScopeDocument key = {.name = *name};

	if (document->nscopes == 0)
		return NULL;
	return bsearch(&key, document->scopes, document->nscopes,
				   sizeof(ScopeDocument), compare_scopes);
}

/*
 * Return a part of the settings that a document has of a scope, as a palloc'd
 * object, which is empty if the document does not have that part.
 */
Jsonb *
documentparse_part(const ScopeDocument *scope, DocumentPart part)
{
	JsonbValue	value = {.type = jbvObject};

	if (scope->parts[part] != NULL)
	{
		value.type = jbvBinary;
		value.val.binary.data = scope->parts[part];
		value.val.binary.len = scope->part_lens[part];
	}
	return JsonbValueToJsonb(&value);
}
