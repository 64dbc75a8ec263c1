/*-------------------------------------------------------------------------
 *
 * timeformat.c
 *	  Writing timestamps as protobuf's JSON mapping does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/timeformat.h"

/*
 * Append a number, zero-padded to at least "digits" digits.  The caller has
 * made room for it.
 */
static void
append_number(StringInfo buf, uint32 number, int digits)
{
	char	   *end = pg_ultostr_zeropad(buf->data + buf->len, number, digits);

	buf->len = end - buf->data;
	*end = '\0';
}

/* The beginning of a year, as a timestamp. */
#define YEAR_BEGIN(year) \
	((date2j(year, 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

/*
 * Whether RFC 3339 can express a timestamp: in the years 1 to 9999.
 */
bool
timeformat_is_rfc3339(TimestampTz timestamp)
{
	return timestamp >= YEAR_BEGIN(1) && timestamp < YEAR_BEGIN(10000);
}

/*
 * Append a timestamp as protobuf's JSON mapping writes it: RFC 3339 in UTC
 * with 0, 3 or 6 fractional digits.  Raises datetime_field_overflow if the
 * timestamp is out of range.
 */
void
timeformat_append_rfc3339(StringInfo buf, TimestampTz timestamp)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (!timeformat_is_rfc3339(timestamp) ||
		timestamp2tm(timestamp, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));

	enlargeStringInfo(buf, 64);
	append_number(buf, tm.tm_year, 4);
	appendStringInfoChar(buf, '-');
	append_number(buf, tm.tm_mon, 2);
	appendStringInfoChar(buf, '-');
	append_number(buf, tm.tm_mday, 2);
	appendStringInfoChar(buf, 'T');
	append_number(buf, tm.tm_hour, 2);
	appendStringInfoChar(buf, ':');
	append_number(buf, tm.tm_min, 2);
	appendStringInfoChar(buf, ':');
	append_number(buf, tm.tm_sec, 2);
	if (fsec != 0)
	{
		appendStringInfoChar(buf, '.');
		if (fsec % 1000 != 0)
			append_number(buf, fsec, 6);
		else
			append_number(buf, fsec / 1000, 3);
	}
	appendStringInfoChar(buf, 'Z');
}
