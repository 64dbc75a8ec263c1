\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE alice;
SELECT create_instance('a', 'alice'), create_instance('b') \g /dev/null
SELECT define_feature('theme', '"plain"', allowed_values => '["plain", "dark"]'),
    define_feature('only_instance', levels => '{instance}'), define_feature('gone') \g /dev/null
CREATE FUNCTION pg_temp.refused(document text) RETURNS text LANGUAGE sql
    RETURN pg_temp.try(format('SELECT apply_features(%L)', document));

-- Exported.
SELECT is(export_features()->'rollouts', NULL,
    'a document without roll-outs does not have the field');
SELECT roll_out_system_feature('user_schema', 12.5),
    set_system_features('{"loginDefaultOrg": true}'),
    roll_out_instance_feature('theme', 50, '"dark"', 'a'),
        set_instance_features('{"userSchema": false}', 'a') \g /dev/null
SELECT is(export_features() - 'features', '{
    "system": {"loginDefaultOrg": true},
    "instances": {"default": {}, "a": {"userSchema": false}, "b": {}},
    "rollouts": {"system": {"user_schema": {"percentage": 12.5, "value": true}},
        "instances": {"a": {"theme": {"percentage": 50, "value": "dark"}}}}}'::jsonb,
    'a document has roll-outs beside the settings');
SELECT is(pg_temp.try_as('alice', 'SELECT export_features()->''rollouts'''),
    '{"instances": {"a": {"theme": {"value": "dark", "percentage": 50}}}}',
        'an owner exports the own roll-outs');
SELECT is_empty('SELECT * FROM apply_features(export_features())',
    'applying what was exported changes nothing');
SELECT export_features() AS document \gset
SELECT reset_system_features(), reset_instance_features('a'), drop_instance('b') \g /dev/null
SELECT results_eq(
    format('SELECT level, scope_id, feature, old_value, value FROM apply_features(%L)',
        :'document'),
    $$VALUES ('system', 'SYSTEM', 'login_default_org', NULL::jsonb, 'true'::jsonb), ('system',
        'SYSTEM', 'user_schema', NULL, 'true'),
        ('instance', 'a', 'theme', NULL, '"dark"'), ('instance', 'a', 'user_schema', NULL, 'false'),
            ('instance', 'b', NULL, NULL, NULL)$$,
    'applying a document restores settings and roll-outs');
SELECT is(export_features(), :'document'::jsonb, 'the export then is the document');
SELECT results_eq($$SELECT event_type, percentage FROM instance_feature_history('a')
        ORDER BY sequence DESC LIMIT 2$$,
    $$VALUES ('feature.instance.user_schema.set', NULL::numeric),
        ('feature.instance.theme.rolled_out', 50)$$,
    'a document makes the events of roll-outs');

-- A scope named in either part gets exactly the settings of both.
SELECT results_eq($$SELECT scope_id, feature, old_value, value
    FROM apply_features('{"rollouts": {"system": {
        "user_schema": {"percentage": 20, "value": true}}}}', true)$$,
    $$VALUES ('SYSTEM', 'login_default_org', 'true'::jsonb, NULL::jsonb), ('SYSTEM', 'user_schema',
        'true', 'true')$$,
    'a scope that is named by its roll-outs alone has no other settings');
SELECT results_eq($$SELECT scope_id, feature, old_value, value
    FROM apply_features('{"instances": {"a": {"userSchema": false}}}', true)$$,
    $$VALUES ('a', 'theme', '"dark"'::jsonb, NULL::jsonb)$$,
    'a scope that is named by its settings alone has no roll-outs');
SELECT is_empty($$SELECT *
    FROM apply_features('{"instances": {"a": {"userSchema": false}},
        "rollouts": {"instances": {"a": {"theme": {"percentage": 50.00, "value": "dark"}}}}}')$$,
    'the same settings and percentages change nothing');
SELECT results_eq($$SELECT feature, old_value, value
    FROM apply_features('{"instances": {"a": {"userSchema": false, "theme": "dark"}}}')$$,
    $$VALUES ('theme', '"dark"'::jsonb, '"dark"'::jsonb)$$,
        'a document makes a roll-out a setting for all');
SELECT results_eq($$SELECT level, scope_id, feature
    FROM apply_features('{"rollouts": {"instances": {"new": {
        "userSchema": {"percentage": 1, "value": true}}}}}')$$,
    $$VALUES ('instance', 'new', NULL), ('instance', 'new', 'user_schema')$$,
        'an instance that is named by its roll-outs is created');
SELECT is((SELECT percentage FROM get_instance_features(false, 'new')), 1::numeric,
    'a new instance has its roll-out');
