/*-------------------------------------------------------------------------
 *
 * scopes.h
 *	  Creating and dropping scopes, and giving them to roles.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPES_H
#define INSTANCE_FEATURES_SCOPES_H

#include "change/result.h"

extern bool create_scope(const ScopeName *name, Oid owner,
						 FeatureDetails *details);
extern void drop_scope(const ScopeName *name);
extern void give_scope(const ScopeName *name, Oid owner);

#endif							/* INSTANCE_FEATURES_SCOPES_H */
