\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE landlord;
CREATE ROLE stranger;

-- A definition.
SELECT is(pg_temp.try($$SELECT define_feature('dark_mode')$$), '',
    'define_feature() needs only a key');
SELECT results_eq($$SELECT key COLLATE "default", json_name COLLATE "default", value_type::text,
    default_value, description, builtin, stage::text, allowed_values
    FROM instance_features.definition WHERE NOT builtin$$,
    $$VALUES ('dark_mode', 'darkMode', 'boolean', 'false'::jsonb, '', false, 'experimental',
        NULL::jsonb)$$, 'define_feature() has a default for everything but the key');
SELECT is(feature_enabled('dark_mode'), false, 'a new feature can be read at once');
SELECT is((set_instance_features('{"darkMode": true}')).sequence, 1::bigint,
    'a new feature can be set by its JSON name');
SELECT is((set_system_features('{"dark_mode": true}')).sequence, 1::bigint,
    'a new feature can be set by its key');
SELECT is(feature_enabled('dark_mode'), true, 'a new feature that was set is enabled');

-- JSON names, as protobuf's ToJsonName() forms them.
SELECT define_feature(k) FROM unnest(ARRAY['a', 'b__c', 'c_1d', 'd1_e2', 'e_f_g_']) k \g /dev/null
SELECT results_eq($$SELECT key COLLATE "default", json_name COLLATE "default"
    FROM instance_features.feature WHERE length(key) < 7 ORDER BY 1$$,
    $$VALUES ('a', 'a'), ('b__c', 'bC'), ('c_1d', 'c1d'), ('d1_e2', 'd1E2'), ('e_f_g_', 'eFG')$$,
    'JSON names are keys in lowerCamelCase');
SELECT is((set_instance_features('{"a": true}')).sequence, 2::bigint,
    'a feature whose key is its JSON name can be set');

-- Names are unique together.
SELECT is(pg_temp.try($$SELECT define_feature('dark_mode')$$),
    '42710 | feature "dark_mode" already exists', 'define_feature() refuses a key that exists');
SELECT is(pg_temp.try($$SELECT define_feature('a_')$$),
    '42710 | name "a" is already used by feature "a" | Keys and JSON names are unique together. | '
        'Give the feature another JSON name.', 'define_feature() refuses a JSON name that exists');
SELECT is(pg_temp.try($$SELECT define_feature('light_mode', json_name => 'dark_mode')$$),
    '42710 | name "dark_mode" is already used by feature "dark_mode" | '
        'Keys and JSON names are unique together. | Give the feature another JSON name.',
    'define_feature() refuses a JSON name that is another feature''s key');
SELECT is(pg_temp.try($$SELECT define_feature('light_mode', json_name => 'light')$$), '',
    'define_feature() accepts a JSON name of one''s choice');
SELECT is(pg_temp.try($$SELECT define_feature('light')$$),
    '42710 | name "light" is already used by feature "light_mode" | '
        'Keys and JSON names are unique together. | Give the feature another key.',
    'define_feature() refuses a key that is another feature''s JSON name');
SELECT is(pg_temp.try($$SELECT define_feature('user_schema')$$),
    '42710 | feature "user_schema" already exists',
    'define_feature() refuses the key of a built-in feature');

-- What a name may be.
SELECT is(pg_temp.try($$SELECT define_feature('DarkMode')$$),
    '22023 | invalid key of a feature: "DarkMode" | '
        'A key begins with a lower-case letter and has up to 63 lower-case letters, '
        'digits and underscores.', 'define_feature() refuses a key with capital letters');
SELECT is(left(pg_temp.try(format('SELECT define_feature(%L)', k)), 5), '22023',
    format('define_feature() refuses the key "%s"', left(k, 10)))
FROM unnest(ARRAY['', '_a', '1a', 'a-b', 'a b', 'a.b', repeat('x', 64)]) k;
SELECT is(pg_temp.try(format('SELECT define_feature(%L)', repeat('x', 63))), '',
    'define_feature() accepts a key of 63 characters');
SELECT is(pg_temp.try($$SELECT define_feature(NULL)$$), '22023 | feature must not be null',
    'define_feature() refuses NULL as a key');
