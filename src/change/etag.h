/*-------------------------------------------------------------------------
 *
 * etag.h
 *	  Entity tags in the headers of a service request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_ETAG_H
#define INSTANCE_FEATURES_ETAG_H

#include "nodes/pg_list.h"

/* The value of a header such as "if-match". */
typedef struct EtagList
{
	const char *value;			/* as it was sent */
	bool		any;			/* it is "*" */
	List	   *tags;			/* of strings, as they are written */
} EtagList;

extern EtagList etag_parse_list(const char *header, const char *value);
extern bool etag_matches_strongly(const EtagList *list, const char *etag);
extern bool etag_matches_weakly(const EtagList *list, const char *etag);

#endif							/* INSTANCE_FEATURES_ETAG_H */
