\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- What a request does.
SELECT is((set_instance_features('{"loginDefaultOrg": true}')).sequence, 1::bigint,
    'the first change of an instance is event 1');
SELECT is(feature_enabled('login_default_org'), true, 'a feature that is set to true is enabled');
SELECT is((set_instance_features('{"userSchema": false}')).sequence, 2::bigint,
    'a change to false is an event, even if false is the default');
SELECT is(feature_enabled('login_default_org'), true,
    'a request leaves features alone that it does not name');
SELECT results_eq(
    'SELECT feature, value, source::text, sequence FROM get_instance_features()',
    $$VALUES ('login_default_org', 'true'::jsonb, 'instance', 1::bigint),
        ('user_schema', 'false', 'instance', 2)$$,
    'get_instance_features() lists settings, false ones too');
SELECT is((set_instance_features('{"login_default_org": false}')).sequence, 3::bigint,
    'a field of a request may be a key');
SELECT is((set_instance_features('{"loginDefaultOrg": null}')).sequence, 4::bigint,
    'a change to null is an event');
SELECT is((SELECT count(*) FROM get_instance_features() WHERE feature = 'login_default_org'),
    0::bigint, 'a change to null removes the setting');
SELECT is((SELECT source::text FROM get_instance_features(true)
    WHERE feature = 'login_default_org'), 'default',
    'a feature whose setting was removed has its default again');
SELECT is((set_instance_features(
    '{"loginDefaultOrg": true, "oidcTokenExchange": true, "userSchema": null}')).sequence,
    7::bigint, 'every change of a request is an event');
SELECT is((set_instance_features(
    '{"loginDefaultOrg": true, "userSchema": null, "oidcTokenExchange": false}')).sequence,
    8::bigint, 'a feature that a request does not change gets no event');

-- No change.
SELECT is(set_instance_features('{"loginDefaultOrg": true}'), get_instance_feature_details(),
    'setting an equal value changes nothing and returns the present details');
SELECT is((set_instance_features('{"userSchema": null}')).sequence, 8::bigint,
    'unsetting what is not set changes nothing');
SELECT is((SELECT count(*) FROM instance_feature_history()), 8::bigint,
    'a request that changes nothing makes no event');
SELECT is((set_system_features('{"userSchema": null}')).sequence, 0::bigint,
    'a request that changes nothing on a fresh system has sequence 0');
SELECT is((get_system_feature_details()).change_date, NULL,
    'the details of a fresh system have no change date');

-- The details.
SELECT is((get_instance_feature_details()).resource_owner, 'default',
    'the resource owner of an instance is its id');
SELECT is((set_system_features('{"userSchema": true}')).resource_owner, 'SYSTEM',
    'the resource owner of the system is "SYSTEM"');
SELECT is((get_instance_feature_details()).change_date,
    (SELECT max(creation_date) FROM instance_feature_history()),
    'the change date of an instance is the time of its last event');
SELECT is((set_instance_features('{"oidcTokenExchange": true}')).change_date,
    (SELECT creation_date FROM instance_feature_history() WHERE sequence = 9),
    'the change date that a set returns is the time of its event');
UPDATE instance_features.scope SET change_date = '2100-01-01' WHERE id = 'default';
SELECT is((set_instance_features('{"oidcTokenExchange": false}')).change_date,
    '2100-01-01'::timestamptz, 'the change date never goes backwards');

-- Inheritance.
SELECT is(feature_enabled('user_schema'), true, 'an instance inherits a feature from the system');
SELECT is((SELECT source::text FROM get_instance_features(true) WHERE feature = 'user_schema'),
    'system', 'the source of an inherited feature is the system');
SELECT is((SELECT (s).sequence FROM set_instance_features('{"userSchema": false}') s), 11::bigint,
    'an instance can set a feature that the system sets');
SELECT is(feature_enabled('user_schema'), false,
    'the setting of an instance comes before that of the system');

-- Expected sequence.
SELECT is((set_instance_features('{"userSchema": null}', expected_sequence => 11)).sequence,
    12::bigint, 'the expected sequence lets a change through');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": false}',
    expected_sequence => 11)$$),
    '55000 | sequence of instance "default" is 12, not 11 as expected | Read the features again, '
        'then repeat the change with their sequence.',
    'another sequence than expected is an error that names both');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": null}',
    expected_sequence => 11)$$), pg_temp.try($$SELECT set_instance_features('{"userSchema": false}',
    expected_sequence => 11)$$),
    'another sequence than expected is an error even if nothing would change');
SELECT is((get_instance_feature_details()).sequence, 12::bigint,
    'another sequence than expected changes nothing');
SELECT is(pg_temp.try($$SELECT (set_system_features('{"userSchema": false}', 0)).sequence$$),
    '55000 | sequence of the system is 1, not 0 as expected | Read the features again, '
        'then repeat the change with their sequence.',
    'another sequence of the system than expected is an error');
SELECT is((set_system_features('{"userSchema": false}', 1)).sequence, 2::bigint,
    'the expected sequence of the system lets a change through');

-- Reset.
SELECT is((reset_instance_features()).sequence, 13::bigint,
    'a reset is one event, whatever it removes');
SELECT is((SELECT count(*) FROM instance_features.setting WHERE scope_id = 'default'), 0::bigint,
    'a reset removes all settings of the instance');