SELECT is(pg_temp.try($$SELECT define_feature('details')$$),
    '22023 | JSON name "details" is reserved | Requests and responses have a field of that name '
        'already. | '
        'Give the feature another JSON name.',
    'define_feature() refuses the JSON name of a response''s own field');
SELECT is(pg_temp.try($$SELECT define_feature('x', json_name => '')$$),
    '22023 | invalid JSON name of a feature: "" | It has 0 bytes, and from 1 to 200 are allowed.',
    'define_feature() refuses an empty JSON name');
SELECT is(left(pg_temp.try($$SELECT define_feature('x', json_name => repeat('x', 201))$$), 5),
    '22023', 'define_feature() refuses a JSON name of 201 bytes');

-- Types.
SELECT define_feature(k, d::jsonb)
FROM (VALUES ('t_string', '"x"'), ('t_integer', '-7'), ('t_number', '7.0'), ('t_object', '{}'),
    ('t_array', '[]'), ('t_big', '9223372036854775808')) v(k, d) \g /dev/null
SELECT results_eq($$SELECT key COLLATE "default", value_type COLLATE "default"
    FROM instance_features.feature WHERE key ~ '^t_' ORDER BY 1$$,
    $$VALUES ('t_array', 'array'), ('t_big', 'number'), ('t_integer', 'integer'),
        ('t_number', 'number'), ('t_object', 'object'), ('t_string', 'string')$$,
    'the type of a feature is that of its default value');
SELECT is(pg_temp.try($$SELECT define_feature('ratio', '1', value_type => 'number')$$), '',
    'the default of a feature of type number may be an integer');
SELECT is(pg_temp.try($$SELECT define_feature('count', '1.0', value_type => 'integer')$$), '',
    'the default of a feature of type integer may be written as 1.0');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '1.5', value_type => 'integer')$$),
    '22023 | invalid default value for feature "bad" | It is a number, '
        'but the feature''s type is integer.',
    'the default of a feature of type integer may not be 1.5');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', value_type => 'boolean')$$),
    '22023 | invalid default value for feature "bad" | It is a string, '
        'but the feature''s type is boolean.',
    'define_feature() refuses a default of another type');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '1e30', value_type => 'integer')$$),
    '22023 | invalid default value for feature "bad" | '
        'It is not in the range from -9223372036854775808 to 9223372036854775807.',
    'define_feature() refuses an integer that is no bigint');
SELECT is(pg_temp.try($$SELECT define_feature('bad', 'null')$$),
    '22023 | default_value must not be null', 'define_feature() refuses JSON null as the default');
SELECT is(pg_temp.try($$SELECT define_feature('bad', NULL)$$),
    '22023 | default_value must not be null', 'define_feature() refuses NULL as the default');
SELECT is(left(pg_temp.try($$SELECT define_feature('bad', value_type => 'date')$$), 5), '22P02',
    'define_feature() refuses an unknown type');

-- Allowed values.
SELECT is(pg_temp.try($$SELECT define_feature('color', '"red"',
    allowed_values => '["red", "green"]')$$), '', 'define_feature() accepts allowed values');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"color": "blue"}')$$),
    '22023 | invalid value for feature "color" | "blue" is not one of the allowed ["red", '
        '"green"]. | Use null to unset the feature.',
    'a value that is not among the allowed ones cannot be set');
SELECT is((set_instance_features('{"color": "green"}')).sequence, 3::bigint,
    'a value that is among the allowed ones can be set');
SELECT is(pg_temp.try($$SELECT define_feature('level', '2', allowed_values => '[1, 2.0, 3]')$$), '',
    'define_feature() compares allowed numbers as numbers');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"level": 4}')$$),
    '22023 | invalid value for feature "level" | 4 is not one of the allowed [1, 2.0, 3]. | '
        'Use null to unset the feature.',
    'a number that is not among the allowed ones cannot be set');
SELECT is(pg_temp.try($$SELECT define_feature('parts', '[]', allowed_values => '["a", "b", 1]')$$),
    '', 'an array''s allowed elements may be of any type');
SELECT is((set_instance_features('{"parts": ["b", "a"]}')).sequence, 4::bigint,
    'a feature of type array can have allowed elements');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"parts": ["b", "c"]}')$$),
    '22023 | invalid value for feature "parts" | The element "c" is not one of the allowed ["a", '
        '"b", 1]. | Use null to unset the feature.',
    'an array with an element that is not allowed cannot be set');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"parts": ["b", 1, "b"]}')$$),
    '22023 | invalid value for feature "parts" | Duplicate element "b". | '
        'Use null to unset the feature.', 'an array that repeats an element cannot be set');
