-- What setup.sql includes for script/check owner, in place of creating the
-- extension as a superuser: the database belongs to a role that is no superuser,
-- and so does the extension.  Whoever may create objects in its schema has put
-- better matches there for operators and functions that our SQL uses.  They are
-- dropped when the extension is there, which fails if anything depends on them.
CREATE ROLE "regress database owner";
CREATE ROLE regress_poisoner;
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I OWNER TO "regress database owner"', current_database());
END
$$;
GRANT CREATE ON SCHEMA public TO regress_poisoner;
SET LOCAL ROLE regress_poisoner;
CREATE FUNCTION public.poison(oid, regclass) RETURNS boolean LANGUAGE plpgsql
    AS 'BEGIN RAISE ''poison''; END';
CREATE FUNCTION public.poison(oid, regrole) RETURNS boolean LANGUAGE plpgsql
    AS 'BEGIN RAISE ''poison''; END';
CREATE FUNCTION public.poison(text, text) RETURNS boolean LANGUAGE plpgsql
    AS 'BEGIN RAISE ''poison''; END';
CREATE FUNCTION public.poison(bigint, integer) RETURNS boolean LANGUAGE plpgsql
    AS 'BEGIN RAISE ''poison''; END';
CREATE FUNCTION public.format(text, bigint) RETURNS text LANGUAGE plpgsql
    AS 'BEGIN RAISE ''poison''; END';
CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql
    AS 'BEGIN RAISE ''poison''; END';
CREATE FUNCTION public.poison_count(bigint, text) RETURNS bigint LANGUAGE plpgsql
    AS 'BEGIN RAISE ''poison''; END';
CREATE FUNCTION public.pg_has_role(oid, text) RETURNS boolean LANGUAGE plpgsql
    AS 'BEGIN RAISE ''poison''; END';
CREATE OPERATOR public.= (FUNCTION = public.poison, LEFTARG = oid, RIGHTARG = regclass);
CREATE OPERATOR public.= (FUNCTION = public.poison, LEFTARG = oid, RIGHTARG = regrole);
CREATE OPERATOR public.= (FUNCTION = public.poison, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR public.<> (FUNCTION = public.poison, LEFTARG = bigint, RIGHTARG = integer);
CREATE AGGREGATE public.count(text) (SFUNC = public.poison_count, STYPE = bigint, INITCOND = 0);
SET LOCAL ROLE "regress database owner";
CREATE EXTENSION instance_features SCHEMA public;
SET LOCAL ROLE regress_poisoner;
DROP AGGREGATE public.count(text);
DROP OPERATOR public.= (oid, regclass), public.= (oid, regrole), public.= (text, text),
    public.<> (bigint, integer);
DROP FUNCTION public.poison(oid, regclass), public.poison(oid, regrole),
    public.poison(text, text), public.poison(bigint, integer), public.format(text, bigint),
    public.format(text, text), public.poison_count(bigint, text), public.pg_has_role(oid, text);
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM regress_poisoner;
