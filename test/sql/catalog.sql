\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- Every object of the extension, as pg_depend has it, with its parts.
CREATE TEMP VIEW member AS
SELECT classid, objid, 0 AS objsubid FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features')
UNION ALL
SELECT 'pg_class'::regclass, attrelid, attnum FROM pg_attribute
WHERE attrelid IN (SELECT oid FROM pg_class
    WHERE relnamespace = 'instance_features'::regnamespace AND relkind IN ('r', 'v')) AND attnum > 0
UNION ALL
SELECT 'pg_trigger'::regclass, oid, 0 FROM pg_trigger
WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'instance_features'::regnamespace)
    AND NOT tgisinternal;

SELECT is_empty($$
    SELECT pg_describe_object(classid, objid, objsubid) FROM member
    WHERE CASE WHEN classid = 'pg_class'::regclass
        THEN col_description(objid, objsubid) IS NULL
            AND (objsubid > 0 OR obj_description(objid, 'pg_class') IS NULL)
        ELSE obj_description(objid, classid::regclass::name) IS NULL END
        -- row and array types
        AND NOT (classid = 'pg_type'::regclass
            AND objid IN (SELECT oid FROM pg_type
                WHERE typelem <> 0 OR typrelid IN (SELECT oid FROM pg_class WHERE relkind <> 'c')))
        AND NOT (classid = 'pg_class'::regclass
            AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'c'))$$,
    'every object has a comment');
-- A function is a writer by the verb that its name begins with, or one of two others.
-- Every other function is a reader.
CREATE FUNCTION pg_temp.is_writer(name name) RETURNS boolean LANGUAGE sql
AS $$SELECT name ~ ('^((set|reset|roll_out|revert|create|drop|define|alter|apply|purge|erase)_\w+'
    '|feature_service|track_changes)$')$$;
CREATE TEMP VIEW member_function AS
SELECT p.*, l.lanname FROM pg_proc p
JOIN member ON classid = 'pg_proc'::regclass AND objid = p.oid
JOIN pg_language l ON l.oid = prolang;
SELECT is_empty($$
    SELECT oid::regprocedure FROM member_function
    WHERE pg_temp.is_writer(proname) AND NOT (provolatile = 'v' AND proparallel = 'u')$$,
    'writers are VOLATILE and PARALLEL UNSAFE');
SELECT is_empty($$
    SELECT oid::regprocedure FROM member_function
    WHERE NOT pg_temp.is_writer(proname) AND NOT (
        provolatile = CASE
            WHEN proname IN ('builtin_features', 'feature_value_violation', 'rollout_position',
                'rollout_includes') THEN 'i'
            WHEN proname = 'instance_features_stats' THEN 'v'
            ELSE 's' END::"char"
        AND (lanname <> 'c' OR proparallel = CASE proname
            WHEN 'instance_features_stats' THEN 'r'
            ELSE 's' END::"char"))$$,
    'readers are STABLE and PARALLEL SAFE, except that constants are IMMUTABLE');
SELECT is((SELECT count(*) FROM pg_proc JOIN member ON classid = 'pg_proc'::regclass AND objid = oid
    WHERE prosecdef), 0::bigint, 'no function is SECURITY DEFINER');
SELECT is_empty($$SELECT oid::regprocedure FROM pg_proc
    JOIN member ON classid = 'pg_proc'::regclass AND objid = oid
    WHERE proowner <> 10$$, 'every function belongs to the bootstrap superuser');
SELECT is_empty($$SELECT oid::regclass FROM pg_class
    JOIN member ON classid = 'pg_class'::regclass AND objid = oid
    WHERE relowner <> 10$$, 'every table and view belongs to the bootstrap superuser');
SELECT results_eq($$SELECT c.oid::regclass::text COLLATE "C" FROM pg_class c, pg_extension e
    WHERE extname = 'instance_features' AND c.oid = ANY (extconfig) ORDER BY 1$$,
    $$VALUES ('instance_features.event' COLLATE "C"), ('instance_features.feature'),
        ('instance_features.scope'), ('instance_features.setting')$$,
    'pg_dump dumps the rows of all tables');
SELECT results_eq($$SELECT enumlabel::text COLLATE "C" FROM pg_enum
    WHERE enumtypid = 'feature_source'::regtype ORDER BY enumsortorder$$,
    $$VALUES ('default' COLLATE "C"), ('system'), ('instance'), ('organization'), ('user')$$,
    'the sources of a value are sorted from the default to the user');

