\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- What a call has to load, as the session's own statistics say.
CREATE FUNCTION pg_temp.loads(query text)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    before bigint := (SELECT loads FROM instance_features_stats());
BEGIN
    EXECUTE query;
    RETURN (SELECT loads FROM instance_features_stats()) - before;
END
$$;

SELECT define_feature('deep', levels => '{system,instance,organization,user}') \g /dev/null
SELECT create_instance('i' || n) FROM generate_series(1, 20) n \g /dev/null
SELECT set_instance_features('{"userSchema": true}', 'i' || n)
    FROM generate_series(1, 10) n \g /dev/null

-- Invalidation by scope.
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(1, 20) n$$), 20::bigint, 'each instance is loaded once');
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(1, 20) n, generate_series(1, 3)$$), 0::bigint,
    'instances that are cached are not loaded again');
SELECT set_instance_features('{"userSchema": false}', 'i1') \g /dev/null
SELECT set_instance_features('{"userSchema": true}', 'i11') \g /dev/null
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(1, 20) n WHERE n NOT IN (1, 11)$$), 0::bigint,
    'changes of two instances have no other instance loaded again');
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i1')$$), 1::bigint,
    'a change of an instance has it loaded again');
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i11')$$), 1::bigint,
    'the first setting of an instance has it loaded again');
SELECT is(feature_enabled('user_schema', 'i1')::text || feature_enabled('user_schema', 'i11'),
    'falsetrue', 'both changes are seen');
SELECT set_system_features('{"loginDefaultOrg": true}') \g /dev/null
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(1, 20) n$$), 20::bigint,
    'a change of the system has every instance loaded again');
SELECT define_feature('other') \g /dev/null
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(1, 20) n$$), 20::bigint,
    'a change of a definition has every instance loaded again');

-- Scopes that do not exist.
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', 'nowhere')$$),
    'P0002 | instance "nowhere" does not exist', 'an instance that does not exist is missed');
SELECT is(pg_temp.loads($$SELECT pg_temp.try($q$SELECT feature_enabled('user_schema', 'nowhere')$q$)
    FROM generate_series(1, 10)$$), 0::bigint,
    'the absence of an instance is remembered');
SELECT is(pg_temp.try($$SELECT get_instance_feature_details('nowhere')$$),
    'P0002 | instance "nowhere" does not exist', 'readers of details agree that it does not exist');
SELECT create_instance('nowhere') \g /dev/null
SELECT is(feature_enabled('user_schema', 'nowhere'), false,
    'an instance that did not exist is found when it was created');
SELECT drop_instance('nowhere') \g /dev/null
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', 'nowhere')$$),
    'P0002 | instance "nowhere" does not exist', 'an instance that was dropped is missed again');
SELECT feature_enabled('user_schema', 'i20'), feature_enabled('deep', 'i20', 'o', 'u') \g /dev/null
SELECT drop_instance('i20') \g /dev/null
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', 'i20')$$),
    'P0002 | instance "i20" does not exist',
    'an instance without settings that was dropped is missed');
SELECT is(pg_temp.try($$SELECT feature_enabled('deep', 'i20', 'o', 'u')$$),
    'P0002 | instance "i20" does not exist',
    'a user of an instance that was dropped is answered alike');

-- Organizations and users without settings.
SELECT set_user_features('{"deep": true}', 'u' || n, 'i1')
    FROM generate_series(1, 20) n \g /dev/null
SELECT set_organization_features('{"deep": true}', 'o' || n, 'i1')
FROM generate_series(1, 5) n \g /dev/null
SELECT feature_enabled('deep', 'i1', 'o0', 'u0') \g /dev/null
SELECT is(pg_temp.loads($$SELECT feature_enabled('deep', 'i1', 'none' || n % 7, 'none' || n)
    FROM generate_series(1, 3000) n$$), 0::bigint,
    'organizations and users without settings are not loaded');
SELECT entries AS before FROM instance_features_stats() \gset
SELECT bool_or(feature_enabled('deep', 'i1', NULL, 'nobody' || n)) AS ignored
FROM generate_series(1, 3000) n \gset
SELECT is((SELECT entries FROM instance_features_stats()), :before::bigint,
    'users without settings are not in the cache');
SELECT is((SELECT count(*) FROM generate_series(1, 100) n
    WHERE feature_enabled('deep', 'i1', 'none', 'u' || n)), 20::bigint,
    'users with settings are found among those without');
SELECT is(feature_enabled('deep', 'i2', 'o1', 'u1'), false,
    'a user of another instance with the same id is another user');
