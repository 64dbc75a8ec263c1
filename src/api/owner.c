/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  SQL-callable functions of the type scope_owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/builtins.h"

#include "libpq/pqformat.h"
#include "base/compat.h"
#include "base/ownertype.h"

#define TYPE_NAME	"scope_owner"

PG_FUNCTION_INFO_V1(scope_owner_in);
PG_FUNCTION_INFO_V1(scope_owner_out);
PG_FUNCTION_INFO_V1(scope_owner_recv);
PG_FUNCTION_INFO_V1(scope_owner_send);
PG_FUNCTION_INFO_V1(scope_owner_eq);
PG_FUNCTION_INFO_V1(scope_owner_ne);
PG_FUNCTION_INFO_V1(scope_owner_lt);
PG_FUNCTION_INFO_V1(scope_owner_le);
PG_FUNCTION_INFO_V1(scope_owner_gt);
PG_FUNCTION_INFO_V1(scope_owner_ge);
PG_FUNCTION_INFO_V1(scope_owner_cmp);
PG_FUNCTION_INFO_V1(scope_owner_hash);
PG_FUNCTION_INFO_V1(scope_owner_hash_extended);
PG_FUNCTION_INFO_V1(scope_owner_to_regrole);
PG_FUNCTION_INFO_V1(scope_owner_from_regrole);

/*
 * scope_owner_in(cstring)
 */
Datum
scope_owner_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_SCOPE_OWNER_P(scope_owner_read(PG_GETARG_CSTRING(0)));
}

/*
 * scope_owner_out(scope_owner)
 */
Datum
scope_owner_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(scope_owner_text(PG_GETARG_SCOPE_OWNER_P(0)));
}

/*
 * scope_owner_recv(internal)
 */
Datum
scope_owner_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			len = message->len - message->cursor;

	if (memchr(&message->data[message->cursor], '\0', len) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s", TYPE_NAME),
				 errdetail("The name of a role has no null bytes.")));

	PG_RETURN_SCOPE_OWNER_P(scope_owner_read(pq_getmsgtext(message, len, &len)));
}

/*
 * scope_owner_send(scope_owner)
 */
Datum
scope_owner_send(PG_FUNCTION_ARGS)
{
	char	   *form = scope_owner_text(PG_GETARG_SCOPE_OWNER_P(0));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendtext(&message, form, strlen(form));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

#define COMPARE_ARGUMENTS() \
	scope_owner_compare(PG_GETARG_SCOPE_OWNER_P(0), PG_GETARG_SCOPE_OWNER_P(1))

/*
 * scope_owner_eq(scope_owner, scope_owner)
 */
Datum
scope_owner_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(COMPARE_ARGUMENTS() == 0);
}

/*
 * scope_owner_ne(scope_owner, scope_owner)
 */
Datum
scope_owner_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(COMPARE_ARGUMENTS() != 0);
}

/*
 * scope_owner_lt(scope_owner, scope_owner)
 */
Datum
scope_owner_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(COMPARE_ARGUMENTS() < 0);
}

/*
 * scope_owner_le(scope_owner, scope_owner)
 */
Datum
scope_owner_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(COMPARE_ARGUMENTS() <= 0);
}

/*
 * scope_owner_gt(scope_owner, scope_owner)
 */
Datum
scope_owner_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(COMPARE_ARGUMENTS() > 0);
}

/*
 * scope_owner_ge(scope_owner, scope_owner)
 */
Datum
scope_owner_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(COMPARE_ARGUMENTS() >= 0);
}

/*
 * scope_owner_cmp(scope_owner, scope_owner)
 */
Datum
scope_owner_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(COMPARE_ARGUMENTS());
}

/*
 * scope_owner_hash(scope_owner)
 */
Datum
scope_owner_hash(PG_FUNCTION_ARGS)
{
	char	   *form = scope_owner_text(PG_GETARG_SCOPE_OWNER_P(0));
	Datum		result = hash_any((unsigned char *) form, strlen(form));

	pfree(form);
	return result;
}

/*
 * scope_owner_hash_extended(scope_owner, bigint)
 */
Datum
scope_owner_hash_extended(PG_FUNCTION_ARGS)
{
	char	   *form = scope_owner_text(PG_GETARG_SCOPE_OWNER_P(0));
	Datum		result = hash_any_extended((unsigned char *) form, strlen(form),
										   PG_GETARG_INT64(1));

	pfree(form);
	return result;
}

/*
 * scope_owner_to_regrole(scope_owner)
 */
Datum
scope_owner_to_regrole(PG_FUNCTION_ARGS)
{
	Oid			role = scope_owner_role(PG_GETARG_SCOPE_OWNER_P(0));

	if (!OidIsValid(role))
		PG_RETURN_NULL();
	PG_RETURN_OID(role);
}

/*
 * scope_owner_from_regrole(regrole)
 */
Datum
scope_owner_from_regrole(PG_FUNCTION_ARGS)
{
	ScopeOwner *owner = palloc(sizeof(ScopeOwner));

	scope_owner_set(owner, PG_GETARG_OID(0));
	PG_RETURN_SCOPE_OWNER_P(owner);
}
