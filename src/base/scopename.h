/*-------------------------------------------------------------------------
 *
 * scopename.h
 *	  Levels, names of scopes, and implicit scopes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SCOPENAME_H
#define INSTANCE_FEATURES_SCOPENAME_H

#include "nodes/pg_list.h"

#define MAX_SCOPE_ID_LENGTH 200 /* bytes */

/* The levels, from the top down. */
typedef enum FeatureLevel
{
	LEVEL_SYSTEM,
	LEVEL_INSTANCE,
	LEVEL_ORGANIZATION,
	LEVEL_USER,
	NUM_LEVELS
} FeatureLevel;

/* The lowest level of a context: contexts have its scopes and those above. */
#define CONTEXT_LEVEL LEVEL_USER

/* A set of levels: the bits of those that belong to it. */
typedef uint32 LevelSet;

#define LEVEL_BIT(level) ((LevelSet) 1 << (level))

/* The levels below the instance. */
#define LOWER_LEVELS (LEVEL_BIT(LEVEL_ORGANIZATION) | LEVEL_BIT(LEVEL_USER))

/* The parent of a level that inherits only defaults. */
#define NO_LEVEL (-1)

/* The properties of a level.  No code distinguishes levels in other ways. */
typedef struct LevelInfo
{
	const char *name;			/* in tables, notifications, sources */
	const char *event_name;		/* in the types of events */
	const char *description;	/* of its scopes in messages, before the id */
	int			parent;			/* where it inherits from; NO_LEVEL if nowhere */
	bool		in_instance;	/* its scopes belong to an instance, exist
								 * with it, and have no owner of their own */
	bool		is_personal;	/* its ids are not shown to other roles */
	FeatureLevel rollout_level; /* whose scopes its roll-outs are for; if
								 * LEVEL_SYSTEM, it has no roll-outs */
	const char *only_id;		/* of its only scope; NULL if it has many */
	const char *implicit_id;	/* of its implicit scope; NULL if none */
	const char *setting;		/* has the id of its current scope; this and */
	const char *setting_description;	/* the next two are NULL if it has */
	const char *setting_details;	/* only one */
	const char *service_source; /* in the service's responses */
	const char *service_resource;	/* in the service's paths */
	const char *service_id_field;	/* in its requests; NULL if none */
	const char *document_field; /* in documents */
	const char *write_permission;	/* as the service names them */
	const char *delete_permission;
} LevelInfo;

extern const LevelInfo level_infos[NUM_LEVELS];

/* The id of a scope; it need not be null-terminated. */
typedef struct NamedId
{
	const char *id;				/* NULL if there is none */
	int			len;
} NamedId;

/*
 * The name of a scope.  The strings need not be null-terminated.  Scopes of
 * levels below the instance belong to an instance; the others have an empty
 * instance_id.
 */
typedef struct ScopeName
{
	FeatureLevel level;
	const char *instance_id;
	int			instance_len;
	const char *id;
	int			len;
} ScopeName;

extern const ScopeName scopename_system;

extern bool level_parse(const char *name, FeatureLevel *level);
extern char *level_list(LevelSet levels);
extern ScopeName scopename_make(FeatureLevel level, const char *instance_id,
								const char *id);
extern ScopeName *scopename_copy(const ScopeName *name);
extern char *scopename_describe(const ScopeName *name);
extern int	scopename_compare(const ScopeName *a, const ScopeName *b);
extern int	scopename_compare_cells(const ListCell *a, const ListCell *b);
extern bool scopename_is_implicit(const ScopeName *name);
extern ScopeName scopename_owner(const ScopeName *name);
extern ScopeName scopename_implicit(FeatureLevel level);
extern const char *scopename_violation(const char *level,
									   const char *instance_id,
									   const char *id);

static inline const char *
level_name(FeatureLevel level)
{
	return level_infos[level].name;
}

/* Return whether a level belongs to a set. */
static inline bool
level_is_in(FeatureLevel level, LevelSet levels)
{
	return (levels & LEVEL_BIT(level)) != 0;
}

/* Return whether the scopes of a level belong to instances. */
static inline bool
level_is_in_instance(FeatureLevel level)
{
	return level_infos[level].in_instance;
}

/* Return whether the level has only one scope. */
static inline bool
level_is_single(FeatureLevel level)
{
	return level_infos[level].only_id != NULL;
}

/* Return whether scopes of the level can roll out features. */
static inline bool
level_has_rollouts(FeatureLevel level)
{
	return level_infos[level].rollout_level != LEVEL_SYSTEM;
}

static inline ScopeName
scopename_instance(const char *id, int len)
{
	ScopeName	name = {LEVEL_INSTANCE, "", 0, id, len};

	return name;
}

#endif							/* INSTANCE_FEATURES_SCOPENAME_H */
