\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- Organizations and users: the two levels below the instance.  Nothing registers
-- them, and the owner of their instance owns them.
CREATE ROLE alice;
CREATE ROLE stranger;
CREATE ROLE watcher IN ROLE pg_monitor;
GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC;
SELECT create_instance('a', 'alice'), create_instance('b'),
    define_feature('beta', levels => '{system,instance,organization,user}'),
    define_feature('theme', '"light"', levels => '{organization,user}'),
    define_feature('avatar', levels => '{user}') \g /dev/null

-- Setting and reading
SELECT results_eq($$SELECT sequence, change_date, resource_owner FROM
    get_user_feature_details('u', 'a')$$,
    $$VALUES (0::bigint, NULL::timestamptz, 'u')$$,
        'a user exists with its instance, without a date');
SELECT results_eq($$SELECT sequence, change_date, resource_owner FROM
    get_organization_feature_details('o')$$,
    $$VALUES (0::bigint, NULL::timestamptz, 'o')$$, 'an organization exists with its instance');
SELECT results_eq($$SELECT sequence, resource_owner FROM set_user_features('{"beta": true,
    "theme": "dark"}', 'u', 'a')$$,
    $$VALUES (2::bigint, 'u')$$, 'set_user_features() sets features');
SELECT results_eq($$SELECT sequence, resource_owner FROM set_organization_features('{"beta":
    false}', 'u', 'a')$$,
    $$VALUES (1::bigint, 'u')$$, 'the same id is another scope on another level');
SELECT results_eq($$SELECT feature, value, source::text, sequence, percentage FROM
    get_user_features(false, 'u', 'a')$$,
    $$VALUES ('beta', 'true'::jsonb, 'user', 1::bigint, NULL::numeric), ('theme', '"dark"',
        'user', 2, NULL)$$,
    'get_user_features() has the settings of the user');
SELECT results_eq($$SELECT feature, value, source::text FROM get_organization_features(true, 'u',
    'a')
    WHERE feature IN ('beta', 'theme', 'avatar')$$,
    $$VALUES ('avatar', 'false'::jsonb, 'default'), ('beta', 'false', 'organization'), ('theme',
        '"light"', 'default')$$,
    'get_organization_features() has the effective values with inheritance');
SELECT is(pg_temp.try($$SELECT get_organization_features(false, 'x', 'a')$$),
    'P0002 | organization "x" of instance "a" has no feature settings | Read it with inheritance '
        'to '
    'get the effective values.',
        'an organization without settings is not found without inheritance');
SELECT is(feature_enabled('beta', 'b', 'u', 'u'), false, 'ids are of their instance');
SELECT is((set_user_features('{"theme": null}', 'u', 'a')).sequence, 3::bigint,
    'null unsets a feature');
SELECT is((set_user_features('{"theme": null, "beta": true}', 'u', 'a')).sequence, 3::bigint,
    'what is as it was is no change');
SELECT is((reset_user_features('u', 'a')).sequence, 4::bigint,
    'reset_user_features() removes the settings');
SELECT is((reset_user_features('u', 'a')).sequence, 4::bigint, 'a second reset does nothing');
SELECT is((reset_organization_features('none', 'a')).sequence, 0::bigint,
    'a reset of an organization without events makes no row');
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id = 'none'), 0::bigint,
    'no row was made');
SELECT is((set_user_features('{"avatar": null}', 'none', 'a')).sequence, 0::bigint,
    'a set that changes nothing makes no row');
SELECT is(pg_temp.try(format('SELECT %s', c)),
    '55000 | sequence of user "u" of instance "a" is 4, not 3 as expected | Read the features '
        'again, '
    'then repeat the change with their sequence.',
    c || ' checks the sequence')
FROM unnest(ARRAY[$$set_user_features('{"beta": true}', 'u', 'a', 3)$$,
    $$reset_user_features('u', 'a', 3)$$]) c;
SELECT is((set_organization_features('{"beta": true}', 'fresh', 'a', 0)).sequence, 1::bigint,
    'the sequence of an organization without events is 0');
