/*-------------------------------------------------------------------------
 *
 * etag.c
 *	  Entity tags in the headers of a service request.
 *
 * The rule: tags are those of RFC 9110, section 8.8.3, in quotes and perhaps
 * weak, as in W/"3".  Our own are strong.  A condition on changing something
 * compares strongly, where a weak tag equals nothing; one on reading it again
 * compares weakly, where the mark of weakness does not count.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/errors.h"
#include "change/etag.h"

#define WEAK_MARK "W/"

/*
 * Return the length of the tag that a string begins with, or 0 if there is
 * none.
 */
static int
tag_length(const char *string)
{
	const char *end = string;

	if (strncmp(end, WEAK_MARK, strlen(WEAK_MARK)) == 0)
		end += strlen(WEAK_MARK);
	if (*end++ != '"')
		return 0;
	while ((unsigned char) *end > ' ' && *end != '"' && *end != '\x7f')
		end++;
	return *end == '"' ? end + 1 - string : 0;
}

static const char *
skip_blanks(const char *string)
{
	return string + strspn(string, " \t");
}

/*
 * Parse the value of a header: "*", or tags with commas between them.  Raises
 * invalid_parameter_value for any other.
 */
EtagList
etag_parse_list(const char *header, const char *value)
{
	EtagList	list = {.value = value};
	const char *next = skip_blanks(value);

	if (*next == '*')
	{
		list.any = true;
		next = skip_blanks(next + 1);
	}
	while (!list.any && *next != '\0')
	{
		int			len = tag_length(next);

		CHECK_FOR_INTERRUPTS();
		if (len > 0)
			list.tags = lappend(list.tags, pnstrdup(next, len));
		next = skip_blanks(next + len);
		if (*next != ',')
			break;
		next = skip_blanks(next + 1);
	}

	if (*next != '\0' || (!list.any && list.tags == NIL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for header \"%s\"", header),
				 errdetail("It is %s.", error_clip_name(value, strlen(value))),
				 errhint("It must be * or entity tags with their quotes, such as \"3\".")));
	return list;
}

static bool
has_tag(const EtagList *list, const char *etag, bool ignore_weakness)
{
	ListCell   *lc;

	foreach(lc, list->tags)
	{
		const char *tag = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (ignore_weakness && tag[0] == WEAK_MARK[0])
			tag += strlen(WEAK_MARK);
		if (strcmp(tag, etag) == 0)
			return true;
	}

	return false;
}

/*
 * Return whether a list has a tag, and not as a weak one.  "*" is the caller's
 * to handle.
 */
bool
etag_matches_strongly(const EtagList *list, const char *etag)
{
	return has_tag(list, etag, false);
}

/*
 * Return whether a list has a tag, be it as a weak one, or is "*".
 */
bool
etag_matches_weakly(const EtagList *list, const char *etag)
{
	return list->any || has_tag(list, etag, true);
}
