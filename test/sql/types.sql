\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
SELECT define_feature('title', '"hello"'), define_feature('max_users', '10'),
    define_feature('ratio', '0.5'),
    define_feature('theme', '{"color": "red", "font": "serif"}'),
    define_feature('hosts', '["a"]') \g /dev/null

-- Through all the doors.
SELECT is((set_instance_features(
    '{"title": "a \u00e9 \"q\"", "maxUsers": 20, "ratio": 1e-3, "theme": {"color": "blue"}, '
        '"hosts": []}')).sequence, 5::bigint, 'values of all types can be set in one request');
SELECT results_eq('SELECT feature, value FROM get_instance_features()',
    $$VALUES ('hosts', '[]'::jsonb), ('max_users', '20'), ('ratio', '0.001'),
        ('theme', '{"color": "blue"}'), ('title', '"a \u00e9 \"q\""')$$,
    'values of all types can be read');
SELECT is(feature_value('theme'), '{"color": "blue"}'::jsonb,
    'an object that is set is not merged with the former one');
SELECT is((set_instance_features('{"theme": {"color": "blue"}}')).sequence, 5::bigint,
    'setting an equal object changes nothing');
SELECT is((set_instance_features('{"maxUsers": 20.0}')).sequence, 5::bigint,
    'setting an equal number changes nothing');
SELECT is((set_instance_features('{"theme": {"color": null}}')).sequence, 6::bigint,
    'null within an object is a value');
SELECT is((set_instance_features('{"theme": null}')).sequence, 7::bigint,
    'null in place of an object removes the setting');
SELECT is(feature_value('theme'), '{"color": "red", "font": "serif"}'::jsonb,
    'an object whose setting was removed is the default');
SELECT results_eq('SELECT event_type, old_value, value FROM instance_feature_history() OFFSET 5',
    $$VALUES ('feature.instance.theme.set', '{"color": "blue"}'::jsonb, '{"color": null}'::jsonb),
        ('feature.instance.theme.unset', '{"color": null}', NULL)$$,
    'the history has the values of objects');
SELECT is((set_system_features('{"theme": {"color": "green"}, "title": "system"}')).sequence,
    2::bigint, 'values of other types can be set on the system');
SELECT is(feature_value('theme'), '{"color": "green"}'::jsonb,
    'an object of the system is inherited');
SELECT is(feature_text('title'), 'a é "q"',
    'a text of the instance comes before that of the system')
WHERE current_setting('server_encoding') = 'UTF8'
UNION ALL SELECT pass('a text of the instance comes before that of the system')
WHERE current_setting('server_encoding') <> 'UTF8';
SET LOCAL instance_features.max_value_size = '1MB';
SELECT is((set_instance_features(jsonb_build_object('title', repeat('long ', 100000)))).sequence,
    8::bigint, 'a value of 500000 bytes can be set');
RESET instance_features.max_value_size;
SELECT is(length(feature_text('title')), 500000,
    'a value of 500000 bytes can be read under a smaller limit');
SELECT is(length((SELECT value->>0 FROM instance_feature_history() WHERE sequence = 8)), 500000,
    'the history has a value of 500000 bytes');

-- Typed readers.
SELECT is(feature_integer('max_users'), 20::bigint, 'feature_integer() returns an integer');
SELECT is(feature_number('max_users'), 20::numeric, 'feature_number() returns an integer');
SELECT is(feature_number('ratio'), 0.001, 'feature_number() returns a number with a fraction');
SELECT create_instance('x') AS ignored \gset
SELECT is(feature_integer('max_users', 'x'), 10::bigint,
    'feature_integer() reads the instance that is named');
SELECT is(feature_text('title', 'x'), 'system', 'feature_text() returns a value that is inherited');
SELECT is(pg_typeof(feature_text('title'))::text || pg_typeof(feature_integer('max_users'))
    || pg_typeof(feature_number('ratio')), 'textbigintnumeric',
    'the typed readers return text, bigint and numeric');
SELECT set_instance_features('{"maxUsers": -9223372036854775808}') AS ignored \gset
SELECT is(feature_integer('max_users'), '-9223372036854775808'::bigint,
    'feature_integer() returns the least bigint');
SELECT set_instance_features('{"maxUsers": 7.0}') AS ignored \gset
SELECT is(feature_integer('max_users'), 7::bigint,
    'feature_integer() returns an integer that was written with a fraction');

-- A type that does not fit.
SELECT is(pg_temp.try($$SELECT feature_text('max_users')$$),
    '22023 | feature "max_users" is of type integer, not string | '
        'Use feature_value() to read a feature of any type.',
    'feature_text() refuses an integer feature');
SELECT is(pg_temp.try($$SELECT feature_integer('ratio')$$)
    ~ '^22023 \| feature "ratio" is of type number, not integer', true,
    'feature_integer() refuses a number feature');
