/*-------------------------------------------------------------------------
 *
 * documentparse.h
 *	  Parsing documents.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DOCUMENTPARSE_H
#define INSTANCE_FEATURES_DOCUMENTPARSE_H

#include "utils/jsonb.h"

#include "model/tables.h"

/* The field of a document that has the definitions. */
#define DEFINITIONS_FIELD "features"

/* That which has the roll-outs. */
#define ROLLOUTS_FIELD "rollouts"

/* What a scope does with features. */
typedef enum DocumentPart
{
	DOCUMENT_SETTINGS,
	DOCUMENT_ROLLOUTS
} DocumentPart;

#define NUM_DOCUMENT_PARTS (DOCUMENT_ROLLOUTS + 1)

/* What a document says about a scope, with the state of applying it. */
typedef struct ScopeDocument
{
	ScopeName	name;			/* points into the document */
	JsonbContainer *parts[NUM_DOCUMENT_PARTS];	/* objects, or NULL */
	int			part_lens[NUM_DOCUMENT_PARTS];

	/* Written only by documentapply.c; the last three are for instances. */
	bool		may_change;		/* the current role may change the scope */
	bool		is_stored;		/* it has a row, or will be created */
	bool		changes_below;	/* a scope below it sets something */
	const ScopeName *below;		/* the first scope below it, or NULL */
} ScopeDocument;

/* The part of a document that is being processed, for an error's context. */
typedef struct DocumentPlace
{
	const char *feature;		/* a definition, or NULL */
	const ScopeName *scope;		/* a scope, or NULL */
} DocumentPlace;

typedef struct Document
{
	List	   *definitions;	/* FeatureRow, ordered by key; what is not
								 * given is NULL or an empty set */
	ScopeDocument *scopes;		/* in the order in which scopes are locked */
	Size		nscopes;
	Size		capacity;		/* of "scopes" */
	DocumentPlace place;
} Document;

/*
 * Return whether the document has the settings of a scope, which it has not of
 * an instance of which only what is below it is named.
 */
static inline bool
documentparse_has_settings(const ScopeDocument *scope)
{
	return scope->parts[DOCUMENT_SETTINGS] != NULL ||
		scope->parts[DOCUMENT_ROLLOUTS] != NULL;
}

extern void documentparse_error_callback(void *arg);
extern void documentparse(const Jsonb *jsonb, Document *document);
extern ScopeDocument *documentparse_find_scope(const Document *document,
											   const ScopeName *name);
extern Jsonb *documentparse_part(const ScopeDocument *scope,
								 DocumentPart part);

#endif							/* INSTANCE_FEATURES_DOCUMENTPARSE_H */
