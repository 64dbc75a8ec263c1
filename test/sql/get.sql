\set ECHO none
\i test/setup.sql
SELECT plan(44);

SELECT results_eq('SELECT feature, value, source::text, sequence, change_date FROM get_instance_features(true)',
    $$VALUES ('login_default_org', 'false'::jsonb, 'default', NULL::bigint, NULL::timestamptz),
             ('oidc_legacy_introspection', 'false', 'default', NULL, NULL),
             ('oidc_token_exchange', 'false', 'default', NULL, NULL),
             ('oidc_trigger_introspection_projections', 'false', 'default', NULL, NULL),
             ('user_schema', 'false', 'default', NULL, NULL)$$,
    'with inheritance, a fresh instance has every feature''s default');
SELECT is(pg_temp.try('SELECT get_instance_features()'), 'P0002 | instance "default" has no feature settings | Read it with inheritance to get the effective values.', 'without, it is not found');
SELECT is(pg_temp.try('SELECT get_instance_features(NULL)'), '22023 | inheritance must not be null', 'NULL is neither inheritance nor none');
SELECT is_empty('SELECT * FROM get_system_features()', 'a fresh system has no settings');
SELECT is((SELECT count(*) FROM get_system_features(true)), 5::bigint, 'but defaults');

SELECT set_system_features('{"userSchema": true, "loginDefaultOrg": true}') AS ignored \gset
SELECT set_instance_features('{"loginDefaultOrg": false}') AS ignored \gset
SELECT results_eq('SELECT feature, value, source::text FROM get_instance_features(true)',
    $$VALUES ('login_default_org', 'false'::jsonb, 'instance'), ('oidc_legacy_introspection', 'false', 'default'),
             ('oidc_token_exchange', 'false', 'default'), ('oidc_trigger_introspection_projections', 'false', 'default'),
             ('user_schema', 'true', 'system')$$,
    'the instance comes before the system, the system before the default');
SELECT results_eq('SELECT feature, value, source::text, sequence FROM get_system_features()',
    $$VALUES ('login_default_org', 'true'::jsonb, 'system', 1::bigint), ('user_schema', 'true', 'system', 2)$$,
    'the system''s own settings');
SELECT is((SELECT change_date FROM get_instance_features()), (get_instance_feature_details()).change_date, 'a setting has the time of its event');

SELECT is(feature_enabled('login_default_org'), false, 'feature_enabled by the instance');
SELECT is(feature_enabled('user_schema'), true, 'feature_enabled by the system');
SELECT is(feature_enabled('oidc_token_exchange'), false, 'feature_enabled by default');
SELECT is(feature_value('user_schema'), 'true'::jsonb, 'feature_value is jsonb');
SELECT is(pg_temp.try($$SELECT feature_enabled('userSchema')$$), '42704 | feature "userSchema" does not exist | Perhaps you meant "user_schema".', 'an undefined feature is an error, which hints at the key');
SELECT is(pg_temp.try($$SELECT feature_enabled('')$$), '42704 | feature "" does not exist', 'an empty key');
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schem')$$), '42704 | feature "user_schem" does not exist | Perhaps you meant "user_schema".', 'a key cut short is not found');
SELECT is(pg_temp.try($$SELECT feature_value('usr_schema')$$), '42704 | feature "usr_schema" does not exist | Perhaps you meant "user_schema".', 'also for feature_value');
SELECT is(pg_temp.try($$SELECT feature_value(repeat('x', 100000))$$) ~ '^42704 \| feature "x{200}\.\.\." does not exist$', true, 'a long key is cut in the message');
SELECT is(pg_temp.try('SELECT feature_enabled(NULL)'), '22023 | feature must not be null', 'NULL is no feature');
SELECT is(pg_temp.try('SELECT feature_value(NULL)'), '22023 | feature must not be null', 'nor for feature_value');

-- A row of calls with different arguments.
SELECT create_instance('other') AS ignored \gset
SELECT set_instance_features('{"oidcTokenExchange": true}', 'other') AS ignored \gset
SELECT results_eq(
    $$SELECT feature_enabled(key, id) FROM (VALUES ('user_schema', 'default'), ('user_schema', 'other'), ('login_default_org', 'default'),
        ('login_default_org', 'other'), ('oidc_token_exchange', NULL), ('oidc_token_exchange', 'other')) v(key, id)$$,
    $$VALUES (true), (true), (false), (true), (false), (true)$$, 'each call gets the answer to its own arguments');

