\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE stranger;

-- The error of a query: SQLSTATE, message and detail.
CREATE FUNCTION pg_temp.error(query text)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END;
$$;

-- Arrays, or objects and arrays, in each other.
CREATE FUNCTION pg_temp.arrays(depth integer)
RETURNS jsonb
LANGUAGE sql
AS $$SELECT (repeat('[', depth) || repeat(']', depth))::jsonb$$;
CREATE FUNCTION pg_temp.objects(depth integer)
RETURNS jsonb
LANGUAGE sql
AS $$SELECT (repeat('{"a": [', depth / 2) || repeat(']}', depth / 2))::jsonb$$;

SELECT define_feature('title', '"x"'), define_feature('amount', '1', value_type => 'number'),
    define_feature('theme', '{}'), define_feature('hosts', '[]') \g /dev/null

-- The size of a value.  A scalar takes 12 bytes more than its text or number.
SELECT is(current_setting('instance_features.max_value_size'), '64kB',
    'the largest size of a value is 64 kB');
\set limit '"instance_features.max_value_size" allows only 65536 bytes.'
CREATE TEMP TABLE fitting (feature text, value jsonb, larger jsonb);
INSERT INTO fitting VALUES
    ('title', to_jsonb(repeat('x', 65524)), to_jsonb(repeat('x', 65525))),
    ('amount', repeat('9', 131032)::jsonb, repeat('9', 131033)::jsonb),
    ('theme', jsonb_build_object('a', repeat('x', 65519)),
        jsonb_build_object('a', repeat('x', 65520))),
    ('hosts', to_jsonb(array_fill(true, ARRAY[16382])), to_jsonb(array_fill(true, ARRAY[16383])));
