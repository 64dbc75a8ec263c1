/*-------------------------------------------------------------------------
 *
 * generation.c
 *	  Invalidation of what a session has cached.
 *
 * The rule: what is cached about a scope is valid while it has the generation
 * of its loading and no message about the scope has arrived.  The callbacks
 * below free nothing, because callers further up the stack may still be using
 * cache entries; they only advance generations and call the listener, which
 * marks entries.
 *
 * Messages.  A change of a scope sends the message with the number of that
 * scope; see message.c.  A change of the system, which all scopes inherit from,
 * sends the one about all scopes, and a change of a definition the one about
 * definitions too, because the settings of cached scopes refer to definitions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "model/tables.h"
#include "table/generation.h"
#include "table/message.h"

uint64		generation_of_answers = 1;
uint64		generation_of_scopes = 1;
uint64		generation_of_definitions = 1;
uint64		generation_invalidations = 0;

/* Written by generation_listen(). */
static ScopeListener scope_listener = NULL;

/*
 * The hash values with which the messages about more than one scope are
 * delivered, and whether they are known.  Written by generation_prepare().
 */
static uint32 common_messages[NUM_COMMON_MESSAGES];
static bool common_messages_known = false;

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
 * Mark what is cached about a scope as stale, given the hash value with which
 * its messages are delivered.
 */
void
generation_invalidate_scope(uint32 delivered)
{
	if (scope_listener == NULL || !scope_listener(delivered))
		return;
	elog(DEBUG2, "instance_features: a cached scope is invalidated");
	generation_invalidations++;
	generation_advance();
}

/*
 * Have a function called for each scope that changes.
 */
void
generation_listen(ScopeListener listener)
{
	scope_listener = listener;
}

/*
 * A row of pg_sequence has changed, or one of our messages has arrived.
 */
static void
sequence_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	/* Nothing is loaded before that is known. */
	if (!common_messages_known)
		return;
	if (hashvalue == 0 || hashvalue == common_messages[MESSAGE_ALL])
		generation_invalidate(true);
	else if (hashvalue == common_messages[MESSAGE_SCOPES])
		generation_invalidate(false);
	else
		generation_invalidate_scope(hashvalue);
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
 * Compute the hash values with which the messages about more than one scope
 * are delivered.  Must be called in a transaction before anything is loaded.
 */
void
generation_prepare(void)
{
	if (common_messages_known)
		return;
	for (int i = 0; i < NUM_COMMON_MESSAGES; i++)
		common_messages[i] = message_delivered(i);
	common_messages_known = true;
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
}
