\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE alice;
SELECT create_instance('a', 'alice'), create_instance('b', 'alice') \g /dev/null
SELECT define_feature('theme', '"plain"', allowed_values => '["plain", "dark", "neon"]'),
    define_feature('max_users', '10'), define_feature('ratio', '0.5'),
    define_feature('banner', '{"text": ""}'), define_feature('beta_pages', '["home"]'),
    define_feature('wide', levels => '{system,instance,organization,user}'),
    define_feature('only_system', levels => '{system}'),
    define_feature('only_instance', levels => '{instance}'),
    define_feature('only_user', levels => '{user}') \g /dev/null
CREATE TEMPORARY TABLE ids AS SELECT g::text AS id FROM generate_series(1, 100000) g;

-- Of the ids, those that a roll-out includes.
CREATE FUNCTION pg_temp.included(feature text, percentage numeric)
RETURNS bigint
LANGUAGE sql
BEGIN ATOMIC
    SELECT count(*) FROM pg_temp.ids
    WHERE instance_features.rollout_includes(feature, percentage, id);
END;

-- Whether a count out of a number differs by at most 3 sigma from what a probability lets expect.
CREATE FUNCTION pg_temp.is_within_3_sigma(count bigint, number bigint, probability float8)
RETURNS boolean
LANGUAGE sql
RETURN abs(count - number * probability) <= 3 * sqrt(number * probability * (1 - probability));

-- The id that is first or last in the roll-outs of a feature.
CREATE FUNCTION pg_temp.first_id(feature text)
RETURNS text
LANGUAGE sql
RETURN (SELECT id FROM pg_temp.ids
    ORDER BY instance_features.rollout_position(feature, id), id LIMIT 1);
CREATE FUNCTION pg_temp.last_id(feature text)
RETURNS text
LANGUAGE sql
RETURN (SELECT id FROM pg_temp.ids
    ORDER BY instance_features.rollout_position(feature, id) DESC, id LIMIT 1);

-- Who belongs to a share.
SELECT is(instance_features.rollout_position('gr1', '123') % 100 + 1, 73,
    'the hash is that of other flag systems for id 123 in group gr1');
SELECT is(instance_features.rollout_position('groupX', '999') % 100 + 1, 25,
    'the hash is that of other flag systems for id 999 in group groupX');
SELECT is(instance_features.rollout_position('user_schema', 'acme'), 8709,
    'the position of an id is MurmurHash3 modulo 10,000');
SELECT is(instance_features.rollout_position('user_schema', ''), 9030,
    'the position of an empty id is that of the key and a colon');
SELECT is(instance_features.rollout_position('login_default_org', U&'\65E5\672C'), 3891,
    'the position of an id is that of its UTF-8 bytes');
SELECT is(instance_features.rollout_includes('user_schema', 87.09, 'acme'), false,
    'a share does not include the position at its end');
SELECT is(instance_features.rollout_includes('user_schema', 87.1, 'acme'), true,
    'a share includes the position before its end');
SELECT is(pg_temp.included('user_schema', 0), 0::bigint, '0 per cent include nobody');
SELECT is(pg_temp.included('user_schema', 100), 100000::bigint, '100 per cent include everybody');
SELECT is(pg_temp.included('user_schema', NULL), 100000::bigint,
    'a setting that is no roll-out holds for everybody');
SELECT is_empty($$SELECT f, p
    FROM unnest('{user_schema,login_default_org,theme}'::text[]) f,
        unnest('{0.01,0.5,1,5,10,25,33.33,50,90,99,99.99}'::numeric[]) p
    WHERE NOT pg_temp.is_within_3_sigma(pg_temp.included(f, p), 100000, p::float8 / 100)$$,
    'each share has its percentage of 100,000 ids within 3 sigma');
SELECT is_empty($$SELECT id FROM ids, generate_series(0, 99.9, 0.9) p
    WHERE id::int <= 2000 AND instance_features.rollout_includes('user_schema', p, id)
        AND NOT instance_features.rollout_includes('user_schema', p + 0.1, id)$$,
    'a larger percentage includes whomever a smaller one does');
