/*-------------------------------------------------------------------------
 *
 * documentdefine.h
 *	  Making the definitions those of a document.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DOCUMENTDEFINE_H
#define INSTANCE_FEATURES_DOCUMENTDEFINE_H

#include "cache/definitionset.h"
#include "change/definitionrules.h"
#include "change/documentparse.h"
#include "table/locks.h"

/* A definition that a document changes. */
typedef struct DefinitionStep
{
	const FeatureRow *old;		/* NULL if the feature is new */
	FeatureRow	interim;		/* while settings are changed */
	FeatureRow	for_settings;	/* what the document's settings conform to */
	FeatureRow	final;
	DefinitionNarrowing narrowing;	/* of "final" over "old" */
} DefinitionStep;

/* The changes of definitions that a document makes. */
typedef struct DefinitionPlan
{
	List	   *steps;			/* DefinitionStep, ordered by key */
	bool		excludes_writers;	/* settings could become invalid */
	DefinitionSet for_settings; /* empty if there are no steps */
} DefinitionPlan;

extern DefinitionPlan documentdefine_plan(Document *document);
extern void documentdefine_lock(const DefinitionPlan *plan,
								LockWaitPolicy wait_policy);
extern void documentdefine_widen(const DefinitionPlan *plan,
								 LockWaitPolicy wait_policy,
								 Document *document);
extern void documentdefine_narrow(const DefinitionPlan *plan,
								  LockWaitPolicy wait_policy,
								  Document *document);
extern void documentdefine_check_narrowing(const DefinitionPlan *plan,
										   Document *document);

#endif							/* INSTANCE_FEATURES_DOCUMENTDEFINE_H */
