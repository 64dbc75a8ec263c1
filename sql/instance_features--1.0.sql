-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION instance_features" to load this file. \quit

--
-- Tables.  The extension's C code reads them as PostgreSQL reads its catalogs,
-- so it relies on the columns' order and types, on the "C" collation of the
-- keys and on the heap.  What a scope may be is checked by the C code of its
-- trigger: PostgreSQL parses a CHECK constraint anew for every statement, and
-- those of this table cost a change of features a quarter of its time.  The
-- fillfactors leave room for the row versions that changes leave behind.
--
CREATE SCHEMA instance_features;
COMMENT ON SCHEMA instance_features IS
    'tables of the extension instance_features';

CREATE TABLE instance_features.scope (
    level text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner regrole,
    sequence bigint NOT NULL,
    change_date timestamptz NOT NULL,
    creation_date timestamptz NOT NULL,
    PRIMARY KEY (level, id)
) USING heap WITH (fillfactor = 50);
COMMENT ON TABLE instance_features.scope IS
    'what owns settings: the system and each instance; the system and the instance "default" exist without a row until their first change';
COMMENT ON COLUMN instance_features.scope.level IS
    'system or instance';
COMMENT ON COLUMN instance_features.scope.id IS
    'the resource owner: SYSTEM, or the id of the instance';
COMMENT ON COLUMN instance_features.scope.owner IS
    'the role that may change the scope; null says that the instance "default" was dropped';
COMMENT ON COLUMN instance_features.scope.sequence IS
    'sequence of the last event, 0 if there is none';
COMMENT ON COLUMN instance_features.scope.change_date IS
    'time of the last event, or of the creation if there is none';
COMMENT ON COLUMN instance_features.scope.creation_date IS
    'when the scope was created';

CREATE TABLE instance_features.feature (
    key text COLLATE "C" NOT NULL
        CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
    json_name text COLLATE "C" NOT NULL UNIQUE
        CHECK (octet_length(json_name) BETWEEN 1 AND 200),
    value_type text COLLATE "C" NOT NULL
        CHECK (value_type IN ('boolean', 'string', 'integer', 'number', 'object', 'array')),
    default_value jsonb NOT NULL,
    description text NOT NULL DEFAULT '',
    builtin boolean NOT NULL DEFAULT false,
    creation_date timestamptz NOT NULL DEFAULT now() CHECK (isfinite(creation_date)),
    PRIMARY KEY (key)
) USING heap;
COMMENT ON TABLE instance_features.feature IS
    'the definitions of the features';
COMMENT ON COLUMN instance_features.feature.key IS
    'the name of the feature in SQL, snake_case';
COMMENT ON COLUMN instance_features.feature.json_name IS
    'the name of the feature in requests and responses, lowerCamelCase';
COMMENT ON COLUMN instance_features.feature.value_type IS
    'the JSON type of its values';
COMMENT ON COLUMN instance_features.feature.default_value IS
    'its value where no scope sets one';
COMMENT ON COLUMN instance_features.feature.description IS
    'what the feature does';
COMMENT ON COLUMN instance_features.feature.builtin IS
    'whether the feature comes with the extension';
COMMENT ON COLUMN instance_features.feature.creation_date IS
    'when the feature was defined';

CREATE TABLE instance_features.setting (
    level text COLLATE "C" NOT NULL,
    scope_id text COLLATE "C" NOT NULL,
    feature text COLLATE "C" NOT NULL,
    value jsonb NOT NULL,
    sequence bigint NOT NULL,
    change_date timestamptz NOT NULL,
    PRIMARY KEY (level, scope_id, feature)
) USING heap WITH (fillfactor = 50);
COMMENT ON TABLE instance_features.setting IS
    'the present value of each feature that a scope sets';
COMMENT ON COLUMN instance_features.setting.level IS 'level of the scope';
COMMENT ON COLUMN instance_features.setting.scope_id IS 'id of the scope';
COMMENT ON COLUMN instance_features.setting.feature IS 'key of the feature';
COMMENT ON COLUMN instance_features.setting.value IS 'the value';
COMMENT ON COLUMN instance_features.setting.sequence IS
    'sequence of the event that set the value';
COMMENT ON COLUMN instance_features.setting.change_date IS
    'time of the event that set the value';

