/*-------------------------------------------------------------------------
 *
 * generation.c
 *	  Invalidation of what a session has cached.
 *
 * The rule: a cache entry has the generation at which its loading began, and
 * is valid while that is the current generation.  The callbacks below free
 * nothing, because callers further up the stack may still be using cache
 * entries; they only advance generations.
 *
 * Other sessions.  A change sends a catalog cache invalidation message, which
 * PostgreSQL delivers at commit, also to standbys and after COMMIT PREPARED.
 * The message refers to a row of pg_sequence that cannot exist, because the
 * OIDs of sequences begin with FirstNormalObjectId.  A relation cache message
 * would also work, but would make every session that receives it walk through
 * all its cached plans.  A transaction needs only one message, however many
 * rows it changes, unless the subtransaction that registered the message is
 * rolled back.
 *
 * Our own session.  The write of a row begins with the BEFORE ROW trigger and
 * ends with the AFTER ROW trigger, which invalidates immediately.  In between,
 * nothing that is loaded may be cached, because other triggers, constraints
 * and index expressions may or may not see the row.  Nor may anything be
 * cached until the command counter is incremented, because the command's rows
 * are invisible until then: an AFTER trigger function that is not volatile
 * reads the state before the command.  If the write fails, the AFTER trigger
 * does not fire, but the (sub)transaction is rolled back, which invalidates
 * everything loaded since.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_sequence.h"
#include "lib/ilist.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "model/tables.h"
#include "table/generation.h"

/* Invalidation messages, as OIDs of sequences that do not exist. */
typedef enum Message
{
	MESSAGE_ALL = 0,			/* definitions and scopes */
	MESSAGE_SCOPES = 1
} Message;

#define NUM_MESSAGES (MESSAGE_SCOPES + 1)

uint64		generation_of_answers = 1;
uint64		generation_of_scopes = 1;
uint64		generation_of_definitions = 1;
uint64		generation_invalidations = 0;

/*
 * The hash values of the messages, and whether they are known.  Written by
 * generation_prepare().
 */
static uint32 message_hashes[NUM_MESSAGES];
static bool message_hashes_known = false;

/* The number of rows of a (sub)transaction whose write has not ended. */
typedef struct PendingWrites
{
	struct PendingWrites *parent;
	int			nest_level;
	uint64		rows;			/* never 0 */
}			PendingWrites;

/*
 * The state of the current transaction.  Written by generation_write_begins(),
 * generation_write_ends(), generation_write_is_pending(), register_message()
 * and the callbacks at the end of a (sub)transaction.
 */
static PendingWrites * pending_writes = NULL;	/* of the innermost level that
												 * has any */
static int	written_level = 0;	/* deepest nest level that wrote; 0 if none */
static CommandId written_command = InvalidCommandId;	/* last one that wrote,
														 * while its rows may be
														 * invisible */
static int	registered_levels[NUM_MESSAGES];	/* nest level whose end still
												 * decides on a message */

/* A callback.  The list is written by the two functions that (un)register. */
typedef struct RegisteredCallback
{
	slist_node	node;
	CacheCallback callback;
	void	   *arg;
} RegisteredCallback;

static slist_head callbacks = SLIST_STATIC_INIT(callbacks);

/*
 * Mark all previously returned answers as stale, and run the callbacks.
 */
void
generation_advance(void)
{
	slist_iter	iter;

	generation_of_answers++;
	slist_foreach(iter, &callbacks)
	{
		RegisteredCallback *registered;

		registered = slist_container(RegisteredCallback, node, iter.cur);
		registered->callback(registered->arg);
	}
}

/*
 * Register a callback for the rest of the session.
 */
void
generation_register_callback(CacheCallback callback, void *arg)
{
	RegisteredCallback *registered;

	registered = MemoryContextAlloc(TopMemoryContext,
									sizeof(RegisteredCallback));
	registered->callback = callback;
	registered->arg = arg;
	slist_push_head(&callbacks, &registered->node);
}

/*
 * Unregister a callback, if it is registered with this argument.
 */
void
generation_unregister_callback(CacheCallback callback, void *arg)
{
	slist_mutable_iter iter;

	slist_foreach_modify(iter, &callbacks)
	{
		RegisteredCallback *registered;

		registered = slist_container(RegisteredCallback, node, iter.cur);
		if (registered->callback == callback && registered->arg == arg)
		{
			slist_delete_current(&iter);
			pfree(registered);
		}
	}
}

/*
 * Mark all cached scopes as stale and, if "definitions" is true, the cached
 * definitions too.
 */
void
generation_invalidate(bool definitions)
{
	elog(DEBUG2, "instance_features: cached scopes%s are invalidated",
		 definitions ? " and definitions" : "");
	generation_invalidations++;
	generation_of_scopes++;
	if (definitions)
		generation_of_definitions++;
	generation_advance();
}

/*
 * A row of pg_sequence has changed, or one of our messages has arrived.
 */
static void
sequence_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	/* Nothing is loaded before the hash values are known. */
	if (!message_hashes_known)
		return;
	if (hashvalue == 0 || hashvalue == message_hashes[MESSAGE_ALL])
		generation_invalidate(true);
	else if (hashvalue == message_hashes[MESSAGE_SCOPES])
		generation_invalidate(false);
}

