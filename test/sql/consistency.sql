\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

CREATE ROLE alice;
CREATE FUNCTION pg_temp.problems() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(concat_ws(' ', problem, level, scope_id, feature, sequence, detail),
        '; '), 'none') FROM check_instance_features()
$$;

SELECT is(pg_temp.problems(), 'none', 'a fresh installation has no problem');
SELECT create_instance('a', 'alice') AS ignored \gset
SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": false}', 'a') AS ignored \gset
SELECT set_instance_features('{"userSchema": null}', 'a') AS ignored \gset
SELECT reset_instance_features('a') AS ignored \gset
SELECT set_instance_features('{"userSchema": true, "oidcTokenExchange": true}', 'a') AS ignored
    \gset
SELECT set_instance_features('{"oidcTokenExchange": false}', 'a') AS ignored \gset
SELECT set_system_features('{"userSchema": true}') AS ignored \gset
SELECT set_instance_features('{"userSchema": true}') AS ignored \gset
SELECT drop_instance('default') AS ignored \gset
SELECT is(pg_temp.problems(), 'none', 'an installation that was used has no problem');
SELECT is((get_instance_feature_details('a')).sequence, 7::bigint,
    'the instance of these tests has seven events');

-- Each broken by hand, and mended by a rollback.
SAVEPOINT healthy;
DELETE FROM instance_features.event WHERE scope_id = 'a' AND sequence = 3;
SELECT is(pg_temp.problems(), 'sequence gap instance a 4 The event before it is 2.',
    'a missing event is a gap in the sequence');
ROLLBACK TO healthy;
DELETE FROM instance_features.event WHERE scope_id = 'a' AND sequence = 1;
SELECT is(pg_temp.problems(), 'sequence gap instance a user_schema 2 The event before it is 0.',
    'a missing first event is a gap in the sequence');
ROLLBACK TO healthy;
DELETE FROM instance_features.event WHERE scope_id = 'a' AND sequence = 7;
SELECT is(pg_temp.problems() ~ 'sequence differs from events instance a 7 The last event is 6.',
    true, 'a missing last event is reported for the scope');
SELECT is(pg_temp.problems()
    ~ 'setting without event instance a oidc_token_exchange 7 No event of this scope and sequence '
        'sets the feature.', true, 'a missing last event is reported for its setting');
SELECT is(pg_temp.problems()
    ~ 'setting differs from events instance a oidc_token_exchange 7 The setting is false, '
        'the last event set true.', true,
    'a setting whose event is missing differs from the event before it');
ROLLBACK TO healthy;
UPDATE instance_features.scope SET sequence = 9 WHERE id = 'a';
SELECT is(pg_temp.problems(), 'sequence differs from events instance a 9 The last event is 7.',
    'a wrong sequence of a scope is reported');
ROLLBACK TO healthy;
UPDATE instance_features.setting SET value = 'true' WHERE feature = 'oidc_token_exchange';
SELECT is(pg_temp.problems(),
    'setting differs from events instance a oidc_token_exchange 7 The setting is true, '
        'the last event set false.', 'a setting that was changed by hand is reported');
ROLLBACK TO healthy;
DELETE FROM instance_features.setting WHERE feature = 'oidc_token_exchange';
SELECT is(pg_temp.problems(),
    'setting differs from events instance a oidc_token_exchange 7 The setting is missing, '
        'the last event set false.', 'a setting that was deleted by hand is reported');
ROLLBACK TO healthy;
INSERT INTO instance_features.setting
VALUES ('instance', '', 'a', 'login_default_org', 'true', NULL, 5, now());
SELECT is(pg_temp.problems() ~ 'setting without event instance a login_default_org 5', true,
    'a setting without an event is reported');
SELECT is(pg_temp.problems()
    ~ 'setting differs from events instance a login_default_org 5 The setting is true, '
        'the last event set nothing.', true, 'a setting differs from the reset that removed it');
ROLLBACK TO healthy;
UPDATE instance_features.scope SET owner = '"nobody at all"' WHERE id = 'a';
SELECT is(pg_temp.problems(),
    'owner without role instance a The role that was named "nobody at all" is gone.',
    'an owner whose role does not exist is reported');
ROLLBACK TO healthy;
SELECT define_feature('color', '"red"'),
    set_instance_features('{"color": "blue"}', 'a') \g /dev/null
