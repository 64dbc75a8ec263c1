/*-------------------------------------------------------------------------
 *
 * spread.c
 *	  The spread of a boolean feature over the instances: where it is on.
 *
 * The rule: all that is read about a spread is read with one snapshot, and
 * where a row leaves room for doubt, the feature counts as on.  A list of
 * instances may therefore have too many of them, whose rows feature_enabled()
 * then rejects, but none is missing.
 *
 * The context is always an instance without organization and user, so only
 * the settings of the system and of instances matter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "base/jsonbuild.h"
#include "change/spread.h"
#include "model/builtin.h"
#include "table/definitionread.h"
#include "table/tableread.h"

/* Ids of instances, as values of type text. */
typedef struct IdList
{
	MemoryContext cxt;
	int			count;
	int			allocated;
	Datum	   *ids;
} IdList;

static void
add_id(IdList *list, Datum id)
{
	MemoryContext caller_cxt = MemoryContextSwitchTo(list->cxt);

	if (list->count == list->allocated)
	{
		list->allocated = Max(64, 2 * list->allocated);
		list->ids = list->ids == NULL ?
			palloc(list->allocated * sizeof(Datum)) :
			repalloc_huge(list->ids, list->allocated * sizeof(Datum));
	}
	list->ids[list->count++] = datumCopy(id, false, -1);
	MemoryContextSwitchTo(caller_cxt);
}

static int
compare_ids(const void *a, const void *b)
{
	const void *x = DatumGetPointer(*(const Datum *) a);
	const void *y = DatumGetPointer(*(const Datum *) b);
	int			x_len = VARSIZE_ANY_EXHDR(x);
	int			y_len = VARSIZE_ANY_EXHDR(y);
	int			cmp = memcmp(VARDATA_ANY(x), VARDATA_ANY(y),
							 Min(x_len, y_len));

	return cmp != 0 ? cmp : x_len - y_len;
}

/*
 * Return whether a value is certainly "off".
 */
static bool
value_is_off(const Jsonb *jsonb)
{
	JsonbValue	value;

	json_root_value(jsonb, &value);
	return value.type == jbvBool && !value.val.boolean;
}

/*
 * Read whether the value of a setting is "off".
 */
static bool
setting_is_off(Relation rel, HeapTuple tuple)
{
	Datum		column = row_get_column(tuple, Anum_setting_value, rel);
	Jsonb	   *value = DatumGetJsonbP(column);
	bool		off = value_is_off(value);

	if ((Pointer) value != DatumGetPointer(column))
		pfree(value);
	return off;
}

/*
 * Read the share of the scopes below for which a setting holds, from 0 to 1.
 */
static double
setting_share(Relation rel, HeapTuple tuple)
{
	int			share = row_get_share(tuple, Anum_setting_percentage, rel);

	return share == NO_SHARE ? 1 : (double) share / WHOLE_SHARE;
}

typedef struct SystemRead
{
	bool		found;
	bool		off;
	double		share;
} SystemRead;

static bool
take_system_setting(Relation rel, HeapTuple tuple, void *arg)
{
	SystemRead *read = arg;
	ScopeName	name;

	if (!row_get_scope_name(tuple, rel, &name))
		return true;
	read->found = true;
	read->off = setting_is_off(rel, tuple);
	read->share = setting_share(rel, tuple);
	return false;
}

/*
 * Read what the instances inherit: the system's setting or, where that does
 * not hold, the default.
 */
static void
read_inheritance(Snapshot snapshot, const char *key, bool default_off,
				 LevelSet levels, FeatureSpread *spread)
{
	SystemRead	read = {0};
	ScopeRow	row;

	/* Settings of a scope without a row are not in force. */
	if (level_is_in(LEVEL_SYSTEM, levels) &&
		tableread_scope(snapshot, &scopename_system, &row, NULL))
		scan_settings_of_feature(snapshot, key, LEVEL_SYSTEM,
								 take_system_setting, &read);

	if (!read.found || read.share <= 0)
		spread_set_inheritance(spread, !default_off);
	else if (read.share >= 1 || read.off == default_off)
		spread_set_inheritance(spread, !read.off);
	else
	{
		spread->inheritance = INHERIT_BY_SHARE;
		spread->share = read.off ? 1 - read.share : read.share;
	}
}

typedef struct ExceptionsRead
{
	Inheritance inheritance;
	int64		limit;
	int64		rows;
	IdList		list;
} ExceptionsRead;

static bool
take_exception(Relation rel, HeapTuple tuple, void *arg)
{
	ExceptionsRead *read = arg;
	const text *instance_id;
	bool		off;

	if (++read->rows > read->limit)
		return false;

	/* An instance belongs to no other, unless direct DML has said so. */
	instance_id =
		DatumGetTextPP(row_get_column(tuple, Anum_setting_instance_id, rel));
	if (VARSIZE_ANY_EXHDR(instance_id) > 0)
		return true;

	/*
	 * A setting that holds for a share of the users holds for nobody here,
	 * but that is for feature_enabled() to decide if it makes the difference.
	 */
	off = setting_is_off(rel, tuple);
	if (read->inheritance == INHERIT_OFF ? !off :
		off && setting_share(rel, tuple) >= 1)
		add_id(&read->list,
			   PointerGetDatum(DatumGetTextPP(row_get_column(tuple,
															 Anum_setting_scope_id,
															 rel))));
	return true;
}

