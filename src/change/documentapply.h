/*-------------------------------------------------------------------------
 *
 * documentapply.h
 *	  Applying documents.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DOCUMENTAPPLY_H
#define INSTANCE_FEATURES_DOCUMENTAPPLY_H

#include "change/documentparse.h"
#include "change/scopewrite.h"

/*
 * Called for each change, in order, that applying a document makes or would
 * make.  If a change is nothing to a caller any more, because it was undone and
 * all will be made again, "restart" is called.
 */
typedef struct DocumentReceiver
{
	void		(*definition) (const FeatureRow *old, const FeatureRow *new,
							   void *arg);	/* "old" is NULL if it is new */
	void		(*scope) (const ScopeName *name, const FeatureChange *change,
						  int64 sequence, void *arg);	/* "change" is NULL if
														 * it is created */
	void		(*restart) (void *arg);
	void	   *arg;
} DocumentReceiver;

extern void documentapply(Document *document, bool dry_run,
						  const DocumentReceiver *receiver);

#endif							/* INSTANCE_FEATURES_DOCUMENTAPPLY_H */
