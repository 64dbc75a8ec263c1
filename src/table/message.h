/*-------------------------------------------------------------------------
 *
 * message.h
 *	  The invalidation messages that changes of scopes send.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_MESSAGE_H
#define INSTANCE_FEATURES_MESSAGE_H

#include "base/scopename.h"

/* Numbers of messages that are about more than one scope. */
typedef enum MessageNumber
{
	MESSAGE_ALL,				/* definitions and scopes */
	MESSAGE_SCOPES,				/* all scopes */
	NUM_COMMON_MESSAGES
} MessageNumber;

extern uint64 message_name_hash(const ScopeName *name, uint64 seed);
extern uint32 message_number(uint64 name_hash);
extern uint32 message_delivered(uint32 number);
extern void message_register(uint32 number);

#endif							/* INSTANCE_FEATURES_MESSAGE_H */
