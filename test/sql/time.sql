\set ECHO none
\i test/setup.sql
SELECT plan(56);
CREATE ROLE alice;
SELECT define_feature('max_users', '10'), create_instance('a', 'alice') \g /dev/null

-- A history of known times: events 1 to 8, one a day.
SELECT set_instance_features('{"maxUsers": 1}', 'a'), set_instance_features('{"userSchema": true}', 'a'), set_instance_features('{"maxUsers": 3}', 'a'),
    set_instance_features('{"userSchema": null}', 'a'), reset_instance_features('a'), set_instance_features('{"loginDefaultOrg": false}', 'a'),
    set_instance_features('{"maxUsers": 7}', 'a'), set_instance_features('{"userSchema": false}', 'a') \g /dev/null
UPDATE instance_features.event SET creation_date = '2024-01-01 12:00Z'::timestamptz + sequence * interval '1 day' WHERE scope_id = 'a';
UPDATE instance_features.setting s SET change_date = e.creation_date FROM instance_features.event e WHERE s.scope_id = 'a' AND e.scope_id = 'a' AND e.sequence = s.sequence;
UPDATE instance_features.scope SET change_date = '2024-01-09 12:00Z', creation_date = '2024-01-01 12:00Z' WHERE id = 'a';
CREATE FUNCTION pg_temp.at(at timestamptz, OUT text) LANGUAGE sql AS $$SELECT coalesce(pg_temp.try(format('SELECT string_agg(concat(feature, ''='', value, ''@'', sequence), '' '' ORDER BY feature) FROM get_instance_features_at(%L, ''a'')', at)), 'none')$$;
SET LOCAL TimeZone = 'UTC';

-- At a time.
SELECT is(pg_temp.at('2024-01-01 11:59Z'), 'P0002 | instance "a" did not exist at 2024-01-01 11:59:00+00 | It was created at 2024-01-01 12:00:00+00.', 'before it was created');
SELECT is(pg_temp.at('2024-01-01 12:00Z'), 'P0002 | instance "a" had no feature settings at 2024-01-01 12:00:00+00', 'when it had set nothing yet');
SELECT is(pg_temp.at('2024-01-02 12:00Z'), 'max_users=1@1', 'at the time of an event');
SELECT is(pg_temp.at('2024-01-03 11:59:59Z'), 'max_users=1@1', 'just before the next');
SELECT is(pg_temp.at('2024-01-03 12:00Z'), 'max_users=1@1 user_schema=true@2', 'two settings');
SELECT is(pg_temp.at('2024-01-04 13:00Z'), 'max_users=3@3 user_schema=true@2', 'a value changed');
SELECT is(pg_temp.at('2024-01-05 13:00Z'), 'max_users=3@3', 'one unset');
SELECT is(pg_temp.at('2024-01-06 13:00Z'), 'P0002 | instance "a" had no feature settings at 2024-01-06 13:00:00+00', 'a reset');
SELECT is(pg_temp.at('2024-01-08 13:00Z'), 'login_default_org=false@6 max_users=7@7', 'settings after it');
SELECT is(pg_temp.at('infinity'), 'login_default_org=false@6 max_users=7@7 user_schema=false@8', 'and now');
SELECT is(pg_temp.at('-infinity') ~ '^P0002 \| instance "a" did not exist at -infinity', true, 'always is before it was created');
SELECT results_eq($$SELECT * FROM get_instance_features_at(now(), 'a')$$, $$SELECT * FROM get_instance_features(false, 'a')$$, 'at present it is what get_instance_features() says');
SELECT is(pg_temp.try($$SELECT get_instance_features_at(NULL, 'a')$$), '22023 | at must not be null', 'no time');
SELECT is(pg_temp.try($$SELECT get_instance_features_at(now(), 'nowhere')$$), 'P0002 | instance "nowhere" does not exist', 'no instance');
SELECT is(pg_temp.try($$SELECT get_instance_features_at('infinity')$$) ~ '^P0002 \| instance "default" had no feature settings at infinity', true, 'the current instance');
CREATE ROLE stranger;
SELECT is(pg_temp.try_as('stranger', $$SELECT get_instance_features_at(now(), 'a')$$) ~ '^42501 \| permission denied for instance "a"', true, 'it is the history, which is for the owner');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM get_instance_features_at('2024-01-04 13:00Z', 'a')$$), '2', 'who may see it');

-- Back to an earlier state.
SELECT is((revert_instance_features(3, 'a')).sequence, 11::bigint, 'back to the state after event 3: three events');
SELECT results_eq($$SELECT sequence, event_type, old_value, value FROM instance_feature_history('a') OFFSET 8$$,
    $$VALUES (9::bigint, 'feature.instance.login_default_org.unset', 'false'::jsonb, NULL::jsonb), (10, 'feature.instance.max_users.set', '7', '3'), (11, 'feature.instance.user_schema.set', 'false', 'true')$$, 'which the history tells');