SELECT is((reset_instance_features()).sequence, 13::bigint,
    'a reset of an instance without settings changes nothing');
SELECT is((reset_system_features()).sequence, 3::bigint, 'a reset of the system is one event');
SELECT is((reset_system_features()).sequence, 3::bigint,
    'a reset of a system without settings changes nothing');

-- Bad requests.
SELECT is(pg_temp.try('SELECT set_instance_features(NULL)'), '22023 | features must not be null',
    'set_instance_features() refuses NULL');
SELECT is(pg_temp.try($$SELECT set_instance_features('null')$$),
    '22023 | features must be a JSON object | It is null.',
    'set_instance_features() refuses JSON null');
SELECT is(pg_temp.try($$SELECT set_instance_features('[]')$$),
    '22023 | features must be a JSON object | It is an array.',
    'set_instance_features() refuses an array');
SELECT is(pg_temp.try($$SELECT set_instance_features('"x"')$$),
    '22023 | features must be a JSON object | It is a string.',
    'set_instance_features() refuses a string');
SELECT is(pg_temp.try($$SELECT set_instance_features('1')$$),
    '22023 | features must be a JSON object | It is a number.',
    'set_instance_features() refuses a number');
SELECT is(pg_temp.try($$SELECT set_system_features('true')$$),
    '22023 | features must be a JSON object | It is a boolean.',
    'set_system_features() refuses a boolean');
SELECT is(pg_temp.try($$SELECT set_instance_features('{}')$$),
    '22023 | no changes in request | Name at least one feature, as in {"loginDefaultOrg": true}.',
    'set_instance_features() refuses an object without a field');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"loginDefaultOrgs": true}')$$),
    '22023 | unknown feature "loginDefaultOrgs" | Perhaps you meant "loginDefaultOrg".',
    'an unknown field gets a hint at a JSON name');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"user_shema": true}')$$),
    '22023 | unknown feature "user_shema" | Perhaps you meant "user_schema".',
    'an unknown field gets a hint at a key');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"x": true}')$$),
    '22023 | unknown feature "x" | get_system_features(true) lists the features.',
    'an unknown field that is like no other gets a hint at the list');
SELECT is(pg_temp.try(
    $$SELECT set_instance_features('{"user_schema": true, "userSchema": true}')$$),
    '22023 | feature "user_schema" is specified more than once | '
        'Both "userSchema" and "user_schema" name it.',
    'set_instance_features() refuses both names of one feature');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": "true"}')$$),
    '22023 | invalid value for feature "userSchema" | It is a string, '
        'but the feature''s type is boolean. | Use null to unset the feature.',
    'a boolean cannot be set to a string');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": 1}')$$),
    '22023 | invalid value for feature "userSchema" | It is a number, '
        'but the feature''s type is boolean. | Use null to unset the feature.',
    'a boolean cannot be set to a number');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": {"enabled": true}}')$$),
    '22023 | invalid value for feature "userSchema" | It is an object, '
        'but the feature''s type is boolean. | Use null to unset the feature.',
    'a boolean cannot be set to an object');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": []}')$$),
    '22023 | invalid value for feature "userSchema" | It is an array, '
        'but the feature''s type is boolean. | Use null to unset the feature.',
    'a boolean cannot be set to an array');
SELECT is(pg_temp.try(
    $$SELECT set_instance_features('{"loginDefaultOrg": true, "userSchema": 1}')$$) ~ '^22023',
    true, 'a request with a bad value among good ones is refused');
SELECT is(pg_temp.try(
    $$SELECT set_instance_features((SELECT jsonb_object_agg('unknown_field_' || n, true)
        FROM generate_series(1, 40000) n))$$) ~ '^22023 \| unknown feature "unknown_field_\d+"',
    true, 'a request with a megabyte of unknown fields is refused');
SELECT is(length(pg_temp.try(
    $$SELECT set_instance_features(jsonb_build_object(repeat('ü', 500000), true))$$)) < 300, true,
    'a field name of a megabyte is not repeated in full');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"a\u0000b": true}')$$) ~ '^22P05', true,
    'a field name with a null byte is no jsonb');
SELECT is(pg_temp.try($$SELECT set_instance_features(jsonb_build_object(E'a"b''c\nd', true))$$),
    E'22023 | unknown feature "a"b''c\nd" | get_system_features(true) lists the features.',
    'an unknown field may have quotes and a newline');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"x": true}', 'nowhere')$$) ~ '^22023', true,
    'a bad request is an error before a missing instance');
SELECT is((get_instance_feature_details()).sequence, 13::bigint,
    'requests that are refused change nothing');

-- Read-only transactions.
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": true}')
    FROM set_config('transaction_read_only', 'on', true)$$),
    '25006 | cannot execute set_instance_features() in a read-only transaction',
    'set_instance_features() is refused in a read-only transaction');
SELECT is(pg_temp.try($$SELECT reset_system_features()
    FROM set_config('transaction_read_only', 'on', true)$$),
    '25006 | cannot execute reset_system_features() in a read-only transaction',
    'reset_system_features() is refused in a read-only transaction');
SELECT is(feature_enabled('user_schema'), false,
    'feature_enabled() works after a refusal in a read-only transaction');

SELECT * FROM finish();
ROLLBACK;
