/*-------------------------------------------------------------------------
 *
 * scope.h
 *	  Which scope a call is about, and the details that answer it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_SCOPE_H
#define IF_SCOPE_H

#include "fmgr.h"

#include "cache.h"

typedef struct FeatureDetails
{
	int64		sequence;
	TimestampTz change_date;
	const char *resource_owner;
} FeatureDetails;

/* The setting instance_features.instance_id.  Written by SET. */
extern char *current_instance_id;

static inline ScopeName
instance_name(const char *id, int len)
{
	ScopeName	name = {LEVEL_INSTANCE, id, len};

	return name;
}

extern ScopeName current_instance(void);
extern ScopeName instance_argument(FunctionCallInfo fcinfo, int argno);
extern void check_feature(int feature, const char *key, int len);
extern const CachedScope *find_scope(const ScopeName *name);
extern FeatureDetails scope_details(const CachedScope *scope);
extern Datum details_datum(FunctionCallInfo fcinfo,
						   const FeatureDetails *details);

#endif							/* IF_SCOPE_H */
