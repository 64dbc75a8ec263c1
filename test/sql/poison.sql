\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
DROP EXTENSION instance_features;

-- A schema in which somebody made whatever might match better than what is
-- meant: operators, functions, aggregates, types and tables for each name that
-- our SQL mentions, for all types of arguments that it has.  Whatever of it is
-- called raises an error.
CREATE ROLE mallory;
CREATE SCHEMA poisoned;
GRANT USAGE, CREATE ON SCHEMA poisoned TO mallory;

-- Our SQL, with updates to come, less its comments.
CREATE TEMP TABLE script AS
SELECT string_agg(regexp_replace(pg_read_file(c.setting || '/extension/' || f.name),
    '--[^\n]*', '', 'g'), E'\n') AS text
FROM pg_config c, pg_ls_dir(c.setting || '/extension') f(name)
WHERE c.name = 'SHAREDIR' AND f.name ~ '^instance_features--.*\.sql$';
CREATE TEMP TABLE word AS
SELECT DISTINCT w[1] COLLATE "C" AS name
FROM script, regexp_matches(text, '\m([a-z_][a-z0-9_]*)\M', 'g') w;
CREATE TEMP TABLE called_function AS
SELECT DISTINCT w[1] COLLATE "C" AS name
FROM script, regexp_matches(text, '\m([a-z_][a-z0-9_]*)\s*\(', 'g') w
WHERE EXISTS (SELECT FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = w[1]);

-- LIKE, BETWEEN and the like call operators that they do not name.
CREATE TEMP TABLE used_operator AS
SELECT DISTINCT w[1] COLLATE "C" AS name
FROM script, regexp_matches(text, '([-+*/<>=~!@#%^&|`?]+)', 'g') w
WHERE EXISTS (SELECT FROM pg_operator
    WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname = w[1])
UNION
SELECT unnest('{=,<>,<,>,<=,>=,~~,!~~,||}'::text[]);
SELECT is_empty($$
    SELECT unnest('{count,max,lag,format,pg_has_role}'::text[]) EXCEPT TABLE called_function$$,
    'functions that the views and the check call are among those found in the script');

CREATE TEMP TABLE argument_type (name text);
INSERT INTO argument_type VALUES ('text'), ('name'), ('"char"'), ('varchar'), ('oid'), ('regclass'),
    ('regrole'), ('regnamespace'), ('regprocedure'), ('bigint'), ('integer'), ('smallint'),
    ('numeric'), ('boolean'), ('jsonb'), ('timestamptz'), ('anyelement'), ('anyarray');
CREATE TEMP TABLE arguments (list text, count integer, polymorphic boolean);
INSERT INTO arguments
SELECT a.name, 1, a.name ~ '^any' FROM argument_type a
UNION ALL
SELECT concat_ws(', ', a.name, b.name), 2, a.name ~ '^any' OR b.name ~ '^any'
FROM argument_type a, argument_type b
UNION ALL
SELECT concat_ws(', ', a.name, b.name, c.name), 3, false
FROM argument_type a, argument_type b, argument_type c
WHERE a.name IN ('text', 'name', 'oid', 'bigint') AND b.name IN ('text', 'name', 'oid', 'integer')
    AND c.name IN ('text', 'name', 'integer', 'bigint');

