/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  Notifications of committed changes.
 *
 * The rule: the triggers on the tables mark the scopes that a transaction
 * changes, and each mark becomes one notification just before the commit.
 * Marks belong to the (sub)transaction that made them: they are discarded if
 * it is rolled back, and merged into the parent's if a subtransaction commits.
 * Beyond MAX_SCOPES scopes, a single notification makes listeners read
 * everything again, so that neither the memory for marks nor the notification
 * queue grows with the transaction.
 *
 * PostgreSQL does not allow a transaction that has executed NOTIFY to be
 * prepared.  So the changes of a prepared transaction are not notified, and
 * PREPARE TRANSACTION raises a warning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/timeformat.h"
#include "change/notify.h"
#include "model/tables.h"
#include "table/tableread.h"

#define CHANNEL "instance_features"

/* The largest payload plus its null terminator; see async.c. */
#define MAX_PAYLOAD (BLCKSZ - NAMEDATALEN - 128 - 1)

/* The number of scopes that one transaction notifies individually. */
#define MAX_SCOPES 100

/* We do not notify if the queue is fuller than this. */
#define MAX_QUEUE_USAGE 0.75

bool		notify_enabled = true;

/* A scope that a transaction has changed. */
typedef struct Mark
{
	ScopeName  *name;
	bool		whole;			/* created or dropped: features are omitted */
	bool		erased;			/* its id is omitted */
	List	   *features;		/* keys of changed features */
	Size		features_size;	/* their approximate size in a payload */
	bool		has_details;	/* else details are read from the table */
	bool		stale_details;	/* details must be read from the table */
	int64		sequence;
	TimestampTz change_date;
} Mark;

/* The marks of a (sub)transaction, in their own memory context. */
typedef struct MarkLevel
{
	struct MarkLevel *parent;
	MemoryContext cxt;
	int			nest_level;
	bool		everything;		/* too many scopes, or a TRUNCATE */
	List	   *marks;			/* in the order in which they were made */
} MarkLevel;

/*
 * The level of the innermost (sub)transaction that has made marks.  Written by
 * mark_level() and by the callbacks at the end of a (sub)transaction.
 */
static MarkLevel *current_level = NULL;

/*
 * Return the marks of the current (sub)transaction.
 */
static MarkLevel *
mark_level(void)
{
	int			nest_level = GetCurrentTransactionNestLevel();
	MemoryContext cxt;
	MarkLevel  *level;

	if (current_level != NULL && current_level->nest_level == nest_level)
		return current_level;

	cxt = AllocSetContextCreate(TopTransactionContext,
								"instance_features notifications",
								ALLOCSET_SMALL_SIZES);
	level = MemoryContextAllocZero(cxt, sizeof(MarkLevel));
	level->cxt = cxt;
	level->nest_level = nest_level;
	level->parent = current_level;
	current_level = level;
	return level;
}

/*
 * Find or make the mark of a scope.  Returns NULL if everything is marked, or
 * the scope's instance was created or dropped, which includes it.
 */
static Mark *
find_mark(MarkLevel *level, const ScopeName *name)
{
	ScopeName	instance = scopename_owner(name);
	MemoryContext caller_cxt;
	ListCell   *lc;
	Mark	   *mark;

	if (level->everything)
		return NULL;
	foreach(lc, level->marks)
	{
		mark = lfirst(lc);
		if (scopename_compare(mark->name, name) == 0)
			return mark;
		if (mark->whole && scopename_compare(mark->name, &instance) == 0)
			return NULL;
	}
	if (list_length(level->marks) == MAX_SCOPES)
	{
		level->everything = true;
		return NULL;
	}

	caller_cxt = MemoryContextSwitchTo(level->cxt);
	mark = palloc0(sizeof(Mark));
	mark->name = scopename_copy(name);
	level->marks = lappend(level->marks, mark);
	MemoryContextSwitchTo(caller_cxt);
	return mark;
}