-- The current instance.
SET instance_features.instance_id = 'other';
SELECT is(feature_enabled('oidc_token_exchange'), true, 'the setting chooses the instance');
SELECT is((get_instance_feature_details()).resource_owner, 'other', 'for all functions');
SELECT is(feature_enabled('oidc_token_exchange', 'default'), false, 'an argument comes before it');
CREATE FUNCTION pg_temp.answers(OUT a boolean, OUT b boolean) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 2 LOOP
        b := a;
        a := feature_enabled('oidc_token_exchange');
        SET LOCAL instance_features.instance_id = 'default';
    END LOOP;
END $$;
SELECT is((SELECT answers::text FROM pg_temp.answers()), '(f,t)', 'a change of the setting is seen by the next call in a function');
SET instance_features.instance_id = 'none';
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema')$$), 'P0002 | instance "none" does not exist', 'an instance that does not exist');
SET instance_features.instance_id = '';
SELECT is(pg_temp.try(q), '22023 | instance id must not be empty', 'an empty setting is an error when it is used: ' || q)
FROM unnest(ARRAY[$$SELECT feature_enabled('user_schema')$$, 'SELECT get_instance_features(true)', 'SELECT get_instance_feature_details()',
    $$SELECT set_instance_features('{"userSchema": true}')$$, 'SELECT reset_instance_features()', 'SELECT instance_feature_history()']) q;
SELECT is(feature_enabled('user_schema', 'other'), true, 'an empty setting does not matter where an instance is named');
SELECT set_config('instance_features.instance_id', repeat('x', 201), false) AS ignored \gset
SELECT is(pg_temp.try(q), '22023 | instance id is too long | It has 201 bytes, and at most 200 are allowed.', 'an overlong setting is an error when it is used: ' || q)
FROM unnest(ARRAY[$$SELECT feature_enabled('user_schema')$$, $$SELECT set_instance_features('{"userSchema": true}')$$]) q;
RESET instance_features.instance_id;
SELECT is(current_setting('instance_features.instance_id'), 'default', 'its built-in value is "default"');

-- Features of other types, though nothing defines them yet.
INSERT INTO instance_features.feature (key, json_name, value_type, default_value) VALUES
    ('limit_value', 'limitValue', 'integer', '1'), ('greeting', 'greeting', 'string', '"hello"'), ('theme', 'theme', 'object', '{"a": [1, {}]}');
SELECT is(pg_temp.try($$SELECT feature_enabled('limit_value')$$), '22023 | feature "limit_value" is of type integer, not boolean | Use feature_value() to read a feature of any type.', 'feature_enabled of what is not boolean is an error');
SELECT is(feature_value('theme'), '{"a": [1, {}]}'::jsonb, 'feature_value of an object');
SELECT is((set_instance_features('{"limitValue": 5, "greeting": "hi", "theme": {"b": null}}')).sequence, 4::bigint, 'values of their types can be set');
SELECT results_eq($$SELECT feature_value(k) FROM unnest('{limit_value,greeting,theme}'::text[]) k$$, $$VALUES ('5'::jsonb), ('"hi"'), ('{"b": null}')$$, 'and read');
SELECT is((set_instance_features('{"limitValue": 5.0, "theme": {"b": null}}')).sequence, 4::bigint, 'an equal value is no change');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"limitValue": 5.5}')$$), '22023 | invalid value for feature "limitValue" | It is a number, but the feature''s type is integer. | Use null to unset the feature.', 'others cannot');
SELECT is((SELECT body->'theme' FROM feature_service('GET', '/v2/features/instance')), '{"value": {"b": null}, "source": "SOURCE_INSTANCE"}'::jsonb, 'the service shows them as values');

-- Ids.
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', '')$$), '22023 | instance id must not be empty', 'an empty id');
SELECT is(pg_temp.try($$SELECT get_instance_features(true, repeat('x', 201))$$), '22023 | instance id is too long | It has 201 bytes, and at most 200 are allowed.', 'an overlong id');

SELECT * FROM finish();
ROLLBACK;
