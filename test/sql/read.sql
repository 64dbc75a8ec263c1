\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

SELECT results_eq('SELECT feature, value, source::text, sequence, change_date '
    'FROM get_instance_features(true)',
    $$SELECT key COLLATE "default", default_value, 'default', NULL::bigint, NULL::timestamptz
        FROM instance_features.definition ORDER BY key$$,
    'a fresh instance has every feature''s default with inheritance');
SELECT is(pg_temp.try('SELECT get_instance_features()'),
    'P0002 | instance "default" has no feature settings | '
        'Read it with inheritance to get the effective values.',
    'a fresh instance has no feature settings without inheritance');
SELECT is(pg_temp.try('SELECT get_instance_features(NULL)'), '22023 | inheritance must not be null',
    'get_instance_features() refuses NULL for inheritance');
SELECT is_empty('SELECT * FROM get_system_features()',
    'a fresh system has no settings without inheritance');
SELECT is((SELECT count(*) FROM get_system_features(true)),
    (SELECT count(*) FROM instance_features.definition),
    'a fresh system has every feature''s default with inheritance');

SELECT set_system_features('{"userSchema": true, "loginDefaultOrg": true}') AS ignored \gset
SELECT set_instance_features('{"loginDefaultOrg": false}') AS ignored \gset
SELECT results_eq('SELECT feature, value, source::text FROM get_instance_features(true)',
    $$SELECT key COLLATE "default", CASE key WHEN 'user_schema' THEN 'true' ELSE 'false' END::jsonb,
          CASE key WHEN 'login_default_org' THEN 'instance'
              WHEN 'user_schema' THEN 'system' ELSE 'default' END
        FROM instance_features.definition ORDER BY key$$,
    'the instance comes before the system, and the system before the default');
SELECT results_eq('SELECT feature, value, source::text, sequence FROM get_system_features()',
    $$VALUES ('login_default_org', 'true'::jsonb, 'system', 1::bigint),
        ('user_schema', 'true', 'system', 2)$$,
    'get_system_features() returns the system''s own settings');
SELECT is((SELECT change_date FROM get_instance_features()),
    (get_instance_feature_details()).change_date, 'a setting has the time of its event');

SELECT is(feature_enabled('login_default_org'), false,
    'feature_enabled() returns the value of the instance');
SELECT is(feature_enabled('user_schema'), true,
    'feature_enabled() returns the value of the system');
SELECT is(feature_enabled('oidc_token_exchange'), false,
    'feature_enabled() returns the default value');
SELECT is(feature_value('user_schema'), 'true'::jsonb,
    'feature_value() returns the value as jsonb');
SELECT is(pg_temp.try($$SELECT feature_enabled('userSchema')$$),
    '42704 | feature "userSchema" does not exist | Perhaps you meant "user_schema".',
    'feature_enabled() refuses a JSON name and hints at the key');
SELECT is(pg_temp.try($$SELECT feature_enabled('')$$), '42704 | feature "" does not exist',
    'feature_enabled() refuses an empty key');
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schem')$$),
    '42704 | feature "user_schem" does not exist | Perhaps you meant "user_schema".',
    'feature_enabled() refuses a key that is cut short');
SELECT is(pg_temp.try($$SELECT feature_value('usr_schema')$$),
    '42704 | feature "usr_schema" does not exist | Perhaps you meant "user_schema".',
    'feature_value() refuses a key that does not exist');
SELECT is(pg_temp.try($$SELECT feature_value(repeat('x', 100000))$$)
    ~ '^42704 \| feature "x{200}\.\.\." does not exist$', true,
    'feature_value() cuts a long key in its message');
SELECT is(pg_temp.try('SELECT feature_enabled(NULL)'), '22023 | feature must not be null',
    'feature_enabled() refuses NULL as a feature');
SELECT is(pg_temp.try('SELECT feature_value(NULL)'), '22023 | feature must not be null',
    'feature_value() refuses NULL as a feature');

-- A row of calls with different arguments.
SELECT create_instance('other') AS ignored \gset
SELECT set_instance_features('{"oidcTokenExchange": true}', 'other') AS ignored \gset
SELECT results_eq(
    $$SELECT feature_enabled(key, id)
        FROM (VALUES ('user_schema', 'default'), ('user_schema', 'other'),
            ('login_default_org', 'default'),
        ('login_default_org', 'other'), ('oidc_token_exchange', NULL),
        ('oidc_token_exchange', 'other')) v(key, id)$$,
    $$VALUES (true), (true), (false), (true), (false), (true)$$,
    'each call in a query returns the answer to its own arguments');

