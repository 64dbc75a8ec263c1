/*-------------------------------------------------------------------------
 *
 * views.c
 *	  SQL-callable functions for the views and check_instance_features().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/jsonbuild.h"
#include "change/permission.h"
#include "change/result.h"
#include "model/builtin.h"
#include "model/tables.h"
#include "model/tableshape.h"
#include "model/value.h"
#include "table/tableread.h"

PG_FUNCTION_INFO_V1(builtin_features);
PG_FUNCTION_INFO_V1(altered_tables);
PG_FUNCTION_INFO_V1(effective_owner);
PG_FUNCTION_INFO_V1(sees_all);
PG_FUNCTION_INFO_V1(feature_value_violation);
PG_FUNCTION_INFO_V1(own_organizations);
PG_FUNCTION_INFO_V1(own_settings);

/*
 * builtin_features(), for the view "definition"
 */
Datum
builtin_features(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {
		TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTARRAYOID, TEXTOID, TEXTOID
	};
	ReturnSetInfo *rsinfo = result_begin_set(fcinfo, types, lengthof(types));

	for (int i = 0; i < NUM_BUILTIN_FEATURES; i++)
	{
		const BuiltinFeature *feature = &builtin_feature_table[i];
		Datum		values[lengthof(types)];
		bool		nulls[lengthof(types)] = {false};

		values[0] = CStringGetTextDatum(feature->key);
		values[1] = CStringGetTextDatum(feature->json_name);
		values[2] = CStringGetTextDatum(BUILTIN_TYPE);
		values[3] = JsonbPGetDatum(json_make_boolean(false));
		values[4] = row_make_levels(BUILTIN_LEVELS);
		values[5] = CStringGetTextDatum(BUILTIN_STAGE);
		values[6] = CStringGetTextDatum(feature->description);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/*
 * altered_tables(), for check_instance_features(): returns a sentence for each
 * table that does not have the expected shape.
 */
Datum
altered_tables(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (rsinfo->setDesc->natts != 1 ||
		TupleDescAttr(rsinfo->setDesc, 0)->atttypid != TEXTOID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function \"%s\" must return SETOF text",
						"altered_tables")));

	for (int i = 0; i < NUM_TABLES; i++)
	{
		Relation	rel = table_open(tables_oid(i), AccessShareLock);
		const char *problem = tableshape_problem(rel, i);

		if (problem != NULL)
		{
			Datum		value;
			bool		isnull = false;

			value = CStringGetTextDatum(psprintf("Table %s.%s: %s",
												 EXTENSION_SCHEMA,
												 tableshape_name(i), problem));
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
								 &isnull);
		}
		table_close(rel, AccessShareLock);
	}
	return (Datum) 0;
}

/*
 * effective_owner(level, id, owner), for the views
 */
Datum
effective_owner(PG_FUNCTION_ARGS)
{
	ScopeRow	row = {0};
	ScopeName	name;
	FeatureLevel level;
	Oid			owner;

	result_check_argument_count(fcinfo, 3);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) ||
		!level_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)), &level))
		PG_RETURN_NULL();
	name = scopename_make(level, "", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	row.has_owner = !PG_ARGISNULL(2);
	if (row.has_owner)
		row.owner = *PG_GETARG_SCOPE_OWNER_P(2);

	owner = permission_owner_of(&name, &row);
	if (!OidIsValid(owner))
		PG_RETURN_NULL();
	PG_RETURN_OID(owner);
}

/*
 * sees_all(), for the views
 */
Datum
sees_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) ||
				   permission_is_system_owner());
}

/* What a view of scopes below the instance shows. */
typedef struct OwnRead
{
	Snapshot	snapshot;
	bool		everything;		/* the current role may change all scopes */
	ReturnSetInfo *rsinfo;
	List	   *instances;		/* ScopeName of those it may change */
	MemoryContext result_cxt;
} OwnRead;

static void
take_own_instance(const ScopeName *name, const ScopeRow *row, void *arg)
{
	OwnRead    *read = arg;
	MemoryContext row_cxt;

	if (scope_row_is_dropped(name, row) ||
		!(read->everything || permission_is_owner(name, row)))
		return;
	row_cxt = MemoryContextSwitchTo(read->result_cxt);
	read->instances = lappend(read->instances, scopename_copy(name));
	MemoryContextSwitchTo(row_cxt);
}

/*
 * Begin to show what belongs to the instances that the current role may change.
 * An instance without a row has nothing to show.
 */
