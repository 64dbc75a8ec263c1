\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

CREATE ROLE alice;

-- Create.
SELECT is((create_instance('a')).sequence, 0::bigint, 'a new instance has sequence 0');
SELECT is((get_instance_feature_details('a')).resource_owner, 'a',
    'the details of a new instance have its id');
SELECT is((get_instance_feature_details('a')).change_date,
    (SELECT creation_date FROM instance_features.scope WHERE id = 'a'),
    'the details of a new instance have the time of its creation');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'a'),
    quote_ident(current_user), 'the owner of a new instance is the current role by default');
SELECT is((create_instance('b', owner => 'alice')).resource_owner, 'b',
    'create_instance() accepts an owner');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'b'), 'alice',
    'the owner of a new instance is the role that was given');
SELECT is(pg_temp.try($$SELECT create_instance('a')$$), '42710 | instance "a" already exists',
    'create_instance() refuses an id that exists');
SELECT is(pg_temp.try($$SELECT create_instance('default')$$),
    '42710 | instance "default" already exists',
    'create_instance() refuses "default", which exists from the beginning');
SELECT is(pg_temp.try($$SELECT create_instance(NULL)$$), '22023 | instance_id must not be null',
    'create_instance() refuses NULL as an id');
SELECT is(pg_temp.try($$SELECT create_instance('')$$), '22023 | instance id must not be empty',
    'create_instance() refuses an empty id');
SELECT is(pg_temp.try($$SELECT create_instance(repeat('x', 201))$$),
    '22023 | instance id is too long | It has 201 bytes, and at most 200 are allowed.',
    'create_instance() refuses an id of 201 bytes');
SELECT is(pg_temp.try($$SELECT create_instance(repeat('ü', 101))$$),
    '22023 | instance id is too long | It has 202 bytes, and at most 200 are allowed.',
    'create_instance() counts bytes of an id, not characters');
SELECT is((create_instance(repeat('ü', 100))).resource_owner, repeat('ü', 100),
    'create_instance() accepts an id of 200 bytes');
SELECT is(pg_temp.try($$SELECT create_instance('c', 0)$$), '42704 | role with OID 0 does not exist',
    'create_instance() refuses an owner that does not exist');
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id = 'c'), 0::bigint,
    'create_instance() leaves nothing behind when it fails');

-- Create with features.
SELECT define_feature('theme', '"light"', allowed_values => '["light", "dark"]'),
    define_feature('gone', 'true') \g /dev/null
SELECT set_feature_stage('gone', 'removed') \g /dev/null
SELECT is((create_instance('f1', features => '{"theme": "dark", "userSchema": true}')).sequence,
    2::bigint, 'create_instance() returns the details of the instance with its features set');
SELECT results_eq($$SELECT feature, value, sequence FROM get_instance_features(false, 'f1')$$,
    $$VALUES ('theme', '"dark"'::jsonb, 1::bigint), ('user_schema', 'true', 2)$$,
    'create_instance() sets features');
SELECT results_eq($$SELECT sequence, event_type, old_value, value
    FROM instance_feature_history('f1')$$,
    $$VALUES (1::bigint, 'feature.instance.theme.set', NULL::jsonb, '"dark"'::jsonb),
        (2, 'feature.instance.user_schema.set', NULL, 'true')$$,
    'create_instance() with features begins the history of the instance');
SELECT ok(change_date >= creation_date
    AND change_date = (get_instance_feature_details('f1')).change_date,
    'an instance that was created with features was changed when it was created')
FROM instance_features.scope WHERE id = 'f1';
SELECT is((create_instance('f2', 'alice', '{"theme": "dark"}')).sequence, 1::bigint,
    'create_instance() accepts an owner and features');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'f2'), 'alice',
    'the owner of an instance that was created with features is the role that was given');
SELECT is((create_instance('f' || n, features => features)).sequence, 0::bigint,
    'create_instance() just creates an instance whose features are '
        || coalesce(features::text, 'NULL'))
FROM (VALUES (3, '{}'::jsonb), (4, '{"theme": null, "userSchema": null}'), (5, '{"gone": true}'),
    (6, NULL)) v(n, features);
SELECT is((SELECT count(*) FROM instance_features.event WHERE scope_id IN ('f3', 'f4', 'f5', 'f6')),
    0::bigint, 'an instance that is just created has no event');
SELECT is(pg_temp.try(format('SELECT create_instance(%L, NULL, %L)', 'f7', features)), error,
    'create_instance() refuses the features ' || features)
FROM (VALUES ('null', '22023 | features must be a JSON object | It is null.'),
    ('[]', '22023 | features must be a JSON object | It is an array.'),
    ('{"theme": "pink"}',
        '22023 | invalid value for feature "theme" | "pink" is not one of the allowed '
        '["light", "dark"]. | Use null to unset the feature.'),
    ('{"them": "dark"}', '22023 | unknown feature "them" | Perhaps you meant "theme".'),
    ('{"userSchema": true, "user_schema": true}',
        '22023 | feature "user_schema" is specified more than '
        'once | Both "userSchema" and "user_schema" name it.')) v(features, error);
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id = 'f7'), 0::bigint,
    'no instance is created if its features are refused');
SELECT is(pg_temp.try($$SELECT create_instance('f1', features => '{"theme": "light"}')$$),
    '42710 | instance "f1" already exists',
    'create_instance() with features refuses an id that exists');
SELECT is(feature_text('theme', 'f1'), 'dark',
    'create_instance() does not set features of an instance that exists');
SELECT is(pg_temp.try_as('alice', $$SELECT create_instance('f7', features => '{"theme": "dark"}')$$)
    ~ '^42501 \| permission denied for instance "f7"', true,
    'create_instance() with features needs the right to create instances');