SELECT results_eq($$SELECT feature, value FROM get_instance_features(false, 'a')$$, $$SELECT feature, value FROM get_instance_features_at('2024-01-04 13:00Z', 'a')$$, 'the settings are what they were');
SELECT is((revert_instance_features(3, 'a')).sequence, 11::bigint, 'once more changes nothing');
SELECT is((revert_instance_features(11, 'a')).sequence, 11::bigint, 'nor does the last event');
SELECT is((revert_instance_features(8, 'a')).sequence, 14::bigint, 'a revert is reverted');
SELECT is((revert_instance_features(0, 'a')).sequence, 17::bigint, 'before the first event nothing was set');
SELECT is_empty($$SELECT * FROM instance_features.setting WHERE scope_id = 'a'$$, 'nothing is');
SELECT is((revert_instance_features(5, 'a')).sequence, 17::bigint, 'as after the reset');
SELECT is(pg_temp.try($$SELECT revert_instance_features(18, 'a')$$), 'P0002 | instance "a" has no event 18 | Its last event is 17.', 'an event to come');
SELECT is(pg_temp.try($$SELECT revert_instance_features(-1, 'a')$$), '22023 | sequence must not be negative', 'a negative one');
SELECT is(pg_temp.try($$SELECT revert_instance_features(NULL, 'a')$$), '22023 | sequence must not be null', 'none');
SELECT is(pg_temp.try($$SELECT revert_instance_features(1, 'nowhere')$$), 'P0002 | instance "nowhere" does not exist', 'no instance');
SELECT is(pg_temp.try_as('stranger', $$SELECT revert_instance_features(1, 'a')$$) ~ '^42501 .*iam.feature.write', true, 'it is for the owner');
SELECT is(pg_temp.try_as('alice', $$SELECT (revert_instance_features(2, 'a')).sequence$$), '19', 'who may do it');
SELECT is((SELECT editor FROM instance_feature_history('a') WHERE sequence = 19), 'alice', 'in its own name');

-- When a feature is no longer what it was.
SELECT set_feature_stage('max_users', 'removed') \g /dev/null
SELECT is((revert_instance_features(3, 'a')).sequence, 19::bigint, 'a removed feature is left alone');
SELECT set_feature_stage('max_users', 'stable'), alter_feature('max_users', allowed_values => '[1, 10]') \g /dev/null
SELECT is(pg_temp.try($$SELECT revert_instance_features(3, 'a')$$), '22023 | feature "max_users" cannot have the value again that event 3 gave it | 3 is not one of the allowed [1, 10].', 'a value that is not allowed any more');
SELECT drop_feature('max_users', true) \g /dev/null
SELECT is((revert_instance_features(3, 'a')).sequence, 20::bigint, 'a dropped feature is skipped');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

-- Purging.
UPDATE instance_features.event SET creation_date = '2024-02-01Z' WHERE scope_id = 'a' AND sequence > 8;
SELECT set_system_features('{"userSchema": true}') \g /dev/null
SELECT is(pg_temp.try($$SELECT purge_feature_events('2024-01-01Z')$$), '0', 'nothing is as old');
SELECT is(pg_temp.try($$SELECT purge_feature_events('2024-01-04 13:00Z')$$), '1', 'event 1 was out of effect by then');
SELECT is((SELECT array_agg(sequence) FROM instance_feature_history('a'))::text, '{2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}', '2 and 3 were not');
SELECT is(pg_temp.at('2024-01-04 13:00Z'), 'max_users=3@3 user_schema=true@2', 'so the state then is known');
SELECT is(pg_temp.at('2024-01-04 11:00Z'), 'P0002 | events of instance "a" were purged | The earliest retained state is event 3, at 2024-01-04 12:00:00+00.', 'before, it is not');
SELECT is(pg_temp.try($$SELECT revert_instance_features(2, 'a')$$), 'P0002 | events of instance "a" were purged | The earliest retained state is event 3, at 2024-01-04 12:00:00+00.', 'nor can it be reverted to');
SELECT is(pg_temp.try($$SELECT purge_feature_events('2024-01-06 13:00Z')$$), '3', 'a reset ends what was before');
SELECT is((SELECT array_agg(sequence) FROM instance_feature_history('a'))::text, '{5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}', 'only itself is left');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');
SELECT is(pg_temp.try($$SELECT purge_feature_events('infinity') > 0$$), 'true', 'all that can go');
SELECT results_eq($$SELECT sequence, event_type FROM instance_feature_history('a')$$, $$VALUES (19::bigint, 'feature.instance.user_schema.set'), (20, 'feature.instance.max_users.unset')$$, 'but what explains the present, and the last event');
SELECT is((SELECT count(*) FROM system_feature_history()), 1::bigint, 'of the system too');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');
SELECT is((set_instance_features('{"userSchema": false}', 'a')).sequence, 21::bigint, 'sequences go on');
SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": true}'), set_instance_features('{"userSchema": false}') \g /dev/null
SELECT is(pg_temp.try($$SELECT purge_feature_events('infinity')$$) > '0', true, 'given a purged instance "default"');
SELECT drop_instance('default'), create_instance('default'), set_instance_features('{"userSchema": true}') \g /dev/null
SELECT is((SELECT count(*) FROM get_instance_features_at('infinity')), 1::bigint, 'dropped and created again, nothing of it is purged');
SELECT is_empty('SELECT * FROM check_instance_features()', 'and the tables are consistent');
SELECT is(pg_temp.try('SELECT purge_feature_events(NULL)'), '22023 | before must not be null', 'no time');
SELECT is(pg_temp.try_as('alice', 'SELECT purge_feature_events(now())') ~ '^42501 \| permission denied for the system \| Permission "system.feature.delete"', true, 'purging is for the system''s owner');

SELECT * FROM finish();
ROLLBACK;