SELECT is(pg_temp.try($$SELECT feature_integer('user_schema')$$)
    ~ '^22023 \| feature "user_schema" is of type boolean, not integer', true,
    'feature_integer() refuses a boolean feature');
SELECT is(pg_temp.try($$SELECT feature_number('title')$$)
    ~ '^22023 \| feature "title" is of type string, not number', true,
    'feature_number() refuses a string feature');
SELECT is(pg_temp.try($$SELECT feature_text('theme')$$)
    ~ '^22023 \| feature "theme" is of type object, not string', true,
    'feature_text() refuses an object feature');
SELECT is(pg_temp.try($$SELECT feature_enabled('hosts')$$)
    ~ '^22023 \| feature "hosts" is of type array, not boolean', true,
    'feature_enabled() refuses an array feature');
SELECT is(pg_temp.try(format('SELECT feature_%s(NULL)', t)), '22023 | feature must not be null',
    format('feature_%s() refuses NULL as a feature', t))
FROM unnest(ARRAY['text', 'integer', 'number']) t;
SELECT is(pg_temp.try(format('SELECT feature_%s(%L)', t, 'titel')),
    '42704 | feature "titel" does not exist | Perhaps you meant "title".',
    format('feature_%s() refuses a feature that does not exist', t))
FROM unnest(ARRAY['text', 'integer', 'number']) t;
SELECT is(pg_temp.try(format('SELECT feature_%s(%L, %L)', t, 'title', 'nowhere')),
    'P0002 | instance "nowhere" does not exist',
    format('feature_%s() refuses an instance that does not exist', t))
FROM unnest(ARRAY['text', 'integer', 'number']) t;

-- What does not have the type is not set.
SELECT is(pg_temp.try(format('SELECT set_instance_features(%L)', r))
    ~ '^22023 \| invalid value for feature "[a-zA-Z]+" \| '
        'It is an? (string|boolean|object|array|number), '
        'but the feature''s type is (integer|string|object|array)\.', true,
    'a value of another type is refused in ' || r)
FROM unnest(ARRAY['{"title": 1}', '{"maxUsers": 1.5}', '{"theme": []}', '{"hosts": {}}',
    '{"maxUsers": "1"}']) r;

-- What is stored does not have the type.
SELECT define_feature('seats', '1'), define_feature('share', '1'),
    define_feature('broken', '1', value_type => 'number'), define_feature('label', '""'),
    define_feature('flag') \g /dev/null
SELECT set_instance_features('{"seats": 2, "share": 2, "broken": 2, "label": "x", "flag": true}')
    \g /dev/null
UPDATE instance_features.setting SET value = CASE feature WHEN 'seats' THEN '1.5' WHEN 'share'
    THEN '1e30' ELSE '[]'::jsonb END WHERE feature IN ('seats', 'share', 'broken', 'label', 'flag');
SELECT is(pg_temp.try($$SELECT feature_integer('seats')$$),
    '22023 | feature "seats" has a value that is not an integer | It is a number, '
        'but the feature''s type is integer. | check_instance_features() lists such values.',
    'feature_integer() refuses a stored 1.5');
SELECT is(pg_temp.try($$SELECT feature_number('seats')$$),
    '22023 | feature "seats" has a value that is not an integer | It is a number, '
        'but the feature''s type is integer. | check_instance_features() lists such values.',
    'feature_number() refuses a stored 1.5 of an integer');
SELECT is(pg_temp.try($$SELECT feature_integer('share')$$),
    '22023 | feature "share" has a value that is not an integer | '
        'It is not in the range from -9223372036854775808 to 9223372036854775807. | '
        'check_instance_features() lists such values.', 'feature_integer() refuses a stored 1e30');
SELECT is(pg_temp.try($$SELECT feature_number('broken')$$),
    '22023 | feature "broken" has a value that is not a number | It is an array, '
        'but the feature''s type is number. | check_instance_features() lists such values.',
    'feature_number() refuses a stored array');
SELECT is(pg_temp.try($$SELECT feature_text('label')$$),
    '22023 | feature "label" has a value that is not a string | It is an array, '
        'but the feature''s type is string. | check_instance_features() lists such values.',
    'feature_text() refuses a stored array');
SELECT is(pg_temp.try($$SELECT feature_enabled('flag')$$),
    '22023 | feature "flag" has a value that is not a boolean | '
        'check_instance_features() lists such values.', 'feature_enabled() refuses a stored array');
SELECT is(pg_temp.try($$SELECT feature_text('seats')$$)
    ~ '^22023 \| feature "seats" is of type integer, not string', true,
    'feature_text() says that a stored 1.5 is of an integer feature');
SELECT is(feature_value('seats', 'x'), '1',
    'feature_value() reads another instance beside a bad value');
SELECT is(feature_value('seats'), '1.5', 'feature_value() returns a bad value as it is stored');
SELECT is((set_instance_features('{"seats": 3}')).sequence > 0 AND feature_integer('seats') = 3,
    true, 'a bad value can be set right');

SELECT * FROM finish();
ROLLBACK;