SELECT is((set_user_features('{"beta": true}', v.id, v.id)).resource_owner, v.id,
    'an id may be ' || what)
FROM (VALUES ('default', 'that of its instance')) v(id, what);
SELECT is((set_user_features('{"beta": true}', v.id, 'a')).resource_owner, v.id,
    'an id may be ' || what)
FROM (VALUES ('SYSTEM', 'the name of the system'), ('a/b%2Fc', 'a path'), (repeat('ü', 100),
    '200 bytes long'),
    ($$o'brien "x"$$, 'quoted'), (E'a\nb', 'two lines')) v(id, what);
SELECT is(feature_enabled('beta', 'default', user_id => 'default'), true,
    'the first change below the instance "default" makes its row');
SELECT results_eq($$SELECT sequence, change_date FROM get_instance_feature_details('default')$$,
    $$VALUES (0::bigint, NULL::timestamptz)$$,
        'the first user below the instance "default" is no change of the instance');
SELECT is((set_instance_features('{"beta": true}')).sequence, 1::bigint,
    'the first change of the instance "default" is event 1 after its row was made');
SELECT is((reset_instance_features()).sequence, 2::bigint,
    'a reset of the instance "default" is event 2');

-- Levels of features
SELECT is(pg_temp.try(format('SELECT %s', c)), '22023 | ' || m, c || ' names the levels')
FROM (VALUES ($$set_user_features('{"userSchema": true}', 'u')$$,
        'feature "user_schema" cannot be set on level user | Its levels are: system, instance.'),
    ($$set_user_features('{"userSchema": null}', 'u')$$,
        'feature "user_schema" cannot be set on level user | Its levels are: system, instance.'),
    ($$set_organization_features('{"avatar": true}', 'o')$$,
        'feature "avatar" cannot be set on level organization | Its levels are: user.'),
    ($$set_instance_features('{"beta": true, "theme": "x"}')$$,
        'feature "theme" cannot be set on level instance | Its levels are: organization, user.'),
    ($$set_system_features('{"avatar": null}')$$,
        'feature "avatar" cannot be set on level system | Its levels are: user.'),
    ($$define_feature('x', levels => '{}')$$,
        'levels must not be empty | Name at least one of: system, instance, organization, user.'),
    ($$define_feature('x', levels => NULL)$$, 'levels must not be null'),
    ($$define_feature('x', levels => '{user,NULL}')$$, 'levels must not be null'),
    ($$alter_feature('beta', levels => '{}')$$,
        'levels must not be empty | Name at least one of: system, instance, organization, user.'),
    ($$define_feature('x', json_name => 'organizationId')$$,
        'JSON name "organizationId" is reserved'
        ' | Requests and responses have a field of that name already. | Give the feature another '
            'JSON name.'),
    ($$define_feature('user_id')$$, 'JSON name "userId" is reserved'
        ' | Requests and responses have a field of that name already. | Give the feature another '
            'JSON name.'))
    v(c, m);
SELECT is((SELECT count(*) FROM instance_features.setting WHERE feature = 'beta' AND scope_id =
    'default'
    AND level = 'instance'), 0::bigint, 'nothing of a refused set is applied');
SELECT define_feature('twice', levels => '{user,system,user}') \g /dev/null
SELECT is((SELECT levels::text FROM instance_features.definition WHERE key = 'twice'),
    '{system,user}',
    'levels are a set, from the top down');
SELECT is((SELECT levels::text FROM instance_features.definition WHERE key = 'user_schema'),
    '{system,instance}',
    'the levels of a built-in feature');
SELECT is(pg_temp.try($$SELECT alter_feature('beta', levels => '{system,instance,organization}')$$)
    ~
    '^55000 \| 6 settings of feature "beta" are on other levels \| One is of user "[^|]*" of '
        'instance "(a|default)"\. \| Unset',
    true, 'narrowing is refused where scopes have settings, and says how many');
SELECT is(pg_temp.try($$SELECT alter_feature('beta', levels =>
    '{user,system,instance,organization}')$$),
    '', 'the same levels can be given again');
SELECT lives_ok($$SELECT alter_feature('theme', levels => '{user}')$$,
    'narrowing where there are no settings');
SELECT lives_ok($$SELECT alter_feature('avatar', levels => '{instance,user}')$$,
    'a feature can be set on more levels than before');
SELECT is((set_instance_features('{"avatar": true}', 'a')).sequence, 1::bigint,
    'a wider feature can be set');
SELECT is(feature_enabled('avatar', 'a', 'o', 'u'), true,
    'a setting on a level that was added is inherited');
SELECT is(pg_temp.try($$SELECT alter_feature('avatar', levels => '{user}')$$),
    '55000 | 1 setting of feature "avatar" is on another level | One is of instance "a". | Unset '
        'the feature there first.',
    'narrowing is refused where a single scope has a setting');
SELECT is(pg_temp.try($$SELECT alter_feature('user_schema', levels => '{user}')$$),
    '42501 | feature "user_schema" is built in | Built-in features can be neither altered nor '
        'dropped.',
    'the levels of a built-in feature cannot be altered');
SELECT set_organization_features('{"beta": true}', 'strange', 'a') \g /dev/null
UPDATE instance_features.setting SET feature = 'avatar' WHERE scope_id = 'strange';
SELECT is(feature_enabled('avatar', 'a', 'strange'), feature_enabled('avatar', 'a'),
    'a setting on another level, which direct DML made, has no effect');
SELECT is((SELECT detail FROM check_instance_features() WHERE problem = 'setting on another level'),
    'The feature cannot be set on level organization.', 'a setting on another level is reported');
UPDATE instance_features.setting SET feature = 'beta' WHERE scope_id = 'strange';
SELECT lives_ok($$SELECT drop_feature('twice')$$, 'a feature that nobody sets can be dropped');
SELECT is((SELECT count(*) FROM instance_features.setting WHERE feature = 'beta') > 6, true,
    'beta is set');
SAVEPOINT dropped;
SELECT drop_feature('beta', true) \g /dev/null
SELECT is((SELECT array_agg(DISTINCT event_type ORDER BY event_type) FROM instance_features.event
    WHERE event_type LIKE '%.beta.unset'
    AND level <> 'instance'), '{feature.org.beta.unset,feature.user.beta.unset}',
    'drop_feature(cascade) unsets it on all levels');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'drop_feature(cascade) leaves consistent tables');
ROLLBACK TO dropped;

-- Rights: who owns an instance owns what is below it.
CREATE TEMP TABLE call (n serial, command text, permission text);
INSERT INTO call (command, permission) VALUES
    ($$set_organization_features('{"beta": false}', 'o', 'a')$$, 'org.feature.write'),
    ($$reset_organization_features('o', 'a')$$, 'org.feature.delete'),
    ($$erase_organization_features('o', 'a')$$, 'org.feature.delete'),
    ($$organization_feature_history('o', 'a')$$, 'org.feature.write'),
    ($$set_user_features('{"beta": false}', 'u', 'a')$$, 'user.feature.write'),
    ($$reset_user_features('u', 'a')$$, 'user.feature.delete'),
    ($$erase_user_features('u', 'a')$$, 'user.feature.delete'),
    ($$user_feature_history('u', 'a')$$, 'user.feature.write');
CREATE FUNCTION pg_temp.as_role(role name, call text)
RETURNS text
LANGUAGE sql
AS $$SELECT regexp_replace(pg_temp.try_as(role, format('SELECT count(*) FROM (SELECT %s) v',
    call)), '^\d$', 'ok')$$;
SELECT is(pg_temp.as_role('alice', command), 'ok',
    'the instance''s owner may call ' || command) FROM call ORDER BY n;
SELECT is(pg_temp.as_role(r, command),
    format('42501 | permission denied for %s "%s" of instance "a"'
        ' | Permission "%s" is required, which role "alice" has.',
        CASE WHEN command LIKE '%org%' THEN 'organization' ELSE 'user' END,
        CASE WHEN command LIKE '%org%' THEN 'o' ELSE 'u' END, permission),
    format('%s may not call %s', r, command))
FROM call, unnest('{stranger,watcher}'::text[]) r ORDER BY r, n;
SELECT is(pg_temp.as_role('stranger', replace(command, $$'a')$$, $$'nowhere')$$)),
    'P0002 | instance "nowhere" does not exist',
        'a stranger is told that there is no instance: ' || command)
