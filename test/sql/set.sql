\set ECHO none
\i test/setup.sql
SELECT plan(61);

-- What a request does.
SELECT is((set_instance_features('{"loginDefaultOrg": true}')).sequence, 1::bigint, 'the first change is event 1');
SELECT is(feature_enabled('login_default_org'), true, 'true sets');
SELECT is((set_instance_features('{"userSchema": false}')).sequence, 2::bigint, 'false is a setting');
SELECT is(feature_enabled('login_default_org'), true, 'an absent field is left as it was');
SELECT results_eq(
    'SELECT feature, value, source::text, sequence FROM get_instance_features()',
    $$VALUES ('login_default_org', 'true'::jsonb, 'instance', 1::bigint), ('user_schema', 'false', 'instance', 2)$$,
    'the settings are there, false among them');
SELECT is((set_instance_features('{"login_default_org": false}')).sequence, 3::bigint, 'a field may be named by its key');
SELECT is((set_instance_features('{"loginDefaultOrg": null}')).sequence, 4::bigint, 'null is a change');
SELECT is((SELECT count(*) FROM get_instance_features() WHERE feature = 'login_default_org'), 0::bigint, 'null unsets');
SELECT is((SELECT source::text FROM get_instance_features(true) WHERE feature = 'login_default_org'), 'default', 'what is unset inherits again');
SELECT is((set_instance_features('{"loginDefaultOrg": true, "oidcTokenExchange": true, "userSchema": null}')).sequence, 7::bigint, 'each change of a request is an event');
SELECT is((set_instance_features('{"loginDefaultOrg": true, "userSchema": null, "oidcTokenExchange": false}')).sequence, 8::bigint, 'what is not changed by a request is no event');

-- No change.
SELECT is(set_instance_features('{"loginDefaultOrg": true}'), get_instance_feature_details(), 'an equal value is no change, and gives the present details');
SELECT is((set_instance_features('{"userSchema": null}')).sequence, 8::bigint, 'unsetting what is not set is no change');
SELECT is((SELECT count(*) FROM instance_feature_history()), 8::bigint, 'no change is no event');
SELECT is((set_system_features('{"userSchema": null}')).sequence, 0::bigint, 'no change of a scope without events has sequence 0');
SELECT is((get_system_feature_details()).change_date, (SELECT min(creation_date) FROM instance_features.feature), 'and the time of its creation');

-- The details.
SELECT is((get_instance_feature_details()).resource_owner, 'default', 'the resource owner is the instance''s id');
SELECT is((set_system_features('{"userSchema": true}')).resource_owner, 'SYSTEM', 'the system''s is SYSTEM');
SELECT is((get_instance_feature_details()).change_date, (SELECT max(creation_date) FROM instance_feature_history()), 'the change date is the last event''s time');
SELECT is((set_instance_features('{"oidcTokenExchange": true}')).change_date, (SELECT creation_date FROM instance_feature_history() WHERE sequence = 9), 'also on a change');
UPDATE instance_features.scope SET change_date = '2100-01-01' WHERE id = 'default';
SELECT is((set_instance_features('{"oidcTokenExchange": false}')).change_date, '2100-01-01'::timestamptz, 'the change date never goes backwards');

-- Inheritance.
SELECT is(feature_enabled('user_schema'), true, 'an instance inherits from the system');
SELECT is((SELECT source::text FROM get_instance_features(true) WHERE feature = 'user_schema'), 'system', 'and says so');
SELECT is((SELECT (s).sequence FROM set_instance_features('{"userSchema": false}') s), 11::bigint, 'an instance may set what the system sets');
SELECT is(feature_enabled('user_schema'), false, 'the lower level wins');

-- Expected sequence.
SELECT is((set_instance_features('{"userSchema": null}', expected_sequence => 11)).sequence, 12::bigint, 'the expected sequence lets a change through');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": false}', expected_sequence => 11)$$),
    '55000 | sequence of instance "default" is 12, not 11 as expected | Read the features again, then repeat the change with their sequence.',
    'another one does not, and the error names both');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": null}', expected_sequence => 11)$$), pg_temp.try($$SELECT set_instance_features('{"userSchema": false}', expected_sequence => 11)$$), 'nor if nothing would change');
SELECT is((get_instance_feature_details()).sequence, 12::bigint, 'nothing was changed');
SELECT is(pg_temp.try($$SELECT (set_system_features('{"userSchema": false}', 0)).sequence$$),
    '55000 | sequence of the system is 1, not 0 as expected | Read the features again, then repeat the change with their sequence.',
    'the same for the system');
SELECT is((set_system_features('{"userSchema": false}', 1)).sequence, 2::bigint, 'and with the right one');

