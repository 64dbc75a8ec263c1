\set ECHO none
\i test/setup.sql
SELECT plan(90);
CREATE ROLE landlord;
CREATE ROLE stranger;

-- A definition.
SELECT is(pg_temp.try($$SELECT define_feature('dark_mode')$$), '', 'a feature needs only a key');
SELECT results_eq($$SELECT key COLLATE "default", json_name COLLATE "default", value_type::text, default_value, description, builtin, stage::text, allowed_values FROM instance_features.definition WHERE NOT builtin$$,
    $$VALUES ('dark_mode', 'darkMode', 'boolean', 'false'::jsonb, '', false, 'experimental', NULL::jsonb)$$, 'the rest is by default');
SELECT is(feature_enabled('dark_mode'), false, 'it is there at once');
SELECT is((set_instance_features('{"darkMode": true}')).sequence, 1::bigint, 'it is set by its JSON name');
SELECT is((set_system_features('{"dark_mode": true}')).sequence, 1::bigint, 'or its key');
SELECT is(feature_enabled('dark_mode'), true, 'and is enabled');

-- JSON names, as protobuf's ToJsonName() forms them.
SELECT define_feature(k) FROM unnest(ARRAY['a', 'b__c', 'c_1d', 'd1_e2', 'e_f_g_']) k \g /dev/null
SELECT results_eq($$SELECT key COLLATE "default", json_name COLLATE "default" FROM instance_features.feature WHERE length(key) < 7 ORDER BY 1$$,
    $$VALUES ('a', 'a'), ('b__c', 'bC'), ('c_1d', 'c1d'), ('d1_e2', 'd1E2'), ('e_f_g_', 'eFG')$$, 'keys in lowerCamelCase');
SELECT is((set_instance_features('{"a": true}')).sequence, 2::bigint, 'a key may be its own JSON name');

-- Names are unique together.
SELECT is(pg_temp.try($$SELECT define_feature('dark_mode')$$), '42710 | feature "dark_mode" already exists', 'a key is unique');
SELECT is(pg_temp.try($$SELECT define_feature('a_')$$), '42710 | name "a" is already used by feature "a" | Keys and JSON names are unique together. | Give the feature another JSON name.', 'so is a JSON name');
SELECT is(pg_temp.try($$SELECT define_feature('light_mode', json_name => 'dark_mode')$$), '42710 | name "dark_mode" is already used by feature "dark_mode" | Keys and JSON names are unique together. | Give the feature another JSON name.', 'a JSON name is no other''s key');
SELECT is(pg_temp.try($$SELECT define_feature('light_mode', json_name => 'light')$$), '', 'given light');
SELECT is(pg_temp.try($$SELECT define_feature('light')$$), '42710 | name "light" is already used by feature "light_mode" | Keys and JSON names are unique together. | Give the feature another key.', 'a key is no other''s JSON name');
SELECT is(pg_temp.try($$SELECT define_feature('user_schema')$$), '42710 | feature "user_schema" already exists', 'nor a built-in one');

-- What a name may be.
SELECT is(pg_temp.try($$SELECT define_feature('DarkMode')$$), '22023 | invalid key of a feature: "DarkMode" | A key begins with a lower-case letter and has up to 63 lower-case letters, digits and underscores.', 'a key is lower-case');
SELECT is(left(pg_temp.try(format('SELECT define_feature(%L)', k)), 5), '22023', format('no key: "%s"', left(k, 10)))
FROM unnest(ARRAY['', '_a', '1a', 'a-b', 'a b', 'a.b', repeat('x', 64)]) k;
SELECT is(pg_temp.try(format('SELECT define_feature(%L)', repeat('x', 63))), '', '63 characters are a key');
SELECT is(pg_temp.try($$SELECT define_feature(NULL)$$), '22023 | feature must not be null', 'NULL is none');
SELECT is(pg_temp.try($$SELECT define_feature('details')$$), '22023 | JSON name "details" is reserved | A response has a field of that name already. | Give the feature another JSON name.', 'a response has its own field details');
SELECT is(pg_temp.try($$SELECT define_feature('x', json_name => '')$$), '22023 | invalid JSON name of a feature: "" | It has 0 bytes, and from 1 to 200 are allowed.', 'a JSON name is not empty');
SELECT is(left(pg_temp.try($$SELECT define_feature('x', json_name => repeat('x', 201))$$), 5), '22023', 'nor longer than 200 bytes');

-- Types.
SELECT define_feature(k, d::jsonb) FROM (VALUES ('t_string', '"x"'), ('t_integer', '-7'), ('t_number', '7.0'), ('t_object', '{}'), ('t_array', '[]'), ('t_big', '9223372036854775808')) v(k, d) \g /dev/null
SELECT results_eq($$SELECT key COLLATE "default", value_type COLLATE "default" FROM instance_features.feature WHERE key ~ '^t_' ORDER BY 1$$,
    $$VALUES ('t_array', 'array'), ('t_big', 'number'), ('t_integer', 'integer'), ('t_number', 'number'), ('t_object', 'object'), ('t_string', 'string')$$, 'the type is the default''s own');
