/*-------------------------------------------------------------------------
 *
 * share.c
 *	  Shares of roll-outs: which scopes belong to them.
 *
 * The rule: a scope has a position from 0 to 9999, which depends on the key of
 * the feature and on the id of the scope, and on nothing else.  A share
 * includes the positions below it.  So the same scopes belong to it on every
 * server and for ever, a larger share only adds to them, and the shares of two
 * features are independent.
 *
 * The position is that of the strings in UTF-8, whatever the encoding of the
 * database is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "base/murmur3.h"
#include "model/share.h"

static bool
is_less(Numeric a, Numeric b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(a),
											NumericGetDatum(b)));
}

/*
 * Return the percentage in hundredths, rounded up.  Sets *exact to whether it
 * was a whole number of them.  The percentage is from 0 to 100.
 */
static int
count_hundredths(Numeric percentage, bool *exact)
{
	Datum		hundredths;
	Datum		ceiling;

	hundredths = DirectFunctionCall2(numeric_mul, NumericGetDatum(percentage),
									 NumericGetDatum(int64_to_numeric(100)));
	ceiling = DirectFunctionCall1(numeric_ceil, hundredths);
	*exact = DatumGetBool(DirectFunctionCall2(numeric_eq, hundredths, ceiling));
	return DatumGetInt32(DirectFunctionCall1(numeric_int4, ceiling));
}

/*
 * Find the share that is a percentage.  Returns false unless that is from 0 to
 * 100, with at most two decimals.
 */
bool
share_parse(Numeric percentage, int *share)
{
	bool		exact;

	if (numeric_is_nan(percentage) ||
		is_less(percentage, int64_to_numeric(0)) ||
		is_less(int64_to_numeric(100), percentage))
		return false;
	*share = count_hundredths(percentage, &exact);
	return exact;
}

/*
 * Raise invalid_parameter_value because of a percentage that is no share.
 */
void
share_report_bad_percentage(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("percentage must be a number from 0 to 100 with at most two decimals")));
}

/*
 * Return the share of a percentage that direct DML may have stored.  Position
 * p belongs to it if p < percentage * 100, and never if that is not a number.
 */
int
share_from_percentage(Numeric percentage)
{
	bool		exact;

	if (numeric_is_nan(percentage) ||
		is_less(percentage, int64_to_numeric(0)))
		return 0;
	if (is_less(int64_to_numeric(100), percentage))
		return WHOLE_SHARE;
	return count_hundredths(percentage, &exact);
}

/*
 * Return a share as a percentage of type numeric.
 */
Datum
share_make_percentage(int share)
{
	Numeric		percentage = int64_div_fast_to_numeric(share, 2);

	return DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(percentage));
}

/*
 * Convert a string to UTF-8 at the end of a buffer.  Returns false if there is
 * no conversion of it from the database's encoding.
 */
static bool
append_converted(StringInfo buffer, const char *string, int length)
{
	int			encoding = GetDatabaseEncoding();
	Oid			conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	int			size = (length + 1) * MAX_CONVERSION_GROWTH + 1;

	if (!OidIsValid(conversion))
		return false;
	enlargeStringInfo(buffer, size);
	if (pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8,
									  (unsigned char *) unconstify(char *, string),
									  length,
									  (unsigned char *) buffer->data + buffer->len,
									  size, true) < length)
		return false;
	buffer->len += strlen(buffer->data + buffer->len);
	return true;
}

static bool
is_ascii(const char *string, int length)
{
	for (int i = 0; i < length; i++)
	{
		if (IS_HIGHBIT_SET(string[i]))
			return false;
	}
	return true;
}

/*
 * Append a string in UTF-8.  One that cannot be converted is appended as it is:
 * a reader must not fail because of it.
 */
static void
append_utf8(StringInfo buffer, const char *string, int length)
{
	if (GetDatabaseEncoding() == PG_UTF8 ||
		GetDatabaseEncoding() == PG_SQL_ASCII || is_ascii(string, length) ||
		!append_converted(buffer, string, length))
		appendBinaryStringInfo(buffer, string, length);
}

/*
 * Return the position of a scope among those below the scope that rolls out a
 * feature.
 */
int
share_position(const char *key, int key_length, const char *id, int id_length)
{
	StringInfoData buffer;
	uint32		hash;

	initStringInfo(&buffer);
	append_utf8(&buffer, key, key_length);
	appendStringInfoChar(&buffer, ':');
	append_utf8(&buffer, id, id_length);
	hash = murmur3_x86_32(buffer.data, buffer.len, 0);
	pfree(buffer.data);
	return hash % WHOLE_SHARE;
}

/*
 * Return whether a scope belongs to a share.
 */
bool
share_includes(int share, const char *key, const char *id, int id_length)
{
	return share_position(key, strlen(key), id, id_length) < share;
}