-- The current instance.
SET instance_features.instance_id = 'other';
SELECT is(feature_enabled('oidc_token_exchange'), true,
    'feature_enabled() reads the instance of the setting');
SELECT is((get_instance_feature_details()).resource_owner, 'other',
    'get_instance_feature_details() reads the instance of the setting');
SELECT is(feature_enabled('oidc_token_exchange', 'default'), false,
    'an argument comes before the setting of the current instance');
CREATE FUNCTION pg_temp.answers(OUT a boolean, OUT b boolean) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 2 LOOP
        b := a;
        a := feature_enabled('oidc_token_exchange');
        SET LOCAL instance_features.instance_id = 'default';
    END LOOP;
END $$;
SELECT is((SELECT answers::text FROM pg_temp.answers()), '(f,t)',
    'the next call in a function sees a change of the current instance');
SET instance_features.instance_id = 'none';
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema')$$),
    'P0002 | instance "none" does not exist', 'a current instance that does not exist is an error');
SET instance_features.instance_id = '';
SELECT is(pg_temp.try(q), '22023 | instance id must not be empty',
    'an empty current instance is an error in ' || q)
FROM unnest(ARRAY[$$SELECT feature_enabled('user_schema')$$, 'SELECT get_instance_features(true)',
    'SELECT get_instance_feature_details()',
    $$SELECT set_instance_features('{"userSchema": true}')$$, 'SELECT reset_instance_features()',
    'SELECT instance_feature_history()']) q;
SELECT is(feature_enabled('user_schema', 'other'), true,
    'an empty current instance does not matter where an instance is named');
SELECT set_config('instance_features.instance_id', repeat('x', 201), false) AS ignored \gset
SELECT is(pg_temp.try(q),
    '22023 | instance id is too long | It has 201 bytes, and at most 200 are allowed.',
    'an overlong current instance is an error in ' || q)
FROM unnest(ARRAY[$$SELECT feature_enabled('user_schema')$$,
    $$SELECT set_instance_features('{"userSchema": true}')$$]) q;
RESET instance_features.instance_id;
SELECT is(current_setting('instance_features.instance_id'), 'default',
    'the current instance is "default" if nothing sets it');

-- Features of other types, though nothing defines them yet.
INSERT INTO instance_features.feature (key, json_name, value_type, default_value) VALUES
    ('limit_value', 'limitValue', 'integer', '1'), ('greeting', 'greeting', 'string', '"hello"'),
    ('theme', 'theme', 'object', '{"a": [1, {}]}');
SELECT is(pg_temp.try($$SELECT feature_enabled('limit_value')$$),
    '22023 | feature "limit_value" is of type integer, not boolean | '
        'Use feature_value() to read a feature of any type.',
    'feature_enabled() refuses a feature that is not boolean');
SELECT is(feature_value('theme'), '{"a": [1, {}]}'::jsonb, 'feature_value() returns an object');
SELECT is((set_instance_features(
    '{"limitValue": 5, "greeting": "hi", "theme": {"b": null}}')).sequence, 4::bigint,
    'values of the features'' types can be set');
SELECT results_eq($$SELECT feature_value(k) FROM unnest('{limit_value,greeting,theme}'::text[]) k$$,
    $$VALUES ('5'::jsonb), ('"hi"'), ('{"b": null}')$$,
    'values of the features'' types can be read');
SELECT is((set_instance_features('{"limitValue": 5.0, "theme": {"b": null}}')).sequence, 4::bigint,
    'setting equal values of several types changes nothing');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"limitValue": 5.5}')$$),
    '22023 | invalid value for feature "limitValue" | It is a number, '
        'but the feature''s type is integer. | Use null to unset the feature.',
    'a value of another type than the feature''s cannot be set');
SELECT is((SELECT body->'theme' FROM feature_service('GET', '/v2/features/instance')),
    '{"value": {"b": null}, "source": "SOURCE_INSTANCE"}'::jsonb,
    'the service shows an object as a value');

-- Ids.
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', '')$$),
    '22023 | instance id must not be empty', 'feature_enabled() refuses an empty instance id');
SELECT is(pg_temp.try($$SELECT get_instance_features(true, repeat('x', 201))$$),
    '22023 | instance id is too long | It has 201 bytes, and at most 200 are allowed.',
    'get_instance_features() refuses an instance id of 201 bytes');

SELECT * FROM finish();
ROLLBACK;
