/*-------------------------------------------------------------------------
 *
 * documentexport.c
 *	  Exporting documents.
 *
 * The rule: a document has all definitions that are not built in, and the
 * settings of the scopes that the current role may change, all from one moment:
 * the system, each instance, and what is below instances and has settings.
 * Settings of removed features are left out, and levels without any scope.
 *
 * Each table is scanned once for each level, in the order of the primary key,
 * so the time is linear in the number of rows.  An object is added to the one
 * that it is in when it is complete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/jsonbuild.h"
#include "cache/definitionset.h"
#include "change/definitionjson.h"
#include "change/documentexport.h"
#include "change/documentparse.h"
#include "change/permission.h"
#include "change/rolloutjson.h"
#include "model/builtin.h"
#include "table/definitionread.h"
#include "table/tableread.h"

typedef struct Export
{
	Snapshot	snapshot;
	MemoryContext cxt;			/* has all parts of the document */
	DefinitionSet definitions;
	bool		is_system_owner;
	List	   *instances;		/* ScopeName, in the order of their ids */

	/* Objects that are being built. */
	JsonFields	document;
	JsonFields	level;
	JsonFields	instance;		/* on levels below instances */
	JsonFields	scope;
	JsonFields	scope_rollouts; /* these three for roll-outs */
	JsonFields	instance_rollouts;
	JsonFields	rollouts;

	List	   *owners;			/* ScopeName, in the order of their ids: the
								 * scopes of the level, or the instances */
	int			next;			/* in "owners": the one whose settings, or
								 * scopes below, come next */
	bool		has_implicit;	/* the level's implicit scope has a row */
	const ScopeName *current;	/* the scope below an instance whose settings
								 * come, or NULL */
	bool		is_stored;		/* it has a row */
} Export;

/*
 * Add a setting to the object of its scope, or to that of the scope's roll-outs,
 * unless its feature is removed.
 */
static void
add_setting(Export *export, const SettingRow *setting)
{
	int			feature = definitionset_find(&export->definitions,
											 setting->feature,
											 strlen(setting->feature));
	const FeatureDefinition *definition;
	JsonbValue	value;

	if (feature < 0)
		return;
	definition = &export->definitions.array[feature];
	if (definition->removed)
		return;
	if (setting->share != NO_SHARE)
	{
		value = rolloutjson_make(setting);
		json_add_field(&export->scope_rollouts, definition->key, &value);
		return;
	}
	json_root_value(json_copy(setting->value), &value);
	value = json_unpack(&value);
	json_add_field(&export->scope, definition->json_name, &value);
}

/*
 * End the object "fields", and add it to that which it is in.
 */
static void
add_object(JsonFields *outer, const char *name, JsonFields *fields)
{
	JsonbValue	object = json_take_fields(fields);

	json_add_field(outer, name, &object);
}

/*
 * The same for an object of roll-outs, which is left out if it is empty.
 */
static void
add_rollouts(JsonFields *outer, const char *name, JsonFields *fields)
{
	if (fields->count > 0)
		add_object(outer, name, fields);
}

static void
export_definitions(Export *export, const List *rows)
{
	ListCell   *lc;

	foreach(lc, rows)
	{
		const FeatureRow *row = lfirst(lc);
		JsonbBuilder builder = {0};

		CHECK_FOR_INTERRUPTS();
		if (builtin_is_key(row->key))
			continue;
		definitionjson_push(&builder, row, NULL);
		json_add_field(&export->level, row->key, builder.result);
	}
	if (export->level.count > 0)
		add_object(&export->document, DEFINITIONS_FIELD, &export->level);
}

static void
export_only_scope(Export *export, FeatureLevel level)
{
	ScopeName	name = scopename_implicit(level);
	ScopeRow	row = {0};
	ListCell   *lc;

	(void) tableread_scope(export->snapshot, &name, &row, NULL);
	if (!export->is_system_owner && !permission_is_owner(&name, &row))
		return;
	foreach(lc, tableread_settings(export->snapshot, &name))
		add_setting(export, lfirst(lc));
	add_object(&export->document, level_infos[level].document_field,
			   &export->scope);
	add_rollouts(&export->rollouts, level_infos[level].document_field,
				 &export->scope_rollouts);
}

static void
add_owner(Export *export, const ScopeName *name, const ScopeRow *row)
{
	MemoryContext caller_cxt = MemoryContextSwitchTo(export->cxt);

	if (!scope_row_is_dropped(name, row) &&
		(export->is_system_owner || permission_is_owner(name, row)))
		export->owners = lappend(export->owners, scopename_copy(name));
	MemoryContextSwitchTo(caller_cxt);
}

static void
take_owner(const ScopeName *name, const ScopeRow *row, void *arg)
{
	Export	   *export = arg;

	if (scopename_is_implicit(name))
		export->has_implicit = true;
	add_owner(export, name, row);
}

/*
 * Find the scopes of a level that the current role may change.
 */
static void
find_owners(Export *export, FeatureLevel level)
{
	ScopeName	implicit = scopename_implicit(level);
	ScopeRow	row = {0};

	export->owners = NIL;
	export->next = 0;
	export->has_implicit = false;
	tableread_foreach_scope(export->snapshot, level, "", 0, take_owner, export);
	if (implicit.id == NULL || export->has_implicit)
		return;
	add_owner(export, &implicit, &row);
	list_sort(export->owners, scopename_compare_cells);
}

