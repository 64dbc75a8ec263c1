-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION instance_features UPDATE TO '1.2'" to load this file. \quit

--
-- Tables.  The C code finds these columns by name.
--
ALTER TABLE instance_features.feature
    ADD COLUMN stage text COLLATE "C" NOT NULL DEFAULT 'experimental'
        CHECK (stage IN ('experimental', 'stable', 'deprecated', 'removed')),
    ADD COLUMN allowed_values jsonb
        CHECK (jsonb_typeof(allowed_values) = 'array');
COMMENT ON COLUMN instance_features.feature.stage IS
    'where the feature is in its life: experimental, stable, deprecated or removed';
COMMENT ON COLUMN instance_features.feature.allowed_values IS
    'array of the values that it, or each element of it, may have; null if all of its type';

ALTER TABLE instance_features.scope
    ADD COLUMN purged_to bigint;
COMMENT ON COLUMN instance_features.scope.purged_to IS
    'sequence of the event before which events were purged, null if none were';
COMMENT ON COLUMN instance_features.event.sequence IS
    'number of the event in its scope: 1, 2, 3 and so on, without a gap but for purged events';

--
-- Definitions
--
CREATE TYPE @extschema@.feature_type AS ENUM (
    'boolean', 'string', 'integer', 'number', 'object', 'array'
);
COMMENT ON TYPE @extschema@.feature_type IS
    'the JSON type of a feature''s values; an integer is in the range of bigint';

CREATE TYPE @extschema@.feature_stage AS ENUM (
    'experimental', 'stable', 'deprecated', 'removed'
);
COMMENT ON TYPE @extschema@.feature_stage IS
    'where a feature is in its life: setting a deprecated one warns, setting a removed one does nothing';