SELECT is(pg_temp.try($$SELECT define_feature('ratio', '1', value_type => 'number')$$), '', 'a number may be an integer');
SELECT is(pg_temp.try($$SELECT define_feature('count', '1.0', value_type => 'integer')$$), '', 'an integer may be written as 1.0');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '1.5', value_type => 'integer')$$), '22023 | invalid default value for feature "bad" | It is a number, but the feature''s type is integer.', 'but not 1.5');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', value_type => 'boolean')$$), '22023 | invalid default value for feature "bad" | It is a string, but the feature''s type is boolean.', 'a default has its feature''s type');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '1e30', value_type => 'integer')$$), '22023 | invalid default value for feature "bad" | It is not in the range from -9223372036854775808 to 9223372036854775807.', 'an integer is a bigint');
SELECT is(pg_temp.try($$SELECT define_feature('bad', 'null')$$), '22023 | default_value must not be null', 'no default is null');
SELECT is(pg_temp.try($$SELECT define_feature('bad', NULL)$$), '22023 | default_value must not be null', 'nor NULL');
SELECT is(left(pg_temp.try($$SELECT define_feature('bad', value_type => 'date')$$), 5), '22P02', 'there is no other type');

-- Allowed values.
SELECT is(pg_temp.try($$SELECT define_feature('color', '"red"', allowed_values => '["red", "green"]')$$), '', 'given a color');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"color": "blue"}')$$), '22023 | invalid value for feature "color" | "blue" is not one of the allowed ["red", "green"]. | Use null to unset the feature.', 'blue is not allowed');
SELECT is((set_instance_features('{"color": "green"}')).sequence, 3::bigint, 'green is');
SELECT is(pg_temp.try($$SELECT define_feature('level', '2', allowed_values => '[1, 2.0, 3]')$$), '', 'numbers are compared as numbers');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"level": 4}')$$), '22023 | invalid value for feature "level" | 4 is not one of the allowed [1, 2.0, 3]. | Use null to unset the feature.', '4 is none of them');
SELECT is(pg_temp.try($$SELECT define_feature('parts', '[]', allowed_values => '["a", "b", 1]')$$), '', 'an array''s elements may be of any type');
SELECT is((set_instance_features('{"parts": ["b", "a"]}')).sequence, 4::bigint, 'an array of allowed elements');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"parts": ["b", "c"]}')$$), '22023 | invalid value for feature "parts" | The element "c" is not one of the allowed ["a", "b", 1]. | Use null to unset the feature.', 'each element is checked');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"parts": ["b", 1, "b"]}')$$), '22023 | invalid value for feature "parts" | Duplicate element "b". | Use null to unset the feature.', 'and must not be repeated');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"t_array": ["b", "b", null, [], {"b": "b"}]}')$$) ~ '^\(5,', true, 'without allowed values an array may have anything');
SELECT is(pg_temp.try($$SELECT define_feature('bad', allowed_values => '[true]')$$), '22023 | invalid allowed values for feature "bad" | Features of type boolean cannot have allowed values.', 'not for a boolean');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '{}', allowed_values => '[{}]')$$), '22023 | invalid allowed values for feature "bad" | Features of type object cannot have allowed values.', 'nor an object');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', allowed_values => '"x"')$$), '22023 | invalid allowed values for feature "bad" | They are a string, not an array.', 'they are an array');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', allowed_values => '[]')$$), '22023 | invalid allowed values for feature "bad" | The array is empty.', 'with elements');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', allowed_values => '["x", 1]')$$), '22023 | invalid allowed values for feature "bad" | 1 is a number, but the feature''s type is string.', 'of the type');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', allowed_values => '["x", "y", "x"]')$$), '22023 | invalid allowed values for feature "bad" | Duplicate element "x".', 'each once');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"z"', allowed_values => '["x", "y"]')$$), '22023 | invalid default value for feature "bad" | "z" is not one of the allowed ["x", "y"].', 'the default is one of them');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"t_integer": 1e30}')$$), '22023 | invalid value for feature "t_integer" | It is not in the range from -9223372036854775808 to 9223372036854775807. | Use null to unset the feature.', 'an integer that is set is a bigint too');