FROM call ORDER BY n;
SELECT is(pg_temp.as_role('alice', replace(command, $$'a')$$,
    $$'b')$$)) ~ '^42501 \| permission denied for .* of instance "b"',
    true, 'the owner of another instance may not: ' || command) FROM call ORDER BY n;
SELECT is(pg_temp.as_role('stranger', c), 'ok', 'anybody may read: ' || c)
FROM unnest(ARRAY[$$get_user_features(true, 'u', 'a')$$,
    $$get_organization_feature_details('o', 'a')$$,
    $$get_effective_features('a', 'o', 'u')$$, $$feature_enabled('beta', 'a', 'o', 'u')$$]) c;

-- Views: what the role may change, and nothing else.
SELECT set_user_features('{"beta": true}', 'u1', 'a'), set_user_features('{"beta": true}', 'u2',
    'b'),
    set_organization_features('{"beta": true}', 'o1', 'a'),
        set_organization_features('{"beta": true}', 'o2', 'b'),
    set_system_features('{"beta": false}') \g /dev/null
GRANT USAGE ON SCHEMA instance_features TO PUBLIC;
SET LOCAL ROLE alice;
SELECT bag_eq($$SELECT level::text, instance_id, scope_id, feature, value, editor IS NOT NULL
    FROM instance_features.own_setting
        WHERE scope_id IN ('u1', 'u2', 'o1', 'o2', 'SYSTEM', 'a', 'b') AND feature IN ('beta',
            'avatar')$$,
    $$VALUES ('instance', 'a', 'a', 'avatar', 'true'::jsonb, true), ('organization', 'a', 'o1',
        'beta', 'true', true),
        ('user', 'a', 'u1', 'beta', 'true', true), ('user', 'a', 'SYSTEM', 'beta', 'true', true)$$,
    'own_setting has the settings of own scopes');
