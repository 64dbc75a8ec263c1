\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- Which scopes a call is about: the table of the reference, row by row.  The
-- values name the scope that sets them, so that an answer tells the way up.
SELECT define_feature('place', '"-"', levels => '{system,instance,organization,user}') \g /dev/null
SELECT create_instance(i), set_instance_features(jsonb_build_object('place', i), i)
FROM unnest('{I,i}'::text[]) i \g /dev/null
SELECT set_organization_features(jsonb_build_object('place', i || o), o, i),
    set_user_features(jsonb_build_object('place', i || u), u, i)
FROM unnest('{I,i}'::text[]) i, (VALUES ('O', 'U'), ('o', 'u')) v(o, u) \g /dev/null
SELECT define_feature('organization_place', '"-"', levels => '{instance,organization}') \g /dev/null
SELECT set_instance_features(jsonb_build_object('organization_place', i), i),
    set_organization_features(jsonb_build_object('organization_place', i || o), o, i)
FROM unnest('{I,i}'::text[]) i, unnest('{O,o}'::text[]) o \g /dev/null

-- What the scopes of a call are: the user's value, the organization's, and the
-- instance's, "-" for none.
CREATE FUNCTION pg_temp.context_of(i text, o text, u text)
RETURNS text
LANGUAGE sql
AS $$
    SELECT concat_ws(' ', left(organization, 1),
        CASE WHEN length(organization) = 2 THEN right(organization, 1) ELSE '-' END,
        CASE WHEN everything <> organization THEN right(everything, 1) ELSE '-' END)
    FROM (SELECT feature_text('place', i, o, u) AS everything,
            feature_text('organization_place', i, o, u) AS organization) v
$$;
-- The scope that a function of one level is about.
CREATE FUNCTION pg_temp.scope_of(level text, id text, instance text)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT value->>0 FROM get_%s_features(false, %L, %L) WHERE feature = %L',
        level, id, instance, 'place') INTO result;
    RETURN right(result, 1) || ' of ' || left(result, 1);
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN 'error';
END
$$;
CREATE TEMP TABLE named (name text, i text, o text, u text);
INSERT INTO named VALUES ('nothing', NULL, NULL, NULL), ('instance i', 'i', NULL, NULL),
    ('organization o', NULL, 'o', NULL), ('user u', NULL, NULL, 'u'), ('i, o', 'i', 'o', NULL),
    ('i, u', 'i', NULL, 'u'), ('o, u', NULL, 'o', 'u'), ('i, o, u', 'i', 'o', 'u'),
    ('instance I, which is current', 'I', NULL, NULL),
    ('organization O, which is current', NULL, 'O', NULL),
    ('user U, which is current', NULL, NULL, 'U'), ('I, O, U', 'I', 'O', 'U');

SELECT set_feature_context('I', 'O', 'U') \g /dev/null
SELECT is(pg_temp.context_of(n.i, n.o, n.u), v.context,
    'context functions, with all current: naming ' || n.name)
FROM named n JOIN (VALUES ('nothing', 'I O U'), ('instance i', 'i - -'),
    ('organization o', 'I o -'), ('user u', 'I O u'), ('i, o', 'i o -'), ('i, u', 'i - u'),
    ('o, u', 'I o u'), ('i, o, u', 'i o u'), ('instance I, which is current', 'I - -'),
    ('organization O, which is current', 'I O -'), ('user U, which is current', 'I O U'),
    ('I, O, U', 'I O U')) v(name, context) USING (name) ORDER BY name;
SELECT is(pg_temp.scope_of('user', n.u, n.i), v.scope,
    'user functions, with all current: naming ' || n.name)
FROM named n JOIN (VALUES ('nothing', 'U of I'), ('instance i', 'error'), ('user u', 'u of I'),
    ('i, u', 'u of i'), ('instance I, which is current', 'error')) v(name, scope) USING (name)
ORDER BY name;
SELECT is(pg_temp.scope_of('organization', n.o, n.i), v.scope,
    'organization functions, with all current: naming ' || n.name)
FROM named n JOIN (VALUES ('nothing', 'O of I'), ('instance i', 'error'),
    ('organization o', 'o of I'), ('i, o', 'o of i')) v(name, scope) USING (name) ORDER BY name;
SELECT is((SELECT value->>0 || ' ' || source FROM get_user_features(true, 'nobody')
        WHERE feature = 'place'), 'IO organization',
    'a user inherits from the current organization if no instance is named');
SELECT is((SELECT value->>0 || ' ' || source FROM get_user_features(true, 'nobody', 'I')
        WHERE feature = 'place'), 'I instance',
    'a user inherits from no organization if an instance is named, even the current one');
SELECT is((get_user_feature_details()).resource_owner, 'U', 'details of the current user');
SELECT is((get_organization_feature_details()).resource_owner, 'O',
    'details of the current organization');
SELECT is((set_user_features('{"place": "IU2"}')).resource_owner, 'U',
    'a set without ids is about the current user');
SELECT is((SELECT count(*) FROM user_feature_history()), 2::bigint,
    'the history of the current user');

