\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- The function without its support function, to compare with.
CREATE FUNCTION pg_temp.plain_enabled(feature text, instance_id text DEFAULT NULL,
    organization_id text DEFAULT NULL, user_id text DEFAULT NULL, fallback boolean DEFAULT NULL)
RETURNS boolean LANGUAGE c STABLE AS '$libdir/instance_features', 'feature_enabled';

-- The plan of a query, and the rows that it expects.
CREATE FUNCTION pg_temp.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        plan := concat_ws(E'\n', plan, line);
    END LOOP;
    RETURN plan;
END $$;
CREATE FUNCTION pg_temp.has_condition(query text) RETURNS boolean LANGUAGE sql
    AS $$SELECT pg_temp.plan(query) ~ 'Index Cond: .*enabled_instances'$$;
CREATE FUNCTION pg_temp.rows(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan->0->'Plan'->>'Plan Rows';
END $$;

-- The rows of a query as one text, in their order; with another function, and by
-- sequential scans.
CREATE FUNCTION pg_temp.result(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT coalesce(string_agg(r::text, '' ''), ''nothing'') FROM (%s) r', query)
        INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
CREATE FUNCTION pg_temp.plain_result(query text) RETURNS text LANGUAGE plpgsql
SET enable_indexscan = off SET enable_indexonlyscan = off SET enable_bitmapscan = off AS $$
BEGIN
    RETURN pg_temp.result(regexp_replace(query, '\mfeature_enabled', 'pg_temp.plain_enabled', 'g'));
END $$;

-- Whether a query that is planned with an index condition, or without one, has
-- the rows that it has without support.  The rows are those of the query: it says
-- in which order.
CREATE FUNCTION pg_temp.is_right(condition boolean, query text, description text)
RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEXT is(pg_temp.has_condition(query), condition, description || ': the plan');
    RETURN NEXT is(pg_temp.result(query), pg_temp.plain_result(query), description || ': the rows');
END $$;

-- 400 tenants with five rows each, three of which have the feature on; and rows
-- of the implicit instance.
SELECT count(create_instance('t' || n)) AS ignored FROM generate_series(1, 400) n \gset
SELECT count(set_instance_features('{"userSchema": true}', 't' || n)) AS ignored
FROM unnest('{7,77,377}'::integer[]) n \gset
SELECT set_instance_features('{"userSchema": false}', 't8') AS ignored \gset
CREATE TABLE item (id integer PRIMARY KEY, tenant text NOT NULL, kind text NOT NULL, loose text);
INSERT INTO item
SELECT n, t, 'k' || n % 3, CASE WHEN n % 2 = 0 THEN t END
FROM (SELECT n, CASE WHEN n > 2000 THEN 'default' ELSE 't' || 1 + n % 400 END AS t
    FROM generate_series(1, 2005) n) s;
CREATE INDEX item_tenant ON item (tenant);
CREATE INDEX item_loose ON item (loose);
ANALYZE item;
-- Queries that many tests ask.
\set of_tenants '$$SELECT * FROM item WHERE feature_enabled(''user_schema'', tenant)$$'
\set ordered '$$SELECT * FROM item WHERE feature_enabled(''user_schema'', tenant) ORDER BY id$$'
\set counted '$$SELECT count(*) FROM item WHERE feature_enabled(''user_schema'', tenant)$$'
\set summed '$$SELECT count(*), sum(id) FROM big WHERE feature_enabled(''user_schema'', tenant)$$'
CREATE ROLE stranger;
GRANT SELECT ON item TO stranger;

SELECT pg_temp.is_right(true,
    :ordered,
    'a feature that is on for few instances');
SELECT is(pg_temp.result($$SELECT DISTINCT tenant FROM item
    WHERE feature_enabled('user_schema', tenant) ORDER BY 1$$), '(t377) (t7) (t77)',
    'an index scan finds the tenants that have the feature on');
SELECT pg_temp.is_right(true,
    $$SELECT * FROM item WHERE feature_enabled('oidc_token_exchange', tenant) ORDER BY id$$,
    'a feature that nobody has set');
SELECT pg_temp.is_right(true, $$SELECT * FROM item
    WHERE feature_enabled(feature => 'user_schema', user_id => NULL, instance_id => tenant)
    ORDER BY id$$, 'named arguments');
SELECT is(pg_temp.rows(:of_tenants),
    15::bigint, 'the planner expects the rows of the instances that have the feature on');
SELECT is(pg_temp.rows($$SELECT * FROM item WHERE NOT feature_enabled('user_schema', tenant)$$),
    1990::bigint, 'NOT feature_enabled() is expected for all other rows');
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE NOT feature_enabled('user_schema', tenant) ORDER BY id$$,
    'NOT feature_enabled()');
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item
    WHERE (NOT feature_enabled('user_schema', tenant)) IS NOT TRUE ORDER BY id$$,
    'feature_enabled() below a test of its value');
SELECT pg_temp.is_right(true,
    $$SELECT * FROM item WHERE feature_enabled('user_schema', tenant) = true ORDER BY id$$,
    'a comparison with true');
SELECT pg_temp.is_right(true, $$SELECT * FROM item
    WHERE feature_enabled('user_schema', tenant) OR tenant = 't9' ORDER BY id$$,
    'one of two alternatives');
SELECT pg_temp.is_right(true, $$SELECT tenant FROM item
    WHERE feature_enabled('user_schema', tenant) ORDER BY tenant DESC$$,
    'rows in the order of the index, backwards');