static void
begin_own_read(OwnRead *read, FunctionCallInfo fcinfo, const Oid *types,
			   int ntypes)
{
	read->rsinfo = result_begin_set(fcinfo, types, ntypes);
	read->everything = permission_is_system_owner();
	read->result_cxt = CurrentMemoryContext;
	read->snapshot = scan_begin();
	tableread_foreach_scope(read->snapshot, LEVEL_INSTANCE, "", 0,
							take_own_instance, read);
}

static const Oid own_setting_types[] = {
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, NUMERICOID, INT8OID,
	TIMESTAMPTZOID, TEXTOID
};

static void
emit_own_setting(const ScopeName *name, const SettingRow *setting, void *arg)
{
	OwnRead    *read = arg;
	char	   *editor = tableread_editor(read->snapshot, name,
										  setting->sequence);
	Datum		values[lengthof(own_setting_types)] = {0};
	bool		nulls[lengthof(own_setting_types)] = {false};

	values[0] = CStringGetTextDatum(level_name(name->level));
	nulls[1] = name->level == LEVEL_SYSTEM;
	values[1] = CStringGetTextDatum(scopename_owner(name).id);
	values[2] = CStringGetTextDatum(name->id);
	values[3] = CStringGetTextDatum(setting->feature);
	values[4] = JsonbPGetDatum(setting->value);
	nulls[5] = setting->share == NO_SHARE;
	if (setting->share != NO_SHARE)
		values[5] = share_make_percentage(setting->share);
	values[6] = Int64GetDatum(setting->sequence);
	values[7] = TimestampTzGetDatum(setting->change_date);
	nulls[8] = editor == NULL;
	if (editor != NULL)
		values[8] = CStringGetTextDatum(editor);
	tuplestore_putvalues(read->rsinfo->setResult, read->rsinfo->setDesc,
						 values, nulls);
}

static void
emit_settings_of_scope(OwnRead *read, const ScopeName *name)
{
	ListCell   *lc;

	foreach(lc, tableread_settings(read->snapshot, name))
		emit_own_setting(name, lfirst(lc), read);
}

/*
 * own_settings(), for the views: EXPLAIN of a query of the table would tell
 * how many settings others have.
 */
Datum
own_settings(PG_FUNCTION_ARGS)
{
	OwnRead		read = {0};
	ListCell   *lc;

	begin_own_read(&read, fcinfo, own_setting_types,
				   lengthof(own_setting_types));
	if (read.everything)
		emit_settings_of_scope(&read, &scopename_system);
	foreach(lc, read.instances)
	{
		const ScopeName *instance = lfirst(lc);

		emit_settings_of_scope(&read, instance);
		for (int level = 0; level < NUM_LEVELS; level++)
		{
			if (level_is_in_instance(level))
				tableread_foreach_scope_setting(read.snapshot, level,
												instance->id, instance->len,
												emit_own_setting, &read);
		}
	}
	scan_end(read.snapshot);
	return (Datum) 0;
}

static const Oid own_organization_types[] = {
	TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID, INT8OID
};

static void
emit_own_organization(const ScopeName *name, const ScopeRow *row, void *arg)
{
	OwnRead    *read = arg;
	Datum		values[lengthof(own_organization_types)] = {0};
	bool		nulls[lengthof(own_organization_types)] = {false};

	values[0] = CStringGetTextDatum(name->instance_id);
	values[1] = CStringGetTextDatum(name->id);
	values[2] = Int64GetDatum(row->sequence);
	nulls[3] = row->change_date == NO_DATE;
	values[3] = TimestampTzGetDatum(row->change_date);
	values[4] = Int64GetDatum(list_length(tableread_settings(read->snapshot,
															 name)));
	tuplestore_putvalues(read->rsinfo->setResult, read->rsinfo->setDesc,
						 values, nulls);
}

/*
 * own_organizations(), for view "organization"
 */
Datum
own_organizations(PG_FUNCTION_ARGS)
{
	OwnRead		read = {0};
	ListCell   *lc;

	begin_own_read(&read, fcinfo, own_organization_types,
				   lengthof(own_organization_types));
	foreach(lc, read.instances)
	{
		const ScopeName *instance = lfirst(lc);

		tableread_foreach_scope(read.snapshot, LEVEL_ORGANIZATION,
								instance->id, instance->len,
								emit_own_organization, &read);
	}
	scan_end(read.snapshot);
	return (Datum) 0;
}

/*
 * feature_value_violation(value, value_type, allowed_values), for
 * check_instance_features()
 */
Datum
feature_value_violation(PG_FUNCTION_ARGS)
{
	JsonbValue	value;
	const ValueType *type;
	const char *violation;

	result_check_argument_count(fcinfo, 3);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	json_root_value(PG_GETARG_JSONB_P(0), &value);
	type = value_type(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	violation = value_violation(&value, type,
								PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2));
	if (violation == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(violation));
}
