\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE alice;
SELECT define_feature('max_users', '10'), create_instance('a', 'alice') \g /dev/null

-- A history of known times: events 1 to 8, one a day.
SELECT set_instance_features('{"maxUsers": 1}', 'a'),
    set_instance_features('{"userSchema": true}', 'a'),
    set_instance_features('{"maxUsers": 3}', 'a'),
    set_instance_features('{"userSchema": null}', 'a'), reset_instance_features('a'),
    set_instance_features('{"loginDefaultOrg": false}', 'a'),
    set_instance_features('{"maxUsers": 7}', 'a'),
    set_instance_features('{"userSchema": false}', 'a') \g /dev/null
UPDATE instance_features.event
    SET creation_date = '2024-01-01 12:00Z'::timestamptz + sequence * interval '1 day'
    WHERE scope_id = 'a';
UPDATE instance_features.setting s SET change_date = e.creation_date FROM instance_features.event e
WHERE s.scope_id = 'a' AND e.scope_id = 'a' AND e.sequence = s.sequence;
UPDATE instance_features.scope SET change_date = '2024-01-09 12:00Z',
    creation_date = '2024-01-01 12:00Z' WHERE id = 'a';
CREATE FUNCTION pg_temp.at(at timestamptz, OUT text) LANGUAGE sql
    AS $$SELECT coalesce(pg_temp.try(format(
        'SELECT string_agg(concat(feature, ''='', value, ''@'', sequence), '' '' ORDER BY feature) '
            'FROM get_instance_features_at(%L, ''a'')', at)), 'none')$$;
SET LOCAL TimeZone = 'UTC';

-- At a time.
SELECT is(pg_temp.at('2024-01-01 11:59Z'),
    'P0002 | instance "a" did not exist at 2024-01-01 11:59:00+00 | '
        'It was created at 2024-01-01 12:00:00+00.',
    'an instance did not exist before it was created');
SELECT is(pg_temp.at('2024-01-01 12:00Z'),
    'P0002 | instance "a" had no feature settings at 2024-01-01 12:00:00+00',
    'an instance had no settings before its first event');
SELECT is(pg_temp.at('2024-01-02 12:00Z'), 'max_users=1@1', 'an event is in effect at its time');
SELECT is(pg_temp.at('2024-01-03 11:59:59Z'), 'max_users=1@1',
    'an event is not in effect just before its time');
SELECT is(pg_temp.at('2024-01-03 12:00Z'), 'max_users=1@1 user_schema=true@2',
    'two settings are in effect after the second event');
SELECT is(pg_temp.at('2024-01-04 13:00Z'), 'max_users=3@3 user_schema=true@2',
    'a value that an event changed is in effect after it');
SELECT is(pg_temp.at('2024-01-05 13:00Z'), 'max_users=3@3',
    'a setting that an event removed is not in effect after it');
SELECT is(pg_temp.at('2024-01-06 13:00Z'),
    'P0002 | instance "a" had no feature settings at 2024-01-06 13:00:00+00',
    'no setting is in effect after a reset');
SELECT is(pg_temp.at('2024-01-08 13:00Z'), 'login_default_org=false@6 max_users=7@7',
    'settings that followed a reset are in effect');
SELECT is(pg_temp.at('infinity'), 'login_default_org=false@6 max_users=7@7 user_schema=false@8',
    'the present settings are in effect at infinity');
SELECT is(pg_temp.at('-infinity') ~ '^P0002 \| instance "a" did not exist at -infinity', true,
    'an instance did not exist at minus infinity');
SELECT results_eq($$SELECT * FROM get_instance_features_at(now(), 'a')$$,
    $$SELECT * FROM get_instance_features(false, 'a')$$,
    'get_instance_features_at() returns at present what get_instance_features() does');
SELECT is(pg_temp.try($$SELECT get_instance_features_at(NULL, 'a')$$),
    '22023 | at must not be null', 'get_instance_features_at() refuses NULL as a time');
SELECT is(pg_temp.try($$SELECT get_instance_features_at(now(), 'nowhere')$$),
    'P0002 | instance "nowhere" does not exist',
    'get_instance_features_at() refuses an instance that does not exist');
