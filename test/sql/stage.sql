\set ECHO none
\i test/setup.sql
SELECT plan(36);

-- The life of a feature: experimental, stable, deprecated, removed.
SELECT results_eq($$SELECT enumlabel::text COLLATE "C" FROM pg_enum WHERE enumtypid = 'feature_stage'::regtype ORDER BY enumsortorder$$,
    $$VALUES ('experimental' COLLATE "C"), ('stable'), ('deprecated'), ('removed')$$, 'the stages in their order');
SELECT define_feature('beta', 'true') AS ignored, create_instance('other') AS ignored2 \gset
SELECT is((set_instance_features('{"beta": false}')).sequence, 1::bigint, 'given a setting of an instance');
SELECT is((set_system_features('{"beta": false}')).sequence, 1::bigint, 'and of the system');
SELECT is(pg_temp.try($$SELECT set_feature_stage('beta', 'stable')$$), '', 'a feature becomes stable');
SELECT is((SELECT stage FROM instance_features.feature WHERE key = 'beta'), 'stable', 'which is seen');
SELECT is(feature_enabled('beta'), false, 'and changes nothing else');

-- Removed: set and unset do nothing, reads give the default.
SELECT is(pg_temp.try($$SELECT set_feature_stage('beta', 'removed')$$), '', 'a feature is removed');
SELECT is(feature_enabled('beta'), true, 'then it has its default, whatever is set');
SELECT is(feature_value('beta', 'other'), 'true'::jsonb, 'on all instances');
SELECT is((set_instance_features('{"beta": true}')).sequence, 1::bigint, 'setting it does nothing');
SELECT is((set_instance_features('{"beta": null}')).sequence, 1::bigint, 'nor does unsetting it');
SELECT is((set_instance_features('{"beta": null, "userSchema": true}')).sequence, 2::bigint, 'the rest of the request is applied');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"beta": 1}')$$) ~ '^22023 \| invalid value for feature "beta"', true, 'a value must have the type all the same');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"beta": true}', 'nowhere')$$) ~ '^P0002', true, 'and the instance must exist');
SELECT is_empty($$SELECT * FROM get_instance_features(true) WHERE feature = 'beta'$$, 'it is not among the features with inheritance');
SELECT is_empty($$SELECT * FROM get_system_features(true) WHERE feature = 'beta'$$, 'nor the system''s');
SELECT is((SELECT value FROM get_instance_features() WHERE feature = 'beta'), 'false'::jsonb, 'what was set still is listed');
SELECT is((SELECT body ? 'beta' FROM feature_service('GET', '/v2/features/instance?inheritance=true')), false, 'the service does not list it');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance', '{"beta": true}')), 200, 'and accepts it');
SELECT is_empty($$SELECT * FROM instance_features.effective_feature WHERE feature = 'beta'$$, 'the view of effective features does not list it');
SELECT is(export_features()->'instances'->'default', '{"userSchema": true}'::jsonb, 'nor does the export');
SELECT is_empty($$SELECT * FROM apply_features('{"instances": {"default": {"beta": true, "userSchema": true}}}')$$, 'applying it does nothing');

-- And back.
SELECT is(pg_temp.try($$SELECT set_feature_stage('beta', 'experimental')$$), '', 'what was removed can come back');
SELECT is(feature_enabled('beta'), false, 'with the settings that it had');
SELECT is((set_instance_features('{"beta": null}')).sequence, 3::bigint, 'which can be unset again');
SELECT is((reset_instance_features()).sequence, 4::bigint, 'and reset');

-- Reset takes a removed feature's setting along.
SELECT set_instance_features('{"beta": false}') AS ignored \gset
SELECT set_feature_stage('beta', 'removed') AS ignored \gset
SELECT is((reset_instance_features()).sequence, 6::bigint, 'a reset removes a removed feature''s setting too');
SELECT is_empty($$SELECT * FROM instance_features.setting WHERE level = 'instance'$$, 'all of them');
SELECT is(pg_temp.try($$SELECT drop_feature('beta')$$) ~ '^55000', true, 'what the system sets is not dropped');
SELECT is(pg_temp.try($$SELECT drop_feature('beta', true)$$), '', 'but with cascade, removed or not');

-- What is wrong.
SELECT is(pg_temp.try($$SELECT set_feature_stage('beta', 'stable')$$), '42704 | feature "beta" does not exist', 'a feature that does not exist');
SELECT is(pg_temp.try($$SELECT set_feature_stage('user_schema', 'removed')$$) ~ '^42501 \| feature "user_schema" is built in', true, 'one that is built in');
SELECT is(pg_temp.try($$SELECT set_feature_stage('user_schema', NULL)$$), '22023 | stage must not be null', 'no stage');
SELECT is(pg_temp.try($$SELECT set_feature_stage(NULL, 'stable')$$), '22023 | feature must not be null', 'no feature');
SELECT is(pg_temp.try($$SELECT set_feature_stage('user_schema', 'dead')$$) ~ '^22P02', true, 'another stage');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

SELECT * FROM finish();
ROLLBACK;
