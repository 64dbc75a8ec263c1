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
 * so the time is linear in the number of rows.
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
#include "model/builtin.h"
#include "table/definitionread.h"
#include "table/tableread.h"

typedef struct Export
{
	Snapshot	snapshot;
	MemoryContext cxt;			/* has what the builder points to */
	JsonbBuilder builder;
	DefinitionSet definitions;
	bool		is_system_owner;
	bool		has_default;	/* the implicit instance has a row */
	List	   *instances;		/* ScopeName, in the order of their ids */
	int			next;			/* in "instances": the one whose settings, or
								 * scopes below, come next */

	/* Of the scopes of a level below instances. */
	bool		level_is_open;	/* its object is open */
	const ScopeName *instance;	/* whose object is open, or NULL */
	const ScopeName *scope;		/* whose settings come, or NULL */
	bool		scope_is_open;	/* its object is open */
} Export;

static void
begin_field(Export *export, const char *name)
{
	json_push_string(&export->builder, WJB_KEY, name);
	push_jsonb(&export->builder, WJB_BEGIN_OBJECT, NULL);
}

static void
end_field(Export *export)
{
	push_jsonb(&export->builder, WJB_END_OBJECT, NULL);
}

/*
 * Return the definition of a setting's feature, or NULL if settings of the
 * feature are not exported.
 */
static const FeatureDefinition *
exported_definition(const Export *export, const SettingRow *setting)
{
	int			feature = definitionset_find(&export->definitions,
											 setting->feature,
											 strlen(setting->feature));

	return feature < 0 || export->definitions.array[feature].removed ? NULL :
		&export->definitions.array[feature];
}

static void
push_setting(Export *export, const FeatureDefinition *definition,
			 const SettingRow *setting)
{
	JsonbValue	value;

	json_push_string(&export->builder, WJB_KEY, definition->json_name);
	json_root_value(json_copy(setting->value), &value);
	push_jsonb(&export->builder, WJB_VALUE, &value);
}

static void
export_definitions(Export *export, const List *rows)
{
	bool		is_open = false;
	ListCell   *lc;

	foreach(lc, rows)
	{
		const FeatureRow *row = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (builtin_is_key(row->key))
			continue;
		if (!is_open)
			begin_field(export, DEFINITIONS_FIELD);
		is_open = true;
		json_push_string(&export->builder, WJB_KEY, row->key);
		definitionjson_push(&export->builder, row, NULL);
	}
	if (is_open)
		end_field(export);
}

static void
export_system(Export *export)
{
	ScopeRow	row = {0};
	ListCell   *lc;

	(void) tableread_scope(export->snapshot, &scopename_system, &row, NULL);
	if (!export->is_system_owner && !permission_is_owner(&scopename_system, &row))
		return;
	begin_field(export, level_infos[LEVEL_SYSTEM].document_field);
	foreach(lc, tableread_settings(export->snapshot, &scopename_system))
	{
		const SettingRow *setting = lfirst(lc);
		const FeatureDefinition *definition = exported_definition(export, setting);

		if (definition != NULL)
			push_setting(export, definition, setting);
	}
	end_field(export);
}

static void
add_instance(Export *export, const ScopeName *name, const ScopeRow *row)
{
	MemoryContext caller_cxt = MemoryContextSwitchTo(export->cxt);

	if (!scope_row_is_dropped(name, row) &&
		(export->is_system_owner || permission_is_owner(name, row)))
		export->instances = lappend(export->instances, scopename_copy(name));
	MemoryContextSwitchTo(caller_cxt);
}

static void
take_instance(const ScopeName *name, const ScopeRow *row, void *arg)
{
	Export	   *export = arg;

	if (scopename_is_implicit(name))
		export->has_default = true;
	add_instance(export, name, row);
}

/*
 * Find the instances that the current role may change.
 */
static void
find_instances(Export *export)
{
	ScopeName	implicit = scopename_implicit(LEVEL_INSTANCE);
	ScopeRow	row = {0};

	tableread_foreach_scope(export->snapshot, LEVEL_INSTANCE, "", 0,
							take_instance, export);
	if (export->has_default)
		return;
	add_instance(export, &implicit, &row);
	list_sort(export->instances, scopename_compare_cells);
}

/*
 * Return the next instance that is not before this one, or NULL.
 */
static const ScopeName *
next_instance(Export *export)
{
	return export->next < list_length(export->instances) ?
		list_nth(export->instances, export->next) : NULL;
}