SELECT drop_instance('default') \g /dev/null
SELECT is((create_instance('default', 'alice', '{"theme": "dark"}')).sequence, 1::bigint,
    'the instance "default" can be created again with features');
SELECT results_eq($$SELECT owner::text, sequence, dropped FROM instance_features.scope
    WHERE id = 'default'$$,
    $$VALUES ('alice', 1::bigint, false)$$,
    'the instance "default" that was created again has its owner and its history');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after instances were created with features');
SELECT drop_instance('default') \g /dev/null
DELETE FROM instance_features.scope WHERE id = 'default';

-- Ids of all kinds.
SELECT is((create_instance(E'it''s "quoted" \\ and\n{odd}')).resource_owner,
    E'it''s "quoted" \\ and\n{odd}',
    'an instance can be created whose id has quotes, backslashes and newlines');
SELECT is((set_instance_features('{"userSchema": true}', E'it''s "quoted" \\ and\n{odd}')).sequence,
    1::bigint, 'an instance can be set whose id has quotes, backslashes and newlines');
SELECT is(feature_enabled('user_schema', E'it''s "quoted" \\ and\n{odd}'), true,
    'an instance can be read whose id has quotes, backslashes and newlines');
SELECT is((create_instance('SYSTEM')).resource_owner, 'SYSTEM',
    'an instance may have the id "SYSTEM"');
SELECT is((set_instance_features('{"oidcTokenExchange": true}', 'SYSTEM')).sequence, 1::bigint,
    'an instance with the id "SYSTEM" has settings of its own');
SELECT is((get_system_feature_details()).sequence, 0::bigint,
    'a setting of the instance "SYSTEM" is no setting of the system');
SELECT is(feature_enabled('oidc_token_exchange', 'a'), false,
    'a setting of the instance "SYSTEM" is not inherited');
SELECT is((create_instance('A')).resource_owner, 'A',
    'an id may differ from another in the case of letters');
SELECT is((create_instance('a ')).resource_owner, 'a ',
    'an id may differ from another in a space at its end');

-- Drop.
SELECT is((set_instance_features('{"userSchema": true, "loginDefaultOrg": true}', 'a')).sequence,
    2::bigint, 'an instance to be dropped has settings and events');
SELECT is(pg_temp.try($$SELECT drop_instance('a')$$), '',
    'drop_instance() drops an instance that has settings');
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id = 'a'), 0::bigint,
    'drop_instance() removes the row of the instance');
SELECT is((SELECT count(*) FROM instance_features.setting WHERE scope_id = 'a'), 0::bigint,
    'drop_instance() removes the settings of the instance');
SELECT is((SELECT count(*) FROM instance_features.event WHERE scope_id = 'a'), 0::bigint,
    'drop_instance() removes the events of the instance');
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', 'a')$$),
    'P0002 | instance "a" does not exist', 'a dropped instance does not exist for readers');
SELECT is(pg_temp.try($$SELECT drop_instance('a')$$), 'P0002 | instance "a" does not exist',
    'drop_instance() refuses an instance that was dropped');
SELECT is(pg_temp.try($$SELECT drop_instance(NULL)$$), '22023 | instance_id must not be null',
    'drop_instance() refuses NULL, and does not drop the current instance');
SELECT is((create_instance('a')).sequence, 0::bigint,
    'an instance that was dropped can be created again');
SELECT is(feature_enabled('user_schema', 'a'), false,
    'an instance that was created again has no setting of the former one');

-- The instance "default" and the system without a row.
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id = 'default'), 0::bigint,
    'the instance "default" has no row before its first change');
SELECT is((get_instance_feature_details()).sequence, 0::bigint,
    'the instance "default" has details without a row');
SELECT is((get_instance_feature_details()).change_date, NULL,
    'the details of the instance "default" without a row have no date');
SELECT is((set_instance_features('{"userSchema": true}')).sequence, 1::bigint,
    'the instance "default" can be set without a row');
SELECT results_eq($$SELECT s.owner, i.owner, s.creation_date FROM instance_features.scope s
    JOIN instance_features.instance i ON i.instance_id = s.id WHERE s.id = 'default'$$,
    $$SELECT NULL::instance_features.scope_owner, datdba::regrole, NULL::timestamptz
        FROM pg_database WHERE datname = current_database()$$,
    'the first change gives the instance "default" a row without an owner of its own');
SELECT is(pg_temp.try($$SELECT drop_instance('default')$$), '',
    'drop_instance() drops the instance "default"');
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema')$$),
    'P0002 | instance "default" does not exist',
    'the instance "default" stays dropped for readers');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": true}')$$),
    'P0002 | instance "default" does not exist',
    'the instance "default" stays dropped for writers');
SELECT is((create_instance('default', 'alice')).sequence, 0::bigint,
    'the instance "default" can be created again with an owner');
SELECT is(pg_temp.try_as('alice',
    $$SELECT (set_instance_features('{"userSchema": true}')).sequence$$), '1',
    'the owner of the instance "default" that was created again can set it');
SELECT is((SELECT count(*) FROM instance_feature_history()), 1::bigint,
    'the instance "default" that was created again has no event of the former one');

-- Owners.
SELECT is(pg_temp.try($$SELECT alter_instance_owner('alice', 'a')$$), '',
    'alter_instance_owner() accepts another owner');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'a'), 'alice',
    'alter_instance_owner() stores the other owner');
SELECT is((get_instance_feature_details('a')).sequence, 0::bigint,
    'alter_instance_owner() is no change of the instance''s features');
SELECT is(pg_temp.try($$SELECT alter_system_owner('alice')$$), '',
    'alter_system_owner() accepts another owner');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE level = 'system'), 'alice',
    'alter_system_owner() gives the system a row with the owner');

SELECT * FROM finish();
ROLLBACK;
