-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION instance_features UPDATE" to load this file. \quit

-- Nothing in the target schema has a say in what the names below mean.
SET LOCAL search_path = pg_catalog, pg_temp;

-- The owner of the extension may have added an object of their own to it, which
-- must not become one of ours.  For the same reason everything that is new is
-- made by plain CREATE, never by CREATE OR REPLACE.
DO $$
DECLARE
    foreign_members text;
BEGIN
    SELECT string_agg(pg_describe_object(m.classid, m.objid, 0), ', ' ORDER BY m.classid, m.objid)
    INTO foreign_members
    FROM (
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
    ) m
    WHERE m.owner <> 10;
    IF foreign_members IS NOT NULL THEN
        RAISE EXCEPTION 'extension "instance_features" has members that are not its own'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                DETAIL = format('They do not belong to the bootstrap superuser: %s.', foreign_members),
                HINT = 'Use ALTER EXTENSION instance_features DROP for each of them, and try again.';
    END IF;
END
$$;

-- What is new
CREATE FUNCTION @extschema@.feature_count(
    stage @extschema@.feature_stage DEFAULT 'stable'::@extschema@.feature_stage)
RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT count(*)
    FROM instance_features.definition d
    WHERE d.stage = feature_count.stage;
END;
COMMENT ON FUNCTION @extschema@.feature_count(@extschema@.feature_stage) IS
    'how many features are in a stage';

-- Privileges: a superuser who updates has created it as themselves.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION %s OWNER TO %s',
        '@extschema@.feature_count(@extschema@.feature_stage)', 10::oid::regrole);
END
$$;