static void
relcache_callback(Datum arg, Oid relid)
{
	if (tables_invalidate(relid) == TABLES_CHANGED)
		generation_invalidate(true);
}

/*
 * A relation has been created, altered or dropped.  If our tables were
 * missing, it may be one of them.
 */
static void
relname_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	if (tables_forget_absence())
		generation_invalidate(true);
}

/*
 * A schema, perhaps ours, has been created, altered or dropped.
 */
static void
namespace_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	if (tables_invalidate(InvalidOid) == TABLES_CHANGED)
		generation_invalidate(true);
}

/*
 * Compute the hash values of the messages.  Must be called in a transaction
 * before anything is loaded.
 */
void
generation_prepare(void)
{
	if (message_hashes_known)
		return;
	for (int i = 0; i < NUM_MESSAGES; i++)
		message_hashes[i] = GetSysCacheHashValue1(SEQRELID,
												  ObjectIdGetDatum(i));
	message_hashes_known = true;
}

/*
 * Register a message to be sent when the current transaction commits, unless
 * it is already registered.
 */
static void
register_message(Message message)
{
	Relation	rel;
	Datum		values[Natts_pg_sequence] = {0};
	bool		nulls[Natts_pg_sequence] = {false};
	HeapTuple	tuple;

	if (registered_levels[message] > 0 || registered_levels[MESSAGE_ALL] > 0)
		return;

	rel = table_open(SequenceRelationId, AccessShareLock);
	values[Anum_pg_sequence_seqrelid - 1] = ObjectIdGetDatum(message);
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	CacheInvalidateHeapTuple(rel, tuple, NULL);
	heap_freetuple(tuple);
	table_close(rel, AccessShareLock);

	/* Have the message registered at the end of the command. */
	(void) GetCurrentCommandId(true);
	registered_levels[message] = GetCurrentTransactionNestLevel();
}

/*
 * The current transaction begins to write a row of a tracked table.
 * Previously returned answers become stale.
 */
void
generation_write_begins(void)
{
	int			nest_level = GetCurrentTransactionNestLevel();

	if (pending_writes == NULL || pending_writes->nest_level < nest_level)
	{
		PendingWrites *pending = MemoryContextAlloc(TopTransactionContext,
													sizeof(PendingWrites));

		if (pending_writes == NULL)
			generation_advance();
		pending->parent = pending_writes;
		pending->nest_level = nest_level;
		pending->rows = 0;
		pending_writes = pending;
	}
	pending_writes->rows++;
	written_level = Max(written_level, nest_level);
}

/*
 * The innermost level has no pending rows.
 */
static void
pop_pending_writes(void)
{
	PendingWrites *parent = pending_writes->parent;

	pfree(pending_writes);
	pending_writes = parent;
}

/*
 * The row is written.  Invalidate the caches of this session immediately, and
 * those of others at commit.
 */
void
generation_write_ends(bool definitions)
{
	if (pending_writes != NULL && --pending_writes->rows == 0)
		pop_pending_writes();
	generation_invalidate(definitions);
	register_message(definitions ? MESSAGE_ALL : MESSAGE_SCOPES);

	/* Mark it as used, so that the command counter will be incremented. */
	written_command = GetCurrentCommandId(true);
}

/*
 * Return whether the write of a row may be pending, or the row may be written
 * but invisible, so that nothing loaded now may be cached.  If another trigger
 * suppressed the write, it counts as pending until the (sub)transaction is
 * rolled back or the transaction ends, which only costs performance.
 */
bool
generation_write_is_pending(void)
{
	if (pending_writes != NULL)
		return true;
	if (written_command == InvalidCommandId)
		return false;
	if (GetCurrentCommandId(false) <= written_command)
		return true;
	written_command = InvalidCommandId;
	return false;
}

static void
xact_callback(XactEvent event, void *arg)
{
	bool		forget;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			forget = false;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget = written_level > 0;
			break;
		default:
			return;
	}

	pending_writes = NULL;
	written_level = 0;
	written_command = InvalidCommandId;
	memset(registered_levels, 0, sizeof(registered_levels));
	if (forget)
		generation_invalidate(true);
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent_subid, void *arg)
{
	int			nest_level = GetCurrentTransactionNestLevel();
	bool		aborted = event == SUBXACT_EVENT_ABORT_SUB;

	if (!aborted && event != SUBXACT_EVENT_COMMIT_SUB)
		return;

	for (int i = 0; i < NUM_MESSAGES; i++)
	{
		if (registered_levels[i] >= nest_level)
			registered_levels[i] = aborted ? 0 : nest_level - 1;
	}
	if (pending_writes != NULL && pending_writes->nest_level >= nest_level)
	{
		PendingWrites *parent = pending_writes->parent;

		if (aborted)
			pop_pending_writes();
		else if (parent != NULL && parent->nest_level == nest_level - 1)
		{
			parent->rows += pending_writes->rows;
			pop_pending_writes();
		}
		else
			pending_writes->nest_level = nest_level - 1;
	}
	if (written_level >= nest_level)
	{
		/* Upper levels may have written too, which we do not know. */
		written_level = nest_level - 1;
		if (aborted)
			generation_invalidate(true);
	}
}

/*
 * Register the callbacks.  Called once, when the library is loaded.
 */
void
generation_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(SEQRELID, sequence_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(RELNAMENSP, relname_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, namespace_callback,
								  (Datum) 0);
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