CREATE TABLE instance_features.event (
    level text COLLATE "C" NOT NULL,
    scope_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    feature text COLLATE "C",
    old_value jsonb,
    value jsonb,
    editor text COLLATE "C" NOT NULL,
    creation_date timestamptz NOT NULL,
    PRIMARY KEY (level, scope_id, sequence)
) USING heap;
COMMENT ON TABLE instance_features.event IS
    'every change of every scope, never updated';
COMMENT ON COLUMN instance_features.event.level IS 'level of the scope';
COMMENT ON COLUMN instance_features.event.scope_id IS 'id of the scope';
COMMENT ON COLUMN instance_features.event.sequence IS
    'number of the event in its scope: 1, 2, 3 and so on without a gap';
COMMENT ON COLUMN instance_features.event.event_type IS
    'feature.<level>.<key>.set, feature.<level>.<key>.unset or feature.<level>.reset';
COMMENT ON COLUMN instance_features.event.feature IS
    'key of the feature, null for a reset';
COMMENT ON COLUMN instance_features.event.old_value IS
    'the value that the scope had set before, null if none';
COMMENT ON COLUMN instance_features.event.value IS
    'the value set, null if it was unset';
COMMENT ON COLUMN instance_features.event.editor IS
    'name, at that time, of the role that made the change';
COMMENT ON COLUMN instance_features.event.creation_date IS
    'when the event was added';

CREATE TABLE instance_features.invalidation () USING heap;
COMMENT ON TABLE instance_features.invalidation IS
    'always empty: sessions learn of changes by cache invalidation messages that name this table';

-- Any change of the tables, by whatever means, is checked and reaches the
-- caches of all sessions.  Row triggers, and ALWAYS, so that logical replication fires them.
CREATE FUNCTION instance_features.invalidate()
RETURNS trigger
AS 'MODULE_PATHNAME', 'instance_features_invalidate'
LANGUAGE C;
COMMENT ON FUNCTION instance_features.invalidate() IS
    'checks a scope''s row, and tells all sessions that what they have cached of the features is out of date';

CREATE TRIGGER invalidate
AFTER INSERT OR UPDATE OR DELETE ON instance_features.scope
FOR EACH ROW EXECUTE FUNCTION instance_features.invalidate();
CREATE TRIGGER invalidate_truncate
AFTER TRUNCATE ON instance_features.scope
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.invalidate();
ALTER TABLE instance_features.scope
    ENABLE ALWAYS TRIGGER invalidate,
    ENABLE ALWAYS TRIGGER invalidate_truncate;
CREATE TRIGGER invalidate
AFTER INSERT OR UPDATE OR DELETE ON instance_features.feature
FOR EACH ROW EXECUTE FUNCTION instance_features.invalidate();
CREATE TRIGGER invalidate_truncate
AFTER TRUNCATE ON instance_features.feature
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.invalidate();
ALTER TABLE instance_features.feature
    ENABLE ALWAYS TRIGGER invalidate,
    ENABLE ALWAYS TRIGGER invalidate_truncate;
CREATE TRIGGER invalidate
AFTER INSERT OR UPDATE OR DELETE ON instance_features.setting
FOR EACH ROW EXECUTE FUNCTION instance_features.invalidate();
CREATE TRIGGER invalidate_truncate
AFTER TRUNCATE ON instance_features.setting
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.invalidate();
ALTER TABLE instance_features.setting
    ENABLE ALWAYS TRIGGER invalidate,
    ENABLE ALWAYS TRIGGER invalidate_truncate;
COMMENT ON TRIGGER invalidate ON instance_features.scope IS
    'keeps the caches of all sessions up to date';
COMMENT ON TRIGGER invalidate_truncate ON instance_features.scope IS
    'keeps the caches of all sessions up to date';
COMMENT ON TRIGGER invalidate ON instance_features.feature IS
    'keeps the caches of all sessions up to date';
COMMENT ON TRIGGER invalidate_truncate ON instance_features.feature IS
    'keeps the caches of all sessions up to date';
COMMENT ON TRIGGER invalidate ON instance_features.setting IS
    'keeps the caches of all sessions up to date';