SELECT is(pg_temp.problems(), 'none', 'a setting of a defined feature is no problem');
SAVEPOINT defined;
DELETE FROM instance_features.feature WHERE key = 'color';
SELECT is(pg_temp.problems(), 'unknown feature instance a color 8 No definition has this key.',
    'a setting of a feature without a definition is reported');
ROLLBACK TO defined;
UPDATE instance_features.feature SET value_type = 'integer' WHERE key = 'color';
SELECT is(pg_temp.problems(),
    'value not allowed instance a color 8 It is a string, but the feature''s type is integer.',
    'a value of another type than the feature''s is reported');
ROLLBACK TO defined;
UPDATE instance_features.feature SET allowed_values = '["red", "green"]' WHERE key = 'color';
SELECT is(pg_temp.problems(),
    'value not allowed instance a color 8 "blue" is not one of the allowed ["red", "green"].',
    'a value that is not allowed is reported');
ROLLBACK TO healthy;
INSERT INTO instance_features.setting VALUES ('planet', '', 'a', 'user_schema', 'true', NULL, 1,
    now());
SELECT is(pg_temp.problems() ~ 'setting on another level planet a user_schema 1 '
        'The feature cannot be set on level planet.', true,
    'a setting on a level that does not exist is reported');
ROLLBACK TO healthy;
INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
VALUES ('user_schema', 'other', 'integer', '7');
SELECT is(pg_temp.problems()
    ~ 'ambiguous name user_schema user_schema is also the key or JSON name of user_schema.', true,
    'a definition with the key of a built-in feature is reported');
SELECT is(feature_enabled('user_schema', 'a'), true,
    'a definition with the key of a built-in feature is ignored');
ROLLBACK TO healthy;
INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
VALUES ('other', 'user_schema', 'boolean', 'true');
SELECT is(pg_temp.problems()
    ~ 'ambiguous name other user_schema is also the key or JSON name of user_schema.', true,
    'a JSON name that is another feature''s key is reported');
ROLLBACK TO healthy;
ALTER TABLE instance_features.setting DISABLE TRIGGER track_end;
SELECT is(pg_temp.problems(),
    'trigger missing or not ALWAYS Trigger track_end of table instance_features.setting must be '
        'enabled ALWAYS.', 'a disabled trigger is reported');
ALTER TABLE instance_features.setting ENABLE TRIGGER track_end;
SELECT is(pg_temp.problems(),
    'trigger missing or not ALWAYS Trigger track_end of table instance_features.setting must be '
        'enabled ALWAYS.', 'a trigger that is enabled, but not ALWAYS, is reported');
ROLLBACK TO healthy;
DROP TRIGGER track_truncate_begin ON instance_features.feature;
SELECT is(pg_temp.problems(),
    'trigger missing or not ALWAYS Trigger track_truncate_begin of table instance_features.feature '
        'must be enabled ALWAYS.', 'a trigger that was dropped is reported');
ROLLBACK TO healthy;
ALTER TABLE instance_features.event SET UNLOGGED;
SELECT is(pg_temp.problems(),
    'table altered Table instance_features.event: It is not an ordinary, permanent table.',
    'a table that was altered is reported');
ROLLBACK TO healthy;
ALTER FUNCTION feature_enabled(text, text, text, text, boolean) OWNER TO alice;
SELECT is(pg_temp.problems(),
    'member not owned by the bootstrap superuser function '
        'feature_enabled(text,text,text,text,boolean) belongs to '
        'alice.', 'a function with another owner is reported');
ROLLBACK TO healthy;
DELETE FROM instance_features.scope WHERE id = 'a';
SELECT is(pg_temp.problems(), 'event without scope instance a 7 No scope has this id.',
    'events without a scope are reported');
ROLLBACK TO healthy;
DELETE FROM instance_features.scope WHERE id = 'a';
DELETE FROM instance_features.event WHERE scope_id = 'a';
SELECT is(pg_temp.problems() ~ 'setting without event instance a oidc_token_exchange 7', true,
    'settings without a scope and events are reported');
ROLLBACK TO healthy;
SELECT is(pg_temp.problems(), 'none', 'no problem is left when everything is undone');

-- Who may.
SELECT is(pg_temp.try_as('alice', 'SELECT count(*) FROM check_instance_features()') ~ '^42501',
    true, 'check_instance_features() needs the right to read the tables');
GRANT pg_read_all_data TO alice;
SELECT is(pg_temp.try_as('alice', 'SELECT count(*) FROM check_instance_features()'), '0',
    'a member of pg_read_all_data may call check_instance_features()');

SELECT * FROM finish();
ROLLBACK;
