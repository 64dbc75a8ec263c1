\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE alice;
SELECT define_feature('title', '"x"'), define_feature('amount', '1'), create_instance('a', 'alice'),
    set_instance_features('{"userSchema": true, "title": "y"}', 'a'),
    set_instance_features('{"userSchema": true, "title": "y"}'),
    define_feature('everywhere', levels => '{system,instance,organization,user}') \g /dev/null
SELECT set_organization_features('{"everywhere": false}', 'o', i),
    set_user_features('{"everywhere": false}', 'u', i)
FROM unnest('{a,default}'::text[]) i \g /dev/null
SET LOCAL instance_features.organization_id = 'o';
SET LOCAL instance_features.user_id = 'u';

-- NULL, for every argument of every function: an error that names the argument,
-- unless its default is NULL; then it is the same as leaving it out.
CREATE TEMP TABLE sample (function text, argument text, value text);
INSERT INTO sample VALUES
    (NULL, 'features', $$'{"userSchema": false}'$$),
    (NULL, 'feature', $$'user_schema'$$),
    ('feature_text', 'feature', $$'title'$$),
    ('feature_integer', 'feature', $$'amount'$$),
    ('feature_number', 'feature', $$'amount'$$),
    ('define_feature', 'feature', $$'other'$$),
    ('alter_feature', 'feature', $$'title'$$),
    ('set_feature_stage', 'feature', $$'title'$$),
    ('drop_feature', 'feature', $$'title'$$),
    (NULL, 'instance_id', $$'a'$$),
    (NULL, 'organization_id', $$'o'$$),
    (NULL, 'user_id', $$'u'$$),
    ('set_organization_features', 'features', $$'{"everywhere": true}'$$),
    ('set_user_features', 'features', $$'{"everywhere": true}'$$),
    ('set_organization_features', 'expected_sequence', '1'),
    ('set_user_features', 'expected_sequence', '1'),
    ('reset_organization_features', 'expected_sequence', '1'),
    ('reset_user_features', 'expected_sequence', '1'),
    ('feature_enabled', 'fallback', 'true'),
    ('feature_value', 'fallback', $$'{}'$$),
    ('feature_text', 'fallback', $$'x'$$),
    (NULL, 'fallback', '1'),
    (NULL, 'percentage', '50'),
    (NULL, 'value', $$'true'$$),
    (NULL, 'is_local', 'true'),
    (NULL, 'levels', $$'{system,instance,user}'$$),
    ('create_instance', 'instance_id', $$'b'$$),
    (NULL, 'expected_sequence', '2'),
    ('set_system_features', 'expected_sequence', '0'),
    ('reset_system_features', 'expected_sequence', '0'),
    (NULL, 'inheritance', 'true'),
    (NULL, 'default_value', $$'"z"'$$),
    (NULL, 'description', $$'A feature'$$),
    (NULL, 'json_name', $$'another'$$),
    (NULL, 'value_type', $$'string'$$),
    (NULL, 'allowed_values', $$'["x", "y", "z"]'$$),
    (NULL, 'stage', $$'stable'$$),
    (NULL, 'cascade', 'true'),
    (NULL, 'owner', $$'alice'$$),
    (NULL, 'document', $$'{"system": {}, "instances": {"a": {"title": "z"}}}'$$),
    (NULL, 'dry_run', 'false'),
    (NULL, 'users', 'true'),
    (NULL, 'at', $$'infinity'$$),
    (NULL, 'sequence', '1'),
    (NULL, 'before', $$'infinity'$$),
    (NULL, 'method', $$'GET'$$),
    (NULL, 'path', $$'/v2beta/features/system'$$),
    (NULL, 'body', 'NULL'),
    (NULL, 'headers', 'NULL');
CREATE TEMP VIEW argument AS
SELECT p.proname AS function, a.name AS argument, a.n,
    pg_get_function_arg_default(p.oid, a.n::integer) AS default_value, s.value
FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features'),
LATERAL unnest(p.proargnames[1:p.pronargs]) WITH ORDINALITY a(name, n)
LEFT JOIN LATERAL (SELECT value FROM sample WHERE argument = a.name
    AND (function IS NULL OR function = p.proname) ORDER BY function LIMIT 1) s ON true
WHERE p.pronamespace = 'public'::regnamespace;
SELECT is_empty('SELECT function, argument FROM argument WHERE value IS NULL',
    'there is a value for every argument of every function');

