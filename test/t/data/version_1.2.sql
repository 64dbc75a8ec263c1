-- The tables, types and C functions of development version 1.2, in the current
-- schema.  What is left out (views, SQL functions, comments, constraints) is
-- nothing that the library sees.
CREATE SCHEMA instance_features;

CREATE TABLE instance_features.scope (
    level text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    owner regrole,
    sequence bigint NOT NULL,
    change_date timestamptz NOT NULL,
    creation_date timestamptz NOT NULL,
    PRIMARY KEY (level, id)
) USING heap WITH (fillfactor = 50);

CREATE TABLE instance_features.feature (
    key text COLLATE "C" NOT NULL,
    json_name text COLLATE "C" NOT NULL UNIQUE,
    value_type text COLLATE "C" NOT NULL,
    default_value jsonb NOT NULL,
    description text NOT NULL DEFAULT '',
    builtin boolean NOT NULL DEFAULT false,
    creation_date timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key)
) USING heap;

CREATE TABLE instance_features.setting (
    level text COLLATE "C" NOT NULL,
    scope_id text COLLATE "C" NOT NULL,
    feature text COLLATE "C" NOT NULL,
    value jsonb NOT NULL,
    sequence bigint NOT NULL,
    change_date timestamptz NOT NULL,
    PRIMARY KEY (level, scope_id, feature)
) USING heap WITH (fillfactor = 50);

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

CREATE TABLE instance_features.invalidation () USING heap;

ALTER TABLE instance_features.feature
    ADD COLUMN stage text COLLATE "C" NOT NULL DEFAULT 'experimental',
    ADD COLUMN allowed_values jsonb;
ALTER TABLE instance_features.scope ADD COLUMN purged_to bigint;

CREATE TYPE feature_details AS (
    sequence bigint,
    change_date timestamptz,
    resource_owner text
);

CREATE TYPE feature_source AS ENUM (
    'default', 'system', 'instance', 'organization', 'user'
);

CREATE TYPE feature_state AS (
    feature text,
    value jsonb,
    source feature_source,
    sequence bigint,
    change_date timestamptz
);

CREATE TYPE feature_response AS (
    status integer,
    body jsonb
);

CREATE TYPE feature_type AS ENUM (
    'boolean', 'string', 'integer', 'number', 'object', 'array'
);

CREATE TYPE feature_stage AS ENUM (
    'experimental', 'stable', 'deprecated', 'removed'
);

CREATE FUNCTION set_instance_features(
    features jsonb,
    instance_id text DEFAULT NULL,
    expected_sequence bigint DEFAULT NULL)
RETURNS feature_details
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION reset_instance_features(
    instance_id text DEFAULT NULL)
RETURNS feature_details
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION set_system_features(
    features jsonb,
    expected_sequence bigint DEFAULT NULL)
RETURNS feature_details
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION reset_system_features()
RETURNS feature_details
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION get_instance_features(
    inheritance boolean DEFAULT false,
    instance_id text DEFAULT NULL)
RETURNS SETOF feature_state
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;

CREATE FUNCTION get_system_features(
    inheritance boolean DEFAULT false)
RETURNS SETOF feature_state
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;

CREATE FUNCTION get_instance_feature_details(
    instance_id text DEFAULT NULL)
