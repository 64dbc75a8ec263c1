/*-------------------------------------------------------------------------
 *
 * spread.h
 *	  The spread of a boolean feature over the instances.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_SPREAD_H
#define INSTANCE_FEATURES_SPREAD_H

#include "utils/array.h"
#include "utils/snapshot.h"

/* What the instances get that do not set the feature themselves. */
typedef enum Inheritance
{
	INHERIT_OFF,
	INHERIT_ON,
	INHERIT_BY_SHARE			/* a share of them has it on */
} Inheritance;

/*
 * The instances where a feature is on.  Those that inherit have it on or off
 * alike, or by share; the exceptions are those whose own setting may differ.
 */
typedef struct FeatureSpread
{
	const char *type;			/* of the feature; NULL if it is not defined */
	Inheritance inheritance;
	double		share;			/* of the inheriting instances that have it on */
	bool		complete;		/* false if there were more rows than the
								 * limit */
	int			nexceptions;
	Datum	   *exceptions;		/* ids of type text, in the order of bytes */
} FeatureSpread;

#define SPREAD_NO_LIMIT PG_INT64_MAX

extern FeatureSpread *spread_read(Snapshot snapshot, const char *key, int len,
								  int64 limit);
extern void spread_set_inheritance(FeatureSpread *spread, bool on);
extern bool spread_is_boolean(const FeatureSpread *spread);
extern bool spread_is_exception(const FeatureSpread *spread, Datum id);
extern bool spread_can_be_listed(const FeatureSpread *spread);
extern ArrayType *spread_list(const FeatureSpread *spread, Snapshot snapshot);

#endif							/* INSTANCE_FEATURES_SPREAD_H */