SELECT is(pg_temp.plan($$SELECT * FROM item WHERE feature_enabled('user_schema', tenant)
        AND kind = 'k1' AND tenant = 't7'$$) ~ '(kind = .*|tenant = .*) AND feature_enabled\(',
    true,
    'cheaper conditions are checked before feature_enabled()');

-- One role lists the instances of others by no means.
SELECT is(pg_temp.try_as('stranger', $$SELECT pg_temp.has_condition(
    'SELECT * FROM item WHERE feature_enabled(''user_schema'', tenant)')$$), 'true',
    'any role gets an index condition');
SELECT is(pg_temp.try_as('stranger', $$SELECT count(*) FROM item
    WHERE feature_enabled('user_schema', tenant)$$), '15',
    'any role can execute an index condition');
SELECT is(pg_temp.try_as('stranger',
    $$SELECT instance_features.enabled_instances('user_schema', NULL, NULL)$$) ~ '^42883', true,
    'enabled_instances() cannot be called by SQL');
SELECT is(pg_temp.try_as('stranger',
    $$SELECT instance_features.enabled_instances('user_schema', NULL, CAST(NULL AS internal))$$)
    ~ '^(42846|0A000)', true, 'enabled_instances() cannot be called by SQL with a cast');
SELECT is(pg_temp.try($$DO 'BEGIN REVOKE EXECUTE ON FUNCTION
    instance_features.enabled_instances(text, boolean, internal) FROM PUBLIC; END';
    SELECT pg_temp.try_as('stranger', 'SELECT pg_temp.has_condition(
        ''SELECT * FROM item WHERE feature_enabled(''''user_schema'''', tenant)'')')$$), 'false',
    'a role that may not execute it gets no index condition');
GRANT EXECUTE ON FUNCTION instance_features.enabled_instances(text, boolean, internal) TO PUBLIC;

-- Null is the current instance.
SET LOCAL instance_features.instance_id = 't7';
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('user_schema', loose) ORDER BY id$$,
    'a column that may be null, where null is an instance that has the feature on');
SELECT is((SELECT count(*) FROM item WHERE feature_enabled('user_schema', loose)) > 1000, true,
    'a scan finds rows where the instance is null');
SELECT is(pg_temp.rows($$SELECT * FROM item WHERE feature_enabled('user_schema') OR id < 0$$),
    2005::bigint, 'the planner knows the value for the current instance');
SET LOCAL instance_features.instance_id = 't8';
SELECT is(pg_temp.rows($$SELECT * FROM item WHERE feature_enabled('user_schema') OR id < 0$$),
    1::bigint, 'the planner knows that the current instance does not have the feature on');
SELECT is(pg_temp.rows($$SELECT * FROM item WHERE feature_enabled('user_schema', 't7') OR id < 0$$),
    2005::bigint, 'the planner knows the value for a constant instance');
RESET instance_features.instance_id;
ALTER TABLE item ALTER kind DROP NOT NULL;
CREATE INDEX item_kind ON item (kind);
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('user_schema', kind) ORDER BY id$$,
    'a column without nulls that is not declared so');
DROP INDEX item_kind;
ALTER TABLE item ALTER kind SET NOT NULL;

-- Organizations and users.
SELECT define_feature('beta', levels => '{system,instance,organization,user}') AS ignored \gset
SELECT set_instance_features('{"beta": true}', 't5') AS ignored \gset
SELECT set_user_features('{"beta": true}', 'u', 't6') AS ignored \gset
SELECT set_user_features('{"beta": false}', 'u', 't5') AS ignored \gset
SELECT set_organization_features('{"beta": true}', 'o', 't6') AS ignored \gset
SELECT set_config('instance_features.user_id', 'u', true),
    set_config('instance_features.organization_id', 'o', true) \g /dev/null
SELECT pg_temp.is_right(true,
    $$SELECT * FROM item WHERE feature_enabled('beta', tenant) ORDER BY id$$,
    'an instance without organization and user, whatever is current');
SELECT is(pg_temp.result(
    $$SELECT DISTINCT tenant FROM item WHERE feature_enabled('beta', tenant)$$),
    '(t5)', 'the current user does not matter if the instance is named');
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('beta', tenant, NULL, 'u') ORDER BY id$$,
    'a user is named');
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('beta', tenant, 'o') ORDER BY id$$,
    'an organization is named');
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('beta', tenant, kind) ORDER BY id$$,
    'the organization is a column');
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('beta', 't5', NULL, tenant) ORDER BY id$$,
    'the indexed column is the user');
RESET instance_features.user_id;
RESET instance_features.organization_id;

-- The feature is not defined, or has another type.
SELECT define_feature('color', '"red"') AS ignored \gset
SELECT is(pg_temp.has_condition($$SELECT * FROM item WHERE feature_enabled('nowhere', tenant)$$),
    false, 'a plan for a feature that is not defined is made without an error');
SELECT is(pg_temp.has_condition($$SELECT * FROM item WHERE feature_enabled('color', tenant)$$),
    false, 'a plan for a feature that is not boolean is made without an error');
SELECT is(pg_temp.has_condition($$SELECT * FROM item WHERE feature_enabled(NULL, tenant)$$),
    false, 'a plan for a null feature is made without an error');
SELECT is(pg_temp.has_condition(format($$SELECT * FROM item WHERE feature_enabled('%s', tenant)$$,
    repeat('x', 100000))), false, 'a plan for a key that is too long is made without an error');