SELECT is(pg_temp.try(
    $$SELECT set_instance_features('{"t_array": ["b", "b", null, [], {"b": "b"}]}')$$) ~ '^\(5,',
    true, 'an array without allowed values may repeat elements');
SELECT is(pg_temp.try($$SELECT define_feature('bad', allowed_values => '[true]')$$),
    '22023 | invalid allowed values for feature "bad" | '
        'Features of type boolean cannot have allowed values.',
    'define_feature() refuses allowed values for a boolean');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '{}', allowed_values => '[{}]')$$),
    '22023 | invalid allowed values for feature "bad" | '
        'Features of type object cannot have allowed values.',
    'define_feature() refuses allowed values for an object');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', allowed_values => '"x"')$$),
    '22023 | invalid allowed values for feature "bad" | They are a string, not an array.',
    'define_feature() refuses allowed values that are not an array');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', allowed_values => '[]')$$),
    '22023 | invalid allowed values for feature "bad" | The array is empty.',
    'define_feature() refuses an empty array of allowed values');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', allowed_values => '["x", 1]')$$),
    '22023 | invalid allowed values for feature "bad" | 1 is a number, '
        'but the feature''s type is string.',
    'define_feature() refuses an allowed value of another type');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"x"', allowed_values => '["x", "y", "x"]')$$),
    '22023 | invalid allowed values for feature "bad" | Duplicate element "x".',
    'define_feature() refuses an allowed value that is repeated');
SELECT is(pg_temp.try($$SELECT define_feature('bad', '"z"', allowed_values => '["x", "y"]')$$),
    '22023 | invalid default value for feature "bad" | "z" is not one of the allowed ["x", "y"].',
    'define_feature() refuses a default that is not allowed');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"t_integer": 1e30}')$$),
    '22023 | invalid value for feature "t_integer" | '
        'It is not in the range from -9223372036854775808 to 9223372036854775807. | '
        'Use null to unset the feature.', 'an integer that is no bigint cannot be set');

-- Altering.
SELECT is(pg_temp.try($$SELECT alter_feature('dark_mode', 'true')$$), '',
    'alter_feature() changes the default value');
SELECT is((SELECT ARRAY[value::text, source::text] FROM get_system_features(true)
    WHERE feature = 'light_mode'), '{false,default}',
    'a feature that nothing sets has its default on the system');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mode', 'true', 'Light')$$), '',
    'alter_feature() changes the default value and the description together');
SELECT is(feature_enabled('light_mode'), true, 'a default value that was altered is in effect');
SELECT is((SELECT description FROM instance_features.feature WHERE key = 'light_mode'), 'Light',
    'a description that was altered is stored');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mode', 'false')$$), '',
    'alter_feature() accepts a default value alone');
SELECT is((SELECT description FROM instance_features.feature WHERE key = 'light_mode'), 'Light',
    'alter_feature() leaves the description alone if it is not given');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mode')$$),
    '22023 | nothing to alter | Give default_value, description, allowed_values or levels.',
    'alter_feature() refuses a call that alters nothing');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mode', '1')$$),
    '22023 | invalid default value for feature "light_mode" | It is a number, '
        'but the feature''s type is boolean.', 'alter_feature() refuses a default of another type');
SELECT is(pg_temp.try($$SELECT alter_feature('color', allowed_values => '["red"]')$$),
    '55000 | 1 setting of feature "color" is not among the allowed values | '
        'One is of instance "default": "green" is not one of the allowed ["red"].',
    'alter_feature() refuses allowed values that exclude a setting');
SELECT is(pg_temp.try($$SELECT alter_feature('color', allowed_values => '["green"]')$$),
    '22023 | invalid default value for feature "color" | '
        '"red" is not one of the allowed ["green"].',
    'alter_feature() refuses allowed values that exclude the default');
SELECT is(pg_temp.try($$SELECT alter_feature('color', '"blue"',
    allowed_values => '["green", "blue"]')$$), '',
    'alter_feature() changes the default and the allowed values together');
