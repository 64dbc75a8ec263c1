-- What every script in test/sql begins with.  It leaves a transaction open,
-- which the script rolls back: roles, extensions and all.
\set QUIET on
\pset pager off
\pset format unaligned
\pset tuples_only on
\set ON_ERROR_STOP on
SET client_min_messages = warning;
BEGIN;
CREATE EXTENSION pgtap;
\getenv extension_owner EXTENSION_OWNER
\if :{?extension_owner}
\i test/setup_owner.sql
\else
CREATE EXTENSION instance_features;
\endif

-- The result of a query of one value, run as a role (as ourselves if null),
-- or the error: SQLSTATE, message, detail and hint.
CREATE FUNCTION pg_temp.try_as(role name, query text)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    result text;
    code text;
    message text;
    detail text;
    hint text;
BEGIN
    IF role IS NOT NULL THEN
        PERFORM set_config('role', role, true);
    END IF;
    EXECUTE query INTO result;
    IF role IS NOT NULL THEN
        PERFORM set_config('role', 'none', true);
    END IF;
    RETURN result;
EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS
        code = RETURNED_SQLSTATE,
        message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', code, message, nullif(detail, ''), nullif(hint, ''));
END;
$$;

CREATE FUNCTION pg_temp.try(query text)
RETURNS text
LANGUAGE sql
AS 'SELECT pg_temp.try_as(NULL, query)';

-- "ok" if a role (we, if null) may run a command, or the SQLSTATE of the error.
CREATE FUNCTION pg_temp.run_as(role name, command text)
RETURNS text
LANGUAGE plpgsql
AS $$
BEGIN
    IF role IS NOT NULL THEN
        PERFORM set_config('role', role, true);
    END IF;
    EXECUTE command;
    PERFORM set_config('role', 'none', true);
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END;
$$;