-- The operator makes what is stored whole again.
SELECT is(pg_column_size(value #> '{}'), 65536,
    format('the value for %s takes 65536 bytes', feature)) FROM fitting;
SELECT matches(pg_temp.try(format('SELECT set_instance_features(%L)',
    jsonb_build_object(feature, value))),
    '^\(\d+,', format('exactly 65536 bytes can be set as %s', feature)) FROM fitting;
SELECT results_eq('SELECT feature, feature_value(feature) FROM fitting',
    'SELECT feature, value FROM fitting',
    'the values are what was set');
SELECT matches(pg_temp.error(format('SELECT set_instance_features(%L)',
    jsonb_build_object(feature, larger))),
    format('^22023 \| invalid value for feature "%s" \| The size as jsonb is 655\d\d bytes, '
        'but %s$',
        feature, :'limit'),
    format('a larger value for %s cannot be set', feature)) FROM fitting;
SELECT is(pg_temp.error(format('SELECT set_system_features(%L)',
    jsonb_build_object('title', repeat('x', 65525)))),
    '22023 | invalid value for feature "title" | The size as jsonb is 65537 bytes, but '
    || :'limit',
    'a larger value cannot be set on the system');
SELECT is(pg_temp.error(format('SELECT set_instance_features(%L)',
    jsonb_build_object('userSchema', repeat('x', 65525)))),
    '22023 | invalid value for feature "userSchema" | The size as jsonb is 65537 bytes, but '
    || :'limit',
    'the size comes before the type');
SELECT is(pg_temp.error(format('SELECT apply_features(%L)',
    jsonb_build_object('system', jsonb_build_object('title', repeat('x', 65525))))),
    '22023 | invalid value for feature "title" | The size as jsonb is 65537 bytes, but '
    || :'limit',
    'apply_features() refuses a larger value');
SELECT is((SELECT concat_ws(' | ', status, body->>'code', body->>'message')
    FROM feature_service('PUT',
        '/v2/features/instance', jsonb_build_object('title', repeat('x', 65525)))),
    '400 | 3 | invalid value for feature "title"',
    'feature_service() answers a larger value with 400');
SELECT matches(pg_temp.try(format('SELECT define_feature(%L, %L)', 'motto',
    to_jsonb(repeat('x', 65524)))),
    '^$', 'a default may have 65536 bytes');
SELECT is(pg_temp.error(format('SELECT define_feature(%L, %L)', 'slogan',
    to_jsonb(repeat('x', 65525)))),
    '22023 | invalid default value for feature "slogan" | The size as jsonb is 65537 bytes, but '
    || :'limit',
    'define_feature() refuses a larger default');
SELECT is(pg_temp.error(format('SELECT alter_feature(%L, %L)', 'motto',
    to_jsonb(repeat('x', 65525)))),
    '22023 | invalid default value for feature "motto" | The size as jsonb is 65537 bytes, but '
    || :'limit',
    'alter_feature() refuses a larger default');
SELECT is(pg_temp.error(format('SELECT define_feature(%L, %L, allowed_values => %L)', 'slogan',
    '"x"',
        jsonb_build_array('x', repeat('x', 65520)))),
    '22023 | invalid allowed values for feature "slogan" | The size as jsonb is 65537 bytes, but '
    || :'limit',
    'define_feature() refuses larger allowed values');
SELECT is(pg_temp.error(format('SELECT alter_feature(%L, allowed_values => %L)', 'motto',
        jsonb_build_array('x', repeat('x', 65520)))),
    '22023 | invalid allowed values for feature "motto" | The size as jsonb is 65537 bytes, but '
    || :'limit',
    'alter_feature() refuses larger allowed values');

-- The setting.
SELECT matches(pg_temp.try_as('stranger', 'SET instance_features.max_value_size = ''1GB'''),
    '^42501 ',
    'the largest size of a value is for superusers to set');
SELECT matches(pg_temp.try('SET instance_features.max_value_size = 0'), '^22023 ',
    'the largest size of a value is at least 1 kB');
SET LOCAL instance_features.max_value_size = 1;
SELECT is(pg_temp.error(
    $$SELECT set_instance_features(jsonb_build_object('title', repeat('y', 1013)))$$),
    '22023 | invalid value for feature "title" | The size as jsonb is 1025 bytes, '
        'but "instance_features.max_value_size" allows only 1024 bytes.',
    'a smaller limit holds for what is set from then on');
SELECT is(length(feature_text('title')), 65524, 'a value that is larger by now can be read');
SELECT is(pg_temp.try($$SELECT alter_feature('motto', description => 'What we live by')$$), '',
    'a feature whose default is larger by now can be altered in other respects');
SELECT matches(pg_temp.try($$SELECT set_instance_features('{"title": null}')$$), '^\(\d+,',
    'a value that is larger by now can be unset');
RESET instance_features.max_value_size;

-- The depth of a value.
SELECT matches(pg_temp.try(format('SELECT set_instance_features(%L)',
        jsonb_build_object('hosts', pg_temp.arrays(100), 'theme', pg_temp.objects(100)))),
    '^\(\d+,', 'arrays and objects may be nested 100 levels deep');
\set deep 'Arrays and objects are nested more than 100 levels deep.'
SELECT is(pg_temp.error(format('SELECT set_instance_features(%L)',
    jsonb_build_object('hosts', pg_temp.arrays(101)))),
    '22023 | invalid value for feature "hosts" | ' || :'deep',
    'arrays may not be nested 101 levels deep');
SELECT is(pg_temp.error(format('SELECT set_instance_features(%L)',
    jsonb_build_object('theme', pg_temp.objects(102)))),
    '22023 | invalid value for feature "theme" | ' || :'deep',
    'objects may not be nested 102 levels deep');
SELECT is(pg_temp.error(format('SELECT set_instance_features(%L)',
    jsonb_build_object('hosts', pg_temp.arrays(5000)))),
    '22023 | invalid value for feature "hosts" | ' || :'deep',
    'arrays may not be nested 5000 levels deep');
SELECT matches(pg_temp.try(format('SELECT set_instance_features(%L)', jsonb_build_object('hosts',
        (SELECT jsonb_agg(pg_temp.arrays(2)) FROM generate_series(1, 200))))),
    '^\(\d+,', 'more than 100 arrays beside each other are not deep');
SELECT is(pg_temp.error(format('SELECT define_feature(%L, %L)', 'deep', pg_temp.arrays(101))),
    '22023 | invalid default value for feature "deep" | ' || :'deep',
    'define_feature() refuses a deeper default');
SELECT is(pg_temp.error(format('SELECT alter_feature(%L, %L)', 'hosts', pg_temp.arrays(101))),
    '22023 | invalid default value for feature "hosts" | ' || :'deep',
    'alter_feature() refuses a deeper default');
SELECT is(pg_temp.error(format('SELECT define_feature(%L, %L, allowed_values => %L)', 'deep', '[]',
    pg_temp.arrays(101))),
    '22023 | invalid allowed values for feature "deep" | ' || :'deep',
    'define_feature() refuses deeper allowed values');
SELECT is(pg_temp.error(format('SELECT alter_feature(%L, allowed_values => %L)', 'hosts',
    pg_temp.arrays(101))),
    '22023 | invalid allowed values for feature "hosts" | ' || :'deep',
    'alter_feature() refuses deeper allowed values');
SELECT is(pg_temp.error(format('SELECT apply_features(%L)',
        jsonb_build_object('instances',
            jsonb_build_object('default', jsonb_build_object('hosts', pg_temp.arrays(101)))))),
    '22023 | invalid value for feature "hosts" | ' || :'deep',
    'apply_features() refuses a deeper value');

-- What is equal, among values of every type.
SELECT is(pg_temp.error(format('SELECT define_feature(%L, %L, allowed_values => %L)', 'mixed', '[]',
    v)),
    '22023 | invalid allowed values for feature "mixed" | Duplicate element ' || duplicate || '.',
    format('the value %s is refused since it has %s twice', v, duplicate))
FROM (VALUES ('[3, 1, 2, 1.0]', '1.0'), ('["b", "a", "b", "a"]', '"b"'), ('[[], 1, [1], []]', '[]'),
    ('[{"a": 1, "b": 2}, {"b": 2, "a": 1.00}]', '{"a": 1.00, "b": 2}'),
    ('[null, "null", null]', 'null'),
    ('[[1, 2], [1], [1.0, 2]]', '[1.0, 2]')) v(v, duplicate);
SELECT is(pg_temp.try($$SELECT define_feature('mixed', '[]',
        allowed_values => '[1, "1", [1], [], {}, {"a": 1}, {"a": "1"}, null, true, "", [[]], '
            '"true", [1, 1]]')$$),
    '', 'values of other types are not equal');
SELECT matches(pg_temp.try(
    $$SELECT set_instance_features(
        '{"mixed": [[1.0], {"a": 1.0}, null, [[]], 1.00, "", [1, 1.0]]}')$$),
    '^\(\d+,', 'an element may be written in another way than the allowed one');
SELECT is(pg_temp.error(format('SELECT set_instance_features(%L)',
    jsonb_build_object('mixed', v::jsonb))) ~
    ('^22023 \| invalid value for feature "mixed" \| The element ' || bad
        || ' is not one of the allowed'), true,
    format('the value %s is refused since it has an element that is not allowed', v))
FROM (VALUES ('["1", 2, 3]', '2'), ('[[2]]', '\[2\]'), ('[{"a": 2}]', '\{"a": 2\}'),
    ('[false, true]', 'false')) v(v, bad);

-- Loops over what a caller sends: n log n at most.  What is quadratic takes
-- longer than the time-out here.
SET LOCAL statement_timeout = '10s';
SET LOCAL instance_features.max_value_size = '1MB';
SELECT is(pg_temp.try($$SELECT define_feature('numbers', '[]',
        allowed_values => (SELECT jsonb_agg(n * 7919 % 8009) FROM generate_series(1, 8000) n))$$),
    '', '8000 allowed values are compared in time');
SELECT is(pg_temp.error($$SELECT define_feature('words', '"w1"',
        allowed_values => (SELECT jsonb_agg('w' || n) || '["w1"]'
            FROM generate_series(1, 8000) n))$$),
    '22023 | invalid allowed values for feature "words" | Duplicate element "w1".',
    'the last of 8001 allowed values is found to be a duplicate in time');
SELECT matches(pg_temp.try($$SELECT set_instance_features(jsonb_build_object('numbers',
        (SELECT jsonb_agg(n * 7919 % 8009) FROM generate_series(8000, 1, -1) n)))$$),
    '^\(\d+,', 'an array of 8000 elements is compared with 8000 allowed values in time');
SELECT matches(pg_temp.error($$SELECT set_instance_features(jsonb_build_object('numbers',
        (SELECT jsonb_agg(n * 7919 % 8009) || '[8010]' FROM generate_series(1, 8000) n)))$$),
    '^22023 \| invalid value for feature "numbers" \| The element 8010 is not one of the allowed',
    'the last of 8001 elements is found not to be allowed in time');
SELECT is(pg_temp.error($$SELECT set_instance_features(jsonb_build_object('numbers',
        (SELECT jsonb_agg(n * 7919 % 8009) || '[7919.0]' FROM generate_series(1, 8000) n)))$$),
    '22023 | invalid value for feature "numbers" | Duplicate element 7919.0.',
    'the last of 8001 elements is found to be a duplicate in time');
INSERT INTO instance_features.scope
SELECT 'instance', '', 'i' || n, 'stranger'::regrole, 1, now(), now() FROM generate_series(1, 20) n;
INSERT INTO instance_features.setting
SELECT 'instance', '', 'i' || n, 'numbers', s.value, NULL, 1, now()
FROM generate_series(1, 20) n, instance_features.setting s
WHERE s.scope_id = 'default' AND s.feature = 'numbers';
SELECT is(pg_temp.try($$SELECT alter_feature('numbers',
        allowed_values => (SELECT jsonb_agg(n) FROM generate_series(1, 8008) n))$$),
    '', '21 settings of 8000 elements are compared with new allowed values in time');
SELECT is((SELECT concat_ws(' | ', status, body->>'message', body->'details'->0->>'message')
    FROM feature_service('GET', '/v2/features/instance?' || repeat('&', 60000000))),
    '400 | path is too long | It has 60000022 bytes, and at most 8192 are allowed.',
    'a path of 60 million bytes is refused in time');
INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
SELECT 'f_' || n, 'f' || n, 'boolean', 'false' FROM generate_series(1, 5000) n;
SELECT matches(pg_temp.try($$SELECT set_instance_features((SELECT jsonb_object_agg('f' || n, true)
        FROM generate_series(1, 5000) n))$$), '^\(\d+,',
    'a request of 5000 JSON names is carried out in time');
SELECT matches(pg_temp.try($$SELECT set_instance_features((SELECT jsonb_object_agg('f_' || n, true)
        FROM generate_series(1, 5000) n))$$), '^\(\d+,',
    'a request of 5000 keys is carried out in time');
SELECT is(pg_temp.error(
    $$SELECT set_instance_features((SELECT jsonb_object_agg('f_' || n, true) || '{"f5000": true}'
        FROM generate_series(1, 5000) n))$$),
    '22023 | feature "f_5000" is specified more than once | Both "f5000" and "f_5000" name it.',
    'a feature that one of 5001 fields names again is found in time');
SELECT is(pg_temp.error(
    $$SELECT set_instance_features((SELECT jsonb_object_agg('f_' || n, true) || '{"f_000000": true}'
        FROM generate_series(1, 5000) n))$$), '22023 | unknown feature "f_000000"',
    'a field that no feature has is found among 5001 in time');
SELECT is((SELECT count(*) FROM apply_features('{"instances": {"default": {"f1": true}}}')
    WHERE feature ~ '^f_' AND value IS NULL), 4999::bigint,
    'a document that names 1 of 5000 settings unsets the others in time');

-- Loops can be cancelled: the same statement ends long before it is done.
RESET statement_timeout;
SET LOCAL instance_features.max_value_size = '64MB';
CREATE TEMP TABLE many AS SELECT jsonb_agg(n * 7919 % 100003) AS value
FROM generate_series(1, 100000) n;
SELECT clock_timestamp() AS start \gset
SELECT is(pg_temp.try($$SELECT define_feature('many', '[]', allowed_values => value) FROM many$$),
    '',
    'a feature may have 100000 allowed values where the limit is higher');
SELECT 1 + extract(epoch FROM clock_timestamp() - :'start')::numeric * 1000 AS define_time,
    clock_timestamp() AS start \gset
SELECT matches(pg_temp.try($$SELECT set_instance_features(jsonb_build_object('many', value))
    FROM many$$), '^\(\d+,',
    'an array may have 100000 elements where the limit is higher');
SELECT 1 + extract(epoch FROM clock_timestamp() - :'start')::numeric * 1000 AS set_time,
    ceil(:define_time / 4) AS timeout \gset
SET LOCAL statement_timeout = :timeout;
SELECT clock_timestamp() AS start \gset
SELECT matches(pg_temp.error($$SELECT define_feature('more', '[]', allowed_values => value)
    FROM many$$), '^57014 ',
    'the comparison of allowed values can be cancelled');
RESET statement_timeout;
SELECT cmp_ok(extract(epoch FROM clock_timestamp() - :'start')::numeric * 1000, '<',
    :define_time * 0.5,
    'the comparison of allowed values does not go on when it is cancelled');
SELECT ceil(:set_time / 4) AS timeout \gset
SET LOCAL statement_timeout = :timeout;
SELECT clock_timestamp() AS start \gset
SELECT matches(pg_temp.error($$SELECT set_instance_features(jsonb_build_object('many', value), 'i1')
    FROM many$$),
    '^57014 ', 'the comparison of elements can be cancelled');
RESET statement_timeout;
SELECT cmp_ok(extract(epoch FROM clock_timestamp() - :'start')::numeric * 1000, '<',
    :set_time * 0.5,
    'the comparison of elements does not go on when it is cancelled');

SELECT * FROM finish();
ROLLBACK;