SELECT is(pg_temp.result($$SELECT * FROM item WHERE feature_enabled('nowhere', tenant)$$), '42704',
    'a feature that is not defined is an error when the plan is executed');
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('nowhere', tenant, fallback => true) ORDER BY id$$,
    'a fallback that is true');
SELECT pg_temp.is_right(true,
    $$SELECT * FROM item WHERE feature_enabled('nowhere', tenant, fallback => false) ORDER BY id$$,
    'a fallback that is false');
SELECT pg_temp.is_right(true,
    $$SELECT * FROM item
    WHERE feature_enabled('user_schema', tenant, fallback => true) ORDER BY id$$,
    'a fallback for a feature that is defined');
SELECT pg_temp.is_right(false, $$SELECT * FROM item
    WHERE feature_enabled('user_schema', tenant, fallback => random() > 2) ORDER BY id$$,
    'a fallback that is volatile');
SELECT pg_temp.is_right(false, $$SELECT * FROM item
    WHERE feature_enabled('user_schema', tenant, fallback => kind = 'k1') ORDER BY id$$,
    'a fallback of the same row');

-- Instances that do not exist.
INSERT INTO item VALUES (3000, 'ghost', 'k0', NULL);
SELECT is(pg_temp.plain_result(:of_tenants),
    'P0002', 'a sequential scan that reads a row of an instance that does not exist is an error');
SELECT is(pg_temp.result(:counted),
    '(15)', 'an index scan does not read rows of instances that do not exist');
INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence, change_date)
    VALUES ('instance', 'ghost', 'user_schema', 'true', 1, now());
SELECT is(pg_temp.result(:counted),
    'P0002', 'an index scan that reads a row of an instance that does not exist is an error');
DELETE FROM instance_features.setting WHERE scope_id = 'ghost';
DELETE FROM item WHERE id = 3000;

-- What others may have written directly.
UPDATE instance_features.setting SET value = '"x"' WHERE scope_id = 't7';
SELECT pg_temp.is_right(true,
    :ordered,
    'a value that is not boolean');
UPDATE instance_features.setting SET value = 'true' WHERE scope_id = 't7';
INSERT INTO instance_features.setting
    (level, instance_id, scope_id, feature, value, sequence, change_date)
    VALUES ('instance', 'x', 't9', 'user_schema', 'true', 1, now()),
        ('instance', '', 'default', 'user_schema', 'true', 1, now()),
        ('instance', '', '', 'user_schema', 'true', 1, now());
SELECT pg_temp.is_right(true,
    :ordered,
    'settings that are not in force');
DELETE FROM instance_features.setting WHERE scope_id IN ('t9', 'default', '');

-- A plan that was made before.
CREATE FUNCTION pg_temp.prepare() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('plan_cache_mode', 'force_generic_plan', true);
    DEALLOCATE ALL;
    PREPARE enabled AS SELECT string_agg(id::text, ' ' ORDER BY id) FROM item
        WHERE feature_enabled('user_schema', tenant);
    PREPARE other AS SELECT string_agg(id::text, ' ' ORDER BY id) FROM item
        WHERE feature_enabled('beta', tenant, fallback => true);
    PREPARE parameter (text) AS SELECT string_agg(id::text, ' ' ORDER BY id) FROM item
        WHERE feature_enabled($1, tenant);
    PREPARE plain (text) AS SELECT string_agg(id::text, ' ' ORDER BY id) FROM item
        WHERE pg_temp.plain_enabled($1, tenant, fallback => true);