SELECT set_user_features('{"deep": true}', 'none1', 'i1') \g /dev/null
SELECT is(feature_enabled('deep', 'i1', 'none', 'none1'), true,
    'the first setting of a user who was known to have none is seen');
SELECT is(feature_enabled('deep', 'i1', 'none', 'none2'), false,
    'the first setting of a user does not concern another user');
SELECT set_organization_features('{"deep": true}', 'none', 'i1') \g /dev/null
SELECT is(feature_enabled('deep', 'i1', 'none', 'none2'), true,
    'the first setting of an organization that was known to have none is seen');
SELECT is(pg_temp.loads($$SELECT feature_enabled('deep', 'i1', 'other', 'u' || n)
    FROM generate_series(1, 20) n$$), 0::bigint,
    'the first settings of others have no user loaded again');
SELECT reset_organization_features('none', 'i1') \g /dev/null
SELECT is(feature_enabled('deep', 'i1', 'none', 'none2'), false,
    'a reset of an organization is seen');
SELECT erase_user_features('none1', 'i1') \g /dev/null
SELECT is(feature_enabled('deep', 'i1', 'none', 'none1'), false,
    'a user who was erased has no setting any more');
SELECT set_user_features('{"deep": false}', 'u1', 'i1') \g /dev/null
SELECT is(pg_temp.loads($$SELECT feature_enabled('deep', 'i1', NULL, 'u' || n)
    FROM generate_series(2, 20)
        n$$), 0::bigint, 'a change of a user has no other user loaded again');
SELECT is(pg_temp.loads($$SELECT feature_enabled('deep', 'i1', NULL, 'u1')$$), 1::bigint,
    'a change of a user has this user loaded again');

-- What is rolled back.
SAVEPOINT first;
SELECT set_user_features('{"deep": true}', 'late', 'i1') \g /dev/null
SELECT set_instance_features('{"userSchema": true}', 'i1') \g /dev/null
SELECT is(feature_enabled('deep', 'i1', NULL, 'late')
    AND feature_enabled('user_schema', 'i1'), true,
    'changes in a subtransaction are seen');
SAVEPOINT second;
SELECT set_user_features('{"deep": false}', 'late', 'i1') \g /dev/null
SELECT is(feature_enabled('deep', 'i1', NULL, 'late'), false,
    'a change in a subtransaction of that is seen');
RELEASE second;
SELECT is(feature_enabled('deep', 'i1', NULL, 'late'), false, 'RELEASE keeps what was loaded');
ROLLBACK TO first;
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(2, 10) n$$), 0::bigint,
    'ROLLBACK TO has only those instances loaded again that were changed');
SELECT is(feature_enabled('deep', 'i1', NULL, 'late')
    OR feature_enabled('user_schema', 'i1'), false,
    'ROLLBACK TO undoes what was loaded since');
SELECT set_user_features('{"deep": true}', 'late', 'i1') \g /dev/null
SELECT is(feature_enabled('deep', 'i1', NULL, 'late'), true,
    'a change after ROLLBACK TO is seen');
SELECT create_instance('i' || n) FROM generate_series(101, 300) n \g /dev/null
SELECT feature_enabled('user_schema', 'i' || n) FROM generate_series(1, 10) n \g /dev/null
SAVEPOINT many;
SELECT set_instance_features('{"userSchema": true}', 'i' || n)
    FROM generate_series(101, 300) n \g /dev/null
SELECT is((SELECT count(*) FROM generate_series(101, 300) n
    WHERE feature_enabled('user_schema', 'i' || n)), 200::bigint,
    'more changes than have messages of their own are seen');
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(1, 10) n$$), 0::bigint,
    'more changes than have messages of their own have no other instance loaded again');
ROLLBACK TO many;
SELECT is((SELECT count(*) FROM generate_series(101, 300) n
    WHERE feature_enabled('user_schema', 'i' || n)), 0::bigint,
    'ROLLBACK TO undoes more changes than have messages of their own');
SELECT is((SELECT count(*) FROM generate_series(1, 10) n
    WHERE feature_enabled('user_schema', 'i' || n)), 9::bigint,
    'ROLLBACK TO leaves alone what was there before');
DO $$
BEGIN
    SET LOCAL instance_features.notify = off;
    PERFORM set_user_features('{"deep": false}', 'late', 'i1');
    PERFORM feature_enabled('deep', 'i1', NULL, 'late');
    RAISE 'undo';
EXCEPTION WHEN raise_exception THEN
    PERFORM 1;
