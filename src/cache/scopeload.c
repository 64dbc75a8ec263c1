/*-------------------------------------------------------------------------
 *
 * scopeload.c
 *	  Loading a scope with its settings for the cache.
 *
 * The rule: the memory of a scope is allocated in one chunk after all its rows
 * have been read, so that an error does not leak memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "cache/definition.h"
#include "cache/scopeload.h"
#include "table/tableread.h"

static int
compare_settings(const void *a, const void *b)
{
	return ((const CachedSetting *) a)->feature -
		((const CachedSetting *) b)->feature;
}

/*
 * Read the row of a scope, or fill in that of an implicit scope.  Returns
 * false if there is no such scope.
 */
static bool
read_scope_row(Snapshot snapshot, const ScopeName *name, ScopeRow *row,
			   bool *stored)
{
	*stored = tableread_scope(snapshot, name, row, NULL);
	if (*stored)
		return !scope_row_is_dropped(name, row);
	if (!scopename_is_implicit(name))
		return false;

	memset(row, 0, sizeof(ScopeRow));
	row->change_date = row->creation_date = NO_DATE;
	return true;
}

/*
 * Append a string to a chunk and null-terminate it.  Returns the copy.
 */
static const char *
append_string(CachedScope *scope, Size *size, const char *string, int len)
{
	char	   *copy = (char *) scope + *size;

	memcpy(copy, string, len);
	copy[len] = '\0';
	*size += len + 1;
	return copy;
}

/*
 * Load a scope into "cxt", without settings of undefined features.  If it has no
 * settings, the fingerprint is read only if "whole" is true.  Returns
 * NULL if there is no such scope.  The caller has loaded the definitions, and
 * frees what is palloc'd in the current memory context.
 */
CachedScope *
scopeload(Snapshot snapshot, const ScopeName *name, bool whole,
		  MemoryContext cxt)
{
	uint64		fingerprint = 0;
	ScopeRow	row;
	bool		stored;
	List	   *rows;
	Size		size;
	CachedScope *scope;
	ListCell   *lc;

	if (!read_scope_row(snapshot, name, &row, &stored))
		return NULL;
	rows = stored ? tableread_settings(snapshot, name) : NIL;
	if (whole || rows != NIL)
		fingerprint = tableread_fingerprint(snapshot, name);

	size = offsetof(CachedScope, settings) +
		sizeof(CachedSetting) * list_length(rows) +
		name->instance_len + 1 + name->len + 1;
	foreach(lc, rows)
		size = MAXALIGN(size) + VARSIZE(((SettingRow *) lfirst(lc))->value);

	scope = MemoryContextAllocHuge(cxt, size);
	memset(scope, 0, offsetof(CachedScope, settings));
	scope->fingerprint = fingerprint;
	scope->stored = stored;
	scope->row = row;

	size = offsetof(CachedScope, settings) +
		sizeof(CachedSetting) * list_length(rows);
	scope->name = *name;
	scope->name.instance_id = append_string(scope, &size, name->instance_id,
											name->instance_len);
	scope->name.id = append_string(scope, &size, name->id, name->len);
	foreach(lc, rows)
	{
		const SettingRow *setting = lfirst(lc);
		int			feature = definition_find(setting->feature,
											  strlen(setting->feature));
		CachedSetting *cached = &scope->settings[scope->nsettings];

		if (feature < 0)
			continue;
		size = MAXALIGN(size);
		cached->feature = feature;
		cached->share = setting->share;
		cached->value_offset = size;
		cached->sequence = setting->sequence;
		cached->change_date = setting->change_date;
		scope->nsettings++;
		memcpy((char *) scope + size, setting->value, VARSIZE(setting->value));
		size += VARSIZE(setting->value);
	}
	qsort(scope->settings, scope->nsettings, sizeof(CachedSetting),
		  compare_settings);

	return scope;
}

/*
 * Return a scope's own setting of a feature, or NULL if it has none.
 */
const CachedSetting *
scopeload_find_setting(const CachedScope *scope, int feature)
{
	CachedSetting key = {.feature = feature};

	return bsearch(&key, scope->settings, scope->nsettings,
				   sizeof(CachedSetting), compare_settings);
}
