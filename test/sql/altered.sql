\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE stranger;
CREATE SCHEMA elsewhere;

-- Settings of every kind.
SELECT define_feature('color', '"red"'), define_feature('amount', '1'), create_instance('a'),
    create_instance('b'), set_system_features('{"userSchema": true, "color": "blue"}'),
    set_instance_features('{"color": "green", "amount": 2}', 'a'),
    set_instance_features('{"color": null, "userSchema": false}', 'a'),
    set_instance_features('{"amount": 7}') \g /dev/null

-- All functions, the readers first.
CREATE TEMP TABLE call (n integer GENERATED ALWAYS AS IDENTITY, reads boolean, query text);
INSERT INTO call (reads, query)
SELECT true, unnest(ARRAY[
    $$feature_enabled('user_schema', 'a')$$,
    $$feature_value('amount', 'a')$$,
    $$feature_text('color', 'a')$$,
    $$feature_integer('amount')$$,
    $$feature_number('amount')$$,
    $$get_system_features()$$,
    $$get_system_features(true)$$,
    $$get_instance_features(false, 'a')$$,
    $$get_instance_features(true, 'a')$$,
    $$get_system_feature_details()$$,
    $$get_instance_feature_details('a')$$,
    $$system_feature_history()$$,
    $$instance_feature_history('a')$$,
    $$get_instance_features_at('infinity', 'a')$$,
    $$export_features()$$,
    $$apply_features('{"system": {}, "instances": {"a": {"amount": 8}}}', true)$$,
    $$feature_service('GET', '/v2/features/instance')$$]);
INSERT INTO call (reads, query)
SELECT false, unnest(ARRAY[
    $$set_system_features('{"userSchema": false, "amount": 9}')$$,
    $$set_instance_features('{"userSchema": true, "color": "pink", "amount": null}', 'a')$$,
    $$set_instance_features('{"userSchema": true}')$$,
    $$revert_instance_features(1, 'a')$$,
    $$apply_features('{"system": {}, "instances": {"a": {"amount": 8}, "z": {}}}')$$,
    $$reset_instance_features('a')$$,
    $$reset_system_features()$$,
    $$define_feature('other')$$,
    $$alter_feature('color', '"blue"')$$,
    $$alter_feature('color', '"red"', 'x', '["red", "green", "blue"]')$$,
    $$set_feature_stage('color', 'removed')$$,
    $$drop_feature('color', true)$$,
    $$create_instance('z')$$,
    $$drop_instance('a')$$,
    $$drop_instance('default')$$,
    $$alter_instance_owner('stranger', 'a')$$,
    $$alter_instance_owner('stranger')$$,
    $$alter_system_owner('stranger')$$,
    $$purge_feature_events('infinity')$$,
    $$feature_service('PUT', '/v2/features/instance', '{"userSchema": true}')$$]);

-- The SQLSTATE of a call, "ok" or, of an answer of the service, its status; its
-- effects are undone.
CREATE FUNCTION pg_temp.state_of(query text)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE 'SELECT ' || query INTO answer;
    RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE WHEN SQLSTATE <> 'UNDO0' THEN SQLSTATE
        WHEN query ~ '^feature_service' THEN substring(answer FROM '^\((\d+),')
        ELSE 'ok' END;
END
$$;

-- What all calls end in after a change of what they rely on, which is undone:
-- each outcome with the functions that have it, but for those that work.
CREATE FUNCTION pg_temp.after(change text)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    c record;
    outcomes text[] := '{}';
    result text;
BEGIN
    BEGIN
        EXECUTE change;
        FOR c IN SELECT query FROM call ORDER BY n LOOP
            outcomes := outcomes || pg_temp.state_of(c.query);
        END LOOP;
        RAISE SQLSTATE 'UNDO0';
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE <> 'UNDO0' THEN
            RETURN 'the change fails: ' || SQLERRM;
        END IF;
    END;
    SELECT string_agg(o.outcome || ': ' || o.names, '; ' ORDER BY o.outcome) INTO result
    FROM (SELECT outcome, CASE WHEN count(*) =
                (SELECT count(*) FROM call WHERE query !~ '^feature_service') THEN 'others'
            ELSE string_agg(DISTINCT split_part(query, '(', 1), ' ') END
        FROM call, unnest(outcomes) WITH ORDINALITY u(outcome, n)
        WHERE u.n = call.n
        GROUP BY 1) o(outcome, names)
    WHERE o.outcome NOT IN ('ok', '200');
    RETURN coalesce(result, 'all work');
