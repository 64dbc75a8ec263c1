\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

CREATE ROLE alice;
CREATE ROLE stranger;
SELECT create_instance('a', 'alice') AS ignored \gset

SELECT is_empty($$SELECT * FROM instance_feature_history('a')$$, 'a new instance has no history');
SELECT set_instance_features('{"loginDefaultOrg": true, "userSchema": false}', 'a') AS ignored \gset
SELECT set_instance_features('{"loginDefaultOrg": false}', 'a') AS ignored \gset
SET LOCAL ROLE alice;
SELECT set_instance_features('{"loginDefaultOrg": null}', 'a') AS ignored \gset
SELECT reset_instance_features('a') AS ignored \gset
RESET ROLE;
SELECT results_eq($$SELECT sequence, event_type, feature, old_value, value, editor = current_user
    FROM instance_feature_history('a')$$,
    $$VALUES (1::bigint, 'feature.instance.login_default_org.set', 'login_default_org', NULL::jsonb,
        'true'::jsonb, true),
             (2, 'feature.instance.user_schema.set', 'user_schema', NULL, 'false', true),
             (3, 'feature.instance.login_default_org.set', 'login_default_org', 'true', 'false',
                 true),
             (4, 'feature.instance.login_default_org.unset', 'login_default_org', 'false', NULL,
                 false),
             (5, 'feature.instance.reset', NULL, NULL, NULL, false)$$,
    'every change is an event, and the oldest event is first');
SELECT is((SELECT string_agg(editor, ' ') FROM instance_feature_history('a') WHERE sequence > 3),
    'alice alice', 'an event has the role that made the change');
SELECT is((SELECT count(DISTINCT creation_date) FROM instance_feature_history('a')
    WHERE sequence < 3), 1::bigint, 'the events of a request have the same time');
SELECT is((SELECT bool_and(creation_date >= before)
    FROM (SELECT creation_date, lag(creation_date, 1, '-infinity') OVER (ORDER BY sequence)
        AS before FROM instance_feature_history('a')) h), true,
    'the times of events do not go backwards');
SELECT is((SELECT creation_date FROM instance_feature_history('a') WHERE sequence = 5),
    (get_instance_feature_details('a')).change_date, 'the details have the time of the last event');

SELECT set_system_features('{"userSchema": true}') AS ignored \gset
SELECT reset_system_features() AS ignored \gset
SELECT results_eq('SELECT sequence, event_type, feature, old_value, value '
    'FROM system_feature_history()',
    $$VALUES (1::bigint, 'feature.system.user_schema.set', 'user_schema', NULL::jsonb,
        'true'::jsonb), (2, 'feature.system.reset', NULL, NULL, NULL)$$,
    'the system has a history of its own');
SELECT is((SELECT count(*) FROM instance_feature_history('a')), 5::bigint,
    'a change of the system is no event of an instance');

SET LOCAL instance_features.instance_id = 'a';
SELECT is((SELECT count(*) FROM instance_feature_history()), 5::bigint,
    'instance_feature_history() reads the current instance by default');
SELECT is(pg_temp.try_as('stranger', 'SELECT instance_feature_history()'),
    '42501 | permission denied for instance "a" | Permission "iam.feature.write" is required, '
        'which role "alice" has.',
    'instance_feature_history() refuses a caller who does not own the instance');
SELECT is(pg_temp.try_as('alice', 'SELECT system_feature_history()') ~ '^42501', true,
    'system_feature_history() refuses a caller who does not own the system');
SELECT is(pg_temp.try_as('alice', 'SELECT count(*) FROM instance_feature_history()'), '5',
    'instance_feature_history() works for the owner of the instance');

SELECT * FROM finish();
ROLLBACK;