-- A call with these values: "ok", or the error.
CREATE FUNCTION pg_temp.state_of(call text)
RETURNS text
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE 'SELECT ' || call;
    RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'UNDO0' THEN 'ok' ELSE concat_ws(' | ', SQLSTATE, SQLERRM) END;
END
$$;
CREATE FUNCTION pg_temp.call_of(called text, null_argument text)
RETURNS text
LANGUAGE sql
AS $$
    SELECT format('%s(%s)', called, string_agg(format('%I => %s', argument,
        CASE argument WHEN null_argument THEN 'NULL' ELSE value END), ', ' ORDER BY n))
    FROM argument
    WHERE function = called
        -- The current organization and user are those of the current instance.
        AND NOT (argument = 'instance_id' AND called <> 'set_feature_context'
            AND coalesce(null_argument IN ('organization_id', 'user_id'), false))
$$;
SELECT is(pg_temp.state_of(pg_temp.call_of(function, NULL)), 'ok',
    function || '() works with a value for each argument')
FROM (SELECT DISTINCT function FROM argument) f ORDER BY function;
SELECT is(pg_temp.state_of(pg_temp.call_of(function, argument)),
    CASE default_value WHEN 'NULL' THEN 'ok'
        ELSE format('22023 | %s must not be null', argument) END,
    format('%s() %s NULL for %s', function,
        CASE default_value WHEN 'NULL' THEN 'takes' ELSE 'refuses' END, argument))
FROM (SELECT function, argument, n, split_part(default_value, ':', 1) AS default_value
    FROM argument WHERE function <> 'feature_service') a
ORDER BY function, n;
SELECT is(feature_value('title', NULL), '"y"', 'NULL for the instance is the current one');
SELECT is((SELECT array_agg((r).status ORDER BY n) FROM (VALUES
        (1, feature_service(NULL, '/v2/features/system')), (2, feature_service('GET', NULL)),
        (3, feature_service('PUT', '/v2/features/system', NULL)),
        (4, feature_service('GET', '/v2/features/system', NULL))) v(n, r)), '{405,404,400,200}',
    'the service answers NULL for an argument, and raises nothing');

-- Ids that cannot be, as arguments and as the current instance, however that is
-- set: an error when it is used, never another instance instead.
CREATE TEMP TABLE bad (id text, message text);
INSERT INTO bad VALUES ('', '22023 | instance id must not be empty'),
    (repeat('x', 201), '22023 | instance id is too long'),
    (repeat('ü', 101), '22023 | instance id is too long');
CREATE TEMP VIEW instance_function AS
SELECT DISTINCT function FROM argument
WHERE function IN (SELECT function FROM argument WHERE argument = 'instance_id');
CREATE TEMP TABLE contents AS SELECT export_features() AS document;
SELECT is(pg_temp.state_of((SELECT format('%s(%s)', f.function, string_agg(format('%I => %s',
            a.argument, CASE a.argument WHEN 'instance_id' THEN quote_literal(b.id)
            ELSE a.value END), ', '))
        FROM argument a WHERE a.function = f.function)), b.message,
    format('%s() refuses an instance id of %s bytes', f.function, octet_length(b.id)))
FROM instance_function f, bad b ORDER BY f.function, b.id;

-- A function that sets it, a role that has it set, and a transaction.
CREATE FUNCTION pg_temp.current_instance_states(id text)
RETURNS SETOF text
LANGUAGE plpgsql
AS $$
DECLARE
    f record;
BEGIN
    PERFORM set_config('instance_features.instance_id', id, true);
    FOR f IN SELECT i.function, (SELECT format('%s(%s)', i.function, string_agg(format('%I => %s',
                    a.argument, a.value), ', ') FILTER (WHERE argument <> 'instance_id'))
                FROM argument a WHERE a.function = i.function) AS call
            FROM instance_function i
            WHERE function NOT IN ('create_instance', 'drop_instance',
                'set_feature_context') ORDER BY 1 LOOP
        RETURN NEXT f.function || ': ' || pg_temp.state_of(f.call);
    END LOOP;
    PERFORM set_config('instance_features.instance_id', 'default', true);
END
$$;
SELECT is_empty(format($$SELECT s FROM pg_temp.current_instance_states(%L) s
        WHERE s !~ ': %s$'$$, id, replace(message, '|', '\|')),
    format('every function refuses a current instance of %s bytes that set_config() chose',
        octet_length(id)))
