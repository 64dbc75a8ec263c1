/*-------------------------------------------------------------------------
 *
 * ownertype.c
 *	  The SQL type instance_features.scope_owner: the role that owns a scope.
 *
 * The rule: a role is found by OID within a cluster, and by name only when a
 * text form is read, which is how owners are moved between clusters.  Hence a
 * renamed role keeps its scopes, and neither another cluster's role with the
 * same OID nor a later role with the same name gets them.
 *
 * The text form of a live owner is the role's current name, quoted as an
 * identifier.  Reading it binds the owner to the role of that name; if there
 * is none, the owner keeps the name and stays unbound, so that a restore does
 * not fail.  Any other owner is nobody.  Its text form is a question mark and
 * the kept name in double quotes, which is never bound when read.  A quoted
 * identifier begins with a double quote, so the forms cannot be confused.
 *
 * Role names are shared by databases of different encodings, so the bytes of
 * a name may be invalid in this database.  No text form that is valid here
 * could name such a role, even a live one, so it is written as nobody.  Each
 * invalid byte is written as a double quote, a backslash, two hexadecimal
 * digits and another double quote: ?"M"\fc"ller".  Within quotes, a double
 * quote before a backslash has no other meaning, so all other names are
 * written verbatim.
 *
 * Two owners are equal if their text forms are, and ordered by the bytes of
 * their text forms.  The order depends on the catalogs, so it is stable within
 * a statement but not suitable for an index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_authid.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/ownertype.h"

#define TYPE_NAME	"scope_owner"

/* The installation script's CREATE TYPE has the same size. */
StaticAssertDecl(sizeof(ScopeOwner) == 68,
				 "type scope_owner needs NAMEDATALEN to be 64");

/*
 * Return the OID of the owner's role, or InvalidOid if the owner is nobody.
 */
Oid
scope_owner_role(const ScopeOwner *owner)
{
	if (!OidIsValid(owner->roleid) ||
		!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner->roleid)))
		return InvalidOid;

	return owner->roleid;
}

/*
 * Copy the current name of a role.  Returns false if there is no such role.
 */
static bool
copy_role_name(Oid role, char *name)
{
	HeapTuple	tuple;

	if (!OidIsValid(role))
		return false;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	if (!HeapTupleIsValid(tuple))
		return false;

	memcpy(name, NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname),
		   NAMEDATALEN);
	ReleaseSysCache(tuple);
	return true;
}

/*
 * Bind an owner to a role.  Raises undefined_object if there is no such role.
 */
void
scope_owner_set(ScopeOwner *owner, Oid role)
{
	memset(owner, 0, sizeof(ScopeOwner));
	if (!copy_role_name(role, owner->name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
	owner->roleid = role;
}

/*
 * Return the length of the character at "string", or 0 if it is invalid in the
 * database's encoding.
 */
static int
valid_length(const char *string)
{
	int			len = pg_encoding_verifymbchar(GetDatabaseEncoding(), string,
											   strlen(string));

	return Max(len, 0);
}

/*
 * Return the last known name of the owner's role for a message, in palloc'd
 * memory.  Bytes that are invalid in the database's encoding are written as a
 * backslash and two hexadecimal digits.
 */
const char *
scope_owner_kept_name(const ScopeOwner *owner)
{
	StringInfoData name;
	int			len;

	initStringInfo(&name);
	for (const char *c = owner->name; *c != '\0'; c += Max(len, 1))
	{
		len = valid_length(c);
		if (len == 0)
			appendStringInfo(&name, "\\%02x", (unsigned char) *c);
		else
			appendBinaryStringInfo(&name, c, len);
	}

	return name.data;
}

/*
 * Return the text form of nobody with this kept name, in palloc'd memory.
 */
static char *
nobody_form(const char *name)
{
	StringInfoData form;
	int			len;

	initStringInfo(&form);
	appendStringInfoString(&form, "?\"");
	for (const char *c = name; *c != '\0'; c += Max(len, 1))
	{
		len = valid_length(c);
		if (len == 0)
			appendStringInfo(&form, "\"\\%02x\"", (unsigned char) *c);
		else
		{
			if (*c == '"')
				appendStringInfoChar(&form, '"');
			appendBinaryStringInfo(&form, c, len);
		}
	}
	appendStringInfoChar(&form, '"');

	return form.data;
}

/*
 * Return the text form of an owner, in palloc'd memory.
 */
char *
scope_owner_text(const ScopeOwner *owner)
{
	char		name[NAMEDATALEN];
	const char *quoted;

	if (!copy_role_name(owner->roleid, name))
		return nobody_form(owner->name);
	if (!pg_verifymbstr(name, strlen(name), true))
		return nobody_form(name);

	quoted = quote_identifier(name);
	return quoted == name ? pstrdup(name) : unconstify(char *, quoted);
}

pg_noreturn static void report_invalid(const char *text, const char *detail);

static void
report_invalid(const char *text, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"",
					TYPE_NAME, text),
			 errdetail_internal("%s", detail)));
}

