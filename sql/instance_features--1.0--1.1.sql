-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION instance_features UPDATE TO '1.1'" to load this file. \quit

--
-- Consistency
--
-- One query, so one snapshot; its names were resolved when it was created.
CREATE FUNCTION @extschema@.check_instance_features(
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
        SELECT s.level, s.id, s.owner, s.sequence, s.change_date
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
    WHERE e.sequence <> e.previous + 1
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
    ORDER BY 2, 3, 4 NULLS FIRST, 5, 1;
END;
COMMENT ON FUNCTION @extschema@.check_instance_features() IS
    'one row for each inconsistency in the extension''s tables, none if all is well';
ALTER FUNCTION @extschema@.check_instance_features() OWNER TO @extowner@;
