-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION instance_features" to load this file. \quit

-- Prevent objects in the target schema from capturing the names below.
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA instance_features;
COMMENT ON SCHEMA instance_features IS
    'tables and views of the extension instance_features';

--
-- The type of owners.  An owner is stored as a role's OID and name, and its
-- text form is a name; see src/base/ownertype.c.
--
CREATE TYPE instance_features.scope_owner;

CREATE FUNCTION instance_features.scope_owner_in(pg_catalog.cstring)
RETURNS instance_features.scope_owner
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_in(pg_catalog.cstring) IS
    'I/O';

CREATE FUNCTION instance_features.scope_owner_out(instance_features.scope_owner)
RETURNS pg_catalog.cstring
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_out(instance_features.scope_owner) IS
    'I/O';

CREATE FUNCTION instance_features.scope_owner_recv(pg_catalog.internal)
RETURNS instance_features.scope_owner
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_recv(pg_catalog.internal) IS
    'I/O';

CREATE FUNCTION instance_features.scope_owner_send(instance_features.scope_owner)
RETURNS pg_catalog.bytea
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_send(instance_features.scope_owner) IS
    'I/O';

CREATE TYPE instance_features.scope_owner (
    INPUT = instance_features.scope_owner_in,
    OUTPUT = instance_features.scope_owner_out,
    RECEIVE = instance_features.scope_owner_recv,
    SEND = instance_features.scope_owner_send,
    INTERNALLENGTH = 68,
    ALIGNMENT = int4,
    STORAGE = plain
);
COMMENT ON TYPE instance_features.scope_owner IS
    'role that owns a scope: the name of an existing role, or ? and the last known name in double quotes';