static void
read_exceptions(Snapshot snapshot, const char *key, int64 limit,
				FeatureSpread *spread)
{
	ExceptionsRead read = {
		.inheritance = spread->inheritance,
		.limit = limit,
		.list.cxt = CurrentMemoryContext
	};

	scan_settings_of_feature(snapshot, key, LEVEL_INSTANCE, take_exception,
							 &read);
	spread->complete = read.rows <= limit;
	spread->nexceptions = read.list.count;
	spread->exceptions = read.list.ids;
	if (read.list.count > 1)
		qsort(read.list.ids, read.list.count, sizeof(Datum), compare_ids);
}

/*
 * Return the row of a feature's definition, also of a built-in one, or NULL if
 * it is not defined.
 */
static const FeatureRow *
read_definition(Snapshot snapshot, const char *key)
{
	FeatureRow *row;

	if (!builtin_is_key(key))
		return definitionread_one(snapshot, key);
	row = palloc0(sizeof(FeatureRow));
	row->value_type = BUILTIN_TYPE;
	row->default_value = json_make_boolean(false);
	row->levels = BUILTIN_LEVELS;
	row->stage = BUILTIN_STAGE;
	return row;
}

/*
 * Read the spread of a feature as of a snapshot of scan_begin(), with settings
 * of at most "limit" instances.  If the feature is not defined, or not boolean,
 * it has only a type, and is off.  The result is palloc'd.
 */
FeatureSpread *
spread_read(Snapshot snapshot, const char *key, int len, int64 limit)
{
	FeatureSpread *spread = palloc0(sizeof(FeatureSpread));
	char	   *name = pnstrdup(key, Min(len, MAX_KEY_LENGTH + 1));
	const FeatureRow *definition = read_definition(snapshot, name);
	bool		default_off;
	LevelSet	levels;

	spread->complete = true;
	if (definition == NULL)
		return spread;
	spread->type = definition->value_type;
	if (!spread_is_boolean(spread))
		return spread;

	default_off = value_is_off(definition->default_value);
	levels = strcmp(definition->stage, "removed") == 0 ? 0 :
		definition->levels;
	read_inheritance(snapshot, name, default_off, levels, spread);
	if (level_is_in(LEVEL_INSTANCE, levels))
		read_exceptions(snapshot, name, limit, spread);
	return spread;
}

/*
 * Have all instances inherit the same.
 */
void
spread_set_inheritance(FeatureSpread *spread, bool on)
{
	spread->inheritance = on ? INHERIT_ON : INHERIT_OFF;
	spread->share = on ? 1 : 0;
}

/*
 * Return whether the feature is defined and boolean.
 */
bool
spread_is_boolean(const FeatureSpread *spread)
{
	return spread->type != NULL && strcmp(spread->type, "boolean") == 0;
}

/*
 * Return whether an id of type text, which is not compressed, is that of an
 * exception.
 */
bool
spread_is_exception(const FeatureSpread *spread, Datum id)
{
	return spread->nexceptions > 0 &&
		bsearch(&id, spread->exceptions, spread->nexceptions, sizeof(Datum),
				compare_ids) != NULL;
}

/*
 * Return whether the instances where the feature is on are few enough for a
 * plan that lists them.  That is decided by what the instances inherit: those
 * that set a feature against it are exceptions, while all that inherit it, or a
 * share of them, may be a million.  A plan made earlier is still right, because
 * spread_list() lists those too.
 */
bool
spread_can_be_listed(const FeatureSpread *spread)
{
	return spread->inheritance == INHERIT_OFF && spread->complete;
}

typedef struct InstancesRead
{
	const FeatureSpread *spread;
	bool		implicit_has_row;
	IdList		list;
} InstancesRead;

static void
take_instance(const ScopeName *name, const ScopeRow *row, void *arg)
{
	InstancesRead *read = arg;
	Datum		id;

	if (scopename_is_implicit(name))
		read->implicit_has_row = true;
	if (scope_row_is_dropped(name, row))
		return;
	id = PointerGetDatum(cstring_to_text_with_len(name->id, name->len));
	if (!spread_is_exception(read->spread, id))
		add_id(&read->list, id);
}

/*
 * Return the ids of the instances where a feature is on, and perhaps of others
 * where it may be.  The snapshot is that of spread_read().
 */
ArrayType  *
spread_list(const FeatureSpread *spread, Snapshot snapshot)
{
	InstancesRead read = {
		.spread = spread,
		.list.cxt = CurrentMemoryContext
	};
	ScopeName	implicit = scopename_implicit(LEVEL_INSTANCE);

	Assert(spread->complete);
	if (spread->inheritance == INHERIT_OFF)
		return construct_array(spread->exceptions, spread->nexceptions,
							   TEXTOID, -1, false, TYPALIGN_INT);

	tableread_foreach_scope(snapshot, LEVEL_INSTANCE, "", 0, take_instance,
							&read);
	if (implicit.id != NULL && !read.implicit_has_row)
		add_id(&read.list,
			   PointerGetDatum(cstring_to_text_with_len(implicit.id,
														implicit.len)));
	return construct_array(read.list.ids, read.list.count, TEXTOID, -1, false,
						   TYPALIGN_INT);
}
