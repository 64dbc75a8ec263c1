/*-------------------------------------------------------------------------
 *
 * request.h
 *	  From a jsonb request to a validated list of changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_REQUEST_H
#define IF_REQUEST_H

#include "store.h"

/* The field of a response that is no feature's. */
#define DETAILS_FIELD "details"

/* What a request wants of one feature. */
typedef struct RequestedChange
{
	char	   *key;
	Jsonb	   *value;			/* NULL: unset */
} RequestedChange;

extern RequestedChange *make_change(const char *key, Jsonb *value);
extern List *complete_changes(List *changes, List *settings);
extern List *parse_features(const Jsonb *features);
extern List *parse_request(const Jsonb *features);
extern void check_scope_id(int len);

#endif							/* IF_REQUEST_H */