SELECT is((SELECT array_agg(DISTINCT instance_id) FROM instance_features.organization), '{a}',
    'organization has those of own instances');
SELECT results_eq($$SELECT organization_id, sequence, settings FROM
    instance_features.organization WHERE organization_id = 'o1'$$,
    $$VALUES ('o1', 1::bigint, 1::bigint)$$, 'organization counts the settings');
SELECT results_eq($$SELECT value, organizations, users FROM instance_features.feature_usage WHERE
    feature = 'beta' AND value = 'true'$$,
    $$SELECT 'true'::jsonb, count(*) FILTER (WHERE level = 'organization'), count(*) FILTER
        (WHERE level = 'user')
    FROM instance_features.own_setting WHERE feature = 'beta' AND value =
        'true'$$, 'feature_usage counts them');
RESET ROLE;
CREATE FUNCTION public.explained(query text)
RETURNS SETOF text
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' ||
        query;
END
$$;
CREATE FUNCTION public.estimated(query text)
RETURNS SETOF text
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN ' || query;
END
$$;
SET LOCAL ROLE stranger;
SELECT is((SELECT count(*) FROM instance_features.own_setting), 0::bigint,
    'a stranger sees no settings');
SELECT is((SELECT count(*) FROM instance_features.organization), 0::bigint,
    'a stranger sees no organizations');
SELECT is((SELECT sum(instances + organizations + users) FROM instance_features.feature_usage),
    0::numeric,
    'a stranger sees no usage');