SELECT is_empty($$SELECT p FROM unnest('{10,50,90}'::numeric[]) p
    WHERE NOT pg_temp.is_within_3_sigma((SELECT count(*) FROM ids
        WHERE instance_features.rollout_includes('user_schema', p, id)
            AND instance_features.rollout_includes('login_default_org', p, id)), 100000,
                (p * p / 10000)::float8)$$,
    'two features overlap in as many of 100,000 ids as chance lets expect, within 3 sigma');

-- On an instance, for a share of the users, though the feature's levels have no users.
SELECT is((roll_out_instance_feature('user_schema', 25, instance_id => 'a')).sequence, 1::bigint,
    'a roll-out is an event');
SELECT is((SELECT count(*) FROM ids
        WHERE feature_enabled('user_schema', 'a', NULL, id)
            <> instance_features.rollout_includes('user_schema', 25, id)),
    0::bigint, 'one statement answers 100,000 users by their shares');
SELECT is((SELECT count(*) FROM ids
        WHERE feature_value('user_schema', 'a', NULL, id)::boolean
            <> instance_features.rollout_includes('user_schema', 25, id)),
    0::bigint, 'feature_value() answers 100,000 users as feature_enabled() does');
SELECT pg_temp.first_id('user_schema') AS included, pg_temp.last_id('user_schema') AS excluded \gset
SELECT results_eq(format($$SELECT feature_enabled('user_schema', 'a', o, u)
        FROM (VALUES (1, %1$L, NULL), (2, %2$L, 'o'), (3, %1$L, 'o'), (4, NULL, 'o'), (5, %1$L,
            'p'), (6, NULL, NULL)) c(n, u, o)
        ORDER BY n$$, :'included', :'excluded'),
    'VALUES (true), (false), (true), (false), (true), (false)',
    'one call answers each of its users in turn, in whatever organization');
SELECT is(feature_enabled('user_schema', 'a'), false,
    'an instance''s roll-out holds for nobody without a user');
SELECT is((SELECT count(*) FROM ids WHERE feature_enabled('user_schema', 'b', NULL, id)), 0::bigint,
    'an instance''s roll-out holds for nobody of another instance');
SET LOCAL instance_features.instance_id = 'a';
PREPARE enabled AS SELECT feature_enabled('user_schema');
SELECT set_feature_context('a', NULL, :'included') AS ignored \gset
EXECUTE enabled \gset in_
SELECT set_feature_context('a', NULL, :'excluded') AS ignored \gset
EXECUTE enabled \gset out_
SELECT set_feature_context('a', NULL, :'included') AS ignored \gset
EXECUTE enabled \gset again_
SELECT is(ARRAY[:'in_feature_enabled', :'out_feature_enabled', :'again_feature_enabled']::boolean[],
    '{t,f,t}', 'the current user decides where none is named');
SELECT is(feature_enabled('user_schema', 'a'), false,
    'the current user is not one of the roll-out where an instance is named');
SELECT is_empty($$SELECT id, e.feature FROM ids, get_effective_features('a', NULL, id) e
    WHERE id::int <= 200 AND e.value IS DISTINCT FROM feature_value(e.feature, 'a', NULL, id)$$,
    'get_effective_features() answers as feature_value() does for users in and out');
SELECT results_eq(format($$SELECT value, source, sequence, percentage
    FROM get_effective_features('a', NULL, %L)
        WHERE feature = 'user_schema'$$, :'included'),
    $$VALUES ('true'::jsonb, 'instance'::feature_source, 1::bigint, 25::numeric)$$,
    'the state of a user in the roll-out has the percentage');
SELECT results_eq(format($$SELECT value, source, sequence, percentage FROM get_user_features(true,
    %L, 'a')
        WHERE feature = 'user_schema'$$, :'excluded'),
    $$VALUES ('false'::jsonb, 'default'::feature_source, NULL::bigint, NULL::numeric)$$,
    'the state of a user out of the roll-out is as if it were not there');