-- The five features of the page, whole.
SELECT results_eq($$SELECT key COLLATE "default", json_name COLLATE "default", value_type::text,
    default_value, md5(description) FROM instance_features.definition WHERE builtin ORDER BY 1$$, $$
    SELECT key, json_name, 'boolean', 'false'::jsonb, md5(description) FROM (VALUES
        ('login_default_org', 'loginDefaultOrg',
            'The login UI will use the settings of the default org (and not from the instance) if '
                'no organization context is set'),
        ('oidc_legacy_introspection', 'oidcLegacyIntrospection',
            'We have recently refactored the introspection endpoint for performance reasons. '
                'This feature can be used to rollback to the legacy implementation if unexpected '
                'bugs arise. Please raise an issue if you needed to enable this feature.'),
        ('oidc_token_exchange', 'oidcTokenExchange',
            'Enable the experimental urn:ietf:params:oauth:grant-type:token-exchange grant type '
                'for the OIDC token endpoint. Token exchange can be used to request tokens with a '
                'lesser scope or impersonate other users. '
                'See the security policy to allow impersonation on an instance.'),
        ('oidc_trigger_introspection_projections', 'oidcTriggerIntrospectionProjections',
            'Enable projection triggers during an introspection request. '
                'This can act as workaround if there are noticeable consistency issues in the '
                'introspection response but can have an impact on performance. '
                'We are planning to remove triggers for introspection requests in the future. '
                'Please raise an issue if you needed to enable this feature.'),
        ('user_schema', 'userSchema',
            'User Schemas allow to manage data schemas of user. If the flag is enabled, '
                'you''ll be able to use the new API and its features. '
                'Note that it is still in an early stage.')) v(key, json_name, description)
    ORDER BY 1$$,
    'the five built-in features have the page''s names and descriptions');
SELECT is_empty('TABLE instance_features.feature',
    'a fresh installation has no row of a definition');

-- Constraints against what would make readers fail.
SELECT throws_ok($$INSERT INTO instance_features.scope
    VALUES ('planet', '', 'a', NULL, 0, now(), now())$$, '23514', NULL,
    'a scope of an unknown level is refused');
SELECT throws_ok($$INSERT INTO instance_features.scope
    VALUES ('system', '', 'a', NULL, 0, now(), now())$$, '23514', NULL,
    'a second scope of level system is refused');
SELECT throws_ok($$INSERT INTO instance_features.scope
    VALUES ('instance', '', '', NULL, 0, now(), now())$$, '23514', NULL,
    'an empty id of a scope is refused');
SELECT throws_ok($$INSERT INTO instance_features.scope
    VALUES ('instance', '', repeat('x', 201), NULL, 0, now(), now())$$, '23514', NULL,
    'an id of 201 bytes is refused');
SELECT throws_ok($$INSERT INTO instance_features.scope
    VALUES ('instance', '', 'a', NULL, -1, now(), now())$$, '23514', NULL,
    'a negative sequence is refused');
SELECT throws_ok($$INSERT INTO instance_features.scope
    VALUES ('instance', '', 'a', NULL, 0, 'infinity', now())$$, '23514', NULL,
    'an infinite time is refused');
SELECT throws_ok($$INSERT INTO instance_features.scope
    VALUES ('instance', 'a', 'b', NULL, 0, now(), now())$$, '23514', NULL,
    'an instance that belongs to an instance is refused');
SELECT throws_ok($$INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
    VALUES ('A', 'a', 'boolean', 'true')$$, '23514', NULL,
    'a key that is not in snake_case is refused');

SELECT create_instance('a') AS ignored \gset
SELECT is(pg_temp.try($$UPDATE instance_features.scope SET dropped = true RETURNING id$$),
    '23514 | invalid row for table "instance_features.scope": level "instance", id "a" | '
        'Only an instance that exists implicitly has a row when it is dropped.',
    'an UPDATE is checked, and its error names what is wrong');

-- Plans: a constant call is evaluated once, and plans stay parallel.
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL debug_discard_caches = 0;
SELECT results_eq($$EXPLAIN (COSTS OFF) SELECT count(*) FROM pg_type
    WHERE feature_enabled('user_schema')$$,
    $$VALUES ('Finalize Aggregate'), ('  ->  Gather'), ('        Workers Planned: 2'),
        ('        ->  Partial Aggregate'),
        ('              ->  Result'),
        ('                    One-Time Filter: feature_enabled(''user_schema''::text, NULL::text, '
            'NULL::text, NULL::text, NULL::boolean)'),
        ('                    ->  Parallel Seq Scan on pg_type')$$,
    'a constant feature_enabled() in WHERE is a one-time filter of a parallel plan');
SELECT is((SELECT count(*) FROM pg_type WHERE feature_enabled('user_schema')), 0::bigint,
    'a feature that is disabled in WHERE filters every row');
SELECT set_instance_features('{"userSchema": true}') AS ignored \gset
SELECT is((SELECT count(*) FROM pg_type WHERE feature_enabled('user_schema')),
    (SELECT count(*) FROM pg_type), 'a feature that this transaction has enabled filters no row');

SELECT is(instance_features_version(),
    (SELECT extversion FROM pg_extension WHERE extname = 'instance_features'),
    'the library has the version that CREATE EXTENSION installs');

SELECT * FROM finish();
ROLLBACK;