SELECT is(pg_temp.try($$SELECT get_instance_features_at('infinity')$$)
    ~ '^P0002 \| instance "default" had no feature settings at infinity', true,
    'get_instance_features_at() reads the current instance by default');
CREATE ROLE stranger;
SELECT is(pg_temp.try_as('stranger', $$SELECT get_instance_features_at(now(), 'a')$$)
    ~ '^42501 \| permission denied for instance "a"', true,
    'get_instance_features_at() refuses a caller who does not own the instance');
SELECT is(pg_temp.try_as('alice',
    $$SELECT count(*) FROM get_instance_features_at('2024-01-04 13:00Z', 'a')$$), '2',
    'get_instance_features_at() works for the owner of the instance');

-- Back to an earlier state.
SELECT is((revert_instance_features(3, 'a')).sequence, 11::bigint,
    'reverting to event 3 makes an event for every difference');
SELECT results_eq($$SELECT sequence, event_type, old_value, value
    FROM instance_feature_history('a') OFFSET 8$$,
    $$VALUES (9::bigint, 'feature.instance.login_default_org.unset', 'false'::jsonb, NULL::jsonb),
        (10, 'feature.instance.max_users.set', '7', '3'),
        (11, 'feature.instance.user_schema.set', 'false', 'true')$$,
    'the history has the events of a revert');
SELECT results_eq($$SELECT feature, value FROM get_instance_features(false, 'a')$$,
    $$SELECT feature, value FROM get_instance_features_at('2024-01-04 13:00Z', 'a')$$,
    'the settings after a revert are what they were then');
SELECT is((revert_instance_features(3, 'a')).sequence, 11::bigint,
    'reverting to the same event again changes nothing');
SELECT is((revert_instance_features(11, 'a')).sequence, 11::bigint,
    'reverting to the last event changes nothing');
SELECT is((revert_instance_features(8, 'a')).sequence, 14::bigint, 'a revert can be reverted');
SELECT is((revert_instance_features(0, 'a')).sequence, 17::bigint,
    'reverting to event 0 removes every setting');
SELECT is_empty($$SELECT * FROM instance_features.setting WHERE scope_id = 'a'$$,
    'no setting is left after a revert to event 0');
SELECT is((revert_instance_features(5, 'a')).sequence, 17::bigint,
    'reverting to a reset where nothing is set changes nothing');
SELECT is(pg_temp.try($$SELECT revert_instance_features(18, 'a')$$),
    'P0002 | instance "a" has no event 18 | Its last event is 17.',
    'revert_instance_features() refuses an event to come');
SELECT is(pg_temp.try($$SELECT revert_instance_features(-1, 'a')$$),
    '22023 | sequence must not be negative',
    'revert_instance_features() refuses a negative sequence');
SELECT is(pg_temp.try($$SELECT revert_instance_features(NULL, 'a')$$),
    '22023 | sequence must not be null', 'revert_instance_features() refuses NULL as a sequence');
SELECT is(pg_temp.try($$SELECT revert_instance_features(1, 'nowhere')$$),
    'P0002 | instance "nowhere" does not exist',
    'revert_instance_features() refuses an instance that does not exist');
SELECT is(pg_temp.try_as('stranger', $$SELECT revert_instance_features(1, 'a')$$)
    ~ '^42501 .*iam.feature.write', true,
    'revert_instance_features() refuses a caller who does not own the instance');
SELECT is(pg_temp.try_as('alice', $$SELECT (revert_instance_features(2, 'a')).sequence$$), '19',
    'revert_instance_features() works for the owner of the instance');
SELECT is((SELECT editor FROM instance_feature_history('a') WHERE sequence = 19), 'alice',
    'the history names the role that reverted');

-- When a feature is no longer what it was.
SELECT set_feature_stage('max_users', 'removed') \g /dev/null
SELECT is((revert_instance_features(3, 'a')).sequence, 19::bigint,
    'a revert leaves a removed feature alone');
SELECT set_feature_stage('max_users', 'stable'),
    alter_feature('max_users', allowed_values => '[1, 10]') \g /dev/null
SELECT is(pg_temp.try($$SELECT revert_instance_features(3, 'a')$$),
    '22023 | feature "max_users" cannot have the value again that event 3 gave it | '
        '3 is not one of the allowed [1, 10].',
    'revert_instance_features() refuses a value that is no longer allowed');