SELECT results_eq($$SELECT feature, value, source, percentage FROM get_instance_features(false,
    'a')$$,
    $$VALUES ('user_schema', 'true'::jsonb, 'instance'::feature_source, 25::numeric)$$,
    'the own settings of an instance show the roll-out');
SELECT results_eq($$SELECT value, source, percentage FROM get_instance_features(true, 'a')
    WHERE feature = 'user_schema'$$,
    $$VALUES ('false'::jsonb, 'default'::feature_source, NULL::numeric)$$,
    'an instance itself inherits as if its roll-out were not there');
SET LOCAL instance_features.instance_id = 'default';
SET LOCAL instance_features.user_id = '';

-- On the system, for a share of the instances.
SELECT count(create_instance('n' || g)) AS ignored FROM generate_series(1, 200) g \gset
SELECT is((roll_out_system_feature('login_default_org', 40)).resource_owner, 'SYSTEM',
    'a roll-out by the system is an event of the system');
SELECT is((SELECT count(*) FROM instance_features.instance
        WHERE feature_enabled('login_default_org', instance_id)
            <> instance_features.rollout_includes('login_default_org', 40, instance_id)),
    0::bigint, 'one statement answers 200 instances by their shares');
SELECT is((SELECT count(*) FROM instance_features.effective_feature
        WHERE feature_value(feature, instance_id) <> value),
    0::bigint, 'view effective_feature agrees with feature_value()');
SELECT is((SELECT count(*) > 50 FROM instance_features.effective_feature
        WHERE source = 'system' AND feature = 'login_default_org'),
    true, 'view effective_feature names the system for the instances in the roll-out');
SELECT results_eq($$SELECT feature, value, percentage FROM get_system_features()$$,
    $$VALUES ('login_default_org', 'true'::jsonb, 40::numeric)$$,
    'the own settings of the system show the roll-out');
SELECT results_eq($$SELECT value, source, percentage FROM get_system_features(true)
    WHERE feature = 'login_default_org'$$,
    $$VALUES ('false'::jsonb, 'default'::feature_source, NULL::numeric)$$,
    'the system itself is not in its roll-out');
SELECT min(instance_id) FILTER (WHERE instance_features.rollout_includes('login_default_org', 40,
    instance_id)) AS inside,
    min(instance_id) FILTER (WHERE NOT instance_features.rollout_includes('login_default_org', 40,
        instance_id)) AS outside
FROM instance_features.instance WHERE instance_id ~ '^n' \gset
SELECT set_instance_features('{"loginDefaultOrg": false}', :'inside'),
    set_instance_features('{"loginDefaultOrg": true}', :'outside') AS ignored \g /dev/null
SELECT is(ARRAY[feature_enabled('login_default_org', :'inside'),
    feature_enabled('login_default_org', :'outside')],
    '{f,t}', 'an own setting of an instance wins over the system''s roll-out');
SELECT set_instance_features('{"loginDefaultOrg": null}', :'inside'),
    set_instance_features('{"loginDefaultOrg": null}', :'outside') AS ignored \g /dev/null
SELECT pg_temp.first_id('login_default_org') AS first,
    pg_temp.last_id('login_default_org') AS last \gset
SELECT roll_out_instance_feature('login_default_org', 50, 'false', :'inside'),
    roll_out_instance_feature('login_default_org', 50, 'true', :'outside') \g /dev/null
SELECT is(ARRAY[feature_enabled('login_default_org', :'inside', NULL, :'first'),
    feature_enabled('login_default_org', :'inside', NULL, :'last'),
    feature_enabled('login_default_org', :'inside'),
    feature_enabled('login_default_org', :'outside', NULL, :'first'),
    feature_enabled('login_default_org', :'outside', NULL, :'last'),
    feature_enabled('login_default_org', :'outside')],
    '{f,t,t,t,f,f}',
    'users out of the instance''s roll-out have what the system''s gives the instance');

-- Four levels.
SELECT roll_out_system_feature('wide', 100), roll_out_instance_feature('wide', 50, 'false', 'a'),
    set_organization_features('{"wide": true}', 'o', 'a'), set_user_features('{"wide": true}',
        pg_temp.first_id('wide'), 'a') \g /dev/null