SELECT is_empty($$SELECT * FROM apply_features('{"rollouts": {}}')$$, 'no roll-outs name no scope');
SELECT results_eq($$SELECT feature, value
    FROM apply_features('{"features": {"fresh": {"default": 1, "levels": ["instance"]}},
        "rollouts": {"instances": {"new": {"fresh": {"percentage": 5,
            "value": 2}}}}}') WHERE scope_id = 'new'$$,
    $$VALUES ('fresh', '2'::jsonb), ('user_schema', NULL)$$,
        'a feature that the document defines can be rolled out by it');

-- Bad documents.
SELECT is(pg_temp.refused('{"system": {"userSchema": true},
        "rollouts": {"system": {"user_schema": {"percentage": 1, "value": true}}}}'),
    '22023 | feature "user_schema" is specified more than once | '
        'A scope either sets a feature or rolls it out.',
    'one feature of a scope in both parts is refused');
SELECT is(pg_temp.refused('{"system": {"userSchema": null},
        "rollouts": {"system": {"user_schema": {"percentage": 1, "value": true}}}}') ~ '^22023',
    true,
    'unsetting a feature that is rolled out is refused');
SELECT is(pg_temp.refused('{"rollouts": {"system": {
        "userSchema": {"percentage": 1, "value": true},
        "user_schema": {"percentage": 1, "value": true}}}}') ~ '^22023',
    true,
    'one feature by both names is refused');
SELECT is_empty($$SELECT d, pg_temp.refused(format('{"rollouts": {"system": {"userSchema": %s}}}',
    d)) FROM unnest(ARRAY[
        'null', 'true', '10', '[]', '{}', '{"percentage": 1}', '{"value": true}',
            '{"percentage": 1, "values": true}',
        '{"percentage": 1, "value": true, "more": 1}']) d
    WHERE pg_temp.refused(format('{"rollouts": {"system": {"userSchema": %s}}}', d)) !~
        '^22023 . roll-out of feature "user_schema" must have a percentage and a value . Write'$$,
    'a roll-out must have a percentage and a value, and nothing else');
SELECT is_empty($$SELECT p, pg_temp.refused(format(
        '{"rollouts": {"system": {"userSchema": {"value": true, "percentage": %s}}}}', p))
    FROM unnest(ARRAY['33.333', '-1', '101', '"10"', 'null', 'true', '1e300']) p
    WHERE pg_temp.refused(format(
        '{"rollouts": {"system": {"userSchema": {"value": true, "percentage": %s}}}}', p)) <>
        '22023 | percentage must be a number from 0 to 100 with at most two decimals'$$,
            'a percentage that is not valid is refused');
SELECT is_empty($$SELECT d FROM unnest(ARRAY['{"rollouts": null}', '{"rollouts": []}',
    '{"rollouts": {"system": null}}', '{"rollouts": {"instances": null}}',
        '{"rollouts": {"instances": {"a": null}}}', '{"rollouts": {"instances": {"": {}}}}',
            '{"rollouts": {"users": {}}}',
        '{"rollouts": {"organizations": {"a": {"o": {}}}}}', '{"rollouts": {"elsewhere": {}}}',
        '{"rollouts": {"system": {"nothing": {"percentage": 1, "value": true}}}}',
        '{"rollouts": {"system": {"onlyInstance": {"percentage": 1, "value": true}}}}',
        '{"rollouts": {"system": {"theme": {"percentage": 1, "value": "pink"}}}}',
        '{"rollouts": {"system": {"theme": {"percentage": 1, "value": null}}}}']) d
    WHERE pg_temp.refused(d) !~ '^22023'$$,
        'roll-outs that are no objects, of other levels, features or values are refused');
SELECT is(pg_temp.run_as('alice', $$SELECT apply_features('{"rollouts": {"system": {}}}')$$),
    '42501',
    'ending roll-outs of the system needs the right');
SELECT is(pg_temp.run_as('alice',
    $$SELECT apply_features('{"rollouts": {"instances": {"a": {
        "userSchema": {"percentage": 3, "value": true}}}}}')$$), 'ok',
    'an owner of an instance rolls out by a document');

-- Removed features.
SELECT roll_out_instance_feature('gone', 10, instance_id => 'a'), set_feature_stage('gone',
    'removed') \g /dev/null
SELECT is(export_features()->'rollouts'->'instances'->'a'->'gone', NULL,
    'roll-outs of removed features are left out');
SELECT is_empty($$SELECT * FROM apply_features(export_features())$$,
    'applying the export leaves roll-outs of removed features alone');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

SELECT * FROM finish();
ROLLBACK;