/*
 * Return the owner whose settings, or scopes below, come next, or NULL.
 */
static const ScopeName *
next_owner(const Export *export)
{
	return export->next < list_length(export->owners) ?
		list_nth(export->owners, export->next) : NULL;
}

/*
 * End the object of that owner, and go to the one after it.
 */
static void
pass_owner(Export *export, const ScopeName *owner)
{
	CHECK_FOR_INTERRUPTS();
	add_object(&export->level, owner->id, &export->scope);
	add_rollouts(&export->instance_rollouts, owner->id,
				 &export->scope_rollouts);
	export->next++;
}

static void
take_owner_setting(const ScopeName *name, const SettingRow *setting,
				   void *arg)
{
	Export	   *export = arg;
	MemoryContext caller_cxt = MemoryContextSwitchTo(export->cxt);
	const ScopeName *instance;
	int			cmp = 1;

	while ((instance = next_owner(export)) != NULL &&
		   (cmp = scopename_compare(instance, name)) < 0)
		pass_owner(export, instance);
	if (instance != NULL && cmp == 0)
		add_setting(export, setting);
	MemoryContextSwitchTo(caller_cxt);
}

/*
 * Export the scopes of a level that have owners.
 */
static void
export_owners(Export *export, FeatureLevel level)
{
	const ScopeName *owner;

	find_owners(export, level);
	tableread_foreach_scope_setting(export->snapshot, level, "", 0,
									take_owner_setting, export);
	while ((owner = next_owner(export)) != NULL)
		pass_owner(export, owner);
	if (export->level.count > 0 || level_infos[level].implicit_id != NULL)
		add_object(&export->document, level_infos[level].document_field,
				   &export->level);
	add_rollouts(&export->rollouts, level_infos[level].document_field,
				 &export->instance_rollouts);
	if (level == LEVEL_INSTANCE)
		export->instances = export->owners;
}

/*
 * End the object of the current scope below an instance, which is left out if
 * it is empty.
 */
static void
pass_scope(Export *export)
{
	if (export->current != NULL && export->scope.count > 0)
		add_object(&export->instance, export->current->id, &export->scope);
	export->current = NULL;
}

/*
 * The same for the scopes below the next instance, which have all come.
 */
static void
pass_scopes_of_instance(Export *export, const ScopeName *instance)
{
	pass_scope(export);
	if (export->instance.count > 0)
		add_object(&export->level, instance->id, &export->instance);
	export->next++;
}

static void
take_setting_below(const ScopeName *name, const SettingRow *setting,
				   void *arg)
{
	Export	   *export = arg;
	MemoryContext caller_cxt = MemoryContextSwitchTo(export->cxt);
	ScopeName	owner = scopename_owner(name);
	const ScopeName *instance;
	int			cmp = 1;

	while ((instance = next_owner(export)) != NULL &&
		   (cmp = scopename_compare(instance, &owner)) < 0)
		pass_scopes_of_instance(export, instance);
	if (instance != NULL && cmp == 0)
	{
		if (export->current == NULL ||
			scopename_compare(export->current, name) != 0)
		{
			ScopeRow	row;

			pass_scope(export);
			export->current = scopename_copy(name);
			export->is_stored = tableread_scope(export->snapshot, name, &row,
												NULL);
		}

		/* Settings without the scope's row are not in force. */
		if (export->is_stored)
			add_setting(export, setting);
	}
	MemoryContextSwitchTo(caller_cxt);
}

/*
 * Export the scopes of a level below instances that have settings.
 */
static void
export_scopes_below(Export *export, FeatureLevel level)
{
	const ScopeName *instance;

	export->owners = export->instances;
	export->next = 0;
	tableread_foreach_scope_setting(export->snapshot, level, NULL, 0,
									take_setting_below, export);
	instance = next_owner(export);
	if (instance != NULL)
		pass_scopes_of_instance(export, instance);
	if (export->level.count > 0)
		add_object(&export->document, level_infos[level].document_field,
				   &export->level);
}

/*
 * Return a document with what the current role may change; with the users of
 * its instances only if "users" is true.
 */
Jsonb *
documentexport(bool users)
{
	Export		export = {
		.cxt = CurrentMemoryContext,
		.is_system_owner = permission_is_system_owner()
	};
	List	   *rows;
	JsonbValue	document;

	export.snapshot = scan_begin();
	rows = definitionread_described(export.snapshot);
	export.definitions = definitionset_make(rows);
	export_definitions(&export, rows);
	for (int level = 0; level < NUM_LEVELS; level++)
	{
		if (level_infos[level].is_personal && !users)
			continue;
		if (level_is_single(level))
			export_only_scope(&export, level);
		else if (level_is_in_instance(level))
			export_scopes_below(&export, level);
		else
			export_owners(&export, level);
	}
	scan_end(export.snapshot);
	add_rollouts(&export.document, ROLLOUTS_FIELD, &export.rollouts);
	document = json_take_fields(&export.document);
	return JsonbValueToJsonb(&document);
}