END
$$;

-- Take the views and what checks the tables away, which would go along with
-- the column that they use, and the extension with them.
CREATE FUNCTION pg_temp.drop_dependents()
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    ALTER EXTENSION instance_features DROP FUNCTION check_instance_features();
    ALTER EXTENSION instance_features DROP FUNCTION instance_features.check_tables();
    ALTER EXTENSION instance_features DROP VIEW instance_features.feature_usage;
    ALTER EXTENSION instance_features DROP VIEW instance_features.effective_feature;
    ALTER EXTENSION instance_features DROP VIEW instance_features.instance;
    ALTER EXTENSION instance_features DROP VIEW instance_features.definition;
    DROP VIEW instance_features.definition, instance_features.instance,
        instance_features.effective_feature, instance_features.feature_usage CASCADE;
END
$$;
\set all_refused '400: feature_service; 55000: others'
\set all_missing '404: feature_service; 42704: others'
SELECT '55000: create_instance get_instance_feature_details get_system_feature_details'
    ' reset_instance_features reset_system_features revert_instance_features'
    ' set_instance_features set_system_features' AS details_refused \gset
\set states_refused '55000: get_instance_features get_instance_features_at get_system_features'
SELECT is(pg_temp.after('SELECT'), 'all work', 'all functions work before anything is altered');

-- With our triggers disabled nothing is remembered, and that is told once.
SAVEPOINT tracked;
ALTER TABLE instance_features.setting DISABLE TRIGGER ALL;
SELECT is(feature_enabled('user_schema', 'b'), true, 'a reader answers with our triggers disabled');
UPDATE instance_features.setting SET value = 'false'
WHERE level = 'system' AND feature = 'user_schema';
SELECT is(feature_enabled('user_schema', 'b'), false,
    'a reader sees direct DML with our triggers disabled');
SELECT set_system_features('{"userSchema": true}') \g /dev/null
SELECT is(feature_enabled('user_schema', 'b'), true,
    'a reader sees what a writer did with our triggers disabled');
PREPARE enabled AS SELECT feature_enabled('user_schema', 'b');
SELECT results_eq('EXECUTE enabled', 'VALUES (true)',
    'a prepared statement answers with our triggers disabled');
DELETE FROM instance_features.setting WHERE level = 'system';
SELECT results_eq('EXECUTE enabled', 'VALUES (false)',
    'a prepared statement sees direct DML with our triggers disabled');
SELECT loads AS before FROM instance_features_stats() \gset
SELECT count(feature_enabled('user_schema', 'b')) AS ignored FROM generate_series(1, 10) \gset
SELECT cmp_ok((SELECT loads FROM instance_features_stats()) - :before, '>=', 10::bigint,
    'every call loads with our triggers disabled');
SELECT is((SELECT count(*) FROM check_instance_features()
    WHERE problem = 'trigger missing or not ALWAYS'), 4::bigint,
    'check_instance_features() names the triggers that are disabled');
ALTER TABLE instance_features.setting ENABLE TRIGGER ALL;
SELECT is((SELECT count(*) FROM check_instance_features()
    WHERE problem = 'trigger missing or not ALWAYS'), 4::bigint,
    'check_instance_features() names the triggers that are enabled, but not ALWAYS');
ROLLBACK TO tracked;
SELECT loads AS before FROM instance_features_stats() \gset
SELECT count(feature_enabled('user_schema', 'b')) AS ignored FROM generate_series(1, 10) \gset
SELECT cmp_ok((SELECT loads FROM instance_features_stats()) - :before, '<=', 1::bigint,
    'calls are answered from the cache when the triggers are as they were');

-- The composite and enum types of results.
SELECT is(pg_temp.after(change), expected,
    'every function that returns the type is refused after ' || change)
