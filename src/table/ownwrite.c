/*-------------------------------------------------------------------------
 *
 * ownwrite.c
 *	  What the current transaction has written.
 *
 * The rule: every write of a row begins with ownwrite_begins() and ends, unless
 * it fails, with whose row it was and ownwrite_ends().  The triggers on the
 * tables call them; see track.c.
 *
 * Our own session.  The write of a row begins with the BEFORE ROW trigger and
 * ends with the AFTER ROW trigger, which invalidates immediately.  In between,
 * nothing that is loaded may be cached, because other triggers, constraints
 * and index expressions may or may not see the row.  Nor may anything be
 * cached until the command counter is incremented, because the command's rows
 * are invisible until then: an AFTER trigger function that is not volatile
 * reads the state before the command.  If the write fails, the AFTER trigger
 * does not fire, and nothing has been cached since.
 *
 * What is loaded about a scope after our transaction has written it is
 * uncommitted.  So the scopes that it has written are invalidated again when
 * that is rolled back, and at PREPARE TRANSACTION.
 *
 * Other sessions.  A transaction registers each message only once, however many
 * rows it changes, unless the subtransaction that registered it is rolled back.
 * After MAX_SCOPE_CHANGES scopes it registers the message about all of them,
 * because the queue of messages is short, and a session that falls behind loses
 * everything it has cached, PostgreSQL's catalogs included.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "table/generation.h"
#include "table/message.h"
#include "table/ownwrite.h"

/* The most scopes for which a transaction registers their own messages. */
#define MAX_SCOPE_CHANGES 64

/*
 * What the current transaction has changed, by the number of its message.  The
 * first are those about more than one scope.  Written by ownwrite_scope(),
 * ownwrite_anything() and the callbacks at the end of a (sub)transaction.
 */
typedef struct Change
{
	uint32		number;
	uint32		delivered;
	int			written_level;	/* deepest nest level that wrote; 0 if none */
	int			registered_level;	/* nest level whose end still decides on
									 * the message; 0 if not registered */
} Change;

static Change changes[NUM_COMMON_MESSAGES + MAX_SCOPE_CHANGES] = {
	[MESSAGE_ALL] = {.number = MESSAGE_ALL},
	[MESSAGE_SCOPES] = {.number = MESSAGE_SCOPES}
};
static int	nchanges = NUM_COMMON_MESSAGES;

/* The number of rows of a (sub)transaction whose write has not ended. */
typedef struct PendingWrites
{
	struct PendingWrites *parent;
	int			nest_level;
	uint64		rows;			/* never 0 */
} PendingWrites;

/*
 * The writes of the current transaction.  Written by ownwrite_begins(),
 * ownwrite_ends(), ownwrite_is_pending() and the callbacks at the end of a
 * (sub)transaction.
 */
static PendingWrites *pending_writes = NULL;	/* of the innermost level that
												 * has any */
static int	written_level = 0;	/* deepest nest level that has begun to write;
								 * 0 if none */
static CommandId written_command = InvalidCommandId;	/* last one that wrote,
														 * while its rows may be
														 * invisible */

/*
 * Return the change of this number, or NULL if there is none, and no room for
 * one.
 */
static Change *
find_change(uint32 number)
{
	Change	   *change;

	/* Most likely the rows of one scope are written one after the other. */
	for (int i = nchanges - 1; i >= 0; i--)
	{
		if (changes[i].number == number)
			return &changes[i];
	}
	if (nchanges == lengthof(changes))
		return NULL;

	change = &changes[nchanges];
	change->number = number;
	change->delivered = message_delivered(number);
	change->written_level = change->registered_level = 0;
	nchanges++;
	return change;
}

/*
 * Register the message of a change, unless it or a more general one is
 * registered.
 */
static void
register_change(Change *change)
{
	int			nest_level = GetCurrentTransactionNestLevel();

	change->written_level = Max(change->written_level, nest_level);
	if (change->registered_level > 0 ||
		changes[MESSAGE_ALL].registered_level > 0 ||
		(changes[MESSAGE_SCOPES].registered_level > 0 &&
		 change->number != MESSAGE_ALL))
		return;
	message_register(change->number);
	change->registered_level = nest_level;
}

/*
 * The current transaction begins to write a row of a tracked table.
 * Previously returned answers become stale.
 */
void
ownwrite_begins(void)
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
 * A row of this scope is written.  Invalidate the cache of this session
 * immediately, and those of others at commit.
 */
void
ownwrite_scope(const ScopeName *name)
{
	uint32		number;
	Change	   *change;

	if (level_is_single(name->level))
	{
		ownwrite_anything(false);
		return;
	}

	number = message_number(message_name_hash(name, 0));
	change = find_change(number);
	generation_invalidate_scope(change ? change->delivered : message_delivered(number));
	register_change(change ? change : &changes[MESSAGE_SCOPES]);
}

/*
 * The same for rows of any scopes or, if "definitions" is true, of definitions.
 */
void
ownwrite_anything(bool definitions)
{
	generation_invalidate(definitions);
	register_change(&changes[definitions ? MESSAGE_ALL : MESSAGE_SCOPES]);
}

/*
 * The write of a row has ended, after it was said what was written.
 */
void
ownwrite_ends(void)
{
	if (pending_writes != NULL && --pending_writes->rows == 0)
		pop_pending_writes();
	generation_advance();

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
ownwrite_is_pending(void)
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

/*
 * Changes of the current nest level are undone, or left to COMMIT PREPARED.
 * Forget what was loaded since about what was written.
 */
static void
forget_changes(int nest_level)
{
	for (int i = 0; i < nchanges; i++)
	{
		if (changes[i].written_level < nest_level)
			continue;
		if (i < NUM_COMMON_MESSAGES)
			generation_invalidate(i == MESSAGE_ALL);
		else
			generation_invalidate_scope(changes[i].delivered);
	}
	generation_advance();
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			if (written_level > 0)
				forget_changes(1);
			break;
		default:
			return;
	}

	pending_writes = NULL;
	written_level = 0;
	written_command = InvalidCommandId;
	nchanges = NUM_COMMON_MESSAGES;
	for (int i = 0; i < NUM_COMMON_MESSAGES; i++)
		changes[i].written_level = changes[i].registered_level = 0;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent_subid, void *arg)
{
	int			nest_level = GetCurrentTransactionNestLevel();
	bool		aborted = event == SUBXACT_EVENT_ABORT_SUB;

	if (!aborted && event != SUBXACT_EVENT_COMMIT_SUB)
		return;

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
	if (written_level < nest_level)
		return;

	/* Upper levels may have written the same, which we do not know. */
	written_level = nest_level - 1;
	if (aborted)
		forget_changes(nest_level);
	for (int i = 0; i < nchanges; i++)
	{
		Change	   *change = &changes[i];

		change->written_level = Min(change->written_level, nest_level - 1);
		if (change->registered_level >= nest_level)
			change->registered_level = aborted ? 0 : nest_level - 1;
	}
}

/*
 * Register the callbacks.  Called once, when the library is loaded.
 */
void
ownwrite_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
