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

/* What a request wants of one feature. */
typedef struct RequestedChange
{
	char	   *key;
	Jsonb	   *value;			/* NULL: unset */
} RequestedChange;

extern RequestedChange *make_change(const char *key, Jsonb *value);
extern void sort_changes(List *changes);
extern List *parse_features(const Jsonb *features);
extern List *parse_request(const Jsonb *features);
extern void check_scope_id(int len);

#endif							/* IF_REQUEST_H */