-- Reset.
SELECT is((reset_instance_features()).sequence, 13::bigint, 'a reset is one event');
SELECT is((SELECT count(*) FROM instance_features.setting WHERE scope_id = 'default'), 0::bigint, 'that removes all settings');
SELECT is((reset_instance_features()).sequence, 13::bigint, 'with nothing to remove it changes nothing');
SELECT is((reset_system_features()).sequence, 3::bigint, 'the system can be reset too');
SELECT is((reset_system_features()).sequence, 3::bigint, 'and with nothing to remove does not change');

-- Bad requests.
SELECT is(pg_temp.try('SELECT set_instance_features(NULL)'), '22023 | features must not be null', 'NULL');
SELECT is(pg_temp.try($$SELECT set_instance_features('null')$$), '22023 | features must be a JSON object | It is null.', 'null');
SELECT is(pg_temp.try($$SELECT set_instance_features('[]')$$), '22023 | features must be a JSON object | It is an array.', 'an array');
SELECT is(pg_temp.try($$SELECT set_instance_features('"x"')$$), '22023 | features must be a JSON object | It is a string.', 'a string');
SELECT is(pg_temp.try($$SELECT set_instance_features('1')$$), '22023 | features must be a JSON object | It is a number.', 'a number');
SELECT is(pg_temp.try($$SELECT set_system_features('true')$$), '22023 | features must be a JSON object | It is a boolean.', 'a boolean');
SELECT is(pg_temp.try($$SELECT set_instance_features('{}')$$), '22023 | no changes in request | Name at least one feature, as in {"loginDefaultOrg": true}.', 'an object without a field');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"loginDefaultOrgs": true}')$$), '22023 | unknown feature "loginDefaultOrgs" | Perhaps you meant "loginDefaultOrg".', 'an unknown field');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"user_shema": true}')$$), '22023 | unknown feature "user_shema" | Perhaps you meant "user_schema".', 'an unknown field like a key');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"x": true}')$$), '22023 | unknown feature "x" | get_system_features(true) lists the features.', 'an unknown field like none');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"user_schema": true, "userSchema": true}')$$), '22023 | feature "user_schema" is specified more than once | Both "userSchema" and "user_schema" name it.', 'both names of one feature');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": "true"}')$$), '22023 | invalid value for feature "userSchema" | It is a string, but the feature''s type is boolean. | Use null to unset the feature.', 'a string for a boolean');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": 1}')$$), '22023 | invalid value for feature "userSchema" | It is a number, but the feature''s type is boolean. | Use null to unset the feature.', 'a number for a boolean');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": {"enabled": true}}')$$), '22023 | invalid value for feature "userSchema" | It is an object, but the feature''s type is boolean. | Use null to unset the feature.', 'an object for a boolean');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": []}')$$), '22023 | invalid value for feature "userSchema" | It is an array, but the feature''s type is boolean. | Use null to unset the feature.', 'an array for a boolean');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"loginDefaultOrg": true, "userSchema": 1}')$$) ~ '^22023', true, 'a bad field among good ones');
SELECT is(pg_temp.try($$SELECT set_instance_features((SELECT jsonb_object_agg('unknown_field_' || n, true) FROM generate_series(1, 40000) n))$$) ~ '^22023 \| unknown feature "unknown_field_\d+"', true, 'a megabyte of unknown fields');
SELECT is(length(pg_temp.try($$SELECT set_instance_features(jsonb_build_object(repeat('ü', 500000), true))$$)) < 300, true, 'a field name of a megabyte is not repeated in full');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"a\u0000b": true}')$$) ~ '^22P05', true, 'a NUL in a field name is no jsonb');
SELECT is(pg_temp.try($$SELECT set_instance_features(jsonb_build_object(E'a"b''c\nd', true))$$), E'22023 | unknown feature "a"b''c\nd" | get_system_features(true) lists the features.', 'quotes and a newline in a field name');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"x": true}', 'nowhere')$$) ~ '^22023', true, 'a bad request comes before a missing instance');
SELECT is((get_instance_feature_details()).sequence, 13::bigint, 'none of these was applied');

-- Read-only transactions.
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": true}') FROM set_config('transaction_read_only', 'on', true)$$), '25006 | cannot execute set_instance_features() in a read-only transaction', 'a read-only transaction cannot set');
SELECT is(pg_temp.try($$SELECT reset_system_features() FROM set_config('transaction_read_only', 'on', true)$$), '25006 | cannot execute reset_system_features() in a read-only transaction', 'nor reset');
SELECT is(feature_enabled('user_schema'), false, 'but read');

SELECT * FROM finish();
ROLLBACK;