SELECT pg_temp.first_id('wide') AS first, pg_temp.last_id('wide') AS last,
    (SELECT id FROM ids ORDER BY instance_features.rollout_position('wide', id),
        id OFFSET 1 LIMIT 1) AS second \gset
SELECT is(ARRAY[feature_enabled('wide', 'a', NULL, :'second'), feature_enabled('wide', 'a', NULL,
    :'last'),
    feature_enabled('wide', 'a', 'o', :'second'), feature_enabled('wide', 'a', NULL, :'first'),
    feature_enabled('wide', 'a')], '{f,t,t,t,t}',
    'own settings of organizations and users win over the instance''s roll-out');

-- Set, raised, stopped.
SELECT is((roll_out_instance_feature('user_schema', 25.00, 'true', 'a')).sequence, 2::bigint,
    'the same percentage and value again are no change');
SELECT is((roll_out_instance_feature('user_schema', 33.33, 'true', 'a')).sequence, 3::bigint,
    'another percentage is a change');
SELECT is((roll_out_instance_feature('user_schema', 33.33, 'false', 'a')).sequence, 4::bigint,
    'another value is a change');
SELECT is((set_instance_features('{"userSchema": false}', 'a')).sequence, 5::bigint,
    'setting a feature to the value that is rolled out is a change');
SELECT is((roll_out_instance_feature('user_schema', 100, 'false', 'a')).sequence, 6::bigint,
    'rolling out a value that is set to 100 per cent is a change');
SELECT is((set_instance_features('{"userSchema": null}', 'a')).sequence, 7::bigint,
    'null ends a roll-out');
SELECT is((roll_out_instance_feature('user_schema', 0, 'true', 'a')).sequence, 8::bigint,
    'a roll-out may begin with 0 per cent');
SELECT is((SELECT count(*) FROM ids WHERE feature_enabled('user_schema', 'a', NULL, id)), 0::bigint,
    'a roll-out of 0 per cent holds for nobody');
SELECT is((reset_instance_features('a')).sequence, 9::bigint, 'a reset ends all roll-outs');
SELECT results_eq($$SELECT sequence, event_type, old_value, value, percentage
    FROM instance_feature_history('a')$$,
    $$VALUES (1::bigint, 'feature.instance.user_schema.rolled_out', NULL::jsonb, 'true'::jsonb,
        25::numeric),
        (2, 'feature.instance.wide.rolled_out', NULL, 'false', 50),
        (3, 'feature.instance.user_schema.rolled_out', 'true', 'true', 33.33),
        (4, 'feature.instance.user_schema.rolled_out', 'true', 'false', 33.33),
        (5, 'feature.instance.user_schema.set', 'false', 'false', NULL),
        (6, 'feature.instance.user_schema.rolled_out', 'false', 'false', 100),
        (7, 'feature.instance.user_schema.unset', 'false', NULL, NULL),
        (8, 'feature.instance.user_schema.rolled_out', NULL, 'true', 0),
        (9, 'feature.instance.reset', NULL, NULL, NULL)$$,
    'the history has roll-outs with their percentages');

-- Values of all types.
SELECT results_eq($$
        SELECT (roll_out_instance_feature('theme', 50, '"dark"', 'b')).sequence UNION ALL
        SELECT (roll_out_instance_feature('max_users', 50, '99', 'b')).sequence UNION ALL
        SELECT (roll_out_instance_feature('ratio', 50, '0.75', 'b')).sequence UNION ALL
        SELECT (roll_out_instance_feature('banner', 50, '{"text": "hi"}', 'b')).sequence UNION ALL
        SELECT (roll_out_instance_feature('beta_pages', 50, '[]', 'b')).sequence$$,
    'SELECT generate_series(1::bigint, 5)', 'features of all types can be rolled out');