SELECT is_empty(format($$SELECT * FROM public.explained('SELECT * FROM instance_features.%s WHERE
    instance_id = ''a''') e
    WHERE e ~ '(rows=[1-9]|Removed by Filter|scope|Scan on (setting|event))'$$, v),
    format('EXPLAIN ANALYZE of view %s tells a stranger no counts', v))
FROM unnest('{own_setting,organization}'::text[]) v;
SELECT is((SELECT array_agg(DISTINCT regexp_replace(e, '.*(rows=\d+) width.*',
    '\1')) FROM public.estimated('SELECT * FROM instance_features.own_setting WHERE feature = '
        '''beta''') e
    WHERE e ~ 'own_settings'), '{rows=5}', 'an estimate tells a stranger no counts');
SET LOCAL ROLE watcher;
SELECT is((SELECT count(*) FROM instance_features.own_setting), 0::bigint,
    'members of pg_monitor see no users');
SELECT is((SELECT sum(organizations + users) FROM instance_features.feature_usage), 0::numeric,
    'members of pg_monitor see no counts of users');
SELECT is((SELECT count(*) > 1 FROM instance_features.instance), true,
    'members of pg_monitor see all instances');
RESET ROLE;

-- Erasing
SELECT is((SELECT count(*) > 0 FROM user_feature_history('u1', 'a')), true, 'there is a history');
SELECT erase_user_features('u1', 'a'), erase_organization_features('o1', 'a') \g /dev/null
SELECT is_empty(format($$SELECT FROM instance_features.%s WHERE %s IN ('u1', 'o1')$$, t, c),
    'erasing leaves nothing in table ' || t)
FROM (VALUES ('scope', 'id'), ('setting', 'scope_id'), ('event', 'scope_id')) v(t, c);
SELECT is(feature_enabled('beta', 'a', 'o1', 'u1'), false, 'erasing leaves nothing in an answer');
SELECT is_empty($$SELECT * FROM user_feature_history('u1', 'a')$$,
    'erasing leaves nothing in the history');
SELECT is((set_user_features('{"beta": true}', 'u1', 'a')).sequence, 1::bigint,
    'a later scope of that id begins with 1');
SELECT lives_ok($$SELECT erase_user_features('never', 'a')$$,
    'erasing a user who never differed is no error');
SELECT is(pg_temp.try(format('SELECT %s', c)), '22023 | ' || m, c || ' is refused')
FROM (VALUES ('erase_user_features(NULL)', 'user_id must not be null'),
    ($$erase_user_features('')$$, 'user id must not be empty'),
    ('erase_organization_features(NULL)', 'organization_id must not be null')) v(c, m);
SET LOCAL instance_features.user_id = 'u1';
SELECT is(pg_temp.try('SELECT erase_user_features(NULL)'), '22023 | user_id must not be null',
    'the current user is never erased for want of an argument');
RESET instance_features.user_id;

-- Dropping an instance takes all below it.
SELECT set_user_features('{"beta": true}', 'x', 'b'), set_organization_features('{"beta": true}',
    'x', 'b') \g /dev/null
SELECT drop_instance('b'), drop_instance('default') \g /dev/null
SELECT is_empty(format($$SELECT FROM instance_features.%s WHERE instance_id IN ('b', 'default')$$,
    t),
    'dropping an instance leaves nothing below it in table ' || t)
FROM unnest('{scope,setting,event}'::text[]) t;
SELECT is(pg_temp.try($$SELECT set_user_features('{"beta": true}', 'x', 'b')$$),
    'P0002 | instance "b" does not exist',
    'a user of an instance that was dropped cannot be set');
SELECT is(pg_temp.try($$SELECT set_user_features('{"beta": true}', 'x')$$),
    'P0002 | instance "default" does not exist',
    'a user of the instance "default" cannot be set when that was dropped');
SELECT create_instance('b'), create_instance('default') \g /dev/null
SELECT is((set_user_features('{"beta": true}', 'x', 'b')).sequence, 1::bigint,
    'an instance that is created again is new');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

-- Who and why
SET LOCAL instance_features.actor = 'jane@example.com';
SET LOCAL instance_features.reason = E'Ticket 7:\nas promised';
SELECT set_user_features('{"beta": false}', 'x', 'b') \g /dev/null
SELECT results_eq($$SELECT actor, reason FROM user_feature_history('x', 'b')$$,
    $$VALUES (NULL, NULL), ('jane@example.com', E'Ticket 7:\nas promised')$$,
        'events record actor and reason');
SELECT set_config('instance_features.actor', repeat('ü', 101), true) \g /dev/null
SELECT is(pg_temp.try($$SELECT set_system_features('{"userSchema": true}')$$),
    '22023 | value of setting "instance_features.actor" is too long | It has 202 bytes, and at '
        'most 200 are recorded.',
    'an actor of more than 200 bytes is refused at the next change');
SELECT lives_ok($$SELECT set_system_features('{"userSchema": null}'), reset_user_features('none',
    'b'), feature_enabled('beta')$$,
    'an overlong actor is no error where nothing changes');
SELECT set_config('instance_features.actor', repeat('x', 200), true),
    set_config('instance_features.reason', repeat('x', 1001), true) \g /dev/null
SELECT is(pg_temp.try($$SELECT set_user_features('{"beta": true}', 'x', 'b')$$),
    '22023 | value of setting "instance_features.reason" is too long | It has 1001 bytes, and at '
        'most 1000 are recorded.',
    'a reason of more than 1000 bytes is refused');
SELECT set_config('instance_features.reason', repeat('x', 1000), true) \g /dev/null
SELECT is((set_user_features('{"beta": true}', 'x', 'b')).sequence, 3::bigint,
    'the longest actor and reason');
SET LOCAL instance_features.actor = '';
SET LOCAL instance_features.reason = '';
SELECT set_user_features('{"beta": false}', 'x', 'b') \g /dev/null
SELECT results_eq($$SELECT length(actor), length(reason) FROM user_feature_history('x', 'b')
    WHERE sequence > 2$$,
    $$VALUES (200, 1000), (NULL, NULL)$$, 'empty is null');
SELECT is(purge_feature_events('infinity') > 0, true, 'a purge deletes events');
SELECT is((SELECT count(*) FROM instance_features.event WHERE actor IS NOT NULL OR reason IS NOT
    NULL), 0::bigint,
    'a purge deletes who made the events that it keeps, and why');
SELECT is((SELECT count(*) FROM user_feature_history('x', 'b')), 1::bigint,
    'users'' events are purged too');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after a purge');
SET LOCAL instance_features.actor = 'later';
SELECT set_user_features('{"beta": true}', 'x', 'b') \g /dev/null
SELECT purge_feature_events('2000-01-01') \g /dev/null
SELECT is((SELECT array_agg(actor) FROM user_feature_history('x', 'b')), '{NULL,later}',
    'events after the time of the purge keep their actor');

-- Direct DML
SELECT is(pg_temp.try(format('INSERT INTO instance_features.scope (level, instance_id, id, owner, '
    'sequence, dropped) VALUES (%s)', v)) ~ e, true,
    'a row of a scope is refused: ' || v)
FROM (VALUES ($$'user', '', 'u', NULL, 0, false$$, '^23514 .* from 1 to 200 bytes'),
    ($$'user', 'a', 'u', 'alice', 0, false$$, '^23514 .* belongs to the owner of the instance'),
    ($$'organization', 'a', 'v', NULL, 0, true$$, '^23514 .* Only an instance'),
    ($$'instance', 'a', 'u', NULL, 0, false$$, '^23514 .* belong to no instance')) c(v, e);
INSERT INTO instance_features.scope (level, instance_id, id, sequence) VALUES ('user', 'nowhere',
    'u', 0);
SELECT is((SELECT detail FROM check_instance_features() WHERE problem = 'scope without instance'),
    'There is no instance nowhere.', 'a scope without an instance is reported');

SELECT * FROM finish();
ROLLBACK;