FROM (VALUES
    ('ALTER TYPE feature_details ALTER ATTRIBUTE sequence TYPE text', :'details_refused'),
    ('ALTER TYPE feature_details ALTER ATTRIBUTE sequence TYPE name', :'details_refused'),
    ('ALTER TYPE feature_details ALTER ATTRIBUTE sequence TYPE integer', :'details_refused'),
    ('ALTER TYPE feature_details ALTER ATTRIBUTE change_date TYPE timestamp', :'details_refused'),
    ('ALTER TYPE feature_details ALTER ATTRIBUTE resource_owner TYPE uuid', :'details_refused'),
    ('ALTER TYPE feature_details ADD ATTRIBUTE other text', :'details_refused'),
    ('ALTER TYPE feature_details DROP ATTRIBUTE change_date', :'details_refused'),
    ('ALTER TYPE feature_details DROP ATTRIBUTE change_date, ADD ATTRIBUTE other text',
        :'details_refused'),
    ('ALTER TYPE feature_state ALTER ATTRIBUTE value TYPE text', :'states_refused'),
    ('ALTER TYPE feature_state ALTER ATTRIBUTE source TYPE text', :'states_refused'),
    ('ALTER TYPE feature_state ALTER ATTRIBUTE source TYPE feature_type', :'states_refused'),
    ('ALTER TYPE feature_state ADD ATTRIBUTE other text', :'states_refused'),
    ('ALTER TYPE feature_state DROP ATTRIBUTE sequence', :'states_refused'),
    ('ALTER TYPE feature_response ALTER ATTRIBUTE status TYPE text', '55000: feature_service'),
    ('ALTER TYPE feature_response ALTER ATTRIBUTE body TYPE text', '55000: feature_service'),
    ('ALTER TYPE feature_response ADD ATTRIBUTE other text', '55000: feature_service'),
    ('ALTER TYPE feature_source RENAME VALUE ''instance'' TO ''other''',
        '55000: get_instance_features get_instance_features_at'),
    ('ALTER TYPE feature_stage RENAME VALUE ''removed'' TO ''other''', '22P02: set_feature_stage')
    ) c(change, expected);

-- Functions of the library that are declared in another way: without arguments,
-- and with results of other types.
CREATE FUNCTION pg_temp.declared(name text, result text)
RETURNS text
LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('CREATE FUNCTION elsewhere.%I() RETURNS %s LANGUAGE c AS %L',
        name, result, '$libdir/instance_features');
    IF result ~ 'record' THEN
        EXECUTE format('SELECT * FROM elsewhere.%I() AS f(a text, b integer)', name);
    ELSE
        EXECUTE format('SELECT elsewhere.%I()', name);
    END IF;
    RETURN 'works';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT is(pg_temp.declared(proname, prorettype::regtype::text), '55000',
    proname || '() is refused if it is declared without arguments')
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND probin ~ 'instance_features' AND pronargs > 0
    AND NOT proretset ORDER BY proname;
SELECT matches(pg_temp.declared(p.proname, r.result),
    CASE WHEN r.result ~ 'SETOF' THEN '^55000$' ELSE '^(55000|0A000)$' END,
    format('%s() is refused if it is declared to return %s', p.proname, r.result))
FROM (SELECT DISTINCT proname FROM pg_proc
    WHERE probin ~ 'instance_features'
        AND (proretset OR prorettype::regtype::text ~ '^feature_|record')) p,
    unnest('{integer,SETOF integer,record,SETOF record,feature_response}'::text[]) r(result)
WHERE (p.proname, r.result) <> ('feature_service', 'feature_response')
ORDER BY p.proname, r.result;