/*
 * Add a feature to a mark.  If the features do not fit into a payload, mark
 * the whole scope instead.
 */
static void
add_feature(MarkLevel *level, Mark *mark, const char *key)
{
	MemoryContext caller_cxt;
	ListCell   *lc;

	if (mark->whole)
		return;
	foreach(lc, mark->features)
	{
		if (strcmp(lfirst(lc), key) == 0)
			return;
	}
	mark->features_size += strlen(key) + strlen("\"\", ");
	if (mark->features_size > MAX_PAYLOAD)
	{
		mark->whole = true;
		return;
	}

	caller_cxt = MemoryContextSwitchTo(level->cxt);
	mark->features = lappend(mark->features, pstrdup(key));
	MemoryContextSwitchTo(caller_cxt);
}

/*
 * Set the last event of a marked scope.  A trigger may change the scope again
 * before we process the row that fired it, so the details that are set last
 * may not be those in the table.
 */
static void
set_details(Mark *mark, int64 sequence, TimestampTz change_date)
{
	if (mark->has_details && sequence < mark->sequence)
		mark->stale_details = true;
	mark->has_details = true;
	mark->sequence = sequence;
	mark->change_date = change_date;
}

/*
 * Mark that a feature of a scope has changed.
 */
void
notify_feature(const ScopeName *name, const char *key)
{
	MarkLevel  *level = mark_level();
	Mark	   *mark = find_mark(level, name);

	if (mark != NULL)
		add_feature(level, mark, key);
}

/*
 * Mark that a scope has a new last event.
 */
void
notify_sequence(const ScopeName *name, int64 sequence, TimestampTz change_date)
{
	Mark	   *mark = find_mark(mark_level(), name);

	if (mark != NULL)
		set_details(mark, sequence, change_date);
}

/*
 * Mark that a scope was created, dropped or erased, so that listeners must read
 * all of it again.
 */
void
notify_existence(const ScopeName *name, int64 sequence,
				 TimestampTz change_date, bool erased)
{
	Mark	   *mark = find_mark(mark_level(), name);

	if (mark != NULL)
	{
		mark->whole = true;
		mark->erased = mark->erased || erased;
		set_details(mark, sequence, change_date);
	}
}

/*
 * Mark that listeners must read everything again.
 */
void
notify_everything(void)
{
	mark_level()->everything = true;
}

/*
 * Merge the marks of a committed subtransaction into those of its parent.
 */
static void
merge_level(MarkLevel *level, int parent_nest_level)
{
	MarkLevel  *parent = level->parent;
	ListCell   *lc;

	if (parent == NULL || parent->nest_level < parent_nest_level)
	{
		level->nest_level = parent_nest_level;
		return;
	}

	parent->everything = parent->everything || level->everything;
	foreach(lc, level->marks)
	{
		const Mark *mark = lfirst(lc);
		Mark	   *merged = find_mark(parent, mark->name);
		ListCell   *feature;

		if (merged == NULL)
			continue;
		merged->whole = merged->whole || mark->whole;
		merged->erased = merged->erased || mark->erased;
		foreach(feature, mark->features)
			add_feature(parent, merged, lfirst(feature));
		if (mark->has_details)
			set_details(merged, mark->sequence, mark->change_date);
		merged->stale_details = merged->stale_details || mark->stale_details;
	}
	current_level = parent;
	MemoryContextDelete(level->cxt);
}

/*
 * Queue the notification of one scope.  If the payload would be too long, the
 * features are omitted.
 */