SELECT set_feature_context('I', NULL, 'U') \g /dev/null
SELECT is(pg_temp.context_of(n.i, n.o, n.u), v.context,
    'context functions, with no current organization: naming ' || n.name)
FROM named n JOIN (VALUES ('nothing', 'I - 2'), ('instance i', 'i - -'),
    ('organization o', 'I o -'), ('user u', 'I - u'), ('i, o', 'i o -'), ('i, u', 'i - u'),
    ('o, u', 'I o u'), ('i, o, u', 'i o u')) v(name, context) USING (name) ORDER BY name;
SELECT is(pg_temp.try('SELECT get_organization_feature_details()'),
    '22023 | no organization is named | Give argument "organization_id", or leave out the '
        'instance too '
    'and set "instance_features.organization_id".',
    'an organization function without an organization is refused');
SELECT set_feature_context('I', 'O') \g /dev/null
SELECT is(pg_temp.context_of(n.i, n.o, n.u), v.context,
    'context functions, with no current user: naming ' || n.name)
FROM named n JOIN (VALUES ('nothing', 'I O -'), ('user u', 'I O u'), ('organization o', 'I o -'))
    v(name, context) USING (name) ORDER BY name;
SELECT is(pg_temp.try($$SELECT set_user_features('{"place": "x"}', instance_id => 'I')$$),
    '22023 | no user is named | The instance is named, so no scope below it is taken from the '
    'settings. | Give argument "user_id", or leave out the instance too and set '
    '"instance_features.user_id".', 'a user function without a user is refused');
SELECT set_feature_context('I') \g /dev/null
SELECT is(pg_temp.context_of(NULL, NULL, NULL), 'I - -',
    'set_feature_context() leaves nothing of the last context');

-- get_effective_features() is what feature_value() answers.
SELECT set_feature_context('I', c.o, c.u) FROM (VALUES ('O', 'U')) c(o, u) \g /dev/null
SELECT is_empty($$SELECT n.name, f.feature FROM named n, get_effective_features(n.i, n.o, n.u) f
    WHERE f.value IS DISTINCT FROM feature_value(f.feature, n.i, n.o, n.u)$$,
    'get_effective_features() agrees with feature_value() in every context');
SELECT set_eq($$SELECT feature FROM get_effective_features()$$,
    $$SELECT key FROM instance_features.definition WHERE stage <> 'removed'$$,
    'get_effective_features() has every feature that is not removed');
SELECT results_eq($$SELECT value->>0, source::text, sequence FROM get_effective_features(user_id
    => 'u')
    WHERE feature = 'place'$$, $$VALUES ('Iu', 'user', 1::bigint)$$,
    'get_effective_features() names the source and its event');

-- The same call site, whose answer is remembered, in changing contexts.
SELECT define_feature('everywhere', levels => '{system,instance,organization,user}') \g /dev/null
SELECT set_user_features('{"everywhere": true}', 'u', 'i'),
    set_organization_features('{"everywhere": true}', 'o', 'I') \g /dev/null
SELECT is((SELECT string_agg(feature_enabled('everywhere', i, o, u)::text,
    ' ' ORDER BY n) FROM (VALUES
        (1, 'i', NULL, 'u'), (2, 'i', NULL, 'U'), (3, 'i', NULL, NULL), (4, NULL, 'o', NULL),
        (5, NULL, 'O', NULL), (6, NULL, NULL, NULL), (7, NULL, NULL, 'u'), (8, 'i', 'o', 'u'),
        (9, NULL, 'o', 'u'), (10, 'i', 'u', 'o'), (11, 'i', NULL, 'u')) v(n, i, o, u)),
    'true false false true false false false true true false true',
    'a remembered answer is for its context alone');
CREATE FUNCTION pg_temp.answers()
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    result text := '';
    u text;
BEGIN
    FOREACH u IN ARRAY '{U,u,U,u}'::text[] LOOP
        PERFORM set_config('instance_features.user_id', u, true);
        result := result || ' ' || feature_enabled('everywhere');
    END LOOP;
    RETURN result;
END
$$;
SELECT set_feature_context('i', 'O', 'U') \g /dev/null
SELECT is(pg_temp.answers(), ' false true false true', 'an answer follows a SET within a function');
SELECT is((SELECT string_agg(feature_enabled('user_schema', 'i', o, u)::text, ' ') FROM (VALUES
        ('o', 'u'), (NULL, 'u'), ('x', NULL)) v(o, u)), 'false false false',
    'a feature without lower levels is the same for all');
SELECT is(pg_temp.try(format($$SELECT feature_enabled('user_schema', 'i', o)
        FROM (VALUES (1, 'o'), (2, %L)) v(n, o)$$, id)), '22023 | ' || message,
    format('a feature without lower levels refuses an organization id of %s bytes, too',
        length(id)))
FROM (VALUES ('', 'organization id must not be empty'), (repeat('x', 201),
    'organization id is too long | It has 201 bytes, and at most 200 are allowed.'))
    v(id, message);

