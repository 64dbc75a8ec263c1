/*-------------------------------------------------------------------------
 *
 * documentapply.c
 *	  Applying documents.
 *
 * The rule: what changes nothing needs no right, and what is wrong is reported
 * before anything is locked.  So everything is checked first, and for scopes
 * that the current role may not change that includes comparing their settings
 * with the document.  Those are left alone then, and the others are locked and
 * changed one by one, by the steps of change.c.
 *
 * Locks are taken in the order of locks.c: first the definitions, if some
 * change; then the scopes as they are sorted in the document.  An instance is
 * locked in its turn if scopes below it are named, whether or not it is named
 * itself.  If settings could become invalid, all that happens while writers are
 * locked out, perhaps more than once; see lock_out_writers().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "change/change.h"
#include "change/context.h"
#include "change/documentapply.h"
#include "change/documentdefine.h"
#include "change/featurejson.h"
#include "change/permission.h"
#include "change/rolloutjson.h"
#include "change/scopelock.h"
#include "change/scopes.h"
#include "table/tableread.h"

typedef struct Application
{
	Document   *document;
	bool		dry_run;
	const DocumentReceiver *receiver;
	bool		is_system_owner;
	DefinitionPlan definitions;
	bool		excludes_writers;	/* they are locked out, or will be */
	LockWaitPolicy wait_policy; /* for rows */
	MemoryContext scope_cxt;	/* reset after each scope */
	MemoryContext attempt_cxt;	/* reset before each attempt */
} Application;

/* The changes of one scope. */
typedef struct ScopePlan
{
	const Application *application;
	const ScopeDocument *scope;
	int64		sequence;		/* before the changes */
	List	   *changes;		/* FeatureChange */
} ScopePlan;

/*
 * Return the definitions that settings must conform to.
 */
static const DefinitionSet *
current_definitions(const Application *application)
{
	if (application->definitions.steps != NIL)
		return &application->definitions.for_settings;
	cache_refresh_definitions();
	return definitions_loaded();
}

/*
 * Return the settings that the document has of a scope, as a list of
 * RequestedChange.
 */
static List *
parse_settings(const Application *application, const ScopeDocument *scope)
{
	const DefinitionSet *set = current_definitions(application);
	FeatureLevel level = scope->name.level;
	List	   *requested;

	requested = featurejson_parse(set,
								  documentparse_part(scope, DOCUMENT_SETTINGS),
								  level);
	return rolloutjson_add(set, requested,
						   documentparse_part(scope, DOCUMENT_ROLLOUTS), level);
}

static List *
plan_scope(const ScopeName *name, const ScopeTuple *scope, List *settings,
		   void *arg)
{
	ScopePlan  *plan = arg;
	List	   *requested = parse_settings(plan->application, plan->scope);
	const DefinitionSet *set = current_definitions(plan->application);

	plan->sequence = scope->row.sequence;
	plan->changes =
		change_find_differences(settings,
								featurejson_unset_others(set, requested,
														 settings));
	return plan->changes;
}

static void
send_changes(const ScopeName *name, const ScopePlan *plan)
{
	const DocumentReceiver *receiver = plan->application->receiver;
	int64		sequence = plan->sequence;
	ListCell   *lc;

	foreach(lc, plan->changes)
		receiver->scope(name, lfirst(lc), ++sequence, receiver->arg);
}

static void
send_definitions(const Application *application)
{
	const DocumentReceiver *receiver = application->receiver;
	ListCell   *lc;

	foreach(lc, application->definitions.steps)
	{
		const DefinitionStep *step = lfirst(lc);

		receiver->definition(step->old, &step->final, receiver->arg);
	}
}

/*
 * Find out whether a scope of the document that has an owner exists, and
 * whether the current role may change it, or create it.  Raises no_data_found.
 */
static void
check_owned_scope(const Application *application, Snapshot snapshot,
				  ScopeDocument *scope, ScopeTuple *tuple)
{
	const ScopeName *name = &scope->name;
	bool		exists;

	tuple->stored = tableread_scope(snapshot, name, &tuple->row, NULL);
	exists = tuple->stored ? !scope_row_is_dropped(name, &tuple->row) :
		scopename_is_implicit(name);
	if (!exists)
	{
		if (!documentparse_has_settings(scope) ||
			!application->is_system_owner)
			report_scope_not_found(name);
		memset(tuple, 0, sizeof(ScopeTuple));
		if (application->dry_run)
			application->receiver->scope(name, NULL, 0,
										 application->receiver->arg);
	}
	scope->is_stored = tuple->stored || !exists;
	scope->may_change = application->is_system_owner ||
		permission_is_owner(name, &tuple->row);
}

