/*-------------------------------------------------------------------------
 *
 * version1.c
 *	  Functions of development version 1 that have other names now.
 *
 * The rule: version 1 cannot be updated, and with its tables, every function
 * of this library raises an error with a hint.  The functions below raise the
 * same error, instead of PostgreSQL reporting a missing symbol.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"

#include "base/compat.h"
#include "model/tables.h"

PG_FUNCTION_INFO_V1(create_feature_instance);
PG_FUNCTION_INFO_V1(drop_feature_instance);
PG_FUNCTION_INFO_V1(instance_features_invalidate);

/*
 * Raise object_not_in_prerequisite_state if the tables are those of version 1.
 * Otherwise, the SQL function "name" is not ours: raise undefined_function.
 */
static void
report_version1(const char *name)
{
	table_close(tables_open(TABLE_SCOPE, AccessShareLock), AccessShareLock);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("function \"%s\" belongs to version 1 of extension \"%s\"",
					name, EXTENSION_NAME)));
}

Datum
create_feature_instance(PG_FUNCTION_ARGS)
{
	report_version1("create_feature_instance");
	PG_RETURN_NULL();
}

Datum
drop_feature_instance(PG_FUNCTION_ARGS)
{
	report_version1("drop_feature_instance");
	PG_RETURN_NULL();
}

Datum
instance_features_invalidate(PG_FUNCTION_ARGS)
{
	report_version1("instance_features_invalidate");
	PG_RETURN_NULL();
}