COMMENT ON TRIGGER invalidate_truncate ON instance_features.setting IS
    'keeps the caches of all sessions up to date';

-- The built-in definitions come with every CREATE EXTENSION, so a dump leaves
-- them out.  No scope is inserted here: it would collide with a dumped one.
SELECT pg_catalog.pg_extension_config_dump('instance_features.scope', '');
SELECT pg_catalog.pg_extension_config_dump('instance_features.feature', 'WHERE NOT builtin');
SELECT pg_catalog.pg_extension_config_dump('instance_features.setting', '');
SELECT pg_catalog.pg_extension_config_dump('instance_features.event', '');

INSERT INTO instance_features.feature (key, json_name, value_type, default_value, description, builtin)
VALUES
    ('login_default_org', 'loginDefaultOrg', 'boolean', 'false',
     'The login UI will use the settings of the default org (and not from the instance) if no organization context is set',
     true),
    ('oidc_trigger_introspection_projections', 'oidcTriggerIntrospectionProjections', 'boolean', 'false',
     'Enable projection triggers during an introspection request. This can act as workaround if there are noticeable consistency issues in the introspection response but can have an impact on performance. We are planning to remove triggers for introspection requests in the future. Please raise an issue if you needed to enable this feature.',
     true),
    ('oidc_legacy_introspection', 'oidcLegacyIntrospection', 'boolean', 'false',
     'We have recently refactored the introspection endpoint for performance reasons. This feature can be used to rollback to the legacy implementation if unexpected bugs arise. Please raise an issue if you needed to enable this feature.',
     true),
    ('user_schema', 'userSchema', 'boolean', 'false',
     'User Schemas allow to manage data schemas of user. If the flag is enabled, you''ll be able to use the new API and its features. Note that it is still in an early stage.',
     true),
    ('oidc_token_exchange', 'oidcTokenExchange', 'boolean', 'false',
     'Enable the experimental urn:ietf:params:oauth:grant-type:token-exchange grant type for the OIDC token endpoint. Token exchange can be used to request tokens with a lesser scope or impersonate other users. See the security policy to allow impersonation on an instance.',
     true);

--
-- Types
--
CREATE TYPE @extschema@.feature_details AS (
    sequence bigint,
    change_date timestamptz,
    resource_owner text
);
COMMENT ON TYPE @extschema@.feature_details IS
    'the last event of a scope: its sequence, its time, and the scope''s id';

CREATE TYPE @extschema@.feature_source AS ENUM (
    'default', 'system', 'instance', 'organization', 'user'
);
COMMENT ON TYPE @extschema@.feature_source IS
    'where the value of a feature comes from';

CREATE TYPE @extschema@.feature_state AS (
    feature text,
    value jsonb,
    source @extschema@.feature_source,
    sequence bigint,
    change_date timestamptz
);
COMMENT ON TYPE @extschema@.feature_state IS
    'a feature''s value, where it comes from, and the event that set it (null for a default)';

CREATE TYPE @extschema@.feature_response AS (
    status integer,
    body jsonb
);
COMMENT ON TYPE @extschema@.feature_response IS
    'an HTTP status and a JSON body';