END $$;
CREATE FUNCTION pg_temp.execute(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE 'EXECUTE ' || statement INTO result;
    RETURN coalesce(result, 'nothing');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
-- Whether the generic plan still has its index condition, and the right rows.
CREATE FUNCTION pg_temp.is_still_right(description text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEXT is(pg_temp.has_condition('EXECUTE enabled'), true, description || ': the old plan');
    RETURN NEXT is(pg_temp.execute('enabled'), pg_temp.execute('plain(''user_schema'')'),
        description || ': the rows of the old plan');
END $$;
SELECT pg_temp.prepare() AS ignored \gset
SELECT is(pg_temp.execute('enabled'), pg_temp.execute('plain(''user_schema'')'),
    'a generic plan has the right rows');
SELECT set_instance_features('{"userSchema": true}', 't1'),
    set_instance_features('{"userSchema": null}', 't7') \g /dev/null
SELECT pg_temp.is_still_right('other instances have the feature on');
SELECT set_system_features('{"userSchema": true}') AS ignored \gset
SELECT pg_temp.is_still_right('the feature is on for all instances but one');
SELECT is(pg_temp.execute('enabled') ~ '\m2001 2002 2003 2004 2005$', true,
    'the instance "default" has it on without having a row');
SELECT set_instance_features('{"userSchema": false}') AS ignored \gset
SELECT pg_temp.is_still_right('the instance "default" has it off');
SELECT set_instance_features('{"userSchema": null}') AS ignored \gset
SELECT pg_temp.is_still_right('the instance "default" has a row and inherits');
SELECT drop_instance('default'), drop_instance('t399') \g /dev/null
SELECT isnt(pg_temp.execute('enabled'), 'P0002',
    'rows of instances that were dropped are not read');
DELETE FROM item WHERE tenant IN ('default', 't399');
SELECT pg_temp.is_still_right('instances are dropped');
SELECT create_instance('default') AS ignored \gset
INSERT INTO item SELECT n, 'default', 'k0', NULL FROM generate_series(2001, 2005) n;
SELECT pg_temp.is_still_right('an instance is created');
INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence, change_date)
    VALUES ('instance', 'ghost', 'user_schema', 'false', 1, now());
SELECT pg_temp.is_still_right('a setting of an instance that does not exist');
INSERT INTO instance_features.setting
    (level, instance_id, scope_id, feature, value, sequence, change_date)
    VALUES ('instance', 'x', 't9', 'user_schema', 'false', 1, now());
SELECT pg_temp.is_still_right('a setting of an instance that belongs to another');
DELETE FROM instance_features.setting WHERE scope_id = 'ghost' OR instance_id = 'x';
UPDATE instance_features.setting SET percentage = 50, value = 'true'
    WHERE level = 'system' AND feature = 'user_schema';
SELECT pg_temp.is_still_right('the feature is on for a share of the instances');
UPDATE instance_features.setting SET percentage = 50
    WHERE scope_id IN ('t1', 't8') AND feature = 'user_schema';
SELECT pg_temp.is_still_right('an instance has the feature on or off for a share of its users');
UPDATE instance_features.setting SET percentage = NULL WHERE percentage IS NOT NULL;
SELECT set_system_features('{"userSchema": null}') AS ignored \gset
SELECT pg_temp.is_still_right('the feature is off again');
SAVEPOINT change;
SELECT set_instance_features('{"userSchema": true}', 't20') AS ignored \gset
SELECT pg_temp.is_still_right('a change that will be rolled back');
ROLLBACK TO change;
SELECT pg_temp.is_still_right('a change was rolled back');
SELECT is(pg_temp.has_condition('EXECUTE other'), true, 'a generic plan with a fallback');
SELECT is(pg_temp.execute('other'), pg_temp.execute('plain(''beta'')'),
    'a generic plan with a fallback has the right rows');
SELECT alter_feature('beta', 'true') AS ignored \gset
SELECT is(pg_temp.execute('other'), pg_temp.execute('plain(''beta'')'),
    'after the default has changed, a generic plan has the right rows');
SELECT alter_feature('beta', 'false'), set_feature_stage('beta', 'removed') \g /dev/null
SELECT is(pg_temp.execute('other'), 'nothing',
    'after the feature was removed, a generic plan finds nothing');
SELECT set_feature_stage('beta', 'stable') AS ignored \gset
SELECT drop_feature('beta', true) AS ignored \gset
SELECT is(pg_temp.execute('other'), pg_temp.execute('plain(''beta'')'),
    'after the feature was dropped, a generic plan has all rows by its fallback');
SELECT is(pg_temp.has_condition('EXECUTE other'), true,
    'after the feature was dropped, it is still the same plan');
SELECT define_feature('beta') AS ignored \gset
PREPARE lost AS SELECT string_agg(id::text, ' ' ORDER BY id) FROM item
    WHERE feature_enabled('beta', tenant);
SELECT is(pg_temp.execute('lost'), 'nothing',
    'a generic plan for a feature that is off everywhere');
SELECT drop_feature('beta') AS ignored \gset
SELECT is(pg_temp.try('EXECUTE lost'), '42704 | feature "beta" does not exist',
    'after the feature was dropped, a generic plan without a fallback is an error');
SELECT define_feature('beta', '"red"') AS ignored \gset
SELECT is(pg_temp.try('EXECUTE lost'), '22023 | feature "beta" is of type string, not boolean | '
    'Use feature_value() to read a feature of any type.',
    'after the feature has got another type, a generic plan is an error');
SELECT is(pg_temp.plan($$EXECUTE parameter('user_schema')$$) ~ 'enabled_instances', false,
    'a generic plan for any feature has no index condition');
SELECT is(pg_temp.execute($$parameter('user_schema')$$), pg_temp.execute($$plain('user_schema')$$),
    'a generic plan for any feature has the right rows');
SET LOCAL plan_cache_mode = force_custom_plan;
SELECT is(pg_temp.has_condition($$EXECUTE parameter('user_schema')$$), true,
    'a custom plan for a feature has an index condition');
SELECT is(pg_temp.execute($$parameter('user_schema')$$), pg_temp.execute($$plain('user_schema')$$),
    'a custom plan for a feature has the right rows');
SELECT is(pg_temp.execute($$parameter('nowhere')$$), '42704',
    'a custom plan for a feature that is not defined is an error');
RESET plan_cache_mode;
DEALLOCATE ALL;

-- A cursor, and a change while it is open.
DECLARE c CURSOR FOR SELECT tenant FROM item
    WHERE feature_enabled('user_schema', tenant) ORDER BY tenant;
FETCH c \g /dev/null
SELECT set_instance_features('{"userSchema": false}', 't77') AS ignored \gset
CREATE TEMP TABLE fetched (tenant text);
DO $$
DECLARE
    c refcursor := 'c';
    tenant text;
BEGIN
    LOOP
        FETCH c INTO tenant;
        EXIT WHEN NOT FOUND;
        INSERT INTO fetched VALUES (tenant);
    END LOOP;
END $$;
CLOSE c;
SELECT is((SELECT count(*) FROM fetched WHERE tenant = 't77'), 0::bigint,
    'an open cursor does not return rows of an instance for which the feature was switched off');
SELECT set_instance_features('{"userSchema": true}', 't77') AS ignored \gset

-- On for most: no index condition.
SELECT set_system_features('{"userSchema": true}') AS ignored \gset
SELECT pg_temp.is_right(false,
    :ordered,
    'a feature that is on for all instances but one');
SELECT is(pg_temp.rows(:of_tenants),
    pg_temp.rows('SELECT * FROM item') - 5, 'the planner expects all rows but those of that one');
UPDATE instance_features.setting SET percentage = 50 WHERE scope_id = 't8';
SELECT is(pg_temp.rows(:of_tenants),
    pg_temp.rows('SELECT * FROM item'),
    'an instance that has a feature off for a share of its users inherits it without a user');
UPDATE instance_features.setting SET percentage = NULL WHERE scope_id = 't8';
SET LOCAL enable_seqscan = off;
SELECT is(pg_temp.has_condition(:of_tenants),
    false, 'it does not list all instances even if it must not scan the table');
RESET enable_seqscan;
UPDATE instance_features.setting SET percentage = 20 WHERE level = 'system';
SELECT is(pg_temp.has_condition(:of_tenants),
    false, 'a feature that is on for a share of the instances has no index condition');
SELECT is(pg_temp.rows(:of_tenants),
    round(pg_temp.rows('SELECT * FROM item') * 0.2)::bigint,
    'the planner expects that share of the rows');
UPDATE instance_features.setting SET percentage = 0 WHERE level = 'system';
SELECT is(pg_temp.has_condition(:of_tenants),
    true, 'a share of 0 is as if the system did not set the feature');
UPDATE instance_features.setting SET percentage = 'NaN' WHERE level = 'system';
SELECT is(pg_temp.has_condition(:of_tenants),
    true, 'a share that is no number is as if the system did not set the feature');
UPDATE instance_features.setting SET percentage = 100 WHERE level = 'system';
SELECT pg_temp.rows(:of_tenants) AS whole \gset
UPDATE instance_features.setting SET percentage = ('1' || repeat('0', 131071))::numeric
    WHERE level = 'system';
SELECT is(pg_temp.rows(:of_tenants), :whole::bigint,
    'a share that is too large for a double is that of all instances');
UPDATE instance_features.setting SET percentage = 50, value = 'false' WHERE level = 'system';
SELECT pg_temp.is_right(true,
    :ordered,
    'a feature that is off by default is switched off for a share of the instances');
SELECT reset_system_features() AS ignored \gset
SELECT define_feature('gamma', 'true', levels => '{system}') AS ignored \gset
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('gamma', tenant) ORDER BY id$$,
    'a feature that is on by default');
INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence, change_date)
    VALUES ('instance', 't3', 'gamma', 'false', 1, now());
SELECT is(pg_temp.rows($$SELECT * FROM item WHERE feature_enabled('gamma', tenant)$$),
    pg_temp.rows('SELECT * FROM item'),
    'the planner knows that a setting on a level where the feature may not be set has no effect');
DELETE FROM instance_features.setting WHERE feature = 'gamma';
SELECT set_system_features('{"gamma": false}') AS ignored \gset
SELECT pg_temp.is_right(true,
    $$SELECT * FROM item WHERE feature_enabled('gamma', tenant) ORDER BY id$$,
    'a feature that the system has switched off');
SAVEPOINT change;
SELECT set_feature_stage('gamma', 'removed') AS ignored \gset
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('gamma', tenant) ORDER BY id$$,
    'a removed feature, whose default is true');
ROLLBACK TO change;
DELETE FROM instance_features.scope WHERE level = 'system';
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('gamma', tenant) ORDER BY id$$,
    'a setting of the system, which has lost its row');
ROLLBACK TO change;
SELECT reset_system_features() AS ignored \gset
SELECT alter_feature('gamma', 'false') AS ignored \gset
INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence, change_date)
    VALUES ('instance', 't3', 'gamma', 'true', 1, now());
SELECT pg_temp.is_right(true,
    $$SELECT * FROM item WHERE feature_enabled('gamma', tenant) ORDER BY id$$,
    'a setting on a level where the feature may not be set');
DELETE FROM instance_features.setting WHERE feature = 'gamma';

-- Set by more instances than planning counts for a table of this size.
INSERT INTO instance_features.scope (level, id, sequence, change_date, creation_date)
    SELECT 'instance', 'many' || n, 1, now(), now() FROM generate_series(1, 1001) n;
INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence, change_date)
    SELECT 'instance', 'many' || n, 'login_default_org', 'true', 1, now()
    FROM generate_series(1, 1001) n;
SELECT pg_temp.is_right(false,
    $$SELECT * FROM item WHERE feature_enabled('login_default_org', tenant) ORDER BY id$$,
    'a feature that more instances set than planning counts');
SELECT is(pg_temp.rows($$SELECT * FROM item WHERE feature_enabled('login_default_org', tenant)$$),
    pg_temp.rows('SELECT * FROM item') / 2, 'how many they are is unknown');
SET LOCAL enable_seqscan = off;
SELECT is(pg_temp.has_condition(
    $$SELECT * FROM item WHERE feature_enabled('login_default_org', tenant)$$), false,
    'it does not list them even if it must not scan the table');
RESET enable_seqscan;
DELETE FROM instance_features.setting WHERE scope_id = 'many1';
SELECT isnt(pg_temp.rows($$SELECT * FROM item WHERE feature_enabled('login_default_org', tenant)$$),
    pg_temp.rows('SELECT * FROM item') / 2, 'at that number, the planner still counts');