/*
 * Begin the object of the next instance, if there is one.
 */
static void
begin_instance(Export *export)
{
	const ScopeName *instance = next_instance(export);

	if (instance != NULL)
		begin_field(export, instance->id);
}

/*
 * End the object of the current instance, and begin that of the next one.
 */
static void
pass_instance(Export *export)
{
	CHECK_FOR_INTERRUPTS();
	end_field(export);
	export->next++;
	begin_instance(export);
}

static void
take_instance_setting(const ScopeName *name, const SettingRow *setting,
					  void *arg)
{
	Export	   *export = arg;
	const FeatureDefinition *definition = exported_definition(export, setting);
	MemoryContext caller_cxt = MemoryContextSwitchTo(export->cxt);
	const ScopeName *instance;
	int			cmp = 1;

	while ((instance = next_instance(export)) != NULL &&
		   (cmp = scopename_compare(instance, name)) < 0)
		pass_instance(export);
	if (instance != NULL && cmp == 0 && definition != NULL)
		push_setting(export, definition, setting);
	MemoryContextSwitchTo(caller_cxt);
}

static void
export_instances(Export *export)
{
	begin_field(export, level_infos[LEVEL_INSTANCE].document_field);
	begin_instance(export);
	tableread_foreach_scope_setting(export->snapshot, LEVEL_INSTANCE, "", 0,
									take_instance_setting, export);
	while (next_instance(export) != NULL)
		pass_instance(export);
	end_field(export);
}

static void
end_scope(Export *export)
{
	if (export->scope_is_open)
		end_field(export);
	export->scope_is_open = false;
}

static void
end_scopes_of_instance(Export *export)
{
	end_scope(export);
	if (export->instance != NULL)
		end_field(export);
	export->instance = NULL;
}

/*
 * Begin the object of the current scope, which is below "instance", and those
 * that it is in.
 */
static void
begin_scope(Export *export, const ScopeName *instance)
{
	if (!export->level_is_open)
		begin_field(export, level_infos[export->scope->level].document_field);
	export->level_is_open = true;
	if (export->instance != instance)
	{
		end_scopes_of_instance(export);
		begin_field(export, instance->id);
		export->instance = instance;
	}
	begin_field(export, export->scope->id);
	export->scope_is_open = true;
}

static void
take_setting_below(const ScopeName *name, const SettingRow *setting,
				   void *arg)
{
	Export	   *export = arg;
	const FeatureDefinition *definition = exported_definition(export, setting);
	ScopeName	owner = scopename_owner(name);
	const ScopeName *instance;
	int			cmp = 1;
	MemoryContext caller_cxt;

	while ((instance = next_instance(export)) != NULL &&
		   (cmp = scopename_compare(instance, &owner)) < 0)
		export->next++;
	if (instance == NULL || cmp != 0 || definition == NULL)
		return;

	caller_cxt = MemoryContextSwitchTo(export->cxt);
	if (export->scope == NULL || scopename_compare(export->scope, name) != 0)
	{
		ScopeRow	row;

		/* Settings without the scope's row are not in force. */
		end_scope(export);
		export->scope = scopename_copy(name);
		if (tableread_scope(export->snapshot, name, &row, NULL))
			begin_scope(export, instance);
	}
	if (export->scope_is_open)
		push_setting(export, definition, setting);
	MemoryContextSwitchTo(caller_cxt);
}

/*
 * Export the scopes of a level below instances that have settings.
 */
static void
export_scopes_below(Export *export, FeatureLevel level)
{
	export->next = 0;
	export->scope = NULL;
	export->level_is_open = false;
	tableread_foreach_scope_setting(export->snapshot, level, NULL, 0,
									take_setting_below, export);
	end_scopes_of_instance(export);
	if (export->level_is_open)
		end_field(export);
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

	export.snapshot = scan_begin();
	rows = definitionread_described(export.snapshot);
	export.definitions = definitionset_make(rows);
	push_jsonb(&export.builder, WJB_BEGIN_OBJECT, NULL);
	export_definitions(&export, rows);
	export_system(&export);
	find_instances(&export);
	export_instances(&export);
	for (int level = 0; level < NUM_LEVELS; level++)
	{
		if (level_is_in_instance(level) &&
			(users || !level_infos[level].is_personal))
			export_scopes_below(&export, level);
	}
	push_jsonb(&export.builder, WJB_END_OBJECT, NULL);
	scan_end(export.snapshot);
	return JsonbValueToJsonb(export.builder.result);
}
