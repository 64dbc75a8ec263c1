/*-------------------------------------------------------------------------
 *
 * generation.c
 *	  When what a session remembers of the features is out of date.
 *
 * Whatever is remembered carries the generation at which its loading began,
 * and is valid while that generation is the present one.  The callbacks below
 * free nothing, because callers further up the stack may still be using cache
 * entries; they advance generations.
 *
 * Other sessions.  A change sends a catalog cache invalidation message, which
 * PostgreSQL delivers at commit, also to standbys and after COMMIT PREPARED.
 * The message is made up: it names a row of pg_sequence that cannot exist, as
 * the OIDs of tables begin with FirstNormalObjectId.  A relation cache message
 * would do as well, but makes every session that receives it walk through all
 * its cached plans.  One message for a transaction is enough, however many
 * rows the transaction changes, unless the subtransaction that registered the
 * message is rolled back.
 *
 * Our own session.  A row's write begins with the BEFORE ROW trigger and ends
 * with the AFTER ROW trigger, which invalidates at once.  In between nothing
 * that is loaded may be remembered: other triggers, constraints and index
 * expressions may already see the row, or not see it yet.  Nor may anything be
 * remembered until the command counter has moved on, since no reader sees the
 * rows of a command before: an AFTER trigger's function that is not volatile
 * reads what was there before the command.  If the write fails, the AFTER
 * trigger does not fire, but the (sub)transaction that wrote is rolled back, and
 * then everything loaded since is forgotten too.
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

/* What a message tells, by the OID of a sequence that does not exist. */
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
 * The hash values by which messages arrive, once they are known.  Written by
 * generation_prepare().
 */
static uint32 message_hashes[NUM_MESSAGES];
static bool message_hashes_known = false;

/* How many rows a (sub)transaction has between their two triggers. */
typedef struct PendingWrites
{
	struct PendingWrites *parent;
	int			nest_level;
	uint64		rows;			/* never 0 */
}			PendingWrites;

/*
 * Of the current transaction.  Written by generation_write_begins(), generation_write_ends() and the
 * callbacks of the (sub)transaction's end.
 */
static PendingWrites * pending_writes = NULL;	/* of the innermost level that
												 * has any */
static int	written_level = 0;	/* deepest nest level that wrote, 0: none */
static CommandId written_command = InvalidCommandId;	/* last one that wrote,
														 * while its rows may be
														 * invisible */
static int	registered_levels[NUM_MESSAGES];	/* nest level whose end still
												 * decides on a message */

/* Written by the two functions that (un)register callbacks. */
typedef struct RegisteredCallback
{
	slist_node	node;
	CacheCallback callback;
	void	   *arg;
} RegisteredCallback;

static slist_head callbacks = SLIST_STATIC_INIT(callbacks);

/*
 * Every answer given may be stale.
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
 * Everything that this session has loaded may be stale, with or without the
 * definitions.
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

/* A row of pg_sequence has changed, or one of our messages has arrived. */
static void
sequence_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	/* Without the hash values nothing can have been loaded. */
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
 * Some relation has been created, altered or dropped.  As long as our tables
 * are missing, it may be one of them.
 */
static void
relname_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	if (tables_forget_absence())
		generation_invalidate(true);
}

/* Some schema has been created, altered or dropped: perhaps ours. */
static void
namespace_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	if (tables_invalidate(InvalidOid) == TABLES_CHANGED)
		generation_invalidate(true);
}

/*
 * Must be called before anything is loaded, inside of a transaction.
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
 * Send a message with the current transaction's commit, unless it will be sent
 * already.
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
 * The current transaction begins to write a row of a tracked table.  Answers
 * given before do not hold while it does.
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
 * The innermost level has no row any more that is half written.
 */
static void
pop_pending_writes(void)
{
	PendingWrites *parent = pending_writes->parent;

	pfree(pending_writes);
	pending_writes = parent;
}

/*
 * The row is written.  Tell this session at once, and others at commit.
 */
void
generation_write_ends(bool definitions)
{
	if (pending_writes != NULL && --pending_writes->rows == 0)
		pop_pending_writes();
	generation_invalidate(definitions);
	register_message(definitions ? MESSAGE_ALL : MESSAGE_SCOPES);

	/* "Used", or the command counter would not move on. */
	written_command = GetCurrentCommandId(true);
}

/*
 * Whether a row may be half written, or written and invisible, so that nothing
 * may be remembered of what is loaded now.  A row whose write another trigger
 * suppressed counts as half written until the (sub)transaction is rolled back or
 * the transaction ends, which costs time and nothing else.
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
		/* Some level above may have written too; that is not known. */
		written_level = nest_level - 1;
		if (aborted)
			generation_invalidate(true);
	}
}

/*
 * Called once, when the library is loaded.
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
