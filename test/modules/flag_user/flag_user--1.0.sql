-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION flag_user" to load this file. \quit

CREATE FUNCTION flag_user_gate()
RETURNS trigger
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION flag_user_gate() IS
    'BEFORE row trigger: lets a row through if the feature login_default_org is enabled';

CREATE FUNCTION flag_user_pass()
RETURNS trigger
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION flag_user_pass() IS
    'BEFORE row trigger: lets every row through and asks nothing';

CREATE FUNCTION flag_user_empty(text)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION flag_user_empty(text) IS
    'does nothing, as a measure of what a call costs';

CREATE FUNCTION flag_user_version()
RETURNS integer
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION flag_user_version() IS
    'version of the API, null if instance_features is not installed';

CREATE FUNCTION flag_user_enabled(feature text, instance_id text, missing_ok boolean,
    organization_id text DEFAULT NULL, user_id text DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C PARALLEL SAFE;
COMMENT ON FUNCTION flag_user_enabled(text, text, boolean, text, text) IS
    'asks the API once';

CREATE FUNCTION flag_user_resolve(feature text, instance_id text, missing_ok boolean,
    organization_id text DEFAULT NULL, user_id text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION flag_user_resolve(text, text, boolean, text, text) IS
    'resolves a handle and keeps it in the session';

CREATE FUNCTION flag_user_ask()
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION flag_user_ask() IS
    'asks the handle of the session';

CREATE FUNCTION flag_user_watch(boolean)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION flag_user_watch(boolean) IS
    'registers or unregisters a change callback';

CREATE FUNCTION flag_user_changes()
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION flag_user_changes() IS
    'how often the change callback was called since this was asked last';

CREATE FUNCTION flag_user_version1()
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION flag_user_version1() IS
    'asks once as a module would that was built with version 1 of the API';