FROM bad;
SET instance_features.instance_id = '';
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": false}')$$),
    '22023 | instance id must not be empty', 'a writer refuses an empty instance after SET');
SET SESSION instance_features.instance_id TO DEFAULT;
SET LOCAL instance_features.instance_id = '';
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema')$$),
    '22023 | instance id must not be empty', 'a reader refuses an empty instance after SET LOCAL');
SELECT is((SELECT concat_ws(' ', status, body->>'message')
    FROM feature_service('PUT', '/v2/features/instance', '{"userSchema": false}')),
    '400 instance id must not be empty', 'the service answers an empty instance with 400');
RESET instance_features.instance_id;
CREATE FUNCTION pg_temp.with_setting()
RETURNS text
LANGUAGE plpgsql
SET instance_features.instance_id = ''
AS $$
BEGIN
    RETURN pg_temp.try('SELECT set_instance_features(''{"userSchema": false}'')');
END
$$;
SELECT is(pg_temp.with_setting(), '22023 | instance id must not be empty',
    'a writer refuses an empty instance that a function''s SET chose');
CREATE FUNCTION pg_temp.with_instance()
RETURNS jsonb
LANGUAGE sql
SET instance_features.instance_id = 'a'
AS $$SELECT feature_value('title') FROM set_instance_features('{"title": "of a"}')$$;
SELECT is(pg_temp.with_instance(), '"of a"', 'a function''s SET chooses the instance');
SELECT is(feature_value('title'), '"y"', 'a function''s SET ends with the function');
SELECT lives_ok($$ALTER ROLE alice SET instance_features.instance_id = ''$$,
    'any instance can be chosen for a role, since it is checked when it is used');
SELECT lives_ok(format('ALTER ROLE alice SET instance_features.instance_id = %L', repeat('x', 201)),
    'an overlong instance can be chosen for a role, since it is checked when it is used');
SELECT is(pg_temp.try_as('alice',
        $$SELECT set_config('instance_features.instance_id', 'a', true)$$), 'a',
    'any role can choose an instance');
SELECT is(feature_value('title'), '"of a"', 'the chosen instance is the current one');
RESET instance_features.instance_id;
SELECT set_instance_features('{"title": "y"}', 'a') \g /dev/null
SELECT is(export_features(), (SELECT document FROM contents),
    'no bad instance changed another one');

-- Settings and events without a scope, which a restore that failed half-way
-- leaves behind, do not come into force with a new scope.
DELETE FROM instance_features.scope;
SELECT is(pg_temp.try(c.command), format('55000 | instance "%1$s" has settings, events or scopes'
    ' below it, but no row in table "instance_features.scope" | They would come into force with the'
    ' row. | Restore the row, or use DELETE FROM instance_features.setting WHERE level = %2$L'
    ' AND scope_id = %1$L OR instance_id = %1$L, the same for instance_features.event, and'
    ' for instance_features.scope with column id.', c.id, 'instance'),
    'rows without a scope are not brought into force by ' || c.command)
FROM (VALUES ($$SELECT create_instance('a')$$, 'a'),
    ($$SELECT apply_features('{"instances": {"a": {}}}')$$, 'a'),
    ($$SELECT set_instance_features('{"userSchema": false}')$$, 'default'),
    ($$SELECT reset_instance_features()$$, 'default'),
    ($$SELECT set_user_features('{"everywhere": true}', 'u')$$, 'default')) c(command, id);
INSERT INTO instance_features.scope (level, id, sequence) VALUES ('instance', 'default', 2);
SELECT matches(pg_temp.try($$SELECT set_user_features('{"everywhere": true}', 'u')$$),
    '^55000 \| user "u" of instance "default" has settings, events .* WHERE level = ''user'' AND '
    'instance_id = ''default'' AND scope_id = ''u'', the same',
    'rows of a user without a row are not brought into force');
DELETE FROM instance_features.scope;
SELECT is(feature_enabled('user_schema'), false, 'settings without a scope are not in force');
DELETE FROM instance_features.setting
WHERE level = 'instance' AND scope_id = 'a' OR instance_id = 'a';
DELETE FROM instance_features.event
WHERE level = 'instance' AND scope_id = 'a' OR instance_id = 'a';
SELECT is((create_instance('a')).sequence, 0::bigint,
    'an instance can be created after what the hint says');
SELECT is(feature_value('title', 'a'), '"x"', 'an instance that was created anew sets nothing');

SELECT * FROM finish();
ROLLBACK;