CREATE FUNCTION @extschema@.define_feature(
    feature text,
    default_value jsonb DEFAULT 'false',
    description text DEFAULT NULL,
    json_name text DEFAULT NULL,
    value_type @extschema@.feature_type DEFAULT NULL,
    allowed_values jsonb DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.define_feature(text, jsonb, text, text, @extschema@.feature_type, jsonb) IS
    'define a feature: the type is the default''s own, the JSON name the key in lowerCamelCase, unless given';

CREATE FUNCTION @extschema@.alter_feature(
    feature text,
    default_value jsonb DEFAULT NULL,
    description text DEFAULT NULL,
    allowed_values jsonb DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.alter_feature(text, jsonb, text, jsonb) IS
    'alter what is given of a feature''s definition; allowed values of JSON null allow all of its type';

CREATE FUNCTION @extschema@.drop_feature(
    feature text,
    cascade boolean DEFAULT false)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.drop_feature(text, boolean) IS
    'drop a feature''s definition; with cascade, unset it first wherever it is set';

CREATE FUNCTION @extschema@.set_feature_stage(
    feature text,
    stage @extschema@.feature_stage)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.set_feature_stage(text, @extschema@.feature_stage) IS
    'say where a feature is in its life';

--
-- Typed readers
--
CREATE FUNCTION @extschema@.feature_text(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_text(text, text) IS
    'the effective value of a feature of type string on an instance';

CREATE FUNCTION @extschema@.feature_integer(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_integer(text, text) IS
    'the effective value of a feature of type integer on an instance';

CREATE FUNCTION @extschema@.feature_number(
    feature text,
    instance_id text DEFAULT NULL)
RETURNS numeric
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.feature_number(text, text) IS
    'the effective value of a feature of type number or integer on an instance';

--
-- Many scopes as one document
--
CREATE FUNCTION @extschema@.apply_features(
    document jsonb,
    dry_run boolean DEFAULT false,
    OUT level text,
    OUT scope_id text,
    OUT feature text,
    OUT old_value jsonb,
    OUT value jsonb,
    OUT sequence bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.apply_features(jsonb, boolean) IS
    'make the settings of all scopes in a document what it says: {"system": {...}, "instances": {"id": {...}}}; returns what changes';

CREATE FUNCTION @extschema@.export_features()
RETURNS jsonb
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.export_features() IS
    'the settings of all scopes that the current role may change, as a document for apply_features()';

--
-- Time
--
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
    'bring the settings of an instance back to what they were after an event, by new events';

CREATE FUNCTION @extschema@.purge_feature_events(
    before timestamptz)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.purge_feature_events(timestamptz) IS
    'delete the events before a time that nothing since depends on; returns how many';

-- What it does, with the rights of the tables' owner.  Of each scope it keeps
-- the last event before that time, and those whose settings were in effect then.
CREATE FUNCTION instance_features.purge_events(
    before timestamptz)
RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    WITH last AS (
        SELECT e.level, e.scope_id, max(e.sequence) AS sequence,
            max(e.sequence) FILTER (WHERE e.feature IS NULL) AS reset
        FROM instance_features.event e
        WHERE e.creation_date < before
        GROUP BY e.level, e.scope_id
    ), replayed AS (
        SELECT DISTINCT ON (e.level, e.scope_id, e.feature) e.level, e.scope_id, e.sequence, e.value
        FROM instance_features.event e
        JOIN last l ON l.level = e.level AND l.scope_id = e.scope_id
        WHERE e.sequence <= l.sequence AND e.sequence > coalesce(l.reset, 0) AND e.feature IS NOT NULL
        ORDER BY e.level, e.scope_id, e.feature, e.sequence DESC
    ), purged AS (
        DELETE FROM instance_features.event e
        USING last l
        WHERE e.level = l.level AND e.scope_id = l.scope_id AND e.sequence < l.sequence
            AND NOT EXISTS (SELECT FROM replayed r
                WHERE r.level = e.level AND r.scope_id = e.scope_id AND r.sequence = e.sequence AND r.value IS NOT NULL)
        RETURNING e.level, e.scope_id
    ), marked AS (
        UPDATE instance_features.scope s
        SET purged_to = greatest(s.purged_to, l.sequence)
        FROM last l
        WHERE s.level = l.level AND s.id = l.scope_id
            AND (s.level, s.id) IN (SELECT p.level, p.scope_id FROM purged p)
    )
    SELECT count(*) FROM purged;
END;
COMMENT ON FUNCTION instance_features.purge_events(timestamptz) IS
    'what purge_feature_events() does, with the rights of the tables'' owner';
REVOKE EXECUTE ON FUNCTION instance_features.purge_events(timestamptz) FROM PUBLIC;

-- As before, but a purge may have left gaps.  The query is in a function of its
-- own, which \df+ *feature* does not show.
CREATE FUNCTION instance_features.check_tables(
    OUT problem text,
    OUT level text,
    OUT scope_id text,
    OUT feature text,
    OUT sequence bigint,
    OUT detail text)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH scopes AS (
        SELECT s.level, s.id, s.owner, s.sequence, s.change_date, s.purged_to
        FROM instance_features.scope s
    ), numbered AS (
        SELECT e.level, e.scope_id, e.sequence, e.feature, e.value, e.event_type, e.creation_date,
            lag(e.sequence, 1, 0::bigint) OVER w AS previous,
            max(e.sequence) FILTER (WHERE e.feature IS NULL) OVER w AS last_reset
        FROM instance_features.event e
        WINDOW w AS (PARTITION BY e.level, e.scope_id ORDER BY e.sequence)
    ), last AS (
        SELECT e.level, e.scope_id, max(e.sequence) AS sequence, max(e.last_reset) AS last_reset
        FROM numbered e
        GROUP BY e.level, e.scope_id
    ), replayed AS (
        SELECT DISTINCT ON (e.level, e.scope_id, e.feature)
            e.level, e.scope_id, e.feature, e.value, e.sequence
        FROM numbered e
        JOIN last l ON l.level = e.level AND l.scope_id = e.scope_id
        WHERE e.feature IS NOT NULL AND e.sequence > coalesce(l.last_reset, 0)
        ORDER BY e.level, e.scope_id, e.feature, e.sequence DESC
    )
    SELECT 'dangling owner', s.level, s.id, NULL::text, NULL::bigint,
        format('The role with OID %s does not exist.', s.owner::oid)
    FROM scopes s
    WHERE s.owner IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = s.owner)
    UNION ALL
    SELECT 'sequence gap', e.level, e.scope_id, e.feature, e.sequence,
        format('The event before it is %s.', e.previous)
    FROM numbered e
    LEFT JOIN scopes s ON s.level = e.level AND s.id = e.scope_id
    WHERE e.sequence <> e.previous + 1 AND e.sequence > coalesce(s.purged_to, 0)
    UNION ALL
    SELECT 'sequence gap', s.level, s.id, NULL, s.purged_to,
        'The event to which the events were purged is missing.'
    FROM scopes s
    WHERE s.purged_to IS NOT NULL AND NOT EXISTS (SELECT FROM instance_features.event e
        WHERE e.level = s.level AND e.scope_id = s.id AND e.sequence = s.purged_to)
    UNION ALL
    SELECT 'sequence differs from events', s.level, s.id, NULL, s.sequence,
        format('The last event is %s.', coalesce(l.sequence, 0))
    FROM scopes s
    LEFT JOIN last l ON l.level = s.level AND l.scope_id = s.id
    WHERE s.sequence <> coalesce(l.sequence, 0)
    UNION ALL
    SELECT 'event without scope', l.level, l.scope_id, NULL, l.sequence,
        'No scope has this id.'
    FROM last l
    WHERE NOT EXISTS (SELECT FROM scopes s WHERE s.level = l.level AND s.id = l.scope_id)
    UNION ALL
    SELECT 'setting without event', t.level, t.scope_id, t.feature, t.sequence,
        'No event of this scope and sequence sets the feature.'
    FROM instance_features.setting t
    WHERE NOT EXISTS (SELECT FROM instance_features.event e
        WHERE e.level = t.level AND e.scope_id = t.scope_id AND e.sequence = t.sequence
            AND e.feature = t.feature AND e.value IS NOT NULL)
    UNION ALL
    SELECT 'setting differs from events', coalesce(t.level, r.level), coalesce(t.scope_id, r.scope_id),
        coalesce(t.feature, r.feature), coalesce(t.sequence, r.sequence),
        format('The setting is %s, the last event set %s.', coalesce(t.value::text, 'missing'), coalesce(r.value::text, 'nothing'))
    FROM instance_features.setting t
    FULL JOIN replayed r ON r.level = t.level AND r.scope_id = t.scope_id AND r.feature = t.feature
    WHERE t.value IS DISTINCT FROM r.value
    UNION ALL
    SELECT 'unknown feature', t.level, t.scope_id, t.feature, t.sequence,
        'No definition has this key.'
    FROM instance_features.setting t
    WHERE NOT EXISTS (SELECT FROM instance_features.feature f WHERE f.key = t.feature)
    UNION ALL
    SELECT 'value of another type', t.level, t.scope_id, t.feature, t.sequence,
        format('%s is no value of type %s.', t.value, f.value_type)
    FROM instance_features.setting t
    JOIN instance_features.feature f ON f.key = t.feature
    WHERE jsonb_typeof(t.value) <> CASE f.value_type WHEN 'integer' THEN 'number' ELSE f.value_type END
    UNION ALL
    SELECT 'value not allowed', t.level, t.scope_id, t.feature, t.sequence,
        format('%s is not among the allowed %s.', t.value, f.allowed_values)
    FROM instance_features.setting t
    JOIN instance_features.feature f ON f.key = t.feature
    WHERE f.stage <> 'removed' AND NOT f.allowed_values @> t.value
    UNION ALL
    SELECT 'ambiguous name', NULL, NULL, f.key, NULL,
        format('%s is the JSON name of %s too.', f.key, g.key)
    FROM instance_features.feature f
    JOIN instance_features.feature g ON g.json_name = f.key AND g.key <> f.key
    ORDER BY 2, 3, 4 NULLS FIRST, 5, 1;
END;
COMMENT ON FUNCTION instance_features.check_tables() IS
    'what check_instance_features() does';

CREATE OR REPLACE FUNCTION @extschema@.check_instance_features(
    OUT problem text,
    OUT level text,
    OUT scope_id text,
    OUT feature text,
    OUT sequence bigint,
    OUT detail text)
RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM instance_features.check_tables();
END;

--
-- For the DBA.  Everybody may look: one sees the instances that one may change,
-- members of pg_monitor see all.
--
GRANT USAGE ON SCHEMA instance_features TO PUBLIC;
REVOKE EXECUTE ON FUNCTION instance_features.invalidate() FROM PUBLIC;

CREATE VIEW instance_features.instance
WITH (security_barrier) AS
SELECT s.id AS instance_id, s.owner, s.creation_date, s.sequence, s.change_date,
    (SELECT count(*) FROM instance_features.setting t
        WHERE t.level = 'instance' AND t.scope_id = s.id) AS settings
FROM (
    SELECT id, owner, creation_date, sequence, change_date
    FROM instance_features.scope
    WHERE level = 'instance' AND owner IS NOT NULL
    UNION ALL
    SELECT 'default'::text, c.relowner::regrole, f.creation_date, 0::bigint, f.creation_date
    FROM pg_catalog.pg_class c,
        (SELECT min(creation_date) AS creation_date FROM instance_features.feature WHERE builtin) f
    WHERE c.oid = 'instance_features.scope'::regclass
        AND NOT EXISTS (SELECT FROM instance_features.scope WHERE level = 'instance' AND id = 'default')
) s
WHERE pg_catalog.pg_has_role(s.owner, 'USAGE')
    OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
    OR pg_catalog.pg_has_role(coalesce(
        (SELECT owner FROM instance_features.scope WHERE level = 'system' AND id = 'SYSTEM'),
        (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'instance_features.scope'::regclass)::regrole), 'USAGE');
COMMENT ON VIEW instance_features.instance IS
    'the instances that the current role may change; members of pg_monitor see all';
COMMENT ON COLUMN instance_features.instance.instance_id IS 'id of the instance';
COMMENT ON COLUMN instance_features.instance.owner IS 'the role that may change it';
COMMENT ON COLUMN instance_features.instance.creation_date IS 'when it was created';
COMMENT ON COLUMN instance_features.instance.sequence IS 'sequence of its last event, 0 if there is none';
COMMENT ON COLUMN instance_features.instance.change_date IS 'time of its last event, or of its creation';
COMMENT ON COLUMN instance_features.instance.settings IS 'how many features it sets';

CREATE VIEW instance_features.effective_feature
WITH (security_barrier) AS
SELECT i.instance_id, f.key AS feature,
    coalesce(own.value, sys.value, f.default_value) AS value,
    (CASE WHEN own.feature IS NOT NULL THEN 'instance' WHEN sys.feature IS NOT NULL THEN 'system' ELSE 'default' END)::@extschema@.feature_source AS source,
    coalesce(own.sequence, sys.sequence) AS sequence,
    coalesce(own.change_date, sys.change_date) AS change_date,
    coalesce(own_event.editor, sys_event.editor) AS editor
FROM instance_features.instance i
CROSS JOIN instance_features.feature f
LEFT JOIN instance_features.setting own
    ON own.level = 'instance' AND own.scope_id = i.instance_id AND own.feature = f.key
LEFT JOIN instance_features.setting sys
    ON sys.level = 'system' AND sys.scope_id = 'SYSTEM' AND sys.feature = f.key AND own.feature IS NULL
LEFT JOIN instance_features.event own_event
    ON own_event.level = 'instance' AND own_event.scope_id = i.instance_id AND own_event.sequence = own.sequence
LEFT JOIN instance_features.event sys_event
    ON sys_event.level = 'system' AND sys_event.scope_id = 'SYSTEM' AND sys_event.sequence = sys.sequence
    AND (pg_catalog.pg_has_role('pg_monitor', 'USAGE')
        OR pg_catalog.pg_has_role(coalesce(
            (SELECT owner FROM instance_features.scope WHERE level = 'system' AND id = 'SYSTEM'),
            (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'instance_features.scope'::regclass)::regrole), 'USAGE'))
WHERE f.stage <> 'removed';
COMMENT ON VIEW instance_features.effective_feature IS
    'the value of each feature on each instance, where it comes from, since when and by whom';
COMMENT ON COLUMN instance_features.effective_feature.instance_id IS 'id of the instance';
COMMENT ON COLUMN instance_features.effective_feature.feature IS 'key of the feature';
COMMENT ON COLUMN instance_features.effective_feature.value IS 'its effective value on the instance';
COMMENT ON COLUMN instance_features.effective_feature.source IS 'who sets it: the instance, the system, or nobody (default)';
COMMENT ON COLUMN instance_features.effective_feature.sequence IS 'sequence of the event that set it, null for a default';
COMMENT ON COLUMN instance_features.effective_feature.change_date IS 'time of that event';
COMMENT ON COLUMN instance_features.effective_feature.editor IS 'name, at that time, of the role that set it; of the system''s settings only for who sees all instances';

CREATE VIEW instance_features.feature_usage
WITH (security_barrier) AS
SELECT f.key AS feature, f.stage, t.value, count(i.instance_id) AS instances
FROM instance_features.feature f
LEFT JOIN (instance_features.setting t
    JOIN instance_features.instance i ON t.level = 'instance' AND t.scope_id = i.instance_id)
    ON t.feature = f.key
GROUP BY f.key, f.stage, t.value;
COMMENT ON VIEW instance_features.feature_usage IS
    'how many instances set each feature, and to what';
COMMENT ON COLUMN instance_features.feature_usage.feature IS 'key of the feature';
COMMENT ON COLUMN instance_features.feature_usage.stage IS 'where the feature is in its life';
COMMENT ON COLUMN instance_features.feature_usage.value IS 'a value that instances set, null if no instance sets any';
COMMENT ON COLUMN instance_features.feature_usage.instances IS 'how many instances set it to that';

GRANT SELECT ON instance_features.instance, instance_features.effective_feature, instance_features.feature_usage TO PUBLIC;

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
    'this session''s cache: answers from it, loads, invalidations; instances and bytes in it now';

CREATE FUNCTION @extschema@.instance_features_version()
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.instance_features_version() IS
    'version of the library, which may be later than that of the extension''s SQL objects';

ALTER TYPE @extschema@.feature_type OWNER TO @extowner@;
ALTER TYPE @extschema@.feature_stage OWNER TO @extowner@;
ALTER FUNCTION @extschema@.define_feature(text, jsonb, text, text, @extschema@.feature_type, jsonb) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.alter_feature(text, jsonb, text, jsonb) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.drop_feature(text, boolean) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.set_feature_stage(text, @extschema@.feature_stage) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.feature_text(text, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.feature_integer(text, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.feature_number(text, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.apply_features(jsonb, boolean) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.export_features() OWNER TO @extowner@;
ALTER FUNCTION @extschema@.get_instance_features_at(timestamptz, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.revert_instance_features(bigint, text) OWNER TO @extowner@;
ALTER FUNCTION @extschema@.purge_feature_events(timestamptz) OWNER TO @extowner@;
ALTER FUNCTION instance_features.purge_events(timestamptz) OWNER TO @extowner@;
ALTER FUNCTION instance_features.check_tables() OWNER TO @extowner@;
ALTER FUNCTION @extschema@.instance_features_stats() OWNER TO @extowner@;
ALTER FUNCTION @extschema@.instance_features_version() OWNER TO @extowner@;
ALTER VIEW instance_features.instance OWNER TO @extowner@;
ALTER VIEW instance_features.effective_feature OWNER TO @extowner@;
ALTER VIEW instance_features.feature_usage OWNER TO @extowner@;
