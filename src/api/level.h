/*-------------------------------------------------------------------------
 *
 * level.h
 *	  SQL-callable functions that exist for each level.
 *
 * The rule: what they do is written once, in a function of the level.  Its
 * scope is named by no argument if the level has only one, else by its id and,
 * if it belongs to an instance, by that of the instance.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_LEVEL_H
#define INSTANCE_FEATURES_LEVEL_H

#include "fmgr.h"

#include "base/compat.h"
#include "base/scopename.h"
#include "change/change.h"

/* Define the function "name", which calls body(fcinfo, level). */
#define LEVEL_READER(name, body, level) \
PG_FUNCTION_INFO_V1(name); \
Datum \
name(PG_FUNCTION_ARGS) \
{ \
	return body(fcinfo, level); \
} \
extern int	no_such_variable

/* The same for a function that writes. */
#define LEVEL_WRITER(name, body, level) \
PG_FUNCTION_INFO_V1(name); \
Datum \
name(PG_FUNCTION_ARGS) \
{ \
	change_prevent_command(#name "()"); \
	return body(fcinfo, level); \
} \
extern int	no_such_variable

/* Return the number of arguments that name a scope of the level. */
static inline int
level_arguments(FeatureLevel level)
{
	return level_is_single(level) ? 0 : level_is_in_instance(level) ? 2 : 1;
}

#endif							/* INSTANCE_FEATURES_LEVEL_H */
