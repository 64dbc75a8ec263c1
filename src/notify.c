/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  Telling listeners of committed changes.
 *
 * The changes of a transaction are collected and go out as one notification a
 * scope, queued just before the commit.  A change is forgotten with the
 * subtransaction that made it.  PostgreSQL cannot notify for a prepared
 * transaction and refuses to prepare one that tried; rather than that, its
 * changes go without notifications, and a warning says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "notify.h"

#define CHANNEL "instance_features"

/* What async.c allows for a payload. */
#define MAX_PAYLOAD (BLCKSZ - NAMEDATALEN - 128 - 1)

bool		notify_enabled = true;

typedef struct Change
{
	FeatureLevel level;
	char	   *id;
	int64		sequence;
	TimestampTz change_date;
	List	   *keys;			/* features changed; NIL: read again */
	int			nest_level;		/* of the transaction that made it */
	int			number;			/* its place among all, once they are sent */
} Change;

/*
 * Changes of the present transaction, oldest first, in its context.  Written
 * by notify_change() and the callbacks of the transaction's end.
 */
static List *changes = NIL;

/*
 * Remember a change for the commit.  "keys" is a list of strings: the
 * features changed, or NIL to have listeners read them all again.
 */
void
notify_change(const ScopeName *name, int64 sequence, TimestampTz change_date,
			  List *keys)
{
	MemoryContext caller_cxt;
	Change	   *change;
	ListCell   *lc;

	if (!notify_enabled)
		return;

	caller_cxt = MemoryContextSwitchTo(TopTransactionContext);
	change = palloc0(sizeof(Change));
	change->level = name->level;
	change->id = pnstrdup(name->id, name->len);
	change->sequence = sequence;
	change->change_date = change_date;
	foreach(lc, keys)
		change->keys = lappend(change->keys, pstrdup(lfirst(lc)));
	change->nest_level = GetCurrentTransactionNestLevel();
	changes = lappend(changes, change);
	MemoryContextSwitchTo(caller_cxt);
}

/* Append a number with at least so many digits; there is room for it. */
static void
append_number(StringInfo buf, uint32 number, int digits)
{
	char	   *end = pg_ultostr_zeropad(buf->data + buf->len, number, digits);

	buf->len = end - buf->data;
	*end = '\0';
}

/*
 * Append a timestamp as protobuf's JSON mapping writes it: RFC 3339 in UTC
 * with 0, 3 or 6 fractional digits.
 */
void
append_rfc3339(StringInfo buf, TimestampTz timestamp)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(timestamp, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));

	enlargeStringInfo(buf, 64);
	append_number(buf, tm.tm_year, 4);
	appendStringInfoChar(buf, '-');
	append_number(buf, tm.tm_mon, 2);
	appendStringInfoChar(buf, '-');
	append_number(buf, tm.tm_mday, 2);
	appendStringInfoChar(buf, 'T');
	append_number(buf, tm.tm_hour, 2);
	appendStringInfoChar(buf, ':');
	append_number(buf, tm.tm_min, 2);
	appendStringInfoChar(buf, ':');
	append_number(buf, tm.tm_sec, 2);
	if (fsec != 0)
	{
		appendStringInfoChar(buf, '.');
		if (fsec % 1000 != 0)
			append_number(buf, fsec, 6);
		else
			append_number(buf, fsec / 1000, 3);
	}
	appendStringInfoChar(buf, 'Z');
}

/*
 * Queue the notification of a change.  A payload that would be too long goes
 * without the features.
 */
static void
send_notification(const Change *change)
{
	StringInfoData buf;
	int			base_len;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"level\": \"%s\", \"resourceOwner\": ",
					 level_name(change->level));
	escape_json(&buf, change->id);
	appendStringInfo(&buf, ", \"sequence\": %lld, \"changeDate\": \"",
					 (long long) change->sequence);
	append_rfc3339(&buf, change->change_date);
	appendStringInfoChar(&buf, '"');
	base_len = buf.len;

	foreach(lc, change->keys)
	{
		appendStringInfoString(&buf, foreach_current_index(lc) == 0 ?
							   ", \"features\": [" : ", ");
		escape_json(&buf, lfirst(lc));
	}
	if (change->keys != NIL)
		appendStringInfoChar(&buf, ']');

	if (buf.len + 1 > MAX_PAYLOAD)
	{
		buf.len = base_len;
		buf.data[base_len] = '\0';
	}
	appendStringInfoChar(&buf, '}');

	Async_Notify(CHANNEL, buf.data);
	pfree(buf.data);
}

/* Add the strings to the list that it does not have. */
static List *
merge_keys(List *list, List *keys)
{
	ListCell   *lc;

	foreach(lc, keys)
	{
		ListCell   *known;
		bool		found = false;

		foreach(known, list)
			found = found || strcmp(lfirst(known), lfirst(lc)) == 0;
		if (!found)
			list = lappend(list, lfirst(lc));
	}
	return list;
}

/* By scope, and then in the order in which they were made. */
static int
compare_changes(const void *a, const void *b)
{
	const Change *change_a = *(Change *const *) a;
	const Change *change_b = *(Change *const *) b;
	int			cmp = (int) change_a->level - (int) change_b->level;

	if (cmp == 0)
		cmp = strcmp(change_a->id, change_b->id);
	return cmp != 0 ? cmp : change_a->number - change_b->number;
}

/* In the order in which they were made. */
static int
compare_numbers(const void *a, const void *b)
{
	return (*(Change *const *) a)->number - (*(Change *const *) b)->number;
}

/*
 * Add to a change what a later one of the same scope did.
 */
static void
merge_change(Change *change, const Change *later)
{
	if (change->keys == NIL || later->keys == NIL)
		change->keys = NIL;
	else
		change->keys = merge_keys(change->keys, later->keys);
	change->sequence = later->sequence;
	change->change_date = later->change_date;
}

/*
 * Queue one notification for each scope that the transaction changed.
 */
static void
send_notifications(void)
{
	int			count = list_length(changes);
	Change	  **sorted = palloc(sizeof(Change *) * count);
	int			merged = 0;
	ListCell   *lc;

	foreach(lc, changes)
	{
		Change	   *change = lfirst(lc);

		change->number = foreach_current_index(lc);
		sorted[change->number] = change;
	}
	changes = NIL;

	qsort(sorted, count, sizeof(Change *), compare_changes);
	for (int i = 1; i < count; i++)
	{
		if (sorted[i]->level == sorted[merged]->level &&
			strcmp(sorted[i]->id, sorted[merged]->id) == 0)
			merge_change(sorted[merged], sorted[i]);
		else
			sorted[++merged] = sorted[i];
	}
	qsort(sorted, merged + 1, sizeof(Change *), compare_numbers);
	for (int i = 0; i <= merged; i++)
		send_notification(sorted[i]);
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (changes == NIL)
		return;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			send_notifications();
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(WARNING,
					(errmsg("feature changes of a prepared transaction are not notified"),
					 errhint("Listeners on channel \"%s\" have to read the features again.",
							 CHANNEL)));
			changes = NIL;
			break;
		default:
			/* The context that they are in goes away. */
			changes = NIL;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent_subid, void *arg)
{
	int			nest_level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;

	/* Those of the deepest level are the last ones. */
	for (int i = list_length(changes) - 1; i >= 0; i--)
	{
		Change	   *change = list_nth(changes, i);

		if (change->nest_level < nest_level)
			break;
		if (event == SUBXACT_EVENT_ABORT_SUB)
			changes = list_delete_last(changes);
		else
			change->nest_level = nest_level - 1;
	}
}

/*
 * Called once, when the library is loaded.
 */
void
notify_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
