/*-------------------------------------------------------------------------
 *
 * scopename.h
 *	  What scopes are called, and which of them exist without a row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPENAME_H
#define INSTANCE_FEATURES_SCOPENAME_H

#include "nodes/pg_list.h"

#define SYSTEM_SCOPE_ID "SYSTEM"
#define DEFAULT_INSTANCE_ID "default"
#define MAX_SCOPE_ID_LENGTH 200 /* bytes */

typedef enum FeatureLevel
{
	LEVEL_SYSTEM,
	LEVEL_INSTANCE
} FeatureLevel;

#define NUM_LEVELS (LEVEL_INSTANCE + 1)

/* Names a scope.  The id need not end in a zero byte. */
typedef struct ScopeName
{
	FeatureLevel level;
	const char *id;
	int			len;
} ScopeName;

extern const ScopeName system_scope_name;

extern const char *level_name(FeatureLevel level);
extern bool parse_level(const char *name, FeatureLevel *level);
extern ScopeName *make_scope_name(FeatureLevel level, const char *id);
extern ScopeName *copy_scope_name(const ScopeName *name);
extern const char *message_id(const ScopeName *name);
extern int	compare_scope_names(const ScopeName *a, const ScopeName *b);
extern int	compare_scope_cells(const ListCell *a, const ListCell *b);
extern bool scope_exists_implicitly(const ScopeName *name);

static inline ScopeName
instance_name(const char *id, int len)
{
	ScopeName	name = {LEVEL_INSTANCE, id, len};

	return name;
}

#endif							/* INSTANCE_FEATURES_SCOPENAME_H */