-- Statistics: tenants that have many rows.
CREATE TABLE skewed (tenant text NOT NULL);
INSERT INTO skewed SELECT CASE WHEN n % 2 = 0 THEN 't77' ELSE 't' || 1 + n % 300 END
    FROM generate_series(1, 2000) n;
ANALYZE skewed;
SELECT is(abs(pg_temp.rows($$SELECT * FROM skewed WHERE feature_enabled('user_schema', tenant)$$)
    - (SELECT count(*) FROM skewed WHERE feature_enabled('user_schema', tenant))) <= 20, true,
    'the planner knows how many rows the instances have');

-- Types and collations of the column.
SELECT count(*) > 0 AS has_icu FROM pg_collation WHERE collprovider = 'i' \gset
\if :has_icu
CREATE COLLATION ignoring_case
    (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
\else
CREATE COLLATION ignoring_case FROM "C";
\endif
CREATE DOMAIN tenant_id AS text CHECK (VALUE <> '');
SELECT create_instance('T7'), create_instance('T77'),
    set_instance_features('{"userSchema": true}', 'T7') \g /dev/null
CREATE TABLE typed (
    id integer NOT NULL,
    tenant text NOT NULL,
    kind text NOT NULL,
    v varchar(20) NOT NULL,
    c text COLLATE "C" NOT NULL,
    b char(20) NOT NULL,
    d tenant_id NOT NULL,
    i text COLLATE ignoring_case NOT NULL
);
INSERT INTO typed
SELECT id, tenant, kind, tenant, tenant, tenant, tenant,
    CASE WHEN kind = 'k0' AND tenant IN ('t7', 't77') THEN upper(tenant) ELSE tenant END
FROM item;
CREATE FUNCTION pg_temp.is_right_by(condition boolean, index text, argument text, description text)
RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'CREATE INDEX by_index ON typed ' || index;
    ANALYZE typed;
    RETURN QUERY SELECT pg_temp.is_right(condition, format(
        'SELECT id FROM typed WHERE feature_enabled(''user_schema'', %s) ORDER BY id', argument),
        description);
    DROP INDEX by_index;
END $$;
SELECT pg_temp.is_right_by(true, '(v)', 'v', 'a column of type varchar');
SELECT pg_temp.is_right_by(true, '(d)', 'd', 'a column of a domain');
SELECT pg_temp.is_right_by(true, '(c)', 'c', 'a column of another collation');
SELECT pg_temp.is_right_by(true, '(tenant COLLATE "C")', 'tenant', 'an index of another collation');
SELECT pg_temp.is_right_by(true, '(tenant text_pattern_ops)', 'tenant', 'an index for patterns');
SELECT pg_temp.is_right_by(true, '(tenant DESC NULLS LAST) INCLUDE (id)', 'tenant',
    'an index in descending order with another column');
CREATE OPERATOR FAMILY pg_temp.other USING btree;
CREATE OPERATOR CLASS pg_temp.other FOR TYPE text USING btree FAMILY pg_temp.other AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 bttextcmp(text, text);
SELECT pg_temp.is_right_by(false, '(tenant pg_temp.other)', 'tenant',
    'an index of an operator class that is not PostgreSQL''s');
SELECT pg_temp.is_right_by(false, '(b)', 'b', 'a column of type char');
SELECT pg_temp.is_right_by(false, '((lower(tenant)))', 'lower(tenant)',
    'an index of an expression');
SELECT pg_temp.is_right_by(false, 'USING hash (tenant)', 'tenant', 'a hash index');
SELECT pg_temp.is_right_by(false, 'USING brin (tenant)', 'tenant', 'a BRIN index');
SELECT pg_temp.is_right_by(true, '(tenant) WHERE id > 0', 'tenant) AND (id > 0', 'a partial index');
SELECT pg_temp.is_right_by(false, '(tenant) WHERE id > 0', 'tenant',
    'a partial index that has not all rows');
SELECT pg_temp.is_right_by(true, '(tenant, id)', 'tenant) AND (id BETWEEN 5 AND 1500',
    'the first of two columns of an index');
SELECT pg_temp.is_right_by(true, '(i)', 'i',
    'a column of a collation in which different ids are equal');
SELECT is((SELECT string_agg(DISTINCT i COLLATE "C", ' ' ORDER BY i COLLATE "C") FROM typed
    WHERE feature_enabled('user_schema', i)),
    'T7 t1 t377 t77', 'ids are compared by their bytes, whatever the collation');

-- An index whose first column is another one.
CREATE INDEX by_kind ON typed (kind, tenant, id);
ANALYZE typed;
SET LOCAL enable_sort = off;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT is(pg_temp.result($$SELECT kind, tenant, id FROM typed WHERE kind >= 'k0'
        AND feature_enabled('user_schema', tenant) ORDER BY kind, tenant, id$$),
    pg_temp.plain_result($$SELECT kind, tenant, id FROM typed WHERE kind >= 'k0'
        AND feature_enabled('user_schema', tenant) ORDER BY kind, tenant, id$$),
    'rows in the order of an index are right if the tenant is not its first column');
SELECT is(pg_temp.result($$SELECT kind, tenant, id FROM typed WHERE kind >= 'k0'
        AND feature_enabled('user_schema', tenant) ORDER BY kind DESC, tenant DESC, id DESC$$),
    pg_temp.plain_result($$SELECT kind, tenant, id FROM typed WHERE kind >= 'k0'
        AND feature_enabled('user_schema', tenant) ORDER BY kind DESC, tenant DESC, id DESC$$),
    'rows in the order of such an index are right backwards');
DROP INDEX by_kind;
CREATE INDEX by_tenant ON typed (tenant, kind, id);
SELECT pg_temp.is_right(true, $$SELECT tenant, kind, id FROM typed
    WHERE feature_enabled('user_schema', tenant) AND kind > 'k0' ORDER BY tenant, kind, id$$,
    'rows in the order of an index');
RESET enable_sort;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- Joins.
CREATE TABLE tenant (id text PRIMARY KEY, name text, fallback boolean, feature text);
INSERT INTO tenant SELECT 't' || n, 'name ' || n, n % 2 = 0,
        CASE n % 3 WHEN 0 THEN 'user_schema' ELSE 'oidc_token_exchange' END
    FROM generate_series(1, 398) n;
ANALYZE tenant;
SELECT pg_temp.is_right(true, $$SELECT t.name, i.id FROM tenant t JOIN item i ON i.tenant = t.id
    WHERE feature_enabled('user_schema', i.tenant) ORDER BY i.id$$, 'a join');
SELECT pg_temp.is_right(true, $$SELECT t.name, i.id FROM tenant t JOIN item i ON i.tenant = t.id
    WHERE feature_enabled('user_schema', t.id) ORDER BY i.id$$, 'a join with the other column');
SELECT pg_temp.is_right(false, $$SELECT t.name, i.id FROM tenant t
    LEFT JOIN item i ON i.tenant = t.id AND i.kind = 'k1'
    WHERE feature_enabled('user_schema', i.tenant) ORDER BY t.id, i.id$$,
    'the nullable side of an outer join, above it');
SET LOCAL instance_features.instance_id = 't77';
SELECT is((SELECT count(*) FROM tenant t LEFT JOIN item i ON i.tenant = t.id AND i.id < 0
    WHERE feature_enabled('user_schema', i.tenant)), 398::bigint,
    'rows that an outer join has extended with nulls are of the current instance');
RESET instance_features.instance_id;
SELECT pg_temp.is_right(true, $$SELECT t.id, i.id FROM tenant t
    LEFT JOIN item i ON i.tenant = t.id AND feature_enabled('user_schema', i.tenant)
    ORDER BY t.id, i.id$$, 'the condition of an outer join');
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_material = off;
SELECT pg_temp.is_right(true, $$SELECT t.id, i.id FROM tenant t JOIN item i
    ON feature_enabled('user_schema', i.tenant, fallback => t.fallback) AND t.id < 't12'
    ORDER BY t.id, i.id$$, 'an inner index scan with a fallback of the outer row');
SELECT define_feature('delta') AS ignored \gset
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE delta AS SELECT string_agg(t.id || ' ' || i.id, ' ' ORDER BY t.id, i.id)
    FROM tenant t JOIN item i
    ON feature_enabled('delta', i.tenant, fallback => t.fallback) AND t.id < 't12';
SELECT is(pg_temp.execute('delta'), 'nothing',
    'a fallback of the outer row is not needed at first');
SELECT drop_feature('delta') AS ignored \gset
SELECT is(pg_temp.has_condition('EXECUTE delta'), true, 'it is needed by the old plan');
SELECT is(pg_temp.execute('delta'), (SELECT string_agg(t.id || ' ' || i.id, ' ' ORDER BY t.id, i.id)
    FROM tenant t JOIN item i
    ON pg_temp.plain_enabled('delta', i.tenant, fallback => t.fallback) AND t.id < 't12'),
    'an inner index scan lists the instances again for another fallback');
RESET plan_cache_mode;
SELECT pg_temp.is_right(false, $$SELECT t.id, i.id FROM tenant t JOIN item i
    ON feature_enabled(t.feature, i.tenant) AND t.id < 't12' ORDER BY t.id, i.id$$,
    'a join with features of a table');
SELECT pg_temp.is_right(true, $$SELECT t.id, (SELECT count(*) FROM item i
        WHERE feature_enabled('user_schema', i.tenant) AND i.tenant >= t.id)
    FROM tenant t ORDER BY t.id$$, 'an index scan that is repeated');
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;

-- Other commands.
SAVEPOINT change;
SELECT is(pg_temp.has_condition($$UPDATE item SET kind = 'k9'
    WHERE feature_enabled('user_schema', tenant)$$), true, 'an UPDATE has an index condition');
UPDATE item SET kind = 'k9' WHERE feature_enabled('user_schema', tenant);
SELECT is((SELECT count(*) FROM item
    WHERE (kind = 'k9') <> pg_temp.plain_enabled('user_schema', tenant)),
    0::bigint, 'an UPDATE changes the right rows');
DELETE FROM item WHERE feature_enabled('user_schema', tenant);
SELECT is((SELECT count(*) FROM item WHERE kind = 'k9'), 0::bigint,
    'a DELETE deletes the right rows');
ROLLBACK TO change;

-- Partitions.
CREATE TABLE part (id integer NOT NULL, tenant text NOT NULL) PARTITION BY RANGE (tenant);
CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (MINVALUE) TO ('t2');
CREATE TABLE part_high PARTITION OF part FOR VALUES FROM ('t2') TO (MAXVALUE);
CREATE INDEX ON part (tenant);
INSERT INTO part SELECT id, tenant FROM item;
ANALYZE part;
SELECT pg_temp.is_right(true,
    $$SELECT * FROM part WHERE feature_enabled('user_schema', tenant) ORDER BY id$$,
    'a partitioned table');
SELECT is(pg_temp.rows($$SELECT * FROM part WHERE feature_enabled('user_schema', tenant)$$)
    BETWEEN 15 AND 45, true, 'the planner expects few rows of a partitioned table');
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE pruned (text) AS SELECT string_agg(id::text, ' ' ORDER BY id) FROM part
    WHERE tenant <= $1 AND feature_enabled('user_schema', tenant);
SELECT is(pg_temp.plan($$EXECUTE pruned('t15')$$) ~ 'Subplans Removed: 1', true,
    'partitions are pruned at execution');
SELECT is(pg_temp.execute($$pruned('t15')$$),
    (SELECT string_agg(id::text, ' ' ORDER BY id) FROM part
    WHERE tenant <= 't15' AND pg_temp.plain_enabled('user_schema', tenant)),
    'the remaining partition has the right rows');
SELECT set_system_features('{"userSchema": true}') AS ignored \gset
SELECT is(pg_temp.execute($$pruned('t5')$$), (SELECT string_agg(id::text, ' ' ORDER BY id) FROM part
    WHERE tenant <= 't5' AND pg_temp.plain_enabled('user_schema', tenant)),
    'after a change of the system, the plan for partitions has the right rows');
SELECT reset_system_features() AS ignored \gset
RESET plan_cache_mode;

-- Row security.
ALTER TABLE item ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_feature ON item TO stranger USING (feature_enabled('user_schema', tenant));
SELECT is(pg_temp.try_as('stranger', $$SELECT pg_temp.has_condition('SELECT * FROM item')$$),
    'true',
    'a policy gets an index condition');
SELECT is(pg_temp.try_as('stranger', 'SELECT count(*) FROM item'),
    (SELECT count(*)::text FROM item WHERE pg_temp.plain_enabled('user_schema', tenant)),
    'a policy shows the right rows');
ALTER TABLE item DISABLE ROW LEVEL SECURITY;

-- Parallel plans.
CREATE TABLE big AS SELECT n AS id, 't' || 1 + n % 398 AS tenant FROM generate_series(1, 20000) n;
ALTER TABLE big ALTER tenant SET NOT NULL;
CREATE INDEX big_tenant ON big (tenant);
ANALYZE big;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL min_parallel_index_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_seqscan = off;
SELECT is(pg_temp.plan($$SELECT * FROM big WHERE tenant < 't2'$$) ~ 'Parallel Index Scan', true,
    'the table would get a parallel index scan');
SELECT is(pg_temp.plan($$SELECT * FROM big WHERE feature_enabled('user_schema', tenant)$$)
    ~ 'Parallel Index', false,
    'no processes that may have different lists share an index scan');
SELECT pg_temp.is_right(true,
    :summed,
    'an index scan of a table that is large enough for parallel plans');
RESET enable_seqscan;
RESET enable_bitmapscan;
SET LOCAL enable_indexscan = off;
SELECT is(pg_temp.plan(:summed)
    ~ 'Parallel Bitmap Heap Scan(.|\n)*enabled_instances', true, 'a bitmap scan may be parallel');
SELECT pg_temp.is_right(true,
    :summed,
    'a parallel bitmap scan');
RESET enable_indexscan;

-- Functions that return states.
SELECT is(pg_temp.rows('SELECT * FROM get_effective_features()'),
    (SELECT count(*) FROM instance_features.definition),
    'the planner expects a row for each feature of get_effective_features()');
SELECT is(pg_temp.rows($$SELECT * FROM get_user_features(true, 'u')$$),
    (SELECT count(*) FROM instance_features.definition),
    'the planner expects a row for each feature of a reader with inheritance');
SELECT count(define_feature('f' || n)) AS ignored FROM generate_series(1, 20) n \gset
SELECT set_feature_stage('f1', 'removed') AS ignored \gset
SELECT is(pg_temp.rows('SELECT * FROM get_system_features(true)'),
    (SELECT count(*) - 1 FROM instance_features.definition),
    'the planner does not expect removed features');
SELECT is(pg_temp.rows('SELECT * FROM get_instance_features()'), 10::bigint,
    'the planner expects few settings of an instance');

-- Tables that cannot be used.
ALTER TABLE instance_features.event RENAME TO gone;
SELECT is(pg_temp.has_condition(:of_tenants),
    false, 'a plan is made without an error if a table is missing');
SELECT is(pg_temp.rows('SELECT * FROM get_instance_features()'), 10::bigint,
    'a plan for the states is made without an error if a table is missing');
SELECT is(pg_temp.result(:of_tenants), '42704',
    'the missing table is an error when the plan is executed');
ALTER TABLE instance_features.gone RENAME TO event;
SAVEPOINT change;
ALTER TABLE instance_features.setting DROP CONSTRAINT setting_pkey;
SELECT is(pg_temp.has_condition(:of_tenants),
    false, 'a plan is made without an error if a table was altered');
ROLLBACK TO change;
DROP INDEX instance_features.setting_feature_level_idx;
SELECT pg_temp.is_right(true,
    :ordered,
    'without the index on settings');

SELECT * FROM finish();
ROLLBACK;