static void
send_mark(const Mark *mark)
{
	StringInfoData buf;
	int			base_len;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"level\": \"%s\"",
					 level_name(mark->name->level));
	if (level_is_in_instance(mark->name->level))
	{
		appendStringInfoString(&buf, ", \"instance\": ");
		escape_json(&buf, mark->name->instance_id);
	}
	if (!level_infos[mark->name->level].is_personal && !mark->erased)
	{
		appendStringInfoString(&buf, ", \"resourceOwner\": ");
		escape_json(&buf, mark->name->id);
	}
	appendStringInfo(&buf, ", \"sequence\": %lld",
					 (long long) mark->sequence);
	if (timeformat_is_rfc3339(mark->change_date))
	{
		appendStringInfoString(&buf, ", \"changeDate\": \"");
		timeformat_append_rfc3339(&buf, mark->change_date);
		appendStringInfoChar(&buf, '"');
	}
	base_len = buf.len;

	if (!mark->whole && mark->features != NIL)
	{
		foreach(lc, mark->features)
		{
			appendStringInfoString(&buf, foreach_current_index(lc) == 0 ?
								   ", \"features\": [" : ", ");
			escape_json(&buf, lfirst(lc));
		}
		appendStringInfoChar(&buf, ']');
	}

	if (buf.len + 1 > MAX_PAYLOAD)
	{
		buf.len = base_len;
		buf.data[base_len] = '\0';
	}
	appendStringInfoChar(&buf, '}');

	Async_Notify(CHANNEL, buf.data);
	pfree(buf.data);
}

/*
 * Return whether the notification queue has room, or raise a warning.  If the
 * queue were full, the commit would fail.
 */
static bool
queue_has_room(void)
{
	LOCAL_FCINFO(fcinfo, 0);
	double		usage;

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	usage = DatumGetFloat8(pg_notification_queue_usage(fcinfo));
	if (usage < MAX_QUEUE_USAGE)
		return true;

	ereport(WARNING,
			(errmsg("feature changes are not notified because the notification queue is nearly full"),
			 errdetail("The queue is %.0f%% full.", usage * 100),
			 errhint("A session that listens to some channel has been in a transaction for a long time.")));
	return false;
}

/*
 * Queue the notifications of the transaction.
 */
static void
send_notifications(MarkLevel *level)
{
	bool		need_details = false;
	ListCell   *lc;

	if (!notify_enabled || !queue_has_room())
		return;
	if (level->everything)
	{
		Async_Notify(CHANNEL, "{\"level\": \"all\"}");
		return;
	}

	/*
	 * Direct DML may have changed settings but not their scope.  After DROP
	 * EXTENSION in the same transaction there are no tables to read.
	 */
	foreach(lc, level->marks)
	{
		Mark	   *mark = lfirst(lc);

		if (mark->stale_details)
			mark->has_details = false;
		need_details = need_details || !mark->has_details;
	}
	if (need_details && tables_extension_is_installed())
	{
		Snapshot	snapshot = scan_begin();

		foreach(lc, level->marks)
		{
			Mark	   *mark = lfirst(lc);
			ScopeRow	row;

			if (mark->has_details)
				continue;
			if (tableread_scope(snapshot, mark->name, &row, NULL))
				set_details(mark, row.sequence, row.change_date);
			else
				set_details(mark, 0, NO_DATE);
		}
		scan_end(snapshot);
	}

	foreach(lc, level->marks)
		send_mark(lfirst(lc));
}

static void
xact_callback(XactEvent event, void *arg)
{
	MarkLevel  *level = current_level;

	if (level == NULL)
		return;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			Assert(level->parent == NULL);
			send_notifications(level);
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (notify_enabled)
				ereport(WARNING,
						(errmsg("feature changes of a prepared transaction are not notified"),
						 errhint("Listeners on channel \"%s\" have to read the features again.",
								 CHANNEL)));
			break;
		default:
			/* The memory context of the marks is deleted. */
			break;
	}
	current_level = NULL;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent_subid, void *arg)
{
	int			nest_level = GetCurrentTransactionNestLevel();
	MarkLevel  *level = current_level;

	if (level == NULL || level->nest_level < nest_level)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		merge_level(level, nest_level - 1);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		current_level = level->parent;
		MemoryContextDelete(level->cxt);
	}
}

/*
 * Register the callbacks.  Called once, when the library is loaded.
 */
void
notify_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