RETURNS feature_details
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION get_system_feature_details()
RETURNS feature_details
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION feature_enabled(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS boolean
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION feature_value(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS jsonb
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION create_instance(
    instance_id text,
    owner regrole DEFAULT NULL)
RETURNS feature_details
AS '$libdir/instance_features', 'create_feature_instance'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION drop_instance(
    instance_id text)
RETURNS void
AS '$libdir/instance_features', 'drop_feature_instance'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION alter_instance_owner(
    owner regrole,
    instance_id text DEFAULT NULL)
RETURNS void
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION alter_system_owner(
    owner regrole)
RETURNS void
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION instance_feature_history(
    instance_id text DEFAULT NULL,
    OUT sequence bigint,
    OUT event_type text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT editor text,
    OUT creation_date timestamptz)
RETURNS SETOF record
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION system_feature_history(
    OUT sequence bigint,
    OUT event_type text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT editor text,
    OUT creation_date timestamptz)
RETURNS SETOF record
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION feature_service(
    method text,
    path text,
    body jsonb DEFAULT NULL)
RETURNS feature_response
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION define_feature(
    feature text,
    default_value jsonb DEFAULT 'false',
    description text DEFAULT NULL,
    json_name text DEFAULT NULL,
    value_type feature_type DEFAULT NULL,
    allowed_values jsonb DEFAULT NULL)
RETURNS void
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION alter_feature(
    feature text,
    default_value jsonb DEFAULT NULL,
    description text DEFAULT NULL,
    allowed_values jsonb DEFAULT NULL)
RETURNS void
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION drop_feature(
    feature text,
    cascade boolean DEFAULT false)
RETURNS void
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION set_feature_stage(
    feature text,
    stage feature_stage)
RETURNS void
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION feature_text(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS text
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION feature_integer(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS bigint
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION feature_number(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS numeric
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION apply_features(
    document jsonb,
    dry_run boolean DEFAULT false,
    OUT level text,
    OUT scope_id text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT sequence bigint)
RETURNS SETOF record
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION export_features()
RETURNS jsonb
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

CREATE FUNCTION get_instance_features_at(
    at timestamptz,
    instance_id text DEFAULT NULL)
RETURNS SETOF feature_state
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;

CREATE FUNCTION revert_instance_features(
    sequence bigint,
    instance_id text DEFAULT NULL)
RETURNS feature_details
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION purge_feature_events(
    before timestamptz)
RETURNS bigint
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION instance_features_stats(
    OUT hits bigint,
    OUT loads bigint,
    OUT invalidations bigint,
    OUT entries bigint,
    OUT bytes bigint)
RETURNS record
AS '$libdir/instance_features'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

CREATE FUNCTION instance_features_version()
RETURNS text
AS '$libdir/instance_features'
LANGUAGE C STABLE PARALLEL SAFE;

-- The triggers last, for an INSERT that they would refuse.
INSERT INTO instance_features.feature (key, json_name, value_type, default_value, builtin)
VALUES ('user_schema', 'userSchema', 'boolean', 'false', true);

CREATE FUNCTION instance_features.invalidate()
RETURNS trigger
AS '$libdir/instance_features', 'instance_features_invalidate'
LANGUAGE C;
CREATE TRIGGER invalidate
AFTER INSERT OR UPDATE OR DELETE ON instance_features.scope
FOR EACH ROW EXECUTE FUNCTION instance_features.invalidate();
CREATE TRIGGER invalidate_truncate
AFTER TRUNCATE ON instance_features.scope
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.invalidate();
CREATE TRIGGER invalidate
AFTER INSERT OR UPDATE OR DELETE ON instance_features.feature
FOR EACH ROW EXECUTE FUNCTION instance_features.invalidate();
CREATE TRIGGER invalidate_truncate
AFTER TRUNCATE ON instance_features.feature
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.invalidate();
CREATE TRIGGER invalidate
AFTER INSERT OR UPDATE OR DELETE ON instance_features.setting
FOR EACH ROW EXECUTE FUNCTION instance_features.invalidate();
CREATE TRIGGER invalidate_truncate
AFTER TRUNCATE ON instance_features.setting
FOR EACH STATEMENT EXECUTE FUNCTION instance_features.invalidate();
ALTER TABLE instance_features.scope ENABLE ALWAYS TRIGGER invalidate, ENABLE ALWAYS TRIGGER invalidate_truncate;
ALTER TABLE instance_features.feature ENABLE ALWAYS TRIGGER invalidate, ENABLE ALWAYS TRIGGER invalidate_truncate;
ALTER TABLE instance_features.setting ENABLE ALWAYS TRIGGER invalidate, ENABLE ALWAYS TRIGGER invalidate_truncate;
