\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- The life of a feature: experimental, stable, deprecated, removed.
SELECT results_eq($$SELECT enumlabel::text COLLATE "C" FROM pg_enum
    WHERE enumtypid = 'feature_stage'::regtype ORDER BY enumsortorder$$,
    $$VALUES ('experimental' COLLATE "C"), ('stable'), ('deprecated'), ('removed')$$,
    'the stages are sorted from experimental to removed');
SELECT define_feature('beta', 'true') AS ignored, create_instance('other') AS ignored2 \gset
SELECT is((set_instance_features('{"beta": false}')).sequence, 1::bigint,
    'an instance sets the feature of these tests');
SELECT is((set_system_features('{"beta": false}')).sequence, 1::bigint,
    'the system sets the feature of these tests');
SELECT is(pg_temp.try($$SELECT set_feature_stage('beta', 'stable')$$), '',
    'set_feature_stage() makes a feature stable');
SELECT is((SELECT stage FROM instance_features.feature WHERE key = 'beta'), 'stable',
    'set_feature_stage() stores the stage');
SELECT is(feature_enabled('beta'), false, 'a feature that became stable has the value that it had');

-- Removed: set and unset do nothing, reads give the default.
SELECT is(pg_temp.try($$SELECT set_feature_stage('beta', 'removed')$$), '',
    'set_feature_stage() removes a feature');
SELECT is(feature_enabled('beta'), true,
    'a removed feature has its default, whatever an instance sets');
SELECT is(feature_value('beta', 'other'), 'true'::jsonb,
    'a removed feature has its default, whatever the system sets');
SELECT is((set_instance_features('{"beta": true}')).sequence, 1::bigint,
    'setting a removed feature does nothing');
SELECT is((set_instance_features('{"beta": null}')).sequence, 1::bigint,
    'unsetting a removed feature does nothing');
SELECT is((set_instance_features('{"beta": null, "userSchema": true}')).sequence, 2::bigint,
    'a request that has a removed feature changes the others');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"beta": 1}')$$)
    ~ '^22023 \| invalid value for feature "beta"', true,
    'a removed feature cannot be set to a value of another type');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"beta": true}', 'nowhere')$$) ~ '^P0002',
    true, 'a removed feature cannot be set on an instance that does not exist');
SELECT is_empty($$SELECT * FROM get_instance_features(true) WHERE feature = 'beta'$$,
    'get_instance_features() does not list a removed feature with inheritance');
SELECT is_empty($$SELECT * FROM get_system_features(true) WHERE feature = 'beta'$$,
    'get_system_features() does not list a removed feature with inheritance');
SELECT is((SELECT value FROM get_instance_features() WHERE feature = 'beta'), 'false'::jsonb,
    'get_instance_features() lists a setting of a removed feature');
SELECT is((SELECT body ? 'beta'
    FROM feature_service('GET', '/v2/features/instance?inheritance=true')), false,
    'the service does not list a removed feature');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance', '{"beta": true}')),
    200, 'the service accepts a change of a removed feature');
SELECT is_empty($$SELECT * FROM instance_features.effective_feature WHERE feature = 'beta'$$,
    'the view of effective features does not list a removed feature');
SELECT is(export_features()->'instances'->'default', '{"userSchema": true}'::jsonb,
    'the export does not list a removed feature');
SELECT is_empty($$SELECT *
    FROM apply_features('{"instances": {"default": {"beta": true, "userSchema": true}}}')$$,
    'applying a document that sets a removed feature does nothing');

-- And back.
SELECT is(pg_temp.try($$SELECT set_feature_stage('beta', 'experimental')$$), '',
    'a removed feature can become experimental again');
SELECT is(feature_enabled('beta'), false,
    'a removed feature that comes back has the settings that it had');
SELECT is((set_instance_features('{"beta": null}')).sequence, 3::bigint,
    'a removed feature that came back can be unset');
SELECT is((reset_instance_features()).sequence, 4::bigint,
    'a removed feature that came back leaves an instance that can be reset');

-- Reset takes a removed feature's setting along.
SELECT set_instance_features('{"beta": false}') AS ignored \gset
SELECT set_feature_stage('beta', 'removed') AS ignored \gset
SELECT is((reset_instance_features()).sequence, 6::bigint,
    'a reset is an event where only a removed feature is set');
SELECT is_empty($$SELECT * FROM instance_features.setting WHERE level = 'instance'$$,
    'a reset removes the setting of a removed feature');
SELECT is(pg_temp.try($$SELECT drop_feature('beta')$$) ~ '^55000', true,
    'drop_feature() refuses a removed feature that the system sets');
SELECT is(pg_temp.try($$SELECT drop_feature('beta', true)$$), '',
    'drop_feature() with cascade drops a removed feature that the system sets');

-- What is wrong.
SELECT is(pg_temp.try($$SELECT set_feature_stage('beta', 'stable')$$),
    '42704 | feature "beta" does not exist',
    'set_feature_stage() refuses a feature that does not exist');
SELECT is(pg_temp.try($$SELECT set_feature_stage('user_schema', 'removed')$$)
    ~ '^42501 \| feature "user_schema" is built in', true,
    'set_feature_stage() refuses a built-in feature');
SELECT is(pg_temp.try($$SELECT set_feature_stage('user_schema', NULL)$$),
    '22023 | stage must not be null', 'set_feature_stage() refuses NULL as a stage');
SELECT is(pg_temp.try($$SELECT set_feature_stage(NULL, 'stable')$$),
    '22023 | feature must not be null', 'set_feature_stage() refuses NULL as a feature');
SELECT is(pg_temp.try($$SELECT set_feature_stage('user_schema', 'dead')$$) ~ '^22P02', true,
    'set_feature_stage() refuses an unknown stage');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after stages were set');

SELECT * FROM finish();
ROLLBACK;
