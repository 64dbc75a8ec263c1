\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- Our own changes, and their undoing.
SELECT is(feature_enabled('user_schema'), false, 'a feature is disabled to begin with');
SAVEPOINT first;
SELECT set_instance_features('{"userSchema": true}') AS ignored \gset
SELECT is(feature_enabled('user_schema'), true, 'the next statement sees a change');
SAVEPOINT second;
SELECT set_instance_features('{"userSchema": false}') AS ignored \gset
SELECT is((SELECT source || ' ' || value FROM get_instance_features(true)
    WHERE feature = 'user_schema'), 'instance false', 'the next statement sees a second change');
SELECT set_system_features('{"loginDefaultOrg": true}') AS ignored \gset
SELECT create_instance('a') AS ignored \gset
SELECT is(feature_enabled('login_default_org', 'a'), true,
    'a new instance sees a change of the system');
ROLLBACK TO second;
SELECT is(feature_enabled('user_schema'), true, 'ROLLBACK TO brings the former value back');
SELECT is(feature_enabled('login_default_org'), false,
    'ROLLBACK TO brings the former value of the system back');
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', 'a')$$),
    'P0002 | instance "a" does not exist', 'ROLLBACK TO undoes the creation of an instance');
SELECT is((get_instance_feature_details()).sequence, 1::bigint,
    'ROLLBACK TO brings the former sequence back');
SELECT is((set_instance_features('{"loginDefaultOrg": true}')).sequence, 2::bigint,
    'a sequence goes on from what ROLLBACK TO has left');
ROLLBACK TO first;
SELECT is(feature_enabled('user_schema'), false,
    'ROLLBACK TO a point before the first change undoes all changes');
SELECT is((get_instance_feature_details()).sequence, 0::bigint,
    'ROLLBACK TO a point before the first change leaves no event');

-- Within one statement, and within functions.
SELECT results_eq($$SELECT feature_enabled('user_schema') FROM (SELECT 1) a
    UNION ALL SELECT feature_enabled('user_schema')
    FROM set_instance_features('{"userSchema": true}')$$,
    'VALUES (false), (true)', 'a change within a statement is seen by what runs after it');
CREATE FUNCTION pg_temp.flip() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seen text := '';
BEGIN
    FOR i IN 1 .. 4 LOOP
        PERFORM set_instance_features(jsonb_build_object('userSchema', i % 2 = 0));
        seen := seen || feature_enabled('user_schema')::int;
    END LOOP;
    BEGIN
        PERFORM set_instance_features('{"userSchema": false}');
        seen := seen || feature_enabled('user_schema')::int;
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN
        seen := seen || feature_enabled('user_schema')::int;
    END;
    RETURN seen;
END $$;
SELECT is(pg_temp.flip(), '010101',
    'a loop sees each of its changes, and an exception block sees their undoing');
PREPARE enabled AS SELECT feature_enabled('user_schema');
DECLARE reader CURSOR FOR SELECT feature_enabled('user_schema') FROM generate_series(1, 3);
FETCH 1 FROM reader \gset before_
SELECT set_instance_features('{"userSchema": false}') AS ignored \gset
FETCH 1 FROM reader \gset after_
SELECT is(:'before_feature_enabled' || :'after_feature_enabled', 'tf',
    'an open cursor sees a change at its next row');
SELECT results_eq('EXECUTE enabled', 'VALUES (false)',
    'a prepared statement sees a change at its next execution');
SELECT set_instance_features('{"userSchema": true}') AS ignored \gset
SELECT results_eq('EXECUTE enabled', 'VALUES (true)',
    'a prepared statement sees a second change at its next execution');

-- Direct DML, of each kind.
UPDATE instance_features.setting SET value = 'false' WHERE feature = 'user_schema';
SELECT is(feature_enabled('user_schema'), false, 'a reader sees an UPDATE of a setting');
DELETE FROM instance_features.setting WHERE feature = 'user_schema';
SELECT is((SELECT source::text FROM get_instance_features(true) WHERE feature = 'user_schema'),
    'default', 'a reader sees a DELETE of a setting');
INSERT INTO instance_features.setting
VALUES ('instance', '', 'default', 'user_schema', 'true', NULL, 1, now());
SELECT is(feature_enabled('user_schema'), true, 'a reader sees an INSERT of a setting');
TRUNCATE instance_features.setting;
SELECT is(feature_enabled('user_schema'), false, 'a reader sees a TRUNCATE of the settings');
COPY instance_features.setting FROM stdin;
instance		default	user_schema	true	\N	1	2024-03-27 10:05:49+00
\.
SELECT is(feature_enabled('user_schema'), true, 'a reader sees a COPY into the settings');
MERGE INTO instance_features.setting s USING (VALUES ('user_schema')) v(key) ON s.feature = v.key
    WHEN MATCHED THEN UPDATE SET value = 'false';
SELECT is(feature_enabled('user_schema'), false, 'a reader sees a MERGE into the settings');
SET LOCAL session_replication_role = replica;
UPDATE instance_features.setting SET value = 'true';
SELECT is(feature_enabled('user_schema'), true, 'a reader sees a change that replication applies');
RESET session_replication_role;
SELECT create_instance('b') AS ignored \gset
UPDATE instance_features.scope SET id = 'c' WHERE id = 'b';
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', 'b')$$)
    || feature_enabled('user_schema', 'c'), 'P0002 | instance "b" does not existfalse',
    'a reader sees an UPDATE of a scope');
INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
VALUES ('own', 'own', 'boolean', 'true');
SELECT is(feature_enabled('own'), true, 'a reader sees an INSERT of a definition');
UPDATE instance_features.feature SET default_value = 'false' WHERE key = 'own';
SELECT is(feature_enabled('own'), false, 'a reader sees an UPDATE of a definition');
DELETE FROM instance_features.feature WHERE key = 'own';
SELECT is(pg_temp.try($$SELECT feature_enabled('own')$$), '42704 | feature "own" does not exist',
    'a reader sees a DELETE of a definition');

-- What a superuser may do to the tables.
ALTER TABLE instance_features.setting ADD COLUMN note text;
SELECT is(feature_enabled('user_schema'), true, 'a column more in table setting does not matter');
SAVEPOINT keyed;
ALTER TABLE instance_features.setting DROP CONSTRAINT setting_pkey;
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema')$$),
    '55000 | table "instance_features.setting" has been altered | It has no primary key. | '
        'Restore the table as CREATE EXTENSION makes it.',
    'a missing primary key of table setting is an error for readers');
ROLLBACK TO keyed;
-- The trigger function on another table of the same name, with other columns.
CREATE SCHEMA other;
CREATE TABLE other.scope (level integer, id integer);
CREATE TRIGGER t AFTER INSERT ON other.scope FOR EACH ROW
    EXECUTE FUNCTION instance_features.track_changes();
SELECT is(pg_temp.try('INSERT INTO other.scope VALUES (1, 2) RETURNING id'),
    '55000 | function "track_changes" cannot be a trigger of table "scope"',
    'our trigger function refuses other tables');
ALTER TABLE instance_features.setting RENAME TO settings;
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema')$$) ~ '^42704', true,
    'a table that was renamed is missed by readers');
ALTER TABLE instance_features.settings RENAME TO setting;
ALTER TABLE instance_features.feature RENAME TO feature_of_old;
CREATE TABLE instance_features.feature (key text);
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema')$$),
    '55000 | table "instance_features.feature" has been altered | '
        'Column "key" has another collation. | Restore the table as CREATE EXTENSION makes it.',
    'a column with another collation is an error for readers');

SELECT * FROM finish();
ROLLBACK;