END
$$;
SELECT is(feature_enabled('deep', 'i1', NULL, 'late'), true,
    'an error undoes what was loaded after a change');

-- Direct DML.
INSERT INTO instance_features.scope (level, instance_id, id, sequence)
VALUES ('user', 'i1', 'direct', 1), ('user', 'i1', 'moved', 1), ('user', 'i1', 'silent', 1),
    ('organization', 'i1', 'moved', 1), ('organization', 'i2', 'moved', 1);
INSERT INTO instance_features.setting (level, instance_id,
    scope_id, feature, value, sequence, change_date)
VALUES ('user', 'i1', 'direct', 'deep', 'true', 1, now());
SELECT is(feature_enabled('deep', 'i1', NULL, 'direct'), true,
    'an INSERT of a setting of a user is seen');
SELECT is(feature_enabled('deep', 'i1', NULL, 'moved'), false, 'a user has no setting yet');
UPDATE instance_features.setting SET scope_id = 'moved' WHERE scope_id = 'direct';
SELECT is(feature_enabled('deep', 'i1', NULL, 'direct')::text
    || feature_enabled('deep', 'i1', NULL, 'moved'), 'falsetrue',
    'an UPDATE that gives a setting to another user is seen');
UPDATE instance_features.setting SET level = 'organization' WHERE scope_id = 'moved';
SELECT is(feature_enabled('deep', 'i1', NULL, 'moved')::text
    || feature_enabled('deep', 'i1', 'moved'), 'falsetrue',
    'an UPDATE that gives a setting to another level is seen');
UPDATE instance_features.setting SET instance_id = 'i2' WHERE scope_id = 'moved';
SELECT is(feature_enabled('deep', 'i1', 'moved')::text
    || feature_enabled('deep', 'i2', 'moved'), 'falsetrue',
    'an UPDATE that gives a setting to another instance is seen');
DELETE FROM instance_features.setting WHERE scope_id = 'moved';
SELECT is(feature_enabled('deep', 'i2', 'moved'), false,
    'a DELETE of a setting of an organization is seen');
SAVEPOINT truncated;
TRUNCATE instance_features.setting;
SELECT is(feature_enabled('deep', 'i1', NULL, 'u2'), false, 'a TRUNCATE is seen by users');
ROLLBACK TO truncated;
SELECT is(feature_enabled('deep', 'i1', NULL, 'u2'), true, 'users see a TRUNCATE undone');
SAVEPOINT untracked;
ALTER TABLE instance_features.setting DISABLE TRIGGER ALL;
SELECT feature_enabled('deep', 'i1', NULL, 'silent') \g /dev/null
INSERT INTO instance_features.setting (level, instance_id,
    scope_id, feature, value, sequence, change_date)
VALUES ('user', 'i1', 'silent', 'deep', 'true', 1, now());
SELECT is(feature_enabled('deep', 'i1', NULL, 'silent'), true,
    'the first setting of a user is seen with our triggers disabled');
ROLLBACK TO untracked;
SELECT is(feature_enabled('deep', 'i1', NULL, 'silent'), false,
    'a user has no setting when the triggers are as they were');

-- More scopes than fit.
SET LOCAL instance_features.cache_size = '128kB';
SELECT define_feature('pad', '""', value_type => 'string') \g /dev/null
SELECT set_instance_features(jsonb_build_object('pad', repeat('x', 1000),
    'userSchema', true), 'i' || n)
FROM generate_series(101, 220) n \g /dev/null
CREATE FUNCTION pg_temp.scan()
RETURNS bigint
LANGUAGE sql
AS $$
    SELECT pg_temp.loads($q$SELECT feature_enabled('user_schema', 'i' || n)
        FROM generate_series(101, 220) n$q$)
$$;
SELECT pg_temp.scan() FROM generate_series(1, 20) \g /dev/null
SELECT cmp_ok((SELECT sum(pg_temp.scan()) FROM generate_series(1, 20)), '<', 20 * 90::numeric,
    'of instances that are read in turn and do not fit, a part is cached');
SELECT is((SELECT count(*) FROM generate_series(101, 220) n
    WHERE feature_enabled('user_schema', 'i' || n)), 120::bigint,
    'instances that do not fit are answered alike');
SELECT pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(101, 110) n$$) FROM generate_series(1, 20) \g /dev/null
SELECT cmp_ok(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i' || n)
    FROM generate_series(101, 110) n$$), '<=', 2::bigint,
    'the cache follows when other instances are asked for');

SELECT * FROM finish();
ROLLBACK;