-- Altering.
SELECT is(pg_temp.try($$SELECT alter_feature('dark_mode', 'true')$$), '', 'a default is altered');
SELECT is((SELECT ARRAY[value::text, source::text] FROM get_system_features(true) WHERE feature = 'light_mode'), '{false,default}', 'given a default');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mode', 'true', 'Light')$$), '', 'and description');
SELECT is(feature_enabled('light_mode'), true, 'the new default is in effect');
SELECT is((SELECT description FROM instance_features.feature WHERE key = 'light_mode'), 'Light', 'and the description there');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mode', 'false')$$), '', 'what is not given');
SELECT is((SELECT description FROM instance_features.feature WHERE key = 'light_mode'), 'Light', 'is left alone');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mode')$$), '22023 | nothing to alter | Give default_value, description or allowed_values.', 'something is to be altered');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mode', '1')$$), '22023 | invalid default value for feature "light_mode" | It is a number, but the feature''s type is boolean.', 'the type stays');
SELECT is(pg_temp.try($$SELECT alter_feature('color', allowed_values => '["red"]')$$), '55000 | 1 setting of feature "color" is not among the allowed values | One is of instance "default": "green" is not one of the allowed ["red"].', 'no setting is made invalid');
SELECT is(pg_temp.try($$SELECT alter_feature('color', allowed_values => '["green"]')$$), '22023 | invalid default value for feature "color" | "red" is not one of the allowed ["green"].', 'nor the default');
SELECT is(pg_temp.try($$SELECT alter_feature('color', '"blue"', allowed_values => '["green", "blue"]')$$), '', 'both at once');
SELECT is(pg_temp.try($$SELECT alter_feature('color', allowed_values => 'null')$$), '', 'JSON null ends the restriction');
SELECT is((set_instance_features('{"color": "pink"}')).sequence, 6::bigint, 'then any color goes');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mod', 'true')$$), '42704 | feature "light_mod" does not exist | Perhaps you meant "light_mode".', 'what does not exist is not altered');
SELECT is(pg_temp.try($$SELECT alter_feature('user_schema', 'true')$$), '42501 | feature "user_schema" is built in | Built-in features can be neither altered nor dropped.', 'nor what is built in');
SELECT is(pg_temp.try($$SELECT alter_feature(NULL, 'true')$$), '22023 | feature must not be null', 'nor NULL');

-- Dropping.
SELECT create_instance('x') AS ignored \gset
SELECT is((set_instance_features('{"darkMode": false, "color": "red"}', 'x')).sequence, 2::bigint, 'given settings of two instances and the system');
SELECT is(pg_temp.try($$SELECT drop_feature('dark_mode')$$), '55000 | cannot drop feature "dark_mode" because it is set | 3 scopes set it. | Use cascade => true to unset it everywhere.', 'what is set is not dropped');
SELECT is(pg_temp.try($$SELECT drop_feature('dark_mode', NULL)$$), '22023 | cascade must not be null', 'nor with NULL');
SELECT is(pg_temp.try($$SELECT drop_feature('dark_mode', true)$$), '', 'unless cascade');
SELECT is(pg_temp.try($$SELECT feature_enabled('dark_mode')$$) ~ '^42704 \| feature "dark_mode" does not exist', true, 'then it is gone');
SELECT is((SELECT array_agg(DISTINCT feature) FROM get_instance_features(false, 'x')), ARRAY['color'], 'with its settings, and no others');
SELECT results_eq($$SELECT sequence, event_type, old_value, value FROM instance_feature_history('x') OFFSET 2$$, $$VALUES (3::bigint, 'feature.instance.dark_mode.unset', 'false'::jsonb, NULL::jsonb)$$, 'which the history tells');
SELECT is(pg_temp.try($$SELECT drop_feature('light_mode')$$), '', 'what is not set needs no cascade');
SELECT is(pg_temp.try($$SELECT drop_feature('light_mode', true)$$) ~ '^42704', true, 'it is gone too');
SELECT is(pg_temp.try($$SELECT drop_feature('user_schema', true)$$) ~ '^42501 \| feature "user_schema" is built in', true, 'what is built in is not dropped');
SELECT is(pg_temp.try($$SELECT define_feature('dark_mode', '"auto"')$$), '', 'a name is free again');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

-- Rights: the system's owner, and nobody else.
SELECT is(pg_temp.try_as('stranger', $$SELECT define_feature('mine')$$), format('42501 | permission denied for the system | Permission "system.feature.write" is required, which role "%s" has.', (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database())), 'define_feature is for the system''s owner');
SELECT is(pg_temp.try_as('stranger', q) ~ '^42501 \| permission denied for the system', true, q)
FROM unnest(ARRAY[$$SELECT alter_feature('color', '"x"')$$, $$SELECT drop_feature('color')$$, $$SELECT set_feature_stage('color', 'stable')$$, $$SELECT alter_feature('user_schema', 'true')$$, $$SELECT purge_feature_events(now())$$]) q;
SELECT alter_system_owner('landlord') \g /dev/null
SELECT is(pg_temp.try_as('landlord', $$SELECT define_feature('mine')$$), '', 'who need not be a superuser');

SELECT * FROM finish();
ROLLBACK;