/*
 * The same for a scope below an instance.  "sets" says whether the document
 * sets something on it.
 */
static void
check_scope_below(const Application *application, Snapshot snapshot,
				  ScopeDocument *scope, bool sets, ScopeTuple *tuple)
{
	ScopeName	owner = scopename_owner(&scope->name);
	ScopeDocument *instance = documentparse_find_scope(application->document,
													   &owner);

	if (instance->below == NULL)
		instance->below = &scope->name;
	instance->changes_below = instance->changes_below || sets;
	scope->may_change = instance->may_change;
	if (application->dry_run || !scope->may_change)
		tuple->stored = tableread_scope(snapshot, &scope->name, &tuple->row,
										NULL);
}

/*
 * Raise insufficient_privilege unless the current role may change a scope after
 * all, because it has just become the owner.
 */
static void
require_permission(const Application *application, Snapshot snapshot,
				   ScopeDocument *scope)
{
	ScopeName	owner = scopename_owner(&scope->name);
	ScopeRow	row = {0};

	(void) tableread_scope(snapshot, &owner, &row, NULL);
	permission_check(&scope->name, &row, PERMISSION_WRITE);
	scope->may_change = true;
	documentparse_find_scope(application->document, &owner)->may_change = true;
}

static bool
sets_something(List *requested)
{
	ListCell   *lc;

	foreach(lc, requested)
	{
		if (((RequestedChange *) lfirst(lc))->value != NULL)
			return true;
	}

	return false;
}

/*
 * Check what the document says about a scope, without locks.  A dry run also
 * tells what would change.
 */
static void
check_scope(const Application *application, Snapshot snapshot,
			ScopeDocument *scope)
{
	const ScopeName *name = &scope->name;
	ScopePlan	plan = {.application = application,.scope = scope};
	ScopeTuple	tuple = {0};
	List	   *settings = NIL;
	bool		sets = false;

	if (documentparse_has_settings(scope))
		sets = sets_something(parse_settings(application, scope));
	if (level_is_in_instance(name->level))
		check_scope_below(application, snapshot, scope, sets, &tuple);
	else
		check_owned_scope(application, snapshot, scope, &tuple);
	if (!documentparse_has_settings(scope) ||
		(scope->may_change && !application->dry_run))
		return;

	if (tuple.stored)
		settings = tableread_settings(snapshot, name);
	if (plan_scope(name, &tuple, settings, &plan) != NIL && !scope->may_change)
		require_permission(application, snapshot, scope);
	if (application->dry_run)
		send_changes(name, &plan);
}

/*
 * Change one scope.  Missing instances are created.
 */
static void
apply_scope(const Application *application, const ScopeDocument *scope)
{
	const ScopeName *name = &scope->name;
	const DocumentReceiver *receiver = application->receiver;
	ScopePlan	plan = {
		.application = application,
		.scope = scope
	};
	FeatureDetails details;

	while (!change_try_scope(name, PERMISSION_WRITE, application->wait_policy,
							 plan_scope, &plan, &details))
	{
		if (level_is_in_instance(name->level) || !permission_is_system_owner())
			report_scope_not_found(name);
		if (scope_create(name, GetUserId(), plan_scope, &plan, &details))
		{
			receiver->scope(name, NULL, 0, receiver->arg);
			break;
		}
	}
	send_changes(name, &plan);
}

/*
 * Return whether scopes below an instance will be locked, and hence the
 * instance.  No row is made for an instance that exists implicitly if nothing
 * is set below it, where then there can be no settings either.
 */
static bool
locks_below(const ScopeDocument *instance)
{
	return instance->may_change && instance->below != NULL &&
		(instance->is_stored || instance->changes_below);
}

/*
 * Lock a scope in its turn, and make its settings those of the document.
 */