-- Comparisons look up roles, so these functions are not suitable for indexes.
CREATE FUNCTION instance_features.scope_owner_eq(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_eq(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of = operator';

CREATE FUNCTION instance_features.scope_owner_ne(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_ne(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of <> operator';

CREATE FUNCTION instance_features.scope_owner_lt(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_lt(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of < operator';

CREATE FUNCTION instance_features.scope_owner_le(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_le(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of <= operator';

CREATE FUNCTION instance_features.scope_owner_gt(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_gt(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of > operator';

CREATE FUNCTION instance_features.scope_owner_ge(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_ge(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of >= operator';

CREATE FUNCTION instance_features.scope_owner_cmp(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.int4
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_cmp(instance_features.scope_owner, instance_features.scope_owner) IS
    'less-equal-greater';

CREATE FUNCTION instance_features.scope_owner_hash(instance_features.scope_owner)
RETURNS pg_catalog.int4
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_hash(instance_features.scope_owner) IS
    'hash';

CREATE FUNCTION instance_features.scope_owner_hash_extended(instance_features.scope_owner, pg_catalog.int8)
RETURNS pg_catalog.int8
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_hash_extended(instance_features.scope_owner, pg_catalog.int8) IS
    'hash';

CREATE OPERATOR instance_features.= (
    FUNCTION = instance_features.scope_owner_eq,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.=),
    NEGATOR = OPERATOR(instance_features.<>),
    RESTRICT = pg_catalog.eqsel,
    JOIN = pg_catalog.eqjoinsel,
    HASHES,
    MERGES
);
COMMENT ON OPERATOR instance_features.= (instance_features.scope_owner, instance_features.scope_owner) IS
    'equal';

CREATE OPERATOR instance_features.<> (
    FUNCTION = instance_features.scope_owner_ne,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.<>),
    NEGATOR = OPERATOR(instance_features.=),
    RESTRICT = pg_catalog.neqsel,
    JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR instance_features.<> (instance_features.scope_owner, instance_features.scope_owner) IS
    'not equal';

CREATE OPERATOR instance_features.< (
    FUNCTION = instance_features.scope_owner_lt,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.>),
    NEGATOR = OPERATOR(instance_features.>=),
    RESTRICT = pg_catalog.scalarltsel,
    JOIN = pg_catalog.scalarltjoinsel
);
COMMENT ON OPERATOR instance_features.< (instance_features.scope_owner, instance_features.scope_owner) IS
    'less than';

CREATE OPERATOR instance_features.<= (
    FUNCTION = instance_features.scope_owner_le,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.>=),
    NEGATOR = OPERATOR(instance_features.>),
    RESTRICT = pg_catalog.scalarlesel,
    JOIN = pg_catalog.scalarlejoinsel
);
COMMENT ON OPERATOR instance_features.<= (instance_features.scope_owner, instance_features.scope_owner) IS
    'less than or equal';

CREATE OPERATOR instance_features.> (
    FUNCTION = instance_features.scope_owner_gt,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.<),
    NEGATOR = OPERATOR(instance_features.<=),
    RESTRICT = pg_catalog.scalargtsel,
    JOIN = pg_catalog.scalargtjoinsel
);
COMMENT ON OPERATOR instance_features.> (instance_features.scope_owner, instance_features.scope_owner) IS
    'greater than';

CREATE OPERATOR instance_features.>= (
    FUNCTION = instance_features.scope_owner_ge,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.<=),
    NEGATOR = OPERATOR(instance_features.<),
    RESTRICT = pg_catalog.scalargesel,
    JOIN = pg_catalog.scalargejoinsel
);
COMMENT ON OPERATOR instance_features.>= (instance_features.scope_owner, instance_features.scope_owner) IS
    'greater than or equal';

CREATE OPERATOR FAMILY instance_features.scope_owner_ops USING btree;
COMMENT ON OPERATOR FAMILY instance_features.scope_owner_ops USING btree IS
    'order of owners by their text forms, for one statement and not for an index';

CREATE OPERATOR CLASS instance_features.scope_owner_ops
DEFAULT FOR TYPE instance_features.scope_owner
USING btree FAMILY instance_features.scope_owner_ops AS
    OPERATOR 1 instance_features.< (instance_features.scope_owner, instance_features.scope_owner),
    OPERATOR 2 instance_features.<= (instance_features.scope_owner, instance_features.scope_owner),
    OPERATOR 3 instance_features.= (instance_features.scope_owner, instance_features.scope_owner),
    OPERATOR 4 instance_features.>= (instance_features.scope_owner, instance_features.scope_owner),
    OPERATOR 5 instance_features.> (instance_features.scope_owner, instance_features.scope_owner),
    FUNCTION 1 instance_features.scope_owner_cmp(instance_features.scope_owner, instance_features.scope_owner);
COMMENT ON OPERATOR CLASS instance_features.scope_owner_ops USING btree IS
    'order of owners by their text forms, for one statement and not for an index';

CREATE OPERATOR FAMILY instance_features.scope_owner_ops USING hash;
COMMENT ON OPERATOR FAMILY instance_features.scope_owner_ops USING hash IS
    'equality of owners by their text forms, for one statement and not for an index';

CREATE OPERATOR CLASS instance_features.scope_owner_ops
DEFAULT FOR TYPE instance_features.scope_owner
USING hash FAMILY instance_features.scope_owner_ops AS
    OPERATOR 1 instance_features.= (instance_features.scope_owner, instance_features.scope_owner),
    FUNCTION 1 instance_features.scope_owner_hash(instance_features.scope_owner),
    FUNCTION 2 instance_features.scope_owner_hash_extended(instance_features.scope_owner, pg_catalog.int8);
COMMENT ON OPERATOR CLASS instance_features.scope_owner_ops USING hash IS
    'equality of owners by their text forms, for one statement and not for an index';

CREATE CAST (instance_features.scope_owner AS pg_catalog.text)
WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (instance_features.scope_owner AS pg_catalog.text) IS
    'text form of an owner';

CREATE FUNCTION instance_features.scope_owner_to_regrole(instance_features.scope_owner)
RETURNS pg_catalog.regrole
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_to_regrole(instance_features.scope_owner) IS
    'role of an owner, null if the owner is nobody';
CREATE CAST (instance_features.scope_owner AS pg_catalog.regrole)
WITH FUNCTION instance_features.scope_owner_to_regrole(instance_features.scope_owner) AS ASSIGNMENT;
COMMENT ON CAST (instance_features.scope_owner AS pg_catalog.regrole) IS
    'role of an owner, null if the owner is nobody';

CREATE FUNCTION instance_features.scope_owner_from_regrole(pg_catalog.regrole)
RETURNS instance_features.scope_owner
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_from_regrole(pg_catalog.regrole) IS
    'owner bound to a role, which must exist';
CREATE CAST (pg_catalog.regrole AS instance_features.scope_owner)
WITH FUNCTION instance_features.scope_owner_from_regrole(pg_catalog.regrole) AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.regrole AS instance_features.scope_owner) IS
    'owner bound to a role, which must exist';

--
-- Tables.  The C code reads them like system catalogs, so it relies on the
-- order, types and collations of columns, on the primary keys, and on the heap
-- access method.  Rows of table scope are checked by the C code of its trigger:
-- PostgreSQL prepares CHECK constraints again for every statement, which would
-- take a quarter of the time of a change.  The fillfactors leave room for the
-- row versions that changes create.
--
-- No rows are inserted here, because they would collide with a restored dump
-- and with the initial copy of a subscription: the system and the instance
-- "default" exist implicitly, and the built-in definitions are constants of the
-- library.
--
CREATE TABLE instance_features.scope (
    level text COLLATE "C" NOT NULL,
    instance_id text COLLATE "C" NOT NULL DEFAULT '',
    id text COLLATE "C" NOT NULL,
    owner instance_features.scope_owner,
    sequence bigint NOT NULL,
    change_date timestamptz,
    creation_date timestamptz,
    purged_to bigint,
    dropped boolean NOT NULL DEFAULT false,
    PRIMARY KEY (level, instance_id, id)
) USING heap WITH (fillfactor = 50);
COMMENT ON TABLE instance_features.scope IS
    'the system, each instance, and the organizations and users that were changed; the system, the instance "default", organizations and users exist without a row until their first change';
COMMENT ON COLUMN instance_features.scope.level IS
    'system, instance, organization or user';
COMMENT ON COLUMN instance_features.scope.instance_id IS
    'id of the instance to which an organization or user belongs, else empty';
COMMENT ON COLUMN instance_features.scope.id IS
    'SYSTEM, or the id of the instance, organization or user';
COMMENT ON COLUMN instance_features.scope.owner IS
    'the role that may change the scope; null for the owner of the database (system and instance "default"), of the system (other instances) or of the instance (organizations and users)';
COMMENT ON COLUMN instance_features.scope.sequence IS
    'sequence of the last event, 0 if there is none';
COMMENT ON COLUMN instance_features.scope.change_date IS
    'time of the last event, or of the creation if there is none; null for an implicit scope without events';
COMMENT ON COLUMN instance_features.scope.creation_date IS
    'time of the creation; null if the scope existed implicitly';
COMMENT ON COLUMN instance_features.scope.purged_to IS
    'sequence of the event before which events were purged, null if none were purged';
COMMENT ON COLUMN instance_features.scope.dropped IS
    'true if the instance "default", which exists without a row, was dropped';

CREATE TABLE instance_features.feature (
    key text COLLATE "C" NOT NULL
        CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
    json_name text COLLATE "C" NOT NULL UNIQUE
        CHECK (octet_length(json_name) BETWEEN 1 AND 200),
    value_type text COLLATE "C" NOT NULL
        CHECK (value_type IN ('boolean', 'string', 'integer', 'number', 'object', 'array')),
    default_value jsonb NOT NULL,
    allowed_values jsonb
        CHECK (jsonb_typeof(allowed_values) = 'array'),
    levels text[] NOT NULL DEFAULT '{system,instance}'
        CHECK (levels <@ '{system,instance,organization,user}' AND levels <> '{}'),
    stage text COLLATE "C" NOT NULL DEFAULT 'experimental'
        CHECK (stage IN ('experimental', 'stable', 'deprecated', 'removed')),
    description text NOT NULL DEFAULT '',
    creation_date timestamptz NOT NULL DEFAULT now()
        CHECK (isfinite(creation_date)),
    PRIMARY KEY (key)
) USING heap;
COMMENT ON TABLE instance_features.feature IS
    'the definitions of the features, except for the built-in ones';
COMMENT ON COLUMN instance_features.feature.key IS
    'the name of the feature in SQL, in snake_case';
COMMENT ON COLUMN instance_features.feature.json_name IS
    'the name of the feature in requests and responses, in lowerCamelCase';
COMMENT ON COLUMN instance_features.feature.value_type IS
    'the type of the feature''s values, one of feature_type';
COMMENT ON COLUMN instance_features.feature.default_value IS
    'the value if no scope sets the feature';
COMMENT ON COLUMN instance_features.feature.allowed_values IS
    'array of the allowed values, or of the allowed elements of an array; null if all of the type are allowed';
COMMENT ON COLUMN instance_features.feature.levels IS
    'the levels where the feature may be set, from the top down';
COMMENT ON COLUMN instance_features.feature.stage IS
    'stage of the feature''s life cycle, one of feature_stage';
COMMENT ON COLUMN instance_features.feature.description IS
    'description of the feature';
COMMENT ON COLUMN instance_features.feature.creation_date IS
    'time of the definition';

CREATE TABLE instance_features.setting (
    level text COLLATE "C" NOT NULL,
    instance_id text COLLATE "C" NOT NULL DEFAULT '',
    scope_id text COLLATE "C" NOT NULL,
    feature text COLLATE "C" NOT NULL,
    value jsonb NOT NULL,
    percentage numeric,
    sequence bigint NOT NULL,
    change_date timestamptz NOT NULL,
    PRIMARY KEY (level, instance_id, scope_id, feature)
) USING heap WITH (fillfactor = 50);
-- Lists the instances that set a feature, for index conditions, and all scopes
-- that do, for changes of its definition.
CREATE INDEX setting_feature_level_idx ON instance_features.setting (feature, level);
COMMENT ON INDEX instance_features.setting_feature_level_idx IS
    'finds the scopes that set a feature, by level';
COMMENT ON TABLE instance_features.setting IS
    'the current value of each feature that a scope sets';
COMMENT ON COLUMN instance_features.setting.level IS 'level of the scope';
COMMENT ON COLUMN instance_features.setting.instance_id IS
    'id of the instance to which an organization or user belongs, else empty';
COMMENT ON COLUMN instance_features.setting.scope_id IS 'id of the scope';
COMMENT ON COLUMN instance_features.setting.feature IS 'key of the feature';
COMMENT ON COLUMN instance_features.setting.value IS 'the value';
COMMENT ON COLUMN instance_features.setting.percentage IS
    'the share of the scopes below for which the value holds, from 0 to 100; null for all';
COMMENT ON COLUMN instance_features.setting.sequence IS
    'sequence of the event that set the value';
COMMENT ON COLUMN instance_features.setting.change_date IS
    'time of the event that set the value';

CREATE TABLE instance_features.event (
    level text COLLATE "C" NOT NULL,
    instance_id text COLLATE "C" NOT NULL DEFAULT '',
    scope_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    feature text COLLATE "C",
    old_value jsonb,
    value jsonb,
    percentage numeric,
    editor text COLLATE "C" NOT NULL,
    creation_date timestamptz NOT NULL,
    actor text COLLATE "C",
    reason text COLLATE "C",
    PRIMARY KEY (level, instance_id, scope_id, sequence)
) USING heap;
COMMENT ON TABLE instance_features.event IS
    'every change of every scope, never updated but for columns actor and reason, which a purge sets to null';
COMMENT ON COLUMN instance_features.event.level IS 'level of the scope';
COMMENT ON COLUMN instance_features.event.instance_id IS
    'id of the instance to which an organization or user belongs, else empty';
COMMENT ON COLUMN instance_features.event.scope_id IS 'id of the scope';
COMMENT ON COLUMN instance_features.event.sequence IS
    'number of the event in its scope: 1, 2, 3 and so on, without gaps except for purged events';
COMMENT ON COLUMN instance_features.event.event_type IS
    'feature.<level>.<key>.set, feature.<level>.<key>.rolled_out, feature.<level>.<key>.unset or feature.<level>.reset, where <level> is system, instance, org or user';
COMMENT ON COLUMN instance_features.event.feature IS
    'key of the feature, null for a reset';
COMMENT ON COLUMN instance_features.event.old_value IS
    'the previous value, null if the feature was not set';
COMMENT ON COLUMN instance_features.event.value IS
    'the new value, null if the feature was unset';
COMMENT ON COLUMN instance_features.event.percentage IS
    'the share of the scopes below for which the value holds, from 0 to 100; null for all';
COMMENT ON COLUMN instance_features.event.editor IS
    'name, at that time, of the role that made the change';
COMMENT ON COLUMN instance_features.event.creation_date IS
    'time of the change';
COMMENT ON COLUMN instance_features.event.actor IS
    'the end user who made the change, as setting instance_features.actor said; null if it said nothing';
COMMENT ON COLUMN instance_features.event.reason IS
    'the reason for the change, as setting instance_features.reason said; null if it said nothing';

SELECT pg_extension_config_dump('instance_features.scope', '');
SELECT pg_extension_config_dump('instance_features.feature', '');
SELECT pg_extension_config_dump('instance_features.setting', '');
SELECT pg_extension_config_dump('instance_features.event', '');

-- These triggers check every change of the tables, however it is made,
-- invalidate the caches of all sessions, and notify listeners.  They are ENABLE
-- ALWAYS row triggers, because apply workers of logical replication do not fire
-- others.
CREATE FUNCTION instance_features.track_changes()
RETURNS trigger
AS 'MODULE_PATHNAME'
LANGUAGE C;
COMMENT ON FUNCTION instance_features.track_changes() IS
    'internal: checks rows of scopes, invalidates the caches of all sessions, and collects notifications for the commit';

CREATE TRIGGER track_begin
BEFORE INSERT OR UPDATE OR DELETE ON instance_features.scope
FOR EACH ROW EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_end
AFTER INSERT OR UPDATE OR DELETE ON instance_features.scope
FOR EACH ROW EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_truncate_begin
BEFORE TRUNCATE ON instance_features.scope
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_truncate_end
AFTER TRUNCATE ON instance_features.scope
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.track_changes();
ALTER TABLE instance_features.scope
    ENABLE ALWAYS TRIGGER track_begin,
    ENABLE ALWAYS TRIGGER track_end,
    ENABLE ALWAYS TRIGGER track_truncate_begin,
    ENABLE ALWAYS TRIGGER track_truncate_end;
COMMENT ON TRIGGER track_begin ON instance_features.scope IS
    'prevents uncommitted changes from being cached';
COMMENT ON TRIGGER track_end ON instance_features.scope IS
    'invalidates the caches of all sessions and notifies listeners';
COMMENT ON TRIGGER track_truncate_begin ON instance_features.scope IS
    'prevents uncommitted changes from being cached';
COMMENT ON TRIGGER track_truncate_end ON instance_features.scope IS
    'invalidates the caches of all sessions and notifies listeners';

CREATE TRIGGER track_begin
BEFORE INSERT OR UPDATE OR DELETE ON instance_features.setting
FOR EACH ROW EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_end
AFTER INSERT OR UPDATE OR DELETE ON instance_features.setting
FOR EACH ROW EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_truncate_begin
BEFORE TRUNCATE ON instance_features.setting
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_truncate_end
AFTER TRUNCATE ON instance_features.setting
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.track_changes();
ALTER TABLE instance_features.setting
    ENABLE ALWAYS TRIGGER track_begin,
    ENABLE ALWAYS TRIGGER track_end,
    ENABLE ALWAYS TRIGGER track_truncate_begin,
    ENABLE ALWAYS TRIGGER track_truncate_end;
COMMENT ON TRIGGER track_begin ON instance_features.setting IS
    'prevents uncommitted changes from being cached';
COMMENT ON TRIGGER track_end ON instance_features.setting IS
    'invalidates the caches of all sessions and notifies listeners';
COMMENT ON TRIGGER track_truncate_begin ON instance_features.setting IS
    'prevents uncommitted changes from being cached';
COMMENT ON TRIGGER track_truncate_end ON instance_features.setting IS
    'invalidates the caches of all sessions and notifies listeners';

CREATE TRIGGER track_begin
BEFORE INSERT OR UPDATE OR DELETE ON instance_features.feature
FOR EACH ROW EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_end
AFTER INSERT OR UPDATE OR DELETE ON instance_features.feature
FOR EACH ROW EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_truncate_begin
BEFORE TRUNCATE ON instance_features.feature
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.track_changes();
CREATE TRIGGER track_truncate_end
AFTER TRUNCATE ON instance_features.feature
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.track_changes();
ALTER TABLE instance_features.feature
    ENABLE ALWAYS TRIGGER track_begin,
    ENABLE ALWAYS TRIGGER track_end,
    ENABLE ALWAYS TRIGGER track_truncate_begin,
    ENABLE ALWAYS TRIGGER track_truncate_end;
COMMENT ON TRIGGER track_begin ON instance_features.feature IS
    'prevents uncommitted changes from being cached';
COMMENT ON TRIGGER track_end ON instance_features.feature IS
    'invalidates the caches of all sessions and notifies listeners';
COMMENT ON TRIGGER track_truncate_begin ON instance_features.feature IS
    'prevents uncommitted changes from being cached';
COMMENT ON TRIGGER track_truncate_end ON instance_features.feature IS
    'invalidates the caches of all sessions and notifies listeners';

--
-- Types
--
CREATE TYPE @extschema@.feature_details AS (
    sequence bigint,
    change_date timestamptz,
    resource_owner text
);
COMMENT ON TYPE @extschema@.feature_details IS
    'sequence and time of the last event of a scope, and the id of the scope';

CREATE TYPE @extschema@.feature_level AS ENUM (
    'system', 'instance', 'organization', 'user'
);
COMMENT ON TYPE @extschema@.feature_level IS
    'a level of scopes, from the top down: a lower level inherits from the ones above it';

CREATE TYPE @extschema@.feature_source AS ENUM (
    'default', 'system', 'instance', 'organization', 'user'
);
COMMENT ON TYPE @extschema@.feature_source IS
    'the source of a feature''s value: the level that sets it, or the default';

CREATE TYPE @extschema@.feature_state AS (
    feature text,
    value jsonb,
    source @extschema@.feature_source,
    sequence bigint,
    change_date timestamptz,
    percentage numeric
);
COMMENT ON TYPE @extschema@.feature_state IS
    'value of a feature, its source, and the event that set it (null for a default); percentage is null unless the setting is only for a share of the scopes below';

CREATE TYPE @extschema@.feature_response AS (
    status integer,
    body jsonb,
    headers jsonb
);
COMMENT ON TYPE @extschema@.feature_response IS
    'an HTTP status, a JSON body (null if there is none), and headers by their names in lower case';

CREATE TYPE @extschema@.feature_type AS ENUM (
    'boolean', 'string', 'integer', 'number', 'object', 'array'
);
COMMENT ON TYPE @extschema@.feature_type IS
    'the JSON type of a feature''s values; integers are in the range of bigint';

CREATE TYPE @extschema@.feature_stage AS ENUM (
    'experimental', 'stable', 'deprecated', 'removed'
);
COMMENT ON TYPE @extschema@.feature_stage IS
    'stage of a feature''s life cycle: setting a deprecated feature raises a warning, setting a removed one has no effect';

--
-- Changing features
--
CREATE FUNCTION @extschema@.set_system_features(
    features jsonb,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_system_features(jsonb, bigint) IS
    'set the features named in a JSON object, or unset them (null), on the system; other features keep their values';

CREATE FUNCTION @extschema@.set_instance_features(
    features jsonb,
    instance_id text DEFAULT NULL,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_instance_features(jsonb, text, bigint) IS
    'set the features named in a JSON object, or unset them (null), on an instance; other features keep their values';

CREATE FUNCTION @extschema@.set_organization_features(
    features jsonb,
    organization_id text DEFAULT NULL,
    instance_id text DEFAULT NULL,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_organization_features(jsonb, text, text, bigint) IS
    'set the features named in a JSON object, or unset them (null), on an organization of an instance; other features keep their values';

CREATE FUNCTION @extschema@.set_user_features(
    features jsonb,
    user_id text DEFAULT NULL,
    instance_id text DEFAULT NULL,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_user_features(jsonb, text, text, bigint) IS
    'set the features named in a JSON object, or unset them (null), on a user of an instance; other features keep their values';

CREATE FUNCTION @extschema@.reset_system_features(
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.reset_system_features(bigint) IS
    'remove all settings of the system';

CREATE FUNCTION @extschema@.reset_instance_features(
    instance_id text DEFAULT NULL,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.reset_instance_features(text, bigint) IS
    'remove all settings of an instance';

CREATE FUNCTION @extschema@.reset_organization_features(
    organization_id text DEFAULT NULL,
    instance_id text DEFAULT NULL,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.reset_organization_features(text, text, bigint) IS
    'remove all settings of an organization of an instance';

CREATE FUNCTION @extschema@.reset_user_features(
    user_id text DEFAULT NULL,
    instance_id text DEFAULT NULL,
    expected_sequence bigint DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.reset_user_features(text, text, bigint) IS
    'remove all settings of a user of an instance';

CREATE FUNCTION @extschema@.roll_out_system_feature(
    feature text,
    percentage numeric,
    value jsonb DEFAULT 'true')
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.roll_out_system_feature(text, numeric, jsonb) IS
    'set a feature on the system for a percentage of the instances';

CREATE FUNCTION @extschema@.roll_out_instance_feature(
    feature text,
    percentage numeric,
    value jsonb DEFAULT 'true',
    instance_id text DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.roll_out_instance_feature(text, numeric, jsonb, text) IS
    'set a feature on an instance for a percentage of its users';

CREATE FUNCTION @extschema@.erase_organization_features(
    organization_id text,
    instance_id text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.erase_organization_features(text, text) IS
    'delete the settings and the events of an organization of an instance, and with them its id';

CREATE FUNCTION @extschema@.erase_user_features(
    user_id text,
    instance_id text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.erase_user_features(text, text) IS
    'delete the settings and the events of a user of an instance, and with them its id';

--
-- Reading features, after the functions that the planner calls for the readers
--
CREATE FUNCTION instance_features.feature_enabled_support(internal)
RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.feature_enabled_support(internal) IS
    'internal: planner support for feature_enabled(): index conditions, selectivity and cost';

CREATE FUNCTION instance_features.feature_states_support(internal)
RETURNS internal
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.feature_states_support(internal) IS
    'internal: planner support for functions that return feature_state: numbers of rows';

-- The last argument keeps SQL from calling it, because it would list the ids of
-- instances to any role.
CREATE FUNCTION instance_features.enabled_instances(
    feature text,
    fallback boolean,
    internal)
RETURNS text[]
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION instance_features.enabled_instances(text, boolean, internal) IS
    'internal: the instances where a feature is on, and perhaps others, for the index conditions that the planner makes of feature_enabled()';

CREATE FUNCTION @extschema@.feature_enabled(
    feature text,
    instance_id text DEFAULT NULL,
    organization_id text DEFAULT NULL,
    user_id text DEFAULT NULL,
    fallback boolean DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE
SUPPORT instance_features.feature_enabled_support;
COMMENT ON FUNCTION @extschema@.feature_enabled(text, text, text, text, boolean) IS
    'the effective value of a boolean feature for an instance, organization and user; fallback is the answer if the feature is not defined';

CREATE FUNCTION @extschema@.feature_value(
    feature text,
    instance_id text DEFAULT NULL,
    organization_id text DEFAULT NULL,
    user_id text DEFAULT NULL,
    fallback jsonb DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_value(text, text, text, text, jsonb) IS
    'the effective value of a feature of any type for an instance, organization and user; fallback is the answer if the feature is not defined';

CREATE FUNCTION @extschema@.feature_text(
    feature text,
    instance_id text DEFAULT NULL,
    organization_id text DEFAULT NULL,
    user_id text DEFAULT NULL,
    fallback text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_text(text, text, text, text, text) IS
    'the effective value of a feature of type string for an instance, organization and user; fallback is the answer if the feature is not defined';

CREATE FUNCTION @extschema@.feature_integer(
    feature text,
    instance_id text DEFAULT NULL,
    organization_id text DEFAULT NULL,
    user_id text DEFAULT NULL,
    fallback bigint DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_integer(text, text, text, text, bigint) IS
    'the effective value of a feature of type integer for an instance, organization and user; fallback is the answer if the feature is not defined';

CREATE FUNCTION @extschema@.feature_number(
    feature text,
    instance_id text DEFAULT NULL,
    organization_id text DEFAULT NULL,
    user_id text DEFAULT NULL,
    fallback numeric DEFAULT NULL)
RETURNS numeric
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_number(text, text, text, text, numeric) IS
    'the effective value of a feature of type number or integer for an instance, organization and user; fallback is the answer if the feature is not defined';

CREATE FUNCTION @extschema@.get_effective_features(
    instance_id text DEFAULT NULL,
    organization_id text DEFAULT NULL,
    user_id text DEFAULT NULL)
RETURNS SETOF @extschema@.feature_state
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT instance_features.feature_states_support;
COMMENT ON FUNCTION @extschema@.get_effective_features(text, text, text) IS
    'the effective value of every feature for an instance, organization and user';

CREATE FUNCTION @extschema@.get_system_features(
    inheritance boolean DEFAULT false)
RETURNS SETOF @extschema@.feature_state
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT instance_features.feature_states_support;
COMMENT ON FUNCTION @extschema@.get_system_features(boolean) IS
    'the settings of the system or, with inheritance, the effective value of every feature';

CREATE FUNCTION @extschema@.get_instance_features(
    inheritance boolean DEFAULT false,
    instance_id text DEFAULT NULL)
RETURNS SETOF @extschema@.feature_state
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT instance_features.feature_states_support;
COMMENT ON FUNCTION @extschema@.get_instance_features(boolean, text) IS
    'the settings of an instance or, with inheritance, the effective value of every feature';

CREATE FUNCTION @extschema@.get_organization_features(
    inheritance boolean DEFAULT false,
    organization_id text DEFAULT NULL,
    instance_id text DEFAULT NULL)
RETURNS SETOF @extschema@.feature_state
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT instance_features.feature_states_support;
COMMENT ON FUNCTION @extschema@.get_organization_features(boolean, text, text) IS
    'the settings of an organization or, with inheritance, the effective value of every feature';

CREATE FUNCTION @extschema@.get_user_features(
    inheritance boolean DEFAULT false,
    user_id text DEFAULT NULL,
    instance_id text DEFAULT NULL)
RETURNS SETOF @extschema@.feature_state
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SUPPORT instance_features.feature_states_support;
COMMENT ON FUNCTION @extschema@.get_user_features(boolean, text, text) IS
    'the settings of a user or, with inheritance, the effective value of every feature';

CREATE FUNCTION @extschema@.get_system_feature_details()
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.get_system_feature_details() IS
    'sequence and time of the last event of the system';

CREATE FUNCTION @extschema@.get_instance_feature_details(
    instance_id text DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.get_instance_feature_details(text) IS
    'sequence and time of the last event of an instance';

CREATE FUNCTION @extschema@.get_organization_feature_details(
    organization_id text DEFAULT NULL,
    instance_id text DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.get_organization_feature_details(text, text) IS
    'sequence and time of the last event of an organization';

CREATE FUNCTION @extschema@.get_user_feature_details(
    user_id text DEFAULT NULL,
    instance_id text DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.get_user_feature_details(text, text) IS
    'sequence and time of the last event of a user';

CREATE FUNCTION @extschema@.set_feature_context(
    instance_id text,
    organization_id text DEFAULT NULL,
    user_id text DEFAULT NULL,
    is_local boolean DEFAULT true)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_feature_context(text, text, text, boolean) IS
    'set the current instance, organization and user, for the transaction or, unless is_local, the session; what is null becomes none';

--
-- Definitions
--
CREATE FUNCTION @extschema@.define_feature(
    feature text,
    default_value jsonb DEFAULT 'false',
    description text DEFAULT NULL,
    json_name text DEFAULT NULL,
    value_type @extschema@.feature_type DEFAULT NULL,
    allowed_values jsonb DEFAULT NULL,
    levels @extschema@.feature_level[] DEFAULT '{system,instance}')
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.define_feature(text, jsonb, text, text, @extschema@.feature_type, jsonb, @extschema@.feature_level[]) IS
    'define a feature: unless given, the type is that of the default value and the JSON name is the key in lowerCamelCase';

CREATE FUNCTION @extschema@.alter_feature(
    feature text,
    default_value jsonb DEFAULT NULL,
    description text DEFAULT NULL,
    allowed_values jsonb DEFAULT NULL,
    levels @extschema@.feature_level[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.alter_feature(text, jsonb, text, jsonb, @extschema@.feature_level[]) IS
    'alter the given parts of a feature''s definition; JSON null as allowed values allows all values of the type';

CREATE FUNCTION @extschema@.set_feature_stage(
    feature text,
    stage @extschema@.feature_stage)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_feature_stage(text, @extschema@.feature_stage) IS
    'set the stage of a feature''s life cycle';

CREATE FUNCTION @extschema@.drop_feature(
    feature text,
    cascade boolean DEFAULT false)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.drop_feature(text, boolean) IS
    'drop a feature''s definition; with cascade, first unset the feature on all scopes';

--
-- Instances and owners
--
CREATE FUNCTION @extschema@.create_instance(
    instance_id text,
    owner regrole DEFAULT NULL,
    features jsonb DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.create_instance(text, regrole, jsonb) IS
    'create an instance, owned by the given role or the current role, with these features set';

CREATE FUNCTION @extschema@.drop_instance(
    instance_id text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.drop_instance(text) IS
    'drop an instance with its settings and events, and with its organizations and users';

CREATE FUNCTION @extschema@.alter_system_owner(
    owner regrole)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.alter_system_owner(regrole) IS
    'give the system scope, and with it the right to change every instance, to another role';

CREATE FUNCTION @extschema@.alter_instance_owner(
    owner regrole,
    instance_id text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.alter_instance_owner(regrole, text) IS
    'give an instance to another role';

--
-- Documents: definitions, and the settings of many scopes
--
CREATE FUNCTION @extschema@.apply_features(
    document jsonb,
    dry_run boolean DEFAULT false,
    OUT level text,
    OUT instance_id text,
    OUT scope_id text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT sequence bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.apply_features(jsonb, boolean) IS
    'define the features in a document, and replace the settings of all scopes in it: {"features": {"key": {...}}, "system": {...}, "instances": {"id": {...}}, "organizations": {"instance": {"id": {...}}}, "users": {"instance": {"id": {...}}}}; returns the changes';

CREATE FUNCTION @extschema@.export_features(
    users boolean DEFAULT false)
RETURNS jsonb
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.export_features(boolean) IS
    'all definitions, and the settings of the scopes that the current role may change (of users only if asked for), as a document for apply_features()';

--
-- History
--
CREATE FUNCTION @extschema@.system_feature_history(
    OUT sequence bigint,
    OUT event_type text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT editor text,
    OUT creation_date timestamptz,
    OUT actor text,
    OUT reason text,
    OUT percentage numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.system_feature_history() IS
    'the events of the system, oldest first';

CREATE FUNCTION @extschema@.instance_feature_history(
    instance_id text DEFAULT NULL,
    OUT sequence bigint,
    OUT event_type text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT editor text,
    OUT creation_date timestamptz,
    OUT actor text,
    OUT reason text,
    OUT percentage numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.instance_feature_history(text) IS
    'the events of an instance, oldest first';

CREATE FUNCTION @extschema@.organization_feature_history(
    organization_id text DEFAULT NULL,
    instance_id text DEFAULT NULL,
    OUT sequence bigint,
    OUT event_type text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT editor text,
    OUT creation_date timestamptz,
    OUT actor text,
    OUT reason text,
    OUT percentage numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.organization_feature_history(text, text) IS
    'the events of an organization of an instance, oldest first';

CREATE FUNCTION @extschema@.user_feature_history(
    user_id text DEFAULT NULL,
    instance_id text DEFAULT NULL,
    OUT sequence bigint,
    OUT event_type text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT editor text,
    OUT creation_date timestamptz,
    OUT actor text,
    OUT reason text,
    OUT percentage numeric)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.user_feature_history(text, text) IS
    'the events of a user of an instance, oldest first';

CREATE FUNCTION @extschema@.get_instance_features_at(
    at timestamptz,
    instance_id text DEFAULT NULL)
RETURNS SETOF @extschema@.feature_state
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.get_instance_features_at(timestamptz, text) IS
    'the settings that an instance had at a time';

CREATE FUNCTION @extschema@.revert_instance_features(
    sequence bigint,
    instance_id text DEFAULT NULL)
RETURNS @extschema@.feature_details
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.revert_instance_features(bigint, text) IS
    'restore the settings that an instance had after an event, by adding new events';

CREATE FUNCTION @extschema@.purge_feature_events(
    before timestamptz)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.purge_feature_events(timestamptz) IS
    'delete the events before a time that are not needed to reconstruct later settings, and who made the others and why; returns the number of deleted events';

--
-- The service
--
CREATE FUNCTION @extschema@.feature_service(
    method text,
    path text,
    body jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL)
RETURNS @extschema@.feature_response
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.feature_service(text, text, jsonb, jsonb) IS
    'handle one HTTP request of the feature service';

--
-- For the DBA
--
CREATE FUNCTION @extschema@.instance_features_stats(
    OUT hits bigint,
    OUT loads bigint,
    OUT invalidations bigint,
    OUT entries bigint,
    OUT bytes bigint)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.instance_features_stats() IS
    'statistics of this session''s cache: hits, loads, invalidations, and current scopes and bytes';

CREATE FUNCTION @extschema@.instance_features_version()
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.instance_features_version() IS
    'version of the library, which may be newer than that of the extension''s SQL objects';

-- C functions used by the views and check_tables() below.
CREATE FUNCTION instance_features.builtin_features(
    OUT key text,
    OUT json_name text,
    OUT value_type text,
    OUT default_value jsonb,
    OUT levels text[],
    OUT stage text,
    OUT description text)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 5;
COMMENT ON FUNCTION instance_features.builtin_features() IS
    'internal: the definitions of the built-in features';

CREATE FUNCTION instance_features.effective_owner(
    level text,
    id text,
    owner instance_features.scope_owner)
RETURNS regrole
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.effective_owner(text, text, instance_features.scope_owner) IS
    'internal: the role that owns a scope with this value in column "owner", null if none does';

CREATE FUNCTION instance_features.sees_all()
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.sees_all() IS
    'internal: true if the current role, as the system''s owner or member of pg_monitor, sees all instances in the views';

CREATE FUNCTION instance_features.own_settings(
    OUT level text,
    OUT instance_id text,
    OUT scope_id text,
    OUT feature text,
    OUT value jsonb,
    OUT percentage numeric,
    OUT sequence bigint,
    OUT change_date timestamptz,
    OUT editor text)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.own_settings() IS
    'internal: implementation of view own_setting';

CREATE FUNCTION instance_features.own_organizations(
    OUT instance_id text,
    OUT organization_id text,
    OUT sequence bigint,
    OUT change_date timestamptz,
    OUT settings bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.own_organizations() IS
    'internal: implementation of view organization';

CREATE FUNCTION instance_features.feature_value_violation(
    value jsonb,
    value_type text,
    allowed_values jsonb)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.feature_value_violation(jsonb, text, jsonb) IS
    'internal: the reason why a value is not valid for a feature, null if it is';

CREATE FUNCTION instance_features.rollout_position(
    feature text,
    id text)
RETURNS integer
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.rollout_position(text, text) IS
    'internal: position of an instance or user in the roll-outs of a feature, which include it if their percentage * 100 is larger';

CREATE FUNCTION instance_features.rollout_includes(
    feature text,
    percentage numeric,
    id text)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.rollout_includes(text, numeric, text) IS
    'internal: true if a setting with this percentage, or with none, holds for the instance or user';

CREATE VIEW instance_features.definition AS
SELECT f.key, f.json_name, f.value_type::@extschema@.feature_type AS value_type,
    f.default_value, f.allowed_values, f.levels::@extschema@.feature_level[] AS levels, f.stage::@extschema@.feature_stage AS stage,
    f.description, false AS builtin, f.creation_date
FROM instance_features.feature f
UNION ALL
SELECT b.key, b.json_name, b.value_type::@extschema@.feature_type,
    b.default_value, NULL::jsonb, b.levels::@extschema@.feature_level[], b.stage::@extschema@.feature_stage,
    b.description, true, NULL::timestamptz
FROM instance_features.builtin_features() b;
COMMENT ON VIEW instance_features.definition IS
    'the definitions of all features';
COMMENT ON COLUMN instance_features.definition.key IS 'the name of the feature in SQL, in snake_case';
COMMENT ON COLUMN instance_features.definition.json_name IS 'the name of the feature in requests and responses, in lowerCamelCase';
COMMENT ON COLUMN instance_features.definition.value_type IS 'the type of the feature''s values';
COMMENT ON COLUMN instance_features.definition.default_value IS 'the value if no scope sets the feature';
COMMENT ON COLUMN instance_features.definition.allowed_values IS 'array of the allowed values, or of the allowed elements of an array; null if all of the type are allowed';
COMMENT ON COLUMN instance_features.definition.levels IS 'the levels where the feature may be set';
COMMENT ON COLUMN instance_features.definition.stage IS 'stage of the feature''s life cycle';
COMMENT ON COLUMN instance_features.definition.description IS 'description of the feature';
COMMENT ON COLUMN instance_features.definition.builtin IS 'true if the feature is built in';
COMMENT ON COLUMN instance_features.definition.creation_date IS 'time of the definition, null if the feature is built in';

-- The two ORDER BY let a page of instances, ORDER BY instance_id LIMIT n, be read
-- in the order of the primary key: a view that is a security barrier is planned
-- on its own, and so is each part of a UNION.
CREATE VIEW instance_features.instance
WITH (security_barrier) AS
SELECT s.id AS instance_id,
    instance_features.effective_owner('instance', s.id, s.owner) AS owner,
    s.creation_date, s.sequence, s.change_date,
    (SELECT count(*) FROM instance_features.setting t
        WHERE t.level = 'instance' AND t.instance_id = '' AND t.scope_id = s.id) AS settings
FROM (
    (SELECT r.id, r.owner, r.creation_date, r.sequence, r.change_date
    FROM instance_features.scope r
    WHERE r.level = 'instance' AND r.instance_id = '' AND NOT r.dropped
    ORDER BY r.id)
    UNION ALL
    SELECT 'default'::text COLLATE "C", NULL::instance_features.scope_owner, NULL::timestamptz, 0::bigint, NULL::timestamptz
    WHERE NOT EXISTS (SELECT FROM instance_features.scope r
        WHERE r.level = 'instance' AND r.instance_id = '' AND r.id = 'default')
) s
WHERE (SELECT instance_features.sees_all())
    OR pg_has_role(instance_features.effective_owner('instance', s.id, s.owner), 'USAGE')
ORDER BY s.id;
COMMENT ON VIEW instance_features.instance IS
    'the instances that the current role may change; the system''s owner and members of pg_monitor see all';
COMMENT ON COLUMN instance_features.instance.instance_id IS 'id of the instance';
COMMENT ON COLUMN instance_features.instance.owner IS 'the role that may change the instance, null if that role does not exist';
COMMENT ON COLUMN instance_features.instance.creation_date IS 'time of the creation, null for an implicit instance';
COMMENT ON COLUMN instance_features.instance.sequence IS 'sequence of the last event, 0 if there is none';
COMMENT ON COLUMN instance_features.instance.change_date IS 'time of the last event, or of the creation if there is none';
COMMENT ON COLUMN instance_features.instance.settings IS 'number of features that the instance sets';

CREATE VIEW instance_features.effective_feature
WITH (security_barrier) AS
SELECT i.instance_id, f.key AS feature,
    coalesce(own.value, sys.value, f.default_value) AS value,
    (CASE WHEN own.feature IS NOT NULL THEN 'instance' WHEN sys.feature IS NOT NULL THEN 'system' ELSE 'default' END)::@extschema@.feature_source AS source,
    coalesce(own.sequence, sys.sequence) AS sequence,
    coalesce(own.change_date, sys.change_date) AS change_date,
    coalesce(own_event.editor, sys_event.editor) AS editor
FROM instance_features.instance i
CROSS JOIN instance_features.definition f
LEFT JOIN instance_features.setting own
    ON own.level = 'instance' AND own.instance_id = '' AND own.scope_id = i.instance_id AND own.feature = f.key
    AND own.percentage IS NULL
LEFT JOIN instance_features.setting sys
    ON sys.level = 'system' AND sys.instance_id = '' AND sys.scope_id = 'SYSTEM' AND sys.feature = f.key AND own.feature IS NULL
    AND instance_features.rollout_includes(f.key, sys.percentage, i.instance_id)
LEFT JOIN instance_features.event own_event
    ON own_event.level = 'instance' AND own_event.instance_id = '' AND own_event.scope_id = i.instance_id AND own_event.sequence = own.sequence
LEFT JOIN instance_features.event sys_event
    ON sys_event.level = 'system' AND sys_event.instance_id = '' AND sys_event.scope_id = 'SYSTEM' AND sys_event.sequence = sys.sequence
    AND (SELECT instance_features.sees_all())
WHERE f.stage <> 'removed'::@extschema@.feature_stage;
COMMENT ON VIEW instance_features.effective_feature IS
    'the effective value of each feature on each instance, for no user, with the source, time and editor of the setting';
COMMENT ON COLUMN instance_features.effective_feature.instance_id IS 'id of the instance';
COMMENT ON COLUMN instance_features.effective_feature.feature IS 'key of the feature';
COMMENT ON COLUMN instance_features.effective_feature.value IS 'the effective value on the instance';
COMMENT ON COLUMN instance_features.effective_feature.source IS 'the source of the value: instance, system or default';
COMMENT ON COLUMN instance_features.effective_feature.sequence IS 'sequence of the event that set the value, null for a default';
COMMENT ON COLUMN instance_features.effective_feature.change_date IS 'time of that event';
COMMENT ON COLUMN instance_features.effective_feature.editor IS 'name, at that time, of the role that set the value; shown for the system''s settings only to roles that see all instances';

CREATE VIEW instance_features.own_setting AS
SELECT s.level::@extschema@.feature_level AS level, s.instance_id, s.scope_id, s.feature, s.value, s.percentage, s.sequence, s.change_date, s.editor
FROM instance_features.own_settings() s;
COMMENT ON VIEW instance_features.own_setting IS
    'the settings of all scopes that the current role may change';
COMMENT ON COLUMN instance_features.own_setting.level IS 'level of the scope';
COMMENT ON COLUMN instance_features.own_setting.instance_id IS 'id of the instance that the scope is or belongs to, null for the system';
COMMENT ON COLUMN instance_features.own_setting.scope_id IS 'id of the scope';
COMMENT ON COLUMN instance_features.own_setting.feature IS 'key of the feature';
COMMENT ON COLUMN instance_features.own_setting.value IS 'the value';
COMMENT ON COLUMN instance_features.own_setting.percentage IS 'the share of the scopes below for which the value holds, null for all';
COMMENT ON COLUMN instance_features.own_setting.sequence IS 'sequence of the event that set the value';
COMMENT ON COLUMN instance_features.own_setting.change_date IS 'time of that event';
COMMENT ON COLUMN instance_features.own_setting.editor IS 'name, at that time, of the role that set the value';

CREATE VIEW instance_features.organization AS
SELECT o.instance_id, o.organization_id, o.sequence, o.change_date, o.settings
FROM instance_features.own_organizations() o;
COMMENT ON VIEW instance_features.organization IS
    'the organizations that were ever changed, of all instances that the current role may change';
COMMENT ON COLUMN instance_features.organization.instance_id IS 'id of the instance';
COMMENT ON COLUMN instance_features.organization.organization_id IS 'id of the organization';
COMMENT ON COLUMN instance_features.organization.sequence IS 'sequence of the last event';
COMMENT ON COLUMN instance_features.organization.change_date IS 'time of the last event';
COMMENT ON COLUMN instance_features.organization.settings IS 'number of features that the organization sets';

CREATE VIEW instance_features.feature_usage
WITH (security_barrier) AS
WITH rollout AS (
    SELECT s.feature, s.value, s.percentage,
        (SELECT count(*) FROM instance_features.instance i
            WHERE instance_features.rollout_includes(s.feature, s.percentage, i.instance_id)
                AND NOT EXISTS (SELECT FROM instance_features.setting own
                    WHERE own.level = 'instance' AND own.instance_id = '' AND own.scope_id = i.instance_id
                        AND own.feature = s.feature AND own.percentage IS NULL)) AS reached
    FROM instance_features.setting s
    WHERE s.level = 'system' AND s.instance_id = '' AND s.scope_id = 'SYSTEM' AND s.percentage IS NOT NULL
)
SELECT f.key AS feature, f.stage, t.value,
    count(*) FILTER (WHERE t.level = 'instance') AS instances,
    count(*) FILTER (WHERE t.level = 'organization') AS organizations,
    count(*) FILTER (WHERE t.level = 'user') AS users,
    max(t.percentage) AS percentage, max(t.reached) AS reached
FROM instance_features.definition f
LEFT JOIN (
    SELECT 'system', r.feature, r.value, r.percentage, r.reached
    FROM rollout r
    UNION ALL
    SELECT s.level, s.feature, s.value, NULL::numeric, NULL::bigint
    FROM instance_features.setting s
    JOIN instance_features.instance i ON s.level = 'instance' AND s.instance_id = '' AND s.scope_id = i.instance_id
    UNION ALL
    SELECT o.level, o.feature, o.value, NULL::numeric, NULL::bigint
    FROM instance_features.own_settings() o
    WHERE o.level IN ('organization', 'user')
) t(level, feature, value, percentage, reached) ON t.feature = f.key
GROUP BY f.key, f.stage, t.value;
COMMENT ON VIEW instance_features.feature_usage IS
    'the values that instances, organizations and users set for each feature, and how many of each set them; and those that the system rolls out';
COMMENT ON COLUMN instance_features.feature_usage.feature IS 'key of the feature';
COMMENT ON COLUMN instance_features.feature_usage.stage IS 'stage of the feature''s life cycle';
COMMENT ON COLUMN instance_features.feature_usage.value IS 'a value that some scope sets or the system rolls out, null if there is none';
COMMENT ON COLUMN instance_features.feature_usage.instances IS 'number of instances that set this value, for all or some of their users, of those in view "instance"';
COMMENT ON COLUMN instance_features.feature_usage.organizations IS 'number of organizations that set this value, of instances that the current role may change';
COMMENT ON COLUMN instance_features.feature_usage.users IS 'number of users that set this value, of instances that the current role may change';
COMMENT ON COLUMN instance_features.feature_usage.percentage IS 'percentage of the instances for which the system rolls out this value, null if it does not';
COMMENT ON COLUMN instance_features.feature_usage.reached IS 'number of instances that have this value from that roll-out, of those in view "instance"';

--
-- Consistency.  The check is one query, so it uses one snapshot, and its names
-- are resolved here.  It is in a separate function so that \df+ *feature* does
-- not show the query.
--
CREATE FUNCTION instance_features.altered_tables()
RETURNS SETOF text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION instance_features.altered_tables() IS
    'internal: a sentence for each table that differs from the one created by the extension';

CREATE FUNCTION instance_features.check_tables(
    OUT problem text,
    OUT level text,
    OUT instance_id text,
    OUT scope_id text,
    OUT feature text,
    OUT sequence bigint,
    OUT detail text)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH numbered AS (
        SELECT e.level, e.instance_id, e.scope_id, e.sequence, e.feature, e.value, e.percentage,
            lag(e.sequence, 1, 0::bigint) OVER w AS previous,
            max(e.sequence) FILTER (WHERE e.feature IS NULL) OVER w AS last_reset
        FROM instance_features.event e
        WINDOW w AS (PARTITION BY e.level, e.instance_id, e.scope_id ORDER BY e.sequence)
    ), last AS (
        SELECT e.level, e.instance_id, e.scope_id, max(e.sequence) AS sequence, max(e.last_reset) AS last_reset
        FROM numbered e
        GROUP BY e.level, e.instance_id, e.scope_id
    ), replayed AS (
        SELECT DISTINCT ON (e.level, e.instance_id, e.scope_id, e.feature)
            e.level, e.instance_id, e.scope_id, e.feature, e.value, e.percentage, e.sequence
        FROM numbered e
        JOIN last l ON l.level = e.level AND l.instance_id = e.instance_id AND l.scope_id = e.scope_id
        WHERE e.feature IS NOT NULL AND e.sequence > coalesce(l.last_reset, 0)
        ORDER BY e.level, e.instance_id, e.scope_id, e.feature, e.sequence DESC
    ), tracked AS (
        SELECT c.oid, c.relname, t.tgname
        FROM pg_class c, (VALUES ('track_begin'), ('track_end'), ('track_truncate_begin'), ('track_truncate_end')) t(tgname)
        WHERE c.relnamespace = 'instance_features'::regnamespace AND c.relname IN ('scope', 'setting', 'feature')
    ), member AS (
        SELECT d.classid, d.objid, coalesce(n.nspowner, c.relowner, p.proowner, t.typowner, o.oprowner, oc.opcowner, opf.opfowner) AS owner
        FROM pg_extension x
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND d.deptype = 'e'
        LEFT JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
        LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
        LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
        LEFT JOIN pg_operator o ON d.classid = 'pg_operator'::regclass AND o.oid = d.objid
        LEFT JOIN pg_opclass oc ON d.classid = 'pg_opclass'::regclass AND oc.oid = d.objid
        LEFT JOIN pg_opfamily opf ON d.classid = 'pg_opfamily'::regclass AND opf.oid = d.objid
        WHERE x.extname = 'instance_features'
    )
    SELECT 'owner without role', s.level, s.instance_id, s.id, NULL::text, NULL::bigint,
        format('The role that was named %s is gone.', ltrim(s.owner::text, '?'))
    FROM instance_features.scope s
    WHERE s.owner IS NOT NULL AND s.owner::regrole IS NULL
    UNION ALL
    SELECT 'sequence gap', e.level, e.instance_id, e.scope_id, e.feature, e.sequence,
        format('The event before it is %s.', e.previous)
    FROM numbered e
    LEFT JOIN instance_features.scope s ON s.level = e.level AND s.instance_id = e.instance_id AND s.id = e.scope_id
    WHERE e.sequence <> e.previous + 1 AND e.sequence > coalesce(s.purged_to, 0)
    UNION ALL
    SELECT 'sequence gap', s.level, s.instance_id, s.id, NULL, s.purged_to,
        'The event to which the events were purged is missing.'
    FROM instance_features.scope s
    WHERE s.purged_to IS NOT NULL AND NOT EXISTS (SELECT FROM instance_features.event e
        WHERE e.level = s.level AND e.instance_id = s.instance_id AND e.scope_id = s.id AND e.sequence = s.purged_to)
    UNION ALL
    SELECT 'sequence differs from events', s.level, s.instance_id, s.id, NULL, s.sequence,
        format('The last event is %s.', coalesce(l.sequence, 0))
    FROM instance_features.scope s
    LEFT JOIN last l ON l.level = s.level AND l.instance_id = s.instance_id AND l.scope_id = s.id
    WHERE s.sequence <> coalesce(l.sequence, 0)
    UNION ALL
    SELECT 'event without scope', l.level, l.instance_id, l.scope_id, NULL, l.sequence,
        'No scope has this id.'
    FROM last l
    WHERE NOT EXISTS (SELECT FROM instance_features.scope s
        WHERE s.level = l.level AND s.instance_id = l.instance_id AND s.id = l.scope_id)
    UNION ALL
    SELECT 'scope without instance', s.level, s.instance_id, s.id, NULL, s.sequence,
        format('There is no instance %s.', quote_ident(s.instance_id))
    FROM instance_features.scope s
    WHERE s.instance_id <> ''
        AND NOT EXISTS (SELECT FROM instance_features.scope i
            WHERE i.level = 'instance' AND i.instance_id = '' AND i.id = s.instance_id AND NOT i.dropped)
    UNION ALL
    SELECT 'setting without event', t.level, t.instance_id, t.scope_id, t.feature, t.sequence,
        'No event of this scope and sequence sets the feature.'
    FROM instance_features.setting t
    WHERE NOT EXISTS (SELECT FROM instance_features.event e
        WHERE e.level = t.level AND e.instance_id = t.instance_id AND e.scope_id = t.scope_id AND e.sequence = t.sequence
            AND e.feature = t.feature AND e.value IS NOT NULL)
    UNION ALL
    SELECT 'setting differs from events', coalesce(t.level, r.level), coalesce(t.instance_id, r.instance_id), coalesce(t.scope_id, r.scope_id),
        coalesce(t.feature, r.feature), coalesce(t.sequence, r.sequence),
        format('The setting is %s, the last event set %s.',
            coalesce(t.value::text || CASE WHEN t.percentage IS NULL THEN '' ELSE format(' for %s %%', t.percentage) END, 'missing'),
            coalesce(r.value::text || CASE WHEN r.percentage IS NULL THEN '' ELSE format(' for %s %%', r.percentage) END, 'nothing'))
    FROM instance_features.setting t
    FULL JOIN replayed r ON r.level = t.level AND r.instance_id = t.instance_id AND r.scope_id = t.scope_id AND r.feature = t.feature
    WHERE t.value IS DISTINCT FROM r.value OR t.percentage IS DISTINCT FROM r.percentage
    UNION ALL
    SELECT 'percentage not valid', t.level, t.instance_id, t.scope_id, t.feature, t.sequence,
        CASE WHEN t.level IN ('system', 'instance') THEN format('It is %s.', t.percentage)
            ELSE format('Features cannot be rolled out on level %s.', t.level) END
    FROM instance_features.setting t
    WHERE t.percentage IS NOT NULL
        AND NOT (t.level IN ('system', 'instance') AND t.percentage BETWEEN 0 AND 100 AND t.percentage = round(t.percentage, 2))
    UNION ALL
    SELECT 'unknown feature', t.level, t.instance_id, t.scope_id, t.feature, t.sequence,
        'No definition has this key.'
    FROM instance_features.setting t
    WHERE NOT EXISTS (SELECT FROM instance_features.definition f WHERE f.key = t.feature)
    UNION ALL
    SELECT 'setting on another level', t.level, t.instance_id, t.scope_id, t.feature, t.sequence,
        format('The feature cannot be set on level %s.', t.level)
    FROM instance_features.setting t
    WHERE NOT EXISTS (SELECT FROM instance_features.definition f WHERE f.key = t.feature AND t.level = ANY (f.levels::text[]))
        AND EXISTS (SELECT FROM instance_features.definition f WHERE f.key = t.feature)
    UNION ALL
    SELECT 'value not allowed', t.level, t.instance_id, t.scope_id, t.feature, t.sequence, v.violation
    FROM instance_features.setting t
    JOIN instance_features.definition f ON f.key = t.feature,
    LATERAL instance_features.feature_value_violation(t.value, f.value_type::text,
        CASE WHEN f.stage <> 'removed'::@extschema@.feature_stage THEN f.allowed_values END) v(violation)
    WHERE v.violation IS NOT NULL
    UNION ALL
    SELECT 'ambiguous name', NULL, NULL, NULL, f.key, NULL,
        format('%s is also the key or JSON name of %s.', n.name, g.key)
    FROM instance_features.definition f,
    LATERAL (VALUES (f.key), (f.json_name)) n(name)
    JOIN instance_features.definition g ON g.json_name = n.name OR g.key = n.name
    WHERE g.key <> f.key OR g.builtin <> f.builtin
    UNION ALL
    SELECT 'trigger missing or not ALWAYS', NULL, NULL, NULL, NULL, NULL,
        format('Trigger %s of table instance_features.%s must be enabled ALWAYS.', r.tgname, r.relname)
    FROM tracked r
    WHERE NOT EXISTS (SELECT FROM pg_trigger t
        WHERE t.tgrelid = r.oid AND t.tgname = r.tgname AND t.tgenabled = 'A'
            AND t.tgfoid = 'instance_features.track_changes()'::regprocedure)
    UNION ALL
    SELECT 'table altered', NULL, NULL, NULL, NULL, NULL, a.problem
    FROM instance_features.altered_tables() a(problem)
    UNION ALL
    SELECT 'member not owned by the bootstrap superuser', NULL, NULL, NULL, NULL, NULL,
        format('%s belongs to %s.', pg_describe_object(m.classid, m.objid, 0), m.owner::regrole)
    FROM member m
    WHERE m.owner <> 10
    ORDER BY 2 NULLS FIRST, 3, 4, 5 NULLS FIRST, 6, 1, 7;
END;
COMMENT ON FUNCTION instance_features.check_tables() IS
    'internal: implementation of check_instance_features()';

CREATE FUNCTION @extschema@.check_instance_features(
    OUT problem text,
    OUT level text,
    OUT instance_id text,
    OUT scope_id text,
    OUT feature text,
    OUT sequence bigint,
    OUT detail text)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT c.problem, c.level, c.instance_id, c.scope_id, c.feature, c.sequence, c.detail
    FROM instance_features.check_tables() c;
END;
COMMENT ON FUNCTION @extschema@.check_instance_features() IS
    'one row for each inconsistency in the extension''s tables';

--
-- Privileges.  All members are owned by the bootstrap superuser, regardless of
-- which role creates the extension, so that no other role can alter or replace
-- objects that others use.  The owner of the database gets the privileges that
-- dumps, restores and repairs need.
--
DO $$
DECLARE
    member record;
BEGIN
    FOR member IN
        SELECT i.type, i.identity
        FROM pg_extension x
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid AND d.deptype = 'e',
        LATERAL pg_identify_object(d.classid, d.objid, 0) i
        WHERE x.extname = 'instance_features'
            AND i.type IN ('schema', 'table', 'view', 'function', 'type', 'composite type', 'operator', 'operator class', 'operator family')
            AND NOT EXISTS (SELECT FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND (t.typelem <> 0 AND t.typlen = -1 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind <> 'c')))
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO %s',
            CASE member.type WHEN 'composite type' THEN 'type' ELSE member.type END,
            member.identity, 10::oid::regrole);
    END LOOP;
END
$$;

-- This must follow the changes of owners: pg_init_privs records the initial
-- privileges, and must not refer to a role that may be dropped.
REVOKE EXECUTE ON FUNCTION instance_features.track_changes() FROM PUBLIC;
GRANT USAGE ON SCHEMA instance_features TO PUBLIC, pg_database_owner;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE
    ON instance_features.scope, instance_features.feature, instance_features.setting, instance_features.event
    TO pg_database_owner;
GRANT SELECT
    ON instance_features.definition, instance_features.instance, instance_features.organization, instance_features.own_setting,
        instance_features.effective_feature, instance_features.feature_usage
    TO PUBLIC;