SAVEPOINT level;
SELECT reset_instance_features('a'),
    alter_feature('max_users', allowed_values => 'null', levels => '{system}') \g /dev/null
SELECT is(pg_temp.try($$SELECT revert_instance_features(3, 'a')$$),
    '22023 | feature "max_users" cannot be set on level instance any longer',
    'revert_instance_features() refuses a feature that can no longer be set on instances');
ROLLBACK TO level;
SELECT drop_feature('max_users', true) \g /dev/null
SELECT is((revert_instance_features(3, 'a')).sequence, 20::bigint,
    'a revert skips a dropped feature');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after reverts');

-- Purging.
UPDATE instance_features.event SET creation_date = '2024-02-01Z'
WHERE scope_id = 'a' AND sequence > 8;
SELECT set_system_features('{"userSchema": true}') \g /dev/null
SELECT is(pg_temp.try($$SELECT purge_feature_events('2024-01-01Z')$$), '0',
    'purge_feature_events() deletes nothing if no event is as old');
SELECT is(pg_temp.try($$SELECT purge_feature_events('2024-01-04 13:00Z')$$), '1',
    'purge_feature_events() deletes an event that was out of effect by then');
SELECT is((SELECT array_agg(sequence) FROM instance_feature_history('a'))::text,
    '{2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}',
    'purge_feature_events() keeps events that were in effect then');
SELECT is(pg_temp.at('2024-01-04 13:00Z'), 'max_users=3@3 user_schema=true@2',
    'the state at the time of a purge is known after it');
SELECT is(pg_temp.at('2024-01-04 11:00Z'),
    'P0002 | events of instance "a" were purged | The earliest retained state is event 3, '
        'at 2024-01-04 12:00:00+00.', 'the state before the time of a purge is not known after it');
SELECT is(pg_temp.try($$SELECT revert_instance_features(2, 'a')$$),
    'P0002 | events of instance "a" were purged | The earliest retained state is event 3, '
        'at 2024-01-04 12:00:00+00.',
    'revert_instance_features() refuses an event that was purged');
SELECT is(pg_temp.try($$SELECT purge_feature_events('2024-01-06 13:00Z')$$), '3',
    'purge_feature_events() deletes all that a reset has ended');
SELECT is((SELECT array_agg(sequence) FROM instance_feature_history('a'))::text,
    '{5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}',
    'purge_feature_events() keeps the reset that ended other events');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after a purge');
SELECT is(pg_temp.try($$SELECT purge_feature_events('infinity') > 0$$), 'true',
    'purge_feature_events() deletes whatever is old at infinity');
SELECT results_eq($$SELECT sequence, event_type FROM instance_feature_history('a')$$,
    $$VALUES (19::bigint, 'feature.instance.user_schema.set'),
        (20, 'feature.instance.max_users.unset')$$,
    'purge_feature_events() keeps events of present settings and the last event');
SELECT is((SELECT count(*) FROM system_feature_history()), 1::bigint,
    'purge_feature_events() keeps the last event of the system');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after a purge of everything');
SELECT is((set_instance_features('{"userSchema": false}', 'a')).sequence, 21::bigint,
    'the sequence goes on after a purge');
SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": true}'),
    set_instance_features('{"userSchema": false}') \g /dev/null
SELECT is(pg_temp.try($$SELECT purge_feature_events('infinity')$$) > '0', true,
    'purge_feature_events() deletes events of the instance "default"');
SELECT drop_instance('default'), create_instance('default'),
    set_instance_features('{"userSchema": true}') \g /dev/null
SELECT is((SELECT count(*) FROM get_instance_features_at('infinity')), 1::bigint,
    'an instance that was created again after a purge has a history of its own');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after a purged instance was created again');
SELECT is(pg_temp.try('SELECT purge_feature_events(NULL)'), '22023 | before must not be null',
    'purge_feature_events() refuses NULL as a time');
SELECT is(pg_temp.try_as('alice', 'SELECT purge_feature_events(now())')
    ~ '^42501 \| permission denied for the system \| Permission "system.feature.delete"', true,
    'purge_feature_events() refuses a caller who does not own the system');

SELECT * FROM finish();
ROLLBACK;