static void
lock_and_apply_scope(const Application *application,
					 const ScopeDocument *scope)
{
	ScopeName	owner = scopename_owner(&scope->name);

	if (!scope->may_change)
		return;
	if (level_is_in_instance(scope->name.level))
	{
		if (locks_below(documentparse_find_scope(application->document,
												 &owner)))
			apply_scope(application, scope);
		return;
	}

	if (documentparse_has_settings(scope))
		apply_scope(application, scope);
	if (locks_below(scope))
		scopelock_instances(list_make1(unconstify(ScopeName *, scope->below)),
							PERMISSION_WRITE);
}

/*
 * Check all scopes of the document, with one snapshot, or apply all.
 */
static void
process_scopes(const Application *application, Snapshot snapshot)
{
	Document   *document = application->document;

	for (Size i = 0; i < document->nscopes; i++)
	{
		ScopeDocument *scope = &document->scopes[i];
		MemoryContext caller_cxt = MemoryContextSwitchTo(application->scope_cxt);

		CHECK_FOR_INTERRUPTS();
		document->place.scope = &scope->name;
		if (snapshot != NULL)
			check_scope(application, snapshot, scope);
		else
			lock_and_apply_scope(application, scope);
		document->place.scope = NULL;
		MemoryContextSwitchTo(caller_cxt);
		MemoryContextReset(application->scope_cxt);
	}
}

/*
 * Check everything, without locks.  A dry run also tells what would change.
 */
static void
check_document(Application *application)
{
	Snapshot	snapshot;

	cache_refresh_definitions();
	application->is_system_owner = permission_is_system_owner();
	application->definitions = documentdefine_plan(application->document);
	application->excludes_writers = application->definitions.excludes_writers;
	if (application->dry_run)
		send_definitions(application);

	snapshot = scan_begin();
	process_scopes(application, snapshot);
	scan_end(snapshot);
	if (application->dry_run)
		documentdefine_check_narrowing(&application->definitions,
									   application->document);
}

/*
 * Change definitions and scopes, with the definitions locked.  If it turns out
 * that settings could become invalid, which was not so before the definitions
 * were locked, this sets excludes_writers and does nothing.
 */
static void
apply_with_definitions(void *arg)
{
	Application *application = arg;
	Document   *document = application->document;
	MemoryContext caller_cxt;

	application->receiver->restart(application->receiver->arg);
	document->place = (DocumentPlace)
	{
		0
	};
	documentdefine_lock(&application->definitions, application->wait_policy);
	MemoryContextReset(application->attempt_cxt);
	caller_cxt = MemoryContextSwitchTo(application->attempt_cxt);
	application->definitions = documentdefine_plan(document);
	if (application->definitions.excludes_writers &&
		!application->excludes_writers)
	{
		application->excludes_writers = true;
		MemoryContextSwitchTo(caller_cxt);
		return;
	}

	send_definitions(application);
	documentdefine_widen(&application->definitions, application->wait_policy,
						 document);
	cache_refresh_definitions();
	process_scopes(application, NULL);
	documentdefine_narrow(&application->definitions, application->wait_policy,
						  document);
	MemoryContextSwitchTo(caller_cxt);
}

static void
apply_document(Application *application)
{
	application->wait_policy = LockWaitBlock;
	if (application->definitions.steps == NIL)
	{
		process_scopes(application, NULL);
		return;
	}

	if (!application->excludes_writers)
	{
		lock_definitions_for_altering();
		apply_with_definitions(application);
		if (!application->excludes_writers)
			return;
	}
	application->wait_policy = LockWaitError;
	lock_out_writers(apply_with_definitions, application);
}

/*
 * Apply a document or, in a dry run, only tell what would change.  Raises the
 * errors of all that it does: invalid_parameter_value, no_data_found,
 * insufficient_privilege, duplicate_object, object_not_in_prerequisite_state,
 * lock_not_available.
 */
void
documentapply(Document *document, bool dry_run,
			  const DocumentReceiver *receiver)
{
	Application application = {
		.document = document,
		.dry_run = dry_run,
		.receiver = receiver
	};

	application.scope_cxt = AllocSetContextCreate(CurrentMemoryContext,
												  "instance_features scope",
												  ALLOCSET_DEFAULT_SIZES);
	application.attempt_cxt = AllocSetContextCreate(CurrentMemoryContext,
													"instance_features attempt",
													ALLOCSET_DEFAULT_SIZES);
	check_document(&application);
	if (!dry_run)
		apply_document(&application);
	MemoryContextDelete(application.scope_cxt);
	MemoryContextDelete(application.attempt_cxt);
}