static void
check_name_length(int len, const char *text)
{
	if (len >= NAMEDATALEN)
		report_invalid(text, "The name of a role has at most 63 bytes.");
}

/*
 * Read an unquoted name into an owner, folding its case like that of an
 * identifier.  Returns the end of the name.
 */
static const char *
read_unquoted(const char *c, const char *text, ScopeOwner *owner)
{
	const char *begin = c;
	char	   *folded;

	while (isalpha((unsigned char) *c) || *c == '_' || IS_HIGHBIT_SET(*c) ||
		   (c > begin && (isdigit((unsigned char) *c) || *c == '$')))
		c++;
	check_name_length(c - begin, text);

	folded = downcase_identifier(begin, c - begin, false, false);
	memcpy(owner->name, folded, c - begin);
	pfree(folded);
	return c;
}

/*
 * Read a quoted name into an owner.  "c" points past the opening quote; the
 * result points past the closing one.
 */
static const char *
read_quoted(const char *c, bool has_escapes, const char *text,
			ScopeOwner *owner)
{
	int			len = 0;

	for (;;)
	{
		char		byte = *c++;

		if (byte == '\0')
			report_invalid(text, "The quoted name does not end.");
		if (byte == '"')
		{
			if (*c == '"')
				c++;
			else if (has_escapes && *c == '\\')
			{
				if (!isxdigit((unsigned char) c[1]) ||
					!isxdigit((unsigned char) c[2]) || c[3] != '"')
					report_invalid(text, "A backslash and two hexadecimal digits are expected between the quotes around a byte.");
				byte = (char) strtol(pnstrdup(c + 1, 2), NULL, 16);
				if (byte == '\0')
					report_invalid(text, "The name of a role has no null bytes.");
				c += 4;
			}
			else
				return c;
		}
		check_name_length(len + 1, text);
		owner->name[len++] = byte;
	}
}

/*
 * Return the palloc'd owner with this text form.  Raises
 * invalid_text_representation if there is none.
 */
ScopeOwner *
scope_owner_read(const char *text)
{
	ScopeOwner *owner = palloc0(sizeof(ScopeOwner));
	const char *c = text;
	bool		is_nobody;

	while (scanner_isspace(*c))
		c++;
	is_nobody = *c == '?';
	if (is_nobody)
		c++;

	if (*c == '"')
		c = read_quoted(c + 1, is_nobody, text, owner);
	else if (is_nobody)
		report_invalid(text, "A double quote is expected after the question mark.");
	else
		c = read_unquoted(c, text, owner);

	while (scanner_isspace(*c))
		c++;
	if (*c != '\0')
		report_invalid(text, "The name of one role is expected, quoted as an identifier if need be.");
	if (owner->name[0] == '\0')
		report_invalid(text, "The name of a role is not empty.");

	if (!is_nobody)
		owner->roleid = get_role_oid(owner->name, true);
	return owner;
}

/*
 * Compare two owners.  Sorting calls this in a long-lived memory context, so
 * it must not leak memory.
 */
int
scope_owner_compare(const ScopeOwner *a, const ScopeOwner *b)
{
	char	   *a_form;
	char	   *b_form;
	int			result;

	if (memcmp(a, b, sizeof(ScopeOwner)) == 0)
		return 0;

	a_form = scope_owner_text(a);
	b_form = scope_owner_text(b);
	result = strcmp(a_form, b_form);
	pfree(a_form);
	pfree(b_form);
	return result;
}