SELECT is(pg_temp.try($$SELECT alter_feature('color', allowed_values => 'null')$$), '',
    'alter_feature() ends a restriction with JSON null');
SELECT is((set_instance_features('{"color": "pink"}')).sequence, 6::bigint,
    'a value that was not allowed can be set when the restriction has ended');
SELECT is(pg_temp.try($$SELECT alter_feature('light_mod', 'true')$$),
    '42704 | feature "light_mod" does not exist | Perhaps you meant "light_mode".',
    'alter_feature() refuses a feature that does not exist');
SELECT is(pg_temp.try($$SELECT alter_feature('user_schema', 'true')$$),
    '42501 | feature "user_schema" is built in | '
        'Built-in features can be neither altered nor dropped.',
    'alter_feature() refuses a built-in feature');
SELECT is(pg_temp.try($$SELECT alter_feature(NULL, 'true')$$), '22023 | feature must not be null',
    'alter_feature() refuses NULL as a feature');

-- Dropping.
SELECT create_instance('x') AS ignored \gset
SELECT is((set_instance_features('{"darkMode": false, "color": "red"}', 'x')).sequence, 2::bigint,
    'an instance sets a feature that the system sets too');
SELECT is(pg_temp.try($$SELECT drop_feature('dark_mode')$$),
    '55000 | cannot drop feature "dark_mode" because it is set | 3 scopes set it. | '
        'Use cascade => true to unset it everywhere.',
    'drop_feature() refuses a feature that a scope sets');
SELECT is(pg_temp.try($$SELECT drop_feature('dark_mode', NULL)$$),
    '22023 | cascade must not be null', 'drop_feature() refuses NULL for cascade');
SELECT is(pg_temp.try($$SELECT drop_feature('dark_mode', true)$$), '',
    'drop_feature() with cascade drops a feature that scopes set');
SELECT is(pg_temp.try($$SELECT feature_enabled('dark_mode')$$)
    ~ '^42704 \| feature "dark_mode" does not exist', true,
    'a dropped feature does not exist for readers');
SELECT is((SELECT array_agg(DISTINCT feature) FROM get_instance_features(false, 'x')),
    ARRAY['color'], 'drop_feature() with cascade removes no setting of other features');
SELECT results_eq($$SELECT sequence, event_type, old_value, value
    FROM instance_feature_history('x') OFFSET 2$$,
    $$VALUES (3::bigint, 'feature.instance.dark_mode.unset', 'false'::jsonb, NULL::jsonb)$$,
    'the history has the event of a setting that drop_feature() removed');
SELECT is(pg_temp.try($$SELECT drop_feature('light_mode')$$), '',
    'drop_feature() drops a feature that no scope sets without cascade');
SELECT is(pg_temp.try($$SELECT drop_feature('light_mode', true)$$) ~ '^42704', true,
    'drop_feature() refuses a feature that was dropped');
SELECT is(pg_temp.try($$SELECT drop_feature('user_schema', true)$$)
    ~ '^42501 \| feature "user_schema" is built in', true,
    'drop_feature() refuses a built-in feature');
SELECT is(pg_temp.try($$SELECT define_feature('dark_mode', '"auto"')$$), '',
    'a dropped feature can be defined again');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after features were defined and dropped');

-- Rights: the system's owner, and nobody else.
SELECT is(pg_temp.try_as('stranger', $$SELECT define_feature('mine')$$),
    format('42501 | permission denied for the system | '
        'Permission "system.feature.write" is required, which role "%s" has.',
        (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database())),
    'define_feature() refuses a caller who does not own the system');
SELECT is(pg_temp.try_as('stranger', q) ~ '^42501 \| permission denied for the system', true,
    'permission for the system is needed for ' || q)
FROM unnest(ARRAY[$$SELECT alter_feature('color', '"x"')$$, $$SELECT drop_feature('color')$$,
    $$SELECT set_feature_stage('color', 'stable')$$,
    $$SELECT alter_feature('user_schema', 'true')$$, $$SELECT purge_feature_events(now())$$]) q;
SELECT alter_system_owner('landlord') \g /dev/null
SELECT is(pg_temp.try_as('landlord', $$SELECT define_feature('mine')$$), '',
    'define_feature() works for a system''s owner who is no superuser');

SELECT * FROM finish();
ROLLBACK;
