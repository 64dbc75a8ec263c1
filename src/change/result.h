/*-------------------------------------------------------------------------
 *
 * result.h
 *	  Forming the results of SQL-callable functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_RESULT_H
#define INSTANCE_FEATURES_RESULT_H

#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/tuplestore.h"

#include "cache/effective.h"

/* Stands for feature_source, whose OID differs from database to database. */
#define SOURCE_TYPE_OID InvalidOid

typedef struct FeatureDetails
{
	int64		sequence;
	TimestampTz change_date;	/* or NO_DATE */
	const char *resource_owner;
} FeatureDetails;

extern ReturnSetInfo *begin_result_set(FunctionCallInfo fcinfo,
									   const Oid *types, int ntypes);
extern ReturnSetInfo *begin_states(FunctionCallInfo fcinfo);
extern void emit_state(const FeatureState *state, void *arg);
extern Datum result_row(FunctionCallInfo fcinfo, const Oid *types, int ntypes,
						const Datum *values, const bool *nulls);
extern FeatureDetails scope_details(const ScopeName *name,
									const ScopeRow *row);
extern Datum details_datum(FunctionCallInfo fcinfo,
						   const FeatureDetails *details);
extern void check_argument_count(FunctionCallInfo fcinfo, int count);

#endif							/* INSTANCE_FEATURES_RESULT_H */
