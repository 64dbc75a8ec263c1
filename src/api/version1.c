/*-------------------------------------------------------------------------
 *
 * version1.c
 *	  What the SQL objects of development version 1 call by another name.
 *
 * Version 1 cannot be updated, and every function of this library raises an
 * error that says what to do when it meets version 1's tables.  These are here
 * so that version 1's other functions end in that error, too, rather than in
 * a complaint about a missing symbol.
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
 * Raise object_not_in_prerequisite_state for version 1's tables.  With others,
 * somebody has made a function of their own of what is called "name".
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
