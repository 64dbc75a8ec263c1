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

/* A placeholder for feature_source, whose OID differs between databases. */
#define SOURCE_TYPE_OID InvalidOid

typedef struct FeatureDetails
{
	int64		sequence;
	TimestampTz change_date;	/* or NO_DATE */
	const char *resource_owner;
} FeatureDetails;

extern ReturnSetInfo *result_begin_set(FunctionCallInfo fcinfo,
									   const Oid *types, int ntypes);
extern ReturnSetInfo *result_begin_states(FunctionCallInfo fcinfo);
extern void result_emit_state(const FeatureState *state, void *arg);
extern Datum result_row(FunctionCallInfo fcinfo, const Oid *types, int ntypes,
						const Datum *values, const bool *nulls);
extern FeatureDetails result_scope_details(const ScopeName *name,
										   const ScopeRow *row);
extern Datum result_details(FunctionCallInfo fcinfo,
							const FeatureDetails *details);
extern void result_check_argument_count(FunctionCallInfo fcinfo, int count);

#endif							/* INSTANCE_FEATURES_RESULT_H */