-- set_feature_context()
SELECT is(pg_temp.try($$SELECT set_feature_context(NULL, 'o')$$),
    '22023 | instance_id must not be null', 'set_feature_context() needs an instance');
SELECT is(pg_temp.try($$SELECT set_feature_context('i', is_local => NULL)$$),
    '22023 | is_local must not be null', 'set_feature_context() refuses NULL for is_local');
SELECT is(pg_temp.try($$SELECT set_feature_context('i', '')$$),
    '22023 | organization id must not be empty', 'an empty organization is refused');
SELECT is(pg_temp.try($$SELECT set_feature_context('i', NULL, repeat('ü', 101))$$),
    '22023 | user id is too long | It has 202 bytes, and at most 200 are allowed.',
    'an overlong user is refused');
SELECT is(current_setting('instance_features.user_id'), 'u', 'nothing of a refused context is set');
SAVEPOINT context;
SELECT set_feature_context('nowhere', 'x', 'y') \g /dev/null
ROLLBACK TO context;
SELECT is(feature_text('place'), 'iu', 'a local context ends with its savepoint');
SAVEPOINT context;
SELECT set_feature_context('I', 'x', 'y', false) \g /dev/null
SELECT is(current_setting('instance_features.organization_id'), 'x',
    'a context can be set for the session');
ROLLBACK TO context;
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', 'nowhere', 'o', 'u')$$),
    'P0002 | instance "nowhere" does not exist', 'a context of a missing instance is not found');

-- Current ids that cannot be: an error when they are used.
CREATE TEMP TABLE use (what text, command text);
INSERT INTO use VALUES ('feature_enabled()', $$SELECT feature_enabled('everywhere')$$),
    ('feature_enabled() of a feature without lower levels',
        $$SELECT feature_enabled('user_schema')$$),
    ('get_effective_features()', 'SELECT get_effective_features()'),
    ('set_user_features()', $$SELECT set_user_features('{"everywhere": true}')$$),
    ('user_feature_history()', 'SELECT user_feature_history()');
SELECT set_config('instance_features.user_id', repeat('u', 201), true) \g /dev/null
SELECT is(pg_temp.try(command),
    '22023 | user id is too long | It has 201 bytes, and at most 200 are allowed.',
    what || ' refuses an overlong current user') FROM use;
SELECT lives_ok($$SELECT feature_enabled('everywhere', 'i'), feature_enabled('everywhere', NULL,
    'o'),
        get_instance_features(true), set_user_features('{"everywhere": true}', 'u')$$,
    'an overlong current user is no error for calls that do not use it');
SET LOCAL instance_features.user_id = '';
SELECT is(feature_enabled('everywhere'), false, 'an empty current user is none');

-- The fallback
SELECT is(feature_enabled('nothing', fallback => true), true, 'feature_enabled() has a fallback');
SELECT is(feature_value('nothing', fallback => '{"a": 1}'), '{"a": 1}',
    'feature_value() has a fallback');
SELECT is(feature_text('nothing', fallback => 'x'), 'x', 'feature_text() has a fallback');
SELECT is(feature_integer('nothing', fallback => 7), 7::bigint, 'feature_integer() has a fallback');
SELECT is(feature_number('nothing', fallback => 1.50), 1.50, 'feature_number() has a fallback');
SELECT is(feature_enabled('everywhere', 'i', NULL, 'u', false), true,
    'the fallback of a feature that is defined has no effect');
SELECT is((SELECT string_agg(feature_enabled('nothing', fallback => f)::text, ' ' ORDER BY n)
        FROM (VALUES (1, true), (2, false), (3, true)) v(n, f)), 'true false true',
    'a remembered lookup takes the fallback of each call');
SELECT matches(pg_temp.try($$SELECT feature_enabled('nothing', fallback => f) FROM (VALUES
    (true), (NULL)) v(f)$$),
    '^42704 \| feature "nothing" does not exist',
        'a remembered lookup raises the error if a call has no fallback');
SELECT is(pg_temp.try($$SELECT feature_enabled('nothing', 'nowhere', fallback => true)$$),
    'P0002 | instance "nowhere" does not exist', 'a fallback is not for a missing instance');
SELECT is(pg_temp.try($$SELECT feature_integer('place', fallback => 1)$$),
    '22023 | feature "place" is of type string, not integer | Use feature_value() to read a '
        'feature of any type.', 'a fallback is not for a feature of another type');
SELECT is((SELECT string_agg(feature_enabled(f, fallback => true)::text,
    ' ' ORDER BY n) FROM (VALUES
        (1, 'nothing'), (2, 'user_schema'), (3, 'nothing')) v(n, f)), 'true false true',
    'a call site with several keys');
SELECT define_feature('nothing') \g /dev/null
SELECT is(feature_enabled('nothing', fallback => true), false,
    'the fallback ends with a definition');
SELECT set_feature_stage('nothing', 'removed') \g /dev/null
SELECT is(feature_enabled('nothing', fallback => true), false, 'a removed feature is defined');

SELECT * FROM finish();
ROLLBACK;
