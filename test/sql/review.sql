\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- Objects that direct DML has restricted.
SELECT define_feature('restricted', '{}') AS ignored \gset
UPDATE instance_features.feature SET allowed_values = '[{"a": 1}]' WHERE key = 'restricted';
SELECT matches(pg_temp.try($$SELECT set_instance_features('{"restricted": {"a": 1}}')$$),
    '^22023 \| invalid value for feature "restricted" \| .*is not one of the allowed',
    'an object is none of the allowed values that direct DML gave its feature');
SELECT matches(pg_temp.try(
    $$SELECT instance_features.feature_value_violation('{"a": 1}', 'object', '[{"a": 1}]')$$),
    '^\{"a": 1\} is not one of the allowed',
    'feature_value_violation() says that an object is none of the allowed values');
DELETE FROM instance_features.feature;

-- An index in another order than that of bytes.
SELECT define_feature('a1', json_name => 'one'),
    define_feature('a_1', json_name => 'two') \g /dev/null
SELECT create_instance('i' || n) FROM generate_series(1, 3) n \g /dev/null
SELECT set_instance_features('{"a1": true, "a_1": true}', 'i' || n)
FROM generate_series(1, 3) n \g /dev/null
CREATE COLLATION pg_temp.other_order (provider = icu, locale = 'en');
CREATE INDEX ON instance_features.setting (feature COLLATE pg_temp.other_order);
SELECT matches(pg_temp.try($$SELECT drop_feature('a1')$$), '^55000 \|',
    'drop_feature() finds settings despite an index that orders features otherwise');
SELECT matches(pg_temp.try($$SELECT drop_feature('a_1')$$), '^55000 \|',
    'drop_feature() finds the settings of a feature with an underscore too');
SELECT lives_ok($$SELECT drop_feature('a1', cascade => true),
    drop_feature('a_1', cascade => true)$$,
    'drop_feature() unsets what it finds');
SELECT is_empty($$SELECT * FROM check_instance_features()$$,
    'no setting is left without a feature');

-- Constraints that refer to the table.
ALTER TABLE instance_features.event ADD CHECK (tableoid = 'instance_features.event'::regclass);
ALTER TABLE instance_features.scope ADD CHECK (tableoid = 'instance_features.scope'::regclass);
ALTER TABLE instance_features.setting ADD CHECK (tableoid = 'instance_features.setting'::regclass);
SELECT lives_ok($$SELECT set_instance_features('{"userSchema": true}', 'i1')$$,
    'a constraint sees the tableoid of a row that a set inserts');
SELECT lives_ok($$SELECT set_instance_features('{"userSchema": false}', 'i1')$$,
    'a constraint sees the tableoid of a row that a set updates');

-- What a failed write leaves behind.
CREATE FUNCTION pg_temp.loads(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
BEGIN
    EXECUTE query;
    before := (instance_features_stats()).loads;
    FOR i IN 1..10 LOOP
        EXECUTE query;
    END LOOP;
    RETURN (instance_features_stats()).loads - before;
END $$;
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i1')$$), 0::bigint,
    'a transaction that has written remembers what it reads');
SELECT matches(pg_temp.try($$INSERT INTO instance_features.setting
    SELECT 'instance', '', 'i2', 'user_schema', 'true', NULL, 1, now()
    FROM generate_series(1, 2)$$), '^23505 \|',
    'a write that violates a unique index fails half-way');
SELECT is(pg_temp.loads($$SELECT feature_enabled('user_schema', 'i1')$$), 0::bigint,
    'a transaction remembers what it reads after a write that failed in a subtransaction');
SELECT is(feature_enabled('user_schema', 'i2'), false,
    'a reader does not see what was undone in a subtransaction');

-- An instance that belongs to the system's owner, who is gone.
INSERT INTO instance_features.scope (level, id, sequence) VALUES ('instance', 'systems', 0);
CREATE ROLE "system owner";
CREATE ROLE stranger;
SELECT alter_system_owner('"system owner"') AS ignored \gset
DROP ROLE "system owner";
SELECT is(pg_temp.try_as('stranger',
    $$SELECT set_instance_features('{"userSchema": true}', 'systems')$$),
    '42501 | permission denied for instance "systems" | '
        'Permission "iam.feature.write" is required.  It belonged to a role that is gone, '
        'and was named "system owner".',
    'a refusal names the owner of the system who is gone');

-- The hint for an unknown name.
INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
    SELECT 'k' || n, rpad('J' || n || repeat(md5(n::text), 7), 200, 'q'), 'boolean', 'false'
    FROM generate_series(1, 20000) n;
SELECT feature_enabled('user_schema', 'i1') AS ignored \gset
SET LOCAL statement_timeout = '100ms';
SELECT matches(pg_temp.try(
    $$SELECT set_instance_features(jsonb_build_object(repeat('zy', 200), true), 'i1')$$),
    '^57014 \|', 'looking for a name like an unknown one can be cancelled');
SET LOCAL statement_timeout = 0;
-- A setting of an instance that does not exist, as direct DML may leave it.
INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
VALUES ('orphaned', 'orphaned', 'boolean', 'false');
INSERT INTO instance_features.setting
VALUES ('instance', '', 'nowhere', 'orphaned', 'true', NULL, 1, now());
SELECT matches(pg_temp.try($$SELECT drop_feature('orphaned', cascade => true)$$),
    '^55000 \| instance "nowhere" has settings, events or scopes below it, but no row in table',
    'drop_feature() names the setting of an instance that does not exist, and how to clear it');

SELECT * FROM finish();
ROLLBACK;