-- Tables that are not as the extension made them.
SELECT is(pg_temp.after('SELECT pg_temp.drop_dependents();
        ALTER TABLE instance_features.' || change), :'all_refused',
    'all functions are refused after ALTER TABLE ' || change)
FROM unnest(ARRAY['scope DROP COLUMN owner',
    'scope DROP COLUMN dropped',
    'scope DROP COLUMN id',
    'scope DROP COLUMN purged_to, ADD COLUMN purged_to bigint',
    'scope ALTER COLUMN sequence TYPE integer',
    'scope ALTER COLUMN level TYPE varchar',
    'scope ALTER COLUMN id TYPE text COLLATE "default"',
    'scope ALTER COLUMN change_date TYPE timestamp',
    'scope ALTER COLUMN owner TYPE regrole USING owner::regrole',
    'scope ALTER COLUMN owner TYPE text USING owner::text',
    'event DROP COLUMN editor',
    'event ALTER COLUMN old_value TYPE json USING old_value::json',
    'event ALTER COLUMN scope_id TYPE text COLLATE "default"',
    'event ALTER COLUMN sequence TYPE numeric',
    'feature DROP COLUMN stage',
    'feature ALTER COLUMN key TYPE text COLLATE "default"',
    'feature ALTER COLUMN default_value TYPE text USING default_value::text',
    'setting DROP COLUMN value',
    'setting DROP COLUMN value, ADD COLUMN value jsonb',
    'setting ALTER COLUMN value TYPE text USING value::text',
    'setting ALTER COLUMN feature TYPE name']) change;
SELECT is(pg_temp.after(change), :'all_refused',
    'all functions are refused after ' || regexp_replace(change, '\s+', ' ', 'g'))
FROM unnest(ARRAY[
    'ALTER TABLE instance_features.setting DROP CONSTRAINT setting_pkey',
    'ALTER TABLE instance_features.setting DROP CONSTRAINT setting_pkey,
        ADD PRIMARY KEY (level, scope_id, instance_id, feature)',
    'ALTER TABLE instance_features.setting DROP CONSTRAINT setting_pkey,
        ADD PRIMARY KEY (level, instance_id, scope_id, sequence) INCLUDE (feature)',
    'ALTER TABLE instance_features.scope DROP CONSTRAINT scope_pkey,
        ADD PRIMARY KEY (level, id) INCLUDE (instance_id)',
    'ALTER TABLE instance_features.scope DROP CONSTRAINT scope_pkey,
        ADD PRIMARY KEY (level, instance_id, id) DEFERRABLE',
    'ALTER TABLE instance_features.feature DROP CONSTRAINT feature_pkey,
        ADD PRIMARY KEY (json_name)',
    'ALTER TABLE instance_features.event DROP CONSTRAINT event_pkey;
        CREATE INDEX ON instance_features.event USING hash (scope_id)',
    'ALTER TABLE instance_features.scope SET UNLOGGED',
    'ALTER TABLE instance_features.event SET UNLOGGED',
    'ALTER TABLE instance_features.scope OWNER TO stranger',
    'ALTER TABLE instance_features.event OWNER TO stranger',
    'ALTER TABLE instance_features.setting RENAME TO other;
        CREATE VIEW instance_features.setting AS TABLE instance_features.other',
    'ALTER TABLE instance_features.setting RENAME TO other;
        CREATE TABLE instance_features.setting (LIKE instance_features.other
        INCLUDING ALL) PARTITION BY LIST (level)',
    'ALTER TABLE instance_features.setting RENAME TO other;
        CREATE SEQUENCE instance_features.setting',
    'ALTER TYPE instance_features.scope_owner RENAME TO other'])
    change;
SELECT is(pg_temp.after(change), :'all_missing',
    'all functions miss the table after ' || regexp_replace(change, '\s+', ' ', 'g'))
FROM unnest(ARRAY['ALTER SCHEMA instance_features RENAME TO other',
    'ALTER SCHEMA instance_features RENAME TO other; CREATE SCHEMA instance_features',
    'ALTER TABLE instance_features.scope RENAME TO other',
    'ALTER TABLE instance_features.event RENAME TO other',
    'ALTER TABLE instance_features.setting SET SCHEMA elsewhere',
    'ALTER TABLE instance_features.setting RENAME TO other;
        CREATE TEMP TABLE setting (LIKE instance_features.other)'])
    change;

-- What others may add, and what readers and writers do not use.
SELECT is(pg_temp.after(change), 'all work',
    'all functions work after ' || regexp_replace(change, '\s+', ' ', 'g'))
FROM unnest(ARRAY['ALTER TABLE instance_features.setting RENAME COLUMN value TO other',
    'ALTER TABLE instance_features.scope RENAME COLUMN id TO other',
    'ALTER TYPE feature_details RENAME ATTRIBUTE sequence TO other',
    'ALTER TYPE feature_details RENAME TO other',
    'ALTER TABLE instance_features.scope DROP CONSTRAINT scope_pkey,
        ADD PRIMARY KEY (level, instance_id, id) INCLUDE (sequence)',
    'ALTER TABLE instance_features.feature DROP CONSTRAINT feature_json_name_key',
    'ALTER TABLE instance_features.feature DROP CONSTRAINT feature_json_name_key;
        CREATE INDEX ON instance_features.feature (json_name text_pattern_ops)',
    'ALTER TABLE instance_features.feature DROP CONSTRAINT feature_json_name_key;
        CREATE INDEX ON instance_features.feature (json_name) WHERE false',
    'ALTER TABLE instance_features.feature DROP CONSTRAINT feature_json_name_key;
        CREATE INDEX ON instance_features.feature (lower(json_name), json_name)',
    'CREATE TABLE elsewhere.child () INHERITS (instance_features.setting)',
    'ALTER TABLE instance_features.setting ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
    'CREATE RULE other AS ON INSERT TO instance_features.event DO INSTEAD NOTHING',
    'ALTER TABLE instance_features.setting DISABLE TRIGGER ALL',
    'DROP TRIGGER track_begin ON instance_features.feature',
    'ALTER TABLE instance_features.scope ADD COLUMN other integer NOT NULL DEFAULT 1',
    'ALTER TABLE instance_features.event ADD COLUMN other integer GENERATED ALWAYS AS IDENTITY',
    'ALTER TABLE instance_features.event ADD COLUMN other text GENERATED ALWAYS AS (level) STORED',
    'ALTER TABLE instance_features.event ADD COLUMN other integer;
        ALTER TABLE instance_features.event ADD COLUMN more text DEFAULT current_user,
        DROP COLUMN other'])
    change;

-- Null where there is none: what reads the column is refused.
SELECT matches(pg_temp.after(format('ALTER TABLE instance_features.%1$s ALTER COLUMN %2$s
        DROP NOT NULL; UPDATE instance_features.%1$s SET %2$s = NULL', split_part(c, '.', 1),
        split_part(c, '.', 2))), '^(400: feature_service; )?55000: [a-z_ ]*$',
    format('every function that reads column %s is refused if it is null', c))
FROM unnest(ARRAY['setting.value', 'setting.sequence', 'setting.change_date', 'event.editor',
    'event.event_type', 'event.creation_date', 'feature.default_value', 'feature.stage',
    'feature.value_type']) c;

-- Rows filled with anything that DML allows, with our triggers and without.
-- What is wrong with them is told, and nothing is an internal error.
CREATE TEMP TABLE fill (n integer GENERATED ALWAYS AS IDENTITY, change text);
INSERT INTO fill (change)
SELECT 'UPDATE instance_features.' || unnest(ARRAY[
    $$scope SET sequence = 9223372036854775807$$,
    $$scope SET sequence = 9223372036854775806$$,
    $$scope SET purged_to = 9223372036854775807$$,
    $$scope SET purged_to = -9223372036854775808$$,
    $$scope SET change_date = '9999-12-31Z', creation_date = '0001-01-01 00:00Z'$$,
    $$scope SET owner = '?"gone"'$$,
    $$setting SET sequence = -9223372036854775808, change_date = '-infinity'$$,
    $$setting SET sequence = 9223372036854775807, change_date = 'infinity'$$,
    $$setting SET value = 'null'$$,
    $$setting SET value = '[[1, {}], "x"]'$$,
    $$setting SET value = to_jsonb(repeat('x', 300000))$$,
    $$setting SET value = (repeat('[', 5000) || repeat(']', 5000))::jsonb$$,
    $$setting SET value = '1e1000'$$,
    $$setting SET value = to_jsonb('NaN'::numeric)$$,
    $$setting SET feature = repeat('x', 2000) || feature$$,
    $$setting SET level = 'planet'$$,
    $$setting SET instance_id = 'other'$$,
    $$event SET sequence = 9223372036854775807 - sequence$$,
    $$event SET sequence = -sequence$$,
    $$event SET sequence = sequence + 100$$,
    $$event SET creation_date = '-infinity'$$,
    $$event SET creation_date = 'infinity'$$,
    $$event SET creation_date = '4714-11-24 00:00Z BC'$$,
    $$event SET event_type = '', editor = '', feature = ''$$,
    $$event SET event_type = repeat('x', 300000), editor = repeat('x', 300000)$$,
    $$event SET feature = NULL$$,
    $$event SET value = NULL, old_value = NULL$$,
    $$event SET value = 'null', old_value = 'null'$$,
    $$event SET value = to_jsonb(repeat('x', 300000))$$,
    $$event SET feature = repeat('x', 300000)$$,
    $$feature SET default_value = 'null'$$,
    $$feature SET default_value = '"x"', value_type = 'integer'$$,
    $$feature SET default_value = '1', value_type = 'boolean'$$,
    $$feature SET default_value = to_jsonb(repeat('x', 300000))$$,
    $$feature SET default_value = (repeat('[', 5000) || repeat(']', 5000))::jsonb$$,
    $$feature SET allowed_values = '[]'$$,
    $$feature SET allowed_values = '[null, [], {}, true, "x", 1, 1]'$$,
    $$feature SET description = repeat('x', 300000)$$,
    $$feature SET json_name = 'details' WHERE key = 'color'$$,
    $$feature SET json_name = 'userSchema' WHERE key = 'color'$$,
    $$feature SET json_name = 'user_schema' WHERE key = 'color'$$,
    $$feature SET key = 'user_schema', value_type = 'object' WHERE key = 'color'$$,
    $$feature SET stage = 'removed'$$]);
INSERT INTO fill (change)
SELECT 'ALTER TABLE instance_features.scope DISABLE TRIGGER ALL; ' || unnest(ARRAY[
    $$UPDATE instance_features.scope SET sequence = -7, change_date = '-infinity'$$,
    $$UPDATE instance_features.scope SET sequence = -9223372036854775808$$,
    $$UPDATE instance_features.scope SET change_date = 'infinity', creation_date = 'infinity'$$,
    $$UPDATE instance_features.scope SET creation_date = '-infinity', purged_to = -1$$,
    $$UPDATE instance_features.scope SET dropped = true$$,
    $$UPDATE instance_features.scope SET level = 'planet'$$,
    $$UPDATE instance_features.scope SET instance_id = 'other'$$,
    $$INSERT INTO instance_features.scope (level, id, sequence) VALUES ('system', '', 0),
        ('instance', '', 0), ('', '', 0), ('instance', repeat('y', 2000), 1), ('user', 'x', 3)$$]);
INSERT INTO fill (change) VALUES
    ('DELETE FROM instance_features.scope'),
    ('DELETE FROM instance_features.event'),
    ('DELETE FROM instance_features.setting'),
    ('DELETE FROM instance_features.feature'),
    ('TRUNCATE instance_features.scope, instance_features.feature');
INSERT INTO call (query)
VALUES ('count(*) FROM instance_features.instance'),
    ('count(*) FROM instance_features.effective_feature'),
    ('count(*) FROM instance_features.feature_usage');
SET LOCAL statement_timeout = '60s';
SET LOCAL client_min_messages = error;
SELECT unalike(pg_temp.after(change), '%the change fails%', 'the change can be made: ' || change)
FROM (VALUES ('SELECT')) v(change);
CREATE TEMP TABLE outcome AS SELECT n, change, pg_temp.after(change) AS answer FROM fill;
SELECT matches(answer,
    '^(all work|((400: feature_service|404: feature_service|22023|42704|55000|P0002)'
    '(: )?[a-z_ ]*(; )?)+)$',
    'every error is a clean one after ' || regexp_replace(change, '\s+', ' ', 'g'))
FROM outcome ORDER BY n;
SELECT is(answer, expected, 'every function that reads what was altered is refused after '
    || change)
FROM outcome JOIN (VALUES
    ('UPDATE instance_features.scope SET sequence = 9223372036854775807',
        '400: feature_service; 55000: apply_features drop_feature reset_instance_features'
        ' reset_system_features revert_instance_features set_instance_features'
        ' set_system_features'),
    ('UPDATE instance_features.scope SET owner = ''?"gone"''', 'all work'),
    ('UPDATE instance_features.setting SET value = ''null''',
        '22023: feature_enabled feature_integer feature_number feature_text; 55000: alter_feature'),
    ('UPDATE instance_features.event SET feature = NULL', 'P0002: get_instance_features_at'))
    e(change, expected) USING (change);
SELECT matches(pg_temp.after(change),
    '^(((404: feature_service|22023|22P02|42704)(: )?[a-z_ ]*(; )?)+)$',
    'every error is a clean one after ' || regexp_replace(change, '\s+', ' ', 'g'))
FROM (VALUES
    ($$ALTER TABLE instance_features.feature DROP CONSTRAINT feature_stage_check;
        UPDATE instance_features.feature SET stage = 'x'$$),
    ($$ALTER TABLE instance_features.feature DROP CONSTRAINT feature_value_type_check;
        UPDATE instance_features.feature SET value_type = 'x'$$),
    ($$ALTER TABLE instance_features.feature DROP CONSTRAINT feature_allowed_values_check;
        UPDATE instance_features.feature SET allowed_values = '{}'$$),
    ($$ALTER TABLE instance_features.feature DROP CONSTRAINT feature_key_check;
        UPDATE instance_features.feature SET key = repeat('X', 1000) WHERE key = 'color'$$))
    c(change);
RESET statement_timeout;
SET LOCAL client_min_messages = warning;

SELECT is(pg_temp.after('SELECT'), 'all work', 'all functions work when everything is undone');
SELECT * FROM finish();
ROLLBACK;