--
-- Changing features
--
CREATE FUNCTION @extschema@.set_instance_features(
    features jsonb,
    instance_id text DEFAULT NULL,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_instance_features(jsonb, text, bigint) IS
    'set (true, false) or unset (null) the features named in a JSON object, and only those, on an instance';

CREATE FUNCTION @extschema@.reset_instance_features(
    instance_id text DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.reset_instance_features(text) IS
    'remove all settings of an instance';

CREATE FUNCTION @extschema@.set_system_features(
    features jsonb,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_system_features(jsonb, bigint) IS
    'set (true, false) or unset (null) the features named in a JSON object, and only those, on the system';

CREATE FUNCTION @extschema@.reset_system_features()
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.reset_system_features() IS
    'remove all settings of the system';

--
-- Reading features
--
CREATE FUNCTION @extschema@.get_instance_features(
    inheritance boolean DEFAULT false,
    instance_id text DEFAULT NULL)
RETURNS SETOF @extschema@.feature_state
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.get_instance_features(boolean, text) IS
    'the settings of an instance or, with inheritance, the effective value of every feature';

CREATE FUNCTION @extschema@.get_system_features(
    inheritance boolean DEFAULT false)
RETURNS SETOF @extschema@.feature_state
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.get_system_features(boolean) IS
    'the settings of the system or, with inheritance, the effective value of every feature';

CREATE FUNCTION @extschema@.get_instance_feature_details(
    instance_id text DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.get_instance_feature_details(text) IS
    'sequence and time of the last event of an instance';

CREATE FUNCTION @extschema@.get_system_feature_details()
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.get_system_feature_details() IS
    'sequence and time of the last event of the system';

CREATE FUNCTION @extschema@.feature_enabled(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_enabled(text, text) IS
    'the effective value of a boolean feature on an instance';

CREATE FUNCTION @extschema@.feature_value(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_value(text, text) IS
    'the effective value of a feature of any type on an instance';

--
-- Instances and owners
--
CREATE FUNCTION @extschema@.create_instance(
    instance_id text,
    owner regrole DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME', 'create_feature_instance'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.create_instance(text, regrole) IS
    'create an instance, owned by the current role unless another one is named';

CREATE FUNCTION @extschema@.drop_instance(
    instance_id text)
RETURNS void
AS 'MODULE_PATHNAME', 'drop_feature_instance'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.drop_instance(text) IS
    'drop an instance with its settings and events';

CREATE FUNCTION @extschema@.alter_instance_owner(
    owner regrole,
    instance_id text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.alter_instance_owner(regrole, text) IS
    'give an instance to another role';

CREATE FUNCTION @extschema@.alter_system_owner(
    owner regrole)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.alter_system_owner(regrole) IS
    'give the system scope, and with it every instance, to another role';

--
-- History
--
CREATE FUNCTION @extschema@.instance_feature_history(
    instance_id text DEFAULT NULL,
    OUT sequence bigint,
    OUT event_type text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT editor text,
    OUT creation_date timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.instance_feature_history(text) IS
    'the events of an instance, oldest first';

CREATE FUNCTION @extschema@.system_feature_history(
    OUT sequence bigint,
    OUT event_type text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT editor text,
    OUT creation_date timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.system_feature_history() IS
    'the events of the system, oldest first';

--
-- The service
--
CREATE FUNCTION @extschema@.feature_service(
    method text,
    path text,
    body jsonb DEFAULT NULL)
RETURNS @extschema@.feature_response
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.feature_service(text, text, jsonb) IS
    'answer one HTTP request of the feature service';

-- A trusted extension's script runs as the bootstrap superuser.  What it made
-- goes to the role that called it, who then may GRANT and REVOKE, and with
-- whose rights the tables are written and the triggers on them run.
ALTER SCHEMA instance_features OWNER TO @extowner@;
ALTER TABLE instance_features.scope OWNER TO @extowner@;
ALTER TABLE instance_features.feature OWNER TO @extowner@;
ALTER TABLE instance_features.setting OWNER TO @extowner@;
ALTER TABLE instance_features.event OWNER TO @extowner@;
ALTER TABLE instance_features.invalidation OWNER TO @extowner@;
ALTER FUNCTION instance_features.invalidate() OWNER TO @extowner@;
ALTER TYPE @extschema@.feature_details OWNER TO @extowner@;
ALTER TYPE @extschema@.feature_source OWNER TO @extowner@;
ALTER TYPE @extschema@.feature_state OWNER TO @extowner@;
ALTER TYPE @extschema@.feature_response OWNER TO @extowner@;
ALTER FUNCTION @extschema@.set_instance_features(jsonb, text, bigint) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.reset_instance_features(text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.set_system_features(jsonb, bigint) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.reset_system_features() OWNER TO @extowner@;
ALTER FUNCTION @extschema@.get_instance_features(boolean, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.get_system_features(boolean) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.get_instance_feature_details(text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.get_system_feature_details() OWNER TO @extowner@;
ALTER FUNCTION @extschema@.feature_enabled(text, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.feature_value(text, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.create_instance(text, regrole) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.drop_instance(text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.alter_instance_owner(regrole, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.alter_system_owner(regrole) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.instance_feature_history(text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.system_feature_history() OWNER TO @extowner@;
ALTER FUNCTION @extschema@.feature_service(text, text, jsonb) OWNER TO @extowner@;
