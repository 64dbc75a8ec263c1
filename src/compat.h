/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between the supported PostgreSQL versions.
 *
 * The rule: no other file tests PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_COMPAT_H
#define IF_COMPAT_H

#include "utils/acl.h"
#include "utils/relcache.h"

#if PG_VERSION_NUM < 150000
#error "instance_features needs PostgreSQL 15 or later"
#endif

/* Since 16, a membership need not come with the right to SET ROLE. */
#if PG_VERSION_NUM >= 160000
#define may_become_role(member, role) member_can_set_role(member, role)
#else
#define may_become_role(member, role) is_member_of_role(member, role)
#endif

/* Since 18, the caller says whether a deferrable key will do. */
#if PG_VERSION_NUM >= 180000
#define primary_key_index(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

#endif							/* IF_COMPAT_H */