SELECT is(ARRAY[feature_text('theme', 'b', NULL, u), feature_integer('max_users', 'b', NULL,
    v)::text,
        feature_number('ratio', 'b', NULL, w)::text, feature_value('banner', 'b', NULL, x)->>'text',
        feature_value('beta_pages', 'b', NULL, y)::text], ARRAY['dark', '99', '0.75', 'hi', '[]'],
    'values of all types hold for users in the roll-out')
FROM pg_temp.first_id('theme') u, pg_temp.first_id('max_users') v, pg_temp.first_id('ratio') w,
    pg_temp.first_id('banner') x, pg_temp.first_id('beta_pages') y;
SELECT is(ARRAY[feature_text('theme', 'b', NULL, pg_temp.last_id('theme')), feature_text('theme',
    'b')],
    '{plain,plain}', 'users out of the roll-out have the default');

-- Bad requests.
CREATE FUNCTION pg_temp.refused(arguments text) RETURNS text LANGUAGE sql
    RETURN pg_temp.try(format('SELECT roll_out_system_feature(%s)', arguments));
SELECT results_eq($$SELECT pg_temp.refused('''user_schema'', ' || p) FROM unnest(ARRAY[
        '33.333', '-1', '-0.01', '100.01', '101', '''NaN''', '''Infinity''', '''-Infinity''',
            '1e300', '1e-300']) p$$,
    $$SELECT '22023 | percentage must be a number from 0 to 100 with at most two decimals'
        FROM generate_series(1, 10)$$,
    'a percentage out of range or with more than two decimals is refused');
SELECT is(pg_temp.refused($$'user_schema', NULL$$), '22023 | percentage must not be null',
    'the percentage NULL is refused');
SELECT is(pg_temp.refused($$NULL, 1$$), '22023 | feature must not be null',
    'the feature NULL is refused');
SELECT is(pg_temp.refused($$'user_schema', 1, NULL$$), '22023 | value must not be null',
    'the value NULL is refused');
SELECT is(pg_temp.refused($$'user_schema', 1, 'null'$$),
    '22023 | invalid value for feature "user_schema" | '
        'It is null, but the feature''s type is boolean. | '
        'set_system_features() unsets a feature.', 'JSON null cannot be rolled out');
SELECT is(pg_temp.refused($$'theme', 1$$),
    '22023 | invalid value for feature "theme" | '
        'It is a boolean, but the feature''s type is string.',
    'true, the default, is refused for a feature that is not boolean');
SELECT is(pg_temp.refused($$'theme', 1, '"pink"'$$) ~ '^22023 \| invalid value for feature "theme"',
    true,
    'a value that is not allowed is refused');
SELECT is(pg_temp.refused($$'user_scheme', 1$$),
    '42704 | feature "user_scheme" does not exist | Perhaps you meant "user_schema".',
        'an unknown feature is refused');
SELECT is(pg_temp.refused($$'only_instance', 1$$),
    '22023 | feature "only_instance" cannot be set on level system | Its levels are: instance.',
    'a feature that cannot be set on the system cannot be rolled out there');
SELECT is(pg_temp.try($$SELECT roll_out_instance_feature('only_system', 1)$$),
    '22023 | feature "only_system" cannot be set on level instance | Its levels are: system.',
    'a feature that cannot be set on instances cannot be rolled out there');
SELECT is(pg_temp.try($$SELECT roll_out_instance_feature('only_user', 1)$$) ~ '^22023', true,
    'a feature that can only be set on users cannot be rolled out');
SELECT is(pg_temp.try($$SELECT roll_out_instance_feature('user_schema', 1,
    instance_id => 'nowhere')$$),
    'P0002 | instance "nowhere" does not exist', 'a roll-out on an unknown instance is refused');
SELECT is(pg_temp.try($$SELECT roll_out_instance_feature('user_schema', 1, instance_id => '')$$),
    '22023 | instance id must not be empty',
        'a roll-out on an instance with an empty id is refused');
SELECT is(pg_temp.run_as('alice', $$SELECT roll_out_system_feature('user_schema', 1)$$), '42501',
    'only the owner of the system rolls out features on it');
SELECT is(pg_temp.run_as('alice', $$SELECT roll_out_instance_feature('user_schema', 1)$$), '42501',
    'only the owner of an instance rolls out features on it');
SELECT is(pg_temp.run_as('alice', $$SELECT roll_out_instance_feature('user_schema', 1,
    instance_id => 'a')$$), 'ok',
    'the owner of an instance rolls out features on it');
SELECT is((roll_out_system_feature('only_system', 100)).sequence > 0, true,
    'a feature of the system alone can be rolled out to instances');
SELECT is(feature_enabled('only_system', 'b'), true,
    'a feature of the system alone holds for the instances of its roll-out');

-- Definitions.
SELECT is(pg_temp.try($$SELECT alter_feature('theme',
    allowed_values => '["plain", "neon"]')$$) ~ '^55000', true,
    'a value that is rolled out must stay allowed');
SELECT is(pg_temp.try($$SELECT drop_feature('theme')$$) ~ '^55000', true,
    'a feature that is rolled out cannot be dropped');
SELECT is(pg_temp.try($$SELECT alter_feature('theme', levels => '{system}')$$) ~ '^55000', true,
    'a level on which a feature is rolled out cannot be taken from it');
SELECT set_feature_stage('theme', 'removed') AS ignored \gset
SELECT is(feature_text('theme', 'b', NULL, pg_temp.first_id('theme')), 'plain',
    'the roll-out of a removed feature has no effect');
SELECT is((roll_out_instance_feature('theme', 60, '"neon"', 'b')).sequence, 5::bigint,
    'rolling out a removed feature has no effect');
SELECT set_feature_stage('theme', 'deprecated') AS ignored \gset
SELECT is(feature_text('theme', 'b', NULL, pg_temp.first_id('theme')), 'dark',
    'the roll-out is back when the feature is');
SELECT drop_feature('theme', true) AS ignored \gset
SELECT results_eq($$SELECT event_type, percentage FROM instance_feature_history('b')
    WHERE sequence = 6$$,
    $$VALUES ('feature.instance.theme.unset', NULL::numeric)$$,
        'dropping a feature with cascade ends its roll-outs');

-- At a time, reverted, purged.
SELECT define_feature('slow', levels => '{system,instance}'), create_instance('h') \g /dev/null
SELECT roll_out_instance_feature('slow', 10, instance_id => 'h'), roll_out_instance_feature('slow',
    50, instance_id => 'h'),
    set_instance_features('{"slow": true}', 'h') \g /dev/null
UPDATE instance_features.event
    SET creation_date = '2024-01-01 12:00Z'::timestamptz + sequence * interval '1 day'
    WHERE scope_id = 'h';
UPDATE instance_features.scope SET creation_date = '2024-01-01 12:00Z' WHERE id = 'h';
SELECT results_eq($$SELECT d, (SELECT percentage
    FROM get_instance_features_at('2024-01-01 13:00Z'::timestamptz + d * interval '1 day', 'h'))
        FROM generate_series(1, 3) d$$, 'VALUES (1, 10::numeric), (2, 50), (3, NULL)',
    'get_instance_features_at() has the percentage of the time');
SELECT is((revert_instance_features(1, 'h')).sequence, 4::bigint, 'a roll-out can be restored');
SELECT results_eq($$SELECT value, percentage FROM get_instance_features(false, 'h')$$,
    $$VALUES ('true'::jsonb, 10::numeric)$$, 'a restored roll-out has its former percentage');
SELECT is((SELECT event_type FROM instance_feature_history('h') WHERE sequence = 4),
    'feature.instance.slow.rolled_out',
    'restoring a roll-out is one');
SELECT is((revert_instance_features(1, 'h')).sequence, 4::bigint,
    'reverting to the same roll-out is no change');
SELECT is((revert_instance_features(3, 'h')).sequence, 5::bigint,
    'reverting from a roll-out to a setting is a change');
SELECT is(purge_feature_events('2024-01-03 13:00Z'), 1::bigint,
    'a purge deletes roll-outs that were replaced');
SELECT results_eq($$SELECT percentage FROM get_instance_features_at('2024-01-03 14:00Z', 'h')$$,
    'VALUES (50::numeric)',
    'a purge keeps the percentage that was in effect');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

-- Views.
SELECT results_eq($$SELECT level::text, scope_id, value, percentage
    FROM instance_features.own_setting
        WHERE feature IN ('user_schema', 'login_default_org') ORDER BY level::text, percentage,
            value$$,
    format($$VALUES ('instance', 'a', 'true'::jsonb, 1::numeric), ('instance', %L, 'false', 50),
        ('instance', %L, 'true', 50),
        ('system', 'SYSTEM', 'true', 40)$$, :'inside', :'outside'),
    'view own_setting has percentages');
SELECT results_eq($$SELECT value, instances, percentage, reached
    FROM instance_features.feature_usage WHERE feature = 'login_default_org' ORDER BY value$$,
    $$VALUES ('false'::jsonb, 1::bigint, NULL::numeric, NULL::bigint), ('true', 1, 40,
        (SELECT count(*) FROM instance_features.instance WHERE feature_enabled('login_default_org',
            instance_id)))$$,
    'view feature_usage has the system''s roll-out and how many instances it reaches');
SELECT set_instance_features('{"loginDefaultOrg": true}', :'inside') AS ignored \gset
SELECT is((SELECT reached FROM instance_features.feature_usage
    WHERE feature = 'login_default_org' AND value = 'true'),
    (SELECT count(*) - 1 FROM instance_features.instance WHERE feature_enabled('login_default_org',
        instance_id)),
    'an instance that sets the feature itself is not reached by the system''s roll-out');
SELECT is(pg_temp.try_as('alice', $$SELECT reached FROM instance_features.feature_usage
    WHERE feature = 'login_default_org' AND value = 'true'$$),
    (SELECT count(*)::text FROM unnest('{a,b}'::text[]) i
        WHERE instance_features.rollout_includes('login_default_org', 40, i)),
    'the reach of a roll-out counts the instances that the role may see');

-- The service.
SELECT is((SELECT body->'loginDefaultOrg' FROM feature_service('GET', '/v2/features/system')),
    '{"enabled": true, "source": "SOURCE_SYSTEM", "percentage": 40}'::jsonb,
    'feature_service() reads the percentage on the system itself');
SELECT is((SELECT body->'loginDefaultOrg' FROM feature_service('GET',
    '/v2/features/system?inheritance=true')),
    '{"enabled": false, "source": "SOURCE_UNSPECIFIED"}'::jsonb,
    'feature_service() reads that the system is not in its roll-out');
SET LOCAL instance_features.instance_id = 'a';
SELECT is((SELECT body->'userSchema' FROM feature_service('GET', '/v2/features/instance')),
    '{"enabled": true, "source": "SOURCE_INSTANCE", "percentage": 1}'::jsonb,
    'feature_service() reads the percentage on the instance itself');
SELECT is(ARRAY[a.body->'userSchema', b.body->'userSchema'],
    ARRAY['{"enabled": true, "source": "SOURCE_INSTANCE"}',
        '{"enabled": false, "source": "SOURCE_UNSPECIFIED"}']::jsonb[],
    'feature_service() reads the values of users in and out like any others')
FROM feature_service('GET', format('/v2/features/user/%s?inheritance=true',
    pg_temp.first_id('user_schema'))) a,
    feature_service('GET', format('/v2/features/user/%s?inheritance=true',
        pg_temp.last_id('user_schema'))) b;
SELECT is(ARRAY[a.body->>'reason', a.body->>'variant', b.body->>'reason', b.body->>'variant'],
    '{SPLIT,on,DEFAULT,off}',
    'remote evaluation gives the reason SPLIT to users in the roll-out')
FROM feature_service('POST', '/ofrep/v1/evaluate/flags/user_schema',
        jsonb_build_object('context', jsonb_build_object('targetingKey',
            pg_temp.first_id('user_schema')))) a,
    feature_service('POST', '/ofrep/v1/evaluate/flags/user_schema',
        jsonb_build_object('context', jsonb_build_object('targetingKey',
            pg_temp.last_id('user_schema')))) b;
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance',
    '{"userSchema": true}')), 200,
    'feature_service() makes a roll-out a setting for all');
SELECT is((SELECT body->'userSchema' FROM feature_service('GET', '/v2/features/instance')),
    '{"enabled": true, "source": "SOURCE_INSTANCE"}'::jsonb, 'a setting for all has no percentage');
SELECT roll_out_instance_feature('user_schema', 1, instance_id => 'a') AS ignored \gset
SET LOCAL instance_features.instance_id = 'default';

-- Whatever DML has stored.
CREATE FUNCTION pg_temp.stored(percentage numeric) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    UPDATE instance_features.setting s SET percentage = stored.percentage
    WHERE s.feature = 'user_schema' AND s.scope_id = 'a';
    RETURN (SELECT count(*) FROM ids WHERE id::int <= 10000 AND feature_enabled('user_schema', 'a',
        NULL, id));
END $$;
SELECT results_eq($$SELECT pg_temp.stored(p) FROM unnest('{NaN,-5,-Infinity,0}'::numeric[]) p$$,
    'SELECT 0::bigint FROM generate_series(1, 4)',
        'a stored percentage that is negative or no number holds for nobody');
SELECT results_eq($$SELECT pg_temp.stored(p)
    FROM unnest('{100,100.01,1e300,Infinity}'::numeric[] || ('1' || repeat('0',
    131071))::numeric) p$$,
    'SELECT 10000::bigint FROM generate_series(1, 5)',
        'a stored percentage above 100 holds for everybody');
SELECT is(pg_temp.stored(NULL), 10000::bigint,
    'a setting without a percentage holds for everybody');
SELECT is(pg_temp.stored(33.333), (SELECT count(*) FROM ids WHERE id::int <= 10000
        AND instance_features.rollout_position('user_schema', id) < 33.333 * 100),
    'a stored percentage with more decimals holds for the positions below it');
SELECT is((SELECT percentage FROM get_instance_features(false, 'a') WHERE feature = 'user_schema'),
    33.34,
    'the state shows a stored percentage with more decimals as it holds');
SELECT is(pg_temp.stored(('0.' || repeat('0', 16000) || '1')::numeric), pg_temp.stored(0.01),
    'a stored percentage of 16,001 decimals is rounded up');
SELECT pg_temp.stored(33.333) AS ignored \gset
SELECT results_eq($$SELECT problem, scope_id, feature, detail FROM check_instance_features()$$,
    $$VALUES ('percentage not valid', 'a', 'user_schema', 'It is 33.333.'),
        ('setting differs from events', 'a', 'user_schema',
            'The setting is true for 33.333 %, the last event set true for 1 %.')$$,
    'check_instance_features() finds a percentage that is not valid');
SELECT pg_temp.stored(2) AS ignored \gset
SELECT results_eq($$SELECT problem, detail FROM check_instance_features()$$,
    $$VALUES ('setting differs from events',
        'The setting is true for 2 %, the last event set true for 1 %.')$$,
    'check_instance_features() finds a percentage that differs from the events');
SELECT pg_temp.stored(1) AS ignored \gset
UPDATE instance_features.setting SET percentage = 100 WHERE level IN ('organization', 'user');
UPDATE instance_features.event SET percentage = 100 WHERE level IN ('organization', 'user');
SELECT set_system_features('{"wide": false}') AS ignored \gset
SELECT is(ARRAY[feature_enabled('wide', 'a', NULL, :'first'), feature_enabled('wide', 'a', 'o',
    :'last')], '{f,f}',
    'a percentage stored for an organization or a user holds for nobody');
SELECT results_eq($$SELECT problem, level, detail FROM check_instance_features()$$,
    $$VALUES ('percentage not valid', 'organization',
        'Features cannot be rolled out on level organization.'),
        ('percentage not valid', 'user', 'Features cannot be rolled out on level user.')$$,
    'check_instance_features() finds a percentage on a level without roll-outs');

SELECT * FROM finish();
ROLLBACK;