CREATE FUNCTION pg_temp.execute(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
END
$$;
GRANT ALL ON ALL TABLES IN SCHEMA pg_temp TO mallory;
SET LOCAL ROLE mallory;
\set body 'AS $$BEGIN RAISE SQLSTATE ''MALOR'' USING message = ''mallory''''s code runs''; END$$'
\o /dev/null
SELECT pg_temp.execute(format('CREATE FUNCTION poisoned.%I(%s) RETURNS %s LANGUAGE plpgsql %s',
    f.name, a.list, CASE WHEN f.name = 'count' THEN 'bigint' ELSE 'text' END, :'body'))
FROM called_function f, arguments a
WHERE NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname = f.name AND prokind <> 'f');
SELECT pg_temp.execute(format('CREATE FUNCTION poisoned.%I() RETURNS text LANGUAGE plpgsql %s',
    f.name, :'body'))
FROM called_function f
WHERE EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname = f.name AND pronargs = 0 AND prokind = 'f');
SELECT pg_temp.execute(format('CREATE FUNCTION poisoned.step(bigint, %s) RETURNS bigint
    LANGUAGE plpgsql %s', a.list, :'body'))
FROM arguments a;
SELECT pg_temp.execute(format('CREATE AGGREGATE poisoned.%I(%s) (SFUNC = poisoned.step,
    STYPE = bigint, INITCOND = 0)', f.name, a.list))
FROM called_function f, arguments a
WHERE EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname = f.name AND prokind <> 'f');
SELECT pg_temp.execute(format('CREATE FUNCTION poisoned.operate(%s) RETURNS boolean
    LANGUAGE plpgsql %s', a.list, :'body'))
FROM arguments a WHERE a.count < 3;
SELECT pg_temp.execute(format('CREATE OPERATOR poisoned.%s (FUNCTION = poisoned.operate,
    LEFTARG = %s, RIGHTARG = %s)', o.name, split_part(a.list, ', ', 1),
    split_part(a.list, ', ', 2)))
FROM used_operator o, arguments a WHERE a.count = 2;
SELECT pg_temp.execute(format('CREATE DOMAIN poisoned.%I AS pg_catalog.int4 CHECK (VALUE = 7)',
    t.typname))
FROM pg_type t JOIN word w ON w.name = t.typname
WHERE t.typnamespace = 'pg_catalog'::regnamespace
    AND t.typrelid = 0 AND t.typname NOT IN ('trigger', 'record', 'void');
SELECT pg_temp.execute(format('CREATE TABLE poisoned.%I ()', c.relname))
FROM pg_class c JOIN word w ON w.name = c.relname
WHERE c.relnamespace = 'pg_catalog'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_type t
        WHERE t.typnamespace = 'poisoned'::regnamespace AND t.typname = c.relname);
SELECT pg_temp.execute(format('CREATE TABLE poisoned.%I ()', name))
FROM unnest('{scope,setting,event,feature,definition,instance}'::text[]) name;
\o
RESET ROLE;
SELECT cmp_ok((SELECT count(*) FROM pg_proc WHERE pronamespace = 'poisoned'::regnamespace), '>',
    3000::bigint, 'there are thousands of functions that might match');
SELECT cmp_ok((SELECT count(*) FROM pg_operator WHERE oprnamespace = 'poisoned'::regnamespace), '>',
    3000::bigint, 'there are thousands of operators that might match');

-- Run a command: "ok", or the error.
CREATE FUNCTION pg_temp.run(command pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN pg_catalog.concat(SQLSTATE, ' ', SQLERRM);
END
$$;

-- What is there does what it is there for.
SAVEPOINT before_use;
SET LOCAL search_path = poisoned, pg_catalog, pg_temp;
SELECT pg_temp.run('SELECT ''a''::pg_catalog.text = ''b''::pg_catalog.text') AS operator,
    pg_temp.run('SELECT lag(1::pg_catalog.int8, 1, 0::pg_catalog.int8) OVER ()') AS window,
    pg_temp.run('SELECT count(''a''::pg_catalog.text)') AS aggregate,
    pg_temp.run('SELECT format(''a''::pg_catalog.text, 1::pg_catalog.int8)') AS function \gset
ROLLBACK TO before_use;
SELECT is(result, 'MALOR mallory''s code runs', 'code that matches better runs: ' || what)
FROM (VALUES ('an operator', :'operator'), ('a window function', :'window'),
    ('an aggregate', :'aggregate'), ('a function', :'function')) t(what, result);

-- The target schema.  Roles that may do this differ in nothing that matters.
SELECT is(pg_temp.run('CREATE EXTENSION instance_features SCHEMA poisoned'), 'ok',
    'the extension is created in a poisoned schema');

-- Each member, and what is a part of one.
CREATE TEMP TABLE part AS
WITH RECURSIVE part AS (
    SELECT d.classid, d.objid FROM pg_depend d
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
        AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features')
    UNION
    SELECT d.classid, d.objid FROM pg_depend d
    JOIN part p ON p.classid = d.refclassid AND p.objid = d.refobjid
    WHERE d.deptype IN ('i', 'a', 'I')
)
SELECT * FROM part;
SELECT cmp_ok((SELECT count(*) FROM part p JOIN pg_rewrite r
    ON p.classid = 'pg_rewrite'::regclass AND p.objid = r.oid), '>=', 4::bigint,
    'the rules of the views are parts of members');
SELECT is_empty($$
    SELECT pg_describe_object(d.classid, d.objid, d.objsubid),
        pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
    FROM pg_depend d
    JOIN part p ON p.classid = d.classid AND p.objid = d.objid,
    LATERAL pg_identify_object(d.refclassid, d.refobjid, 0) i
    WHERE NOT EXISTS (SELECT FROM part r
            WHERE r.classid = d.refclassid AND r.objid = d.refobjid)
        AND i.schema IS DISTINCT FROM 'pg_catalog'
        AND NOT (d.refclassid = 'pg_namespace'::regclass AND i.name = 'poisoned')
        AND NOT (d.refclassid = 'pg_extension'::regclass AND i.name = 'instance_features')$$,
    'no member depends on anything outside of pg_catalog and the extension');

-- Data for every branch of the views and of the check, sound and broken.
SELECT poisoned.define_feature('color', '"red"', allowed_values => '["red", "blue"]'),
    poisoned.define_feature('amount', '1'), poisoned.create_instance('a'),
    poisoned.create_instance('b'), poisoned.create_instance('c') \g /dev/null
SELECT poisoned.set_system_features('{"userSchema": true, "color": "blue"}'),
    poisoned.set_instance_features('{"color": "blue", "amount": 2}', 'a'),
    poisoned.set_instance_features('{"color": "red", "amount": 2}', 'b'),
    poisoned.set_instance_features('{"color": "red", "amount": 2}', 'c'),
    poisoned.set_instance_features('{"amount": null}', 'c') \g /dev/null
SELECT poisoned.reset_instance_features('c'), poisoned.set_instance_features('{"amount": 3}', 'c')
    \g /dev/null
CREATE FUNCTION pg_temp.break() RETURNS void LANGUAGE sql AS $$
    UPDATE instance_features.scope SET owner = '"nobody at all"' WHERE id = 'a';
    UPDATE instance_features.scope SET sequence = 7, purged_to = 5 WHERE id = 'b';
    DELETE FROM instance_features.event WHERE scope_id = 'c' AND sequence = 2;
    DELETE FROM instance_features.scope WHERE id = 'c';
    UPDATE instance_features.setting SET value = '"green"' WHERE feature = 'color';
    UPDATE instance_features.setting SET feature = 'gone' WHERE feature = 'amount';
    INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
    VALUES ('other', 'user_schema', 'boolean', 'true');
$$;
-- A scan of the whole table would be an error, as none of these instances exists.
CREATE TEMP TABLE item (tenant text PRIMARY KEY);
INSERT INTO item SELECT 'x' || n FROM generate_series(1, 2000) n;
CREATE TEMP TABLE command (n integer GENERATED ALWAYS AS IDENTITY, text text);
INSERT INTO command (text) VALUES
    ($$SELECT poisoned.feature_enabled('user_schema', 'a')$$),
    ($$SELECT FROM pg_temp.item WHERE poisoned.feature_enabled('oidc_token_exchange', tenant)$$),
    ($$SELECT poisoned.feature_value('color')$$),
    ($$SELECT poisoned.feature_text('color', 'a')$$),
    ($$SELECT poisoned.feature_integer('amount', 'b')$$),
    ($$SELECT poisoned.feature_number('amount', 'b')$$),
    ($$SELECT poisoned.get_system_features(true)$$),
    ($$SELECT * FROM poisoned.get_system_features()$$),
    ($$SELECT poisoned.get_instance_features(true, 'a')$$),
    ($$SELECT * FROM poisoned.get_instance_features(false, 'a')$$),
    ($$SELECT poisoned.get_system_feature_details()$$),
    ($$SELECT poisoned.get_instance_feature_details('a')$$),
    ($$SELECT * FROM poisoned.system_feature_history()$$),
    ($$SELECT * FROM poisoned.instance_feature_history('a')$$),
    ($$SELECT * FROM poisoned.get_instance_features_at('infinity', 'a')$$),
    ($$SELECT poisoned.export_features()$$),
    ($$SELECT poisoned.instance_features_stats()$$),
    ($$SELECT poisoned.instance_features_version()$$),
    ($$SELECT instance_features.builtin_features()$$),
    ($$SELECT instance_features.sees_all()$$),
    ($$SELECT instance_features.altered_tables()$$),
    ($$SELECT instance_features.effective_owner('system', 'SYSTEM', NULL)$$),
    ($$SELECT instance_features.feature_value_violation('1', 'string', NULL)$$),
    ($$SELECT instance_features.check_tables()$$),
    ($$SELECT * FROM poisoned.check_instance_features()$$),
    ($$SELECT * FROM instance_features.instance$$),
    ($$SELECT * FROM instance_features.effective_feature$$),
    ($$SELECT * FROM instance_features.feature_usage$$),
    ($$SELECT * FROM instance_features.definition$$),
    ($$SELECT poisoned.set_system_features('{"userSchema": false}')$$),
    ($$SELECT poisoned.set_instance_features('{"color": null, "amount": 1}', 'a')$$),
    ($$SELECT poisoned.revert_instance_features(1, 'a')$$),
    ($$SELECT poisoned.apply_features(
        '{"system": {}, "instances": {"a": {}, "z": {"amount": 4}}}')$$),
    ($$SELECT poisoned.feature_service('PUT', '/v2/features/instance', '{"userSchema": true}',
        '{"if-match": "*"}')$$),
    ($$SELECT poisoned.feature_service('POST', '/ofrep/v1/evaluate/flags')$$),
    ($$SELECT poisoned.feature_service('POST', '/ofrep/v1/evaluate/flags/user_schema')$$),
    ($$SELECT poisoned.apply_features('{"features": {"size": {"default": 1, "allowedValues": [1, 2],
        "levels": ["instance", "user"]}}, "users": {"a": {"u": {"size": 2}}}}')$$),
    ($$SELECT poisoned.apply_features('{"features": {"size": {"allowedValues": [1],
        "stage": "removed", "levels": ["user"]}}, "users": {"a": {"u": {}}}}')$$),
    ($$SELECT poisoned.export_features(true)$$),
    ($$SELECT poisoned.feature_service('PUT', '/v2/features/instance', '{"userSchema": true}')$$),
    ($$SELECT poisoned.reset_instance_features('b')$$),
    ($$SELECT poisoned.reset_system_features()$$),
    ($$SELECT poisoned.define_feature('mode', '"x"', 'y', 'm', 'string', '["x", "y"]')$$),
    ($$SELECT poisoned.alter_feature('mode', '"y"', 'z', '["y"]')$$),
    ($$SELECT poisoned.set_feature_stage('mode', 'stable')$$),
    ($$SELECT poisoned.drop_feature('mode')$$),
    ($$SELECT poisoned.drop_feature('amount', true)$$),
    ($$SELECT poisoned.define_feature('everywhere', levels =>
        '{system,instance,organization,user}')$$),
    ($$SELECT poisoned.set_organization_features('{"everywhere": true}', 'o', 'a')$$),
    ($$SELECT poisoned.set_user_features('{"everywhere": false}', 'u', 'a')$$),
    ($$SELECT poisoned.roll_out_system_feature('everywhere', 50)$$),
    ($$SELECT poisoned.roll_out_instance_feature('everywhere', 12.5, 'false', 'a')$$),
    ($$SELECT instance_features.rollout_position('everywhere', 'a')$$),
    ($$SELECT instance_features.rollout_includes('everywhere', 50, 'a')$$),
    ($$SELECT * FROM instance_features.feature_usage$$),
    ($$SELECT poisoned.get_effective_features('a', 'o', 'u')$$),
    ($$SELECT poisoned.get_organization_features(false, 'o', 'a')$$),
    ($$SELECT poisoned.get_user_features(true, 'u', 'a')$$),
    ($$SELECT poisoned.get_organization_feature_details('o', 'a')$$),
    ($$SELECT poisoned.get_user_feature_details('u', 'a')$$),
    ($$SELECT poisoned.organization_feature_history('o', 'a')$$),
    ($$SELECT poisoned.user_feature_history('u', 'a')$$),
    ($$SELECT * FROM instance_features.own_setting$$),
    ($$SELECT * FROM instance_features.own_settings()$$),
    ($$SELECT * FROM instance_features.organization$$),
    ($$SELECT * FROM instance_features.own_organizations()$$),
    ($$SELECT poisoned.reset_organization_features('o', 'a')$$),
    ($$SELECT poisoned.reset_user_features('u', 'a')$$),
    ($$SELECT poisoned.erase_organization_features('o', 'a')$$),
    ($$SELECT poisoned.erase_user_features('u', 'a')$$),
    ($$SELECT poisoned.set_feature_context('a', 'o', 'u', true)$$),
    ($$SELECT poisoned.set_feature_context('default')$$),
    ($$SELECT poisoned.create_instance('y')$$),
    ($$SELECT poisoned.create_instance('w', NULL, '{"userSchema": true}')$$),
    ($$SELECT poisoned.alter_instance_owner('mallory', 'y')$$),
    ($$SELECT poisoned.alter_system_owner('mallory')$$),
    ($$SELECT poisoned.drop_instance('y')$$),
    ($$SELECT poisoned.drop_instance('default')$$),
    ($$SELECT poisoned.purge_feature_events('infinity')$$),
    ($$SELECT DISTINCT owner FROM instance_features.scope ORDER BY owner$$),
    ($$TABLE instance_features.feature$$),
    ($$UPDATE instance_features.scope SET owner = 'mallory', dropped = false$$),
    ($$INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
        VALUES ('another', 'another', 'boolean', 'true')$$),
    ($$UPDATE instance_features.setting SET value = 'true'$$),
    ($$DELETE FROM instance_features.event$$),
    ($$TRUNCATE instance_features.scope$$);
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p
    JOIN part m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    WHERE NOT EXISTS (SELECT FROM command
            WHERE position(format('%s.%s(', p.pronamespace::regnamespace, p.proname) IN text) > 0)
        AND p.proname !~ '^scope_owner|^track_changes$'
        AND 'internal'::regtype <> ALL (p.proargtypes)$$,
    'every function is among those that are called');
SELECT is_empty($$
    SELECT c.relname FROM pg_class c
    JOIN part m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
    WHERE c.relkind = 'v' AND NOT EXISTS (SELECT FROM command
        WHERE text ~ ('^SELECT \* FROM instance_features\.' || c.relname || '$'))$$,
    'every view is among those that are read');

CREATE TEMP TABLE result (path text, n integer, state text);
CREATE FUNCTION pg_temp.run_all(path pg_catalog.text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT command.n, command.text FROM pg_temp.command ORDER BY command.n LOOP
        INSERT INTO pg_temp.result VALUES (path, c.n, pg_temp.run(c.text));
    END LOOP;
END
$$;
SAVEPOINT sound;
SELECT pg_temp.run_all('the usual search_path') \g /dev/null
SELECT is(r.state, 'ok', 'no foreign code runs in the usual search_path: '
    || regexp_replace(c.text, '\s+', ' ', 'g'))
FROM result r JOIN command c USING (n) ORDER BY n;
ROLLBACK TO sound;
SET LOCAL search_path = poisoned, pg_catalog, pg_temp;
SELECT pg_temp.run_all('poisoned') \g /dev/null
RESET search_path;
SELECT is(r.state, 'ok', 'no foreign code runs in a poisoned search_path: '
    || regexp_replace(c.text, '\s+', ' ', 'g'))
FROM result r JOIN command c USING (n) ORDER BY n;
ROLLBACK TO sound;
SELECT pg_temp.break() \g /dev/null
SELECT bag_has($$SELECT DISTINCT problem FROM poisoned.check_instance_features()$$,
    $$VALUES ('ambiguous name'), ('event without scope'), ('owner without role'), ('sequence gap'),
        ('sequence differs from events'), ('setting differs from events'),
        ('setting without event'), ('unknown feature'), ('value not allowed')$$,
    'check_instance_features() finds every kind of problem with rows');
SET LOCAL search_path = poisoned, pg_catalog, pg_temp;
SELECT pg_temp.run('SELECT * FROM poisoned.check_instance_features()') AS state \gset
RESET search_path;
SELECT is(:'state'::text, 'ok',
    'no foreign code runs in check_instance_features() where there are problems');

SELECT * FROM finish();
ROLLBACK;
