\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE alice;

-- Triggers that superusers put on our tables, before and after ours, and what
-- readers answer in them and when they have failed.
SELECT define_feature('color', '"red"'), create_instance('a', 'alice'), create_instance('b'),
    set_system_features('{"oidcTokenExchange": true}'),
    set_instance_features('{"color": "blue", "userSchema": true}', 'a'),
    set_instance_features('{"userSchema": false}', 'a') \g /dev/null

-- Where readers differ from the tables: in a trigger, both see what the command
-- has written so far.
CREATE FUNCTION public.differences()
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    stored jsonb;
BEGIN
    -- What a prepared call remembers is not what the cache does.
    stored := coalesce((SELECT s.value FROM instance_features.setting s
            WHERE level = 'instance' AND scope_id = 'b' AND feature = 'user_schema'),
        (SELECT s.value FROM instance_features.setting s
            WHERE level = 'system' AND feature = 'user_schema'), 'false');
    IF feature_enabled('user_schema', 'b') <> stored::boolean THEN
        RETURN format('user_schema of b: tables %s, feature_enabled() differs', stored);
    END IF;
    RETURN string_agg(format('%s of %s: tables %s, feature_value() %s', f.key, i.id,
        t.value, feature_value(f.key, i.id)), '; ' ORDER BY i.id, f.key)
    FROM (SELECT id FROM instance_features.scope WHERE level = 'instance' AND NOT dropped
        UNION ALL
        SELECT 'default' WHERE NOT EXISTS (SELECT FROM instance_features.scope
            WHERE level = 'instance' AND id = 'default')) i(id),
        (SELECT key, default_value FROM instance_features.feature WHERE stage <> 'removed'
        UNION ALL
        SELECT unnest('{login_default_org,user_schema}'::text[]), 'false') f,
    LATERAL (SELECT coalesce((SELECT value FROM instance_features.setting
            WHERE level = 'instance' AND instance_id = '' AND scope_id = i.id AND feature = f.key),
        (SELECT value FROM instance_features.setting
            WHERE level = 'system' AND feature = f.key),
        f.default_value)) t(value)
    WHERE t.value <> feature_value(f.key, i.id);
END
$$;
SELECT is(public.differences(), NULL, 'readers agree with the tables to begin with');

-- The trigger asks, notes the answer by a sequence that no rollback undoes, and
-- fails if it is told to, or makes a change of its own and undoes it.
CREATE SEQUENCE public.fired;
CREATE SEQUENCE public.differed;
CREATE FUNCTION public.probe()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM nextval('public.fired');
    IF public.differences() IS NOT NULL THEN
        PERFORM nextval('public.differed');
        RAISE WARNING '% % of %: %', TG_WHEN, TG_OP, TG_TABLE_NAME, public.differences();
    END IF;
    IF TG_ARGV[0] = 'fails' THEN
        RAISE SQLSTATE 'PROBE';
    END IF;
    IF TG_ARGV[0] = 'nests' AND pg_trigger_depth() = 1 THEN
        BEGIN
            PERFORM set_instance_features('{"loginDefaultOrg": true}', 'b');
            RAISE SQLSTATE 'PROBE';
        EXCEPTION WHEN SQLSTATE 'PROBE' OR lock_not_available THEN
            NULL;
        END;
        IF public.differences() IS NOT NULL THEN
            PERFORM nextval('public.differed');
        END IF;
    END IF;
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE TEMP TABLE operation (n integer GENERATED ALWAYS AS IDENTITY, command text);
INSERT INTO operation (command) VALUES
    ($$SELECT set_instance_features('{"userSchema": true}', 'a')$$),
    ($$SELECT set_instance_features('{"userSchema": true}', 'b')$$),
    ($$SELECT set_instance_features('{"userSchema": null, "loginDefaultOrg": true}', 'a')$$),
    ($$SELECT set_instance_features('{"userSchema": true, "color": "green"}')$$),
    ($$SELECT set_system_features('{"userSchema": true, "oidcTokenExchange": null}')$$),
    ($$SELECT reset_instance_features('a')$$),
    ($$SELECT reset_system_features()$$),
    ($$SELECT revert_instance_features(2, 'a')$$),
    ($$SELECT apply_features('{"system": {"color": "x"},
        "instances": {"a": {}, "z": {"color": "y"}}}')$$),
    ($$SELECT create_instance('c')$$),
    ($$SELECT drop_instance('a')$$),
    ($$SELECT drop_instance('default')$$),
    ($$SELECT alter_instance_owner('alice', 'b')$$),
    ($$SELECT alter_system_owner('alice')$$),
    ($$SELECT define_feature('other')$$),
    ($$SELECT alter_feature('color', '"green"')$$),
    ($$SELECT set_feature_stage('color', 'removed')$$),
    ($$SELECT drop_feature('color', true)$$),
    ($$SELECT purge_feature_events('infinity')$$),
    ($$SELECT 1 / (status = 200)::int
        FROM feature_service('PUT', '/v2/features/instance', '{"userSchema": true}')$$),
    ($$INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence,
        change_date) VALUES ('instance', 'a', 'login_default_org', 'true', 1, now())$$),
    ($$UPDATE instance_features.setting SET value = 'true' WHERE feature = 'user_schema'$$),
    ($$DELETE FROM instance_features.setting$$),
    ($$UPDATE instance_features.scope SET id = 'd' WHERE id = 'a'$$),
    ($$UPDATE instance_features.feature SET default_value = '"pink"'$$),
    ($$DELETE FROM instance_features.event$$);

-- Do everything, and undo it: what is wrong then, or was when it was done.
CREATE FUNCTION pg_temp.wrong()
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    o record;
    wrong text[] := '{}';
    difference text;
BEGIN
    FOR o IN SELECT command FROM operation ORDER BY n LOOP
        difference := NULL;
        BEGIN
            EXECUTE o.command;
            difference := public.differences();
            RAISE SQLSTATE 'UNDO0';
        EXCEPTION WHEN OTHERS THEN
            IF SQLSTATE NOT IN ('PROBE', 'UNDO0', '22012') THEN
                difference := concat_ws(', ', difference, SQLSTATE || ' ' || SQLERRM);
            END IF;
        END;
        difference := concat_ws(', ', difference, public.differences());
        IF difference <> '' THEN
            wrong := wrong || format('%s: %s', o.command, difference);
        END IF;
    END LOOP;
    RETURN nullif(array_to_string(wrong, E'\n'), '');
END
$$;

-- The same with triggers of these names on these tables.
CREATE FUNCTION pg_temp.under(names text[], timings text[], tables text[], level text,
    argument text)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    t record;
    result text;
BEGIN
    FOR t IN SELECT n || lower(i) AS name, i AS timing, r AS relation
            FROM unnest(names) n, unnest(timings) i, unnest(tables) r LOOP
        EXECUTE format('CREATE TRIGGER %I %s INSERT OR UPDATE OR DELETE ON instance_features.%I
            FOR EACH %s EXECUTE FUNCTION public.probe(%L)', t.name, t.timing, t.relation, level,
            argument);
    END LOOP;
    result := pg_temp.wrong();
    FOR t IN SELECT tgname, tgrelid::regclass AS relation FROM pg_trigger
            WHERE tgfoid = 'public.probe'::regproc LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.relation);
    END LOOP;
    RETURN result;
END
$$;
SELECT is(pg_temp.wrong(), NULL, 'readers agree with the tables without a trigger');
SELECT is(pg_temp.under(ARRAY[name], ARRAY[timing], ARRAY[relation], level, 'fails'), NULL,
    format('readers agree with the tables after a failing trigger "%s" %s %s of %s',
        name, timing, level, relation))
FROM (VALUES ('a'), ('z')) n(name), (VALUES ('BEFORE'), ('AFTER')) t(timing),
    (VALUES ('scope'), ('setting'), ('event'), ('feature')) r(relation),
    (VALUES ('ROW'), ('STATEMENT')) l(level)
ORDER BY name, timing, relation, level;
SELECT is(pg_temp.under('{a,z}', '{BEFORE,AFTER}', '{scope,setting,event,feature}', level,
        argument), NULL,
    format('readers agree with the tables after triggers around ours, %s, each of which %s', level,
        argument))
FROM (VALUES ('ROW'), ('STATEMENT')) l(level), (VALUES ('works'), ('nests')) a(argument)
ORDER BY level, argument;
SELECT is(differed.is_called, false, 'readers agree with the tables in every trigger')
FROM public.differed;
SELECT cmp_ok(nextval('public.fired'), '>', 300::bigint, 'the triggers fired');

-- A failed write does not slow the rest of the transaction down.
CREATE FUNCTION pg_temp.loads(calls integer)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    before bigint := (SELECT loads FROM instance_features_stats());
BEGIN
    PERFORM feature_value('user_schema', 'a') FROM generate_series(1, calls);
    RETURN (SELECT loads FROM instance_features_stats()) - before;
END
$$;
SELECT cmp_ok(pg_temp.loads(100), '<=', 1::bigint,
    'readers answer from the cache after writes that failed in savepoints');
SAVEPOINT failing;
INSERT INTO instance_features.setting SELECT * FROM instance_features.setting
ON CONFLICT DO NOTHING;
ROLLBACK TO failing;
SELECT cmp_ok(pg_temp.loads(100), '<=', 1::bigint,
    'readers answer from the cache after a suppressed write that was rolled back');

-- Constraints and index expressions that ask.
-- From PostgreSQL 17 on, CREATE INDEX runs with a search_path of its own.
CREATE FUNCTION public.asks(feature text)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM feature_value(feature, i) FROM unnest('{a,b}'::text[]) i;
    RETURN true;
END
$$;
SAVEPOINT constraints;
ALTER TABLE instance_features.setting ADD CONSTRAINT asks CHECK (public.asks(feature)),
    ADD CONSTRAINT fails CHECK (value <> '"bad"'), ADD COLUMN other text;
CREATE INDEX ON instance_features.setting (public.asks(feature));
CREATE UNIQUE INDEX ON instance_features.event ((value::text), public.asks('color'))
WHERE value = '"twice"';
SELECT is(pg_temp.wrong(), NULL,
    'readers agree with the tables beside a constraint and an index expression that ask');
SELECT matches(pg_temp.try($$SELECT set_instance_features('{"color": "bad"}', 'a')$$), '^23514 ',
    'a constraint that somebody added holds');
SELECT is(public.differences(), NULL, 'readers agree with the tables after a constraint failed');
SELECT matches(pg_temp.try($$SELECT set_instance_features('{"color": "twice"}', 'a')
    FROM set_instance_features('{"color": "twice"}', 'b')$$), '^23505 ',
    'a unique index that somebody added holds');
SELECT is(public.differences(), NULL, 'readers agree with the tables after a unique index failed');
ROLLBACK TO constraints;

-- Triggers for each statement, with the rows that it changed.
SAVEPOINT statements;
CREATE TABLE public.seen (n integer GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION public.words(changed jsonb)
RETURNS text
LANGUAGE sql
AS $$
    SELECT coalesce(changed->>'feature', changed->>'id', changed->>'key', changed->>'scope_id')
        || ' ' || coalesce(changed->>'sequence', '-')
$$;
CREATE FUNCTION public.see()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    news text;
    olds text;
BEGIN
    IF TG_WHEN = 'AFTER' AND TG_OP <> 'DELETE' THEN
        SELECT string_agg(public.words(to_jsonb(r)), ', ' ORDER BY to_jsonb(r)->>'sequence')
        INTO news FROM new_rows r;
    END IF;
    IF TG_WHEN = 'AFTER' AND TG_OP <> 'INSERT' THEN
        SELECT string_agg(public.words(to_jsonb(r)), ', ' ORDER BY to_jsonb(r)->>'sequence')
        INTO olds FROM old_rows r;
    END IF;
    INSERT INTO public.seen (what) VALUES (concat_ws(' ', lower(TG_WHEN), lower(TG_OP),
        TG_TABLE_NAME, 'from ' || olds, 'to ' || news));
    RETURN NULL;
END
$$;
CREATE FUNCTION pg_temp.seen(command text)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    result text;
BEGIN
    EXECUTE command;
    SELECT string_agg(what, '; ' ORDER BY n) INTO result FROM public.seen;
    DELETE FROM public.seen;
    RETURN result;
END
$$;
SELECT format('CREATE TRIGGER %1$s_before BEFORE INSERT OR UPDATE OR DELETE
        ON instance_features.%1$s EXECUTE FUNCTION public.see();
    CREATE TRIGGER %1$s_insert AFTER INSERT ON instance_features.%1$s
        REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION public.see();
    CREATE TRIGGER %1$s_update AFTER UPDATE ON instance_features.%1$s
        REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows EXECUTE FUNCTION public.see();
    CREATE TRIGGER %1$s_delete AFTER DELETE ON instance_features.%1$s
        REFERENCING OLD TABLE AS old_rows EXECUTE FUNCTION public.see();', t)
FROM unnest('{scope,setting,event,feature}'::text[]) t \gexec
SELECT is(pg_temp.seen($$SELECT set_instance_features(
        '{"userSchema": true, "loginDefaultOrg": true, "color": null}', 'a')$$),
    'before update scope; before insert event; before delete setting; before insert setting;'
    ' before update setting; after update scope from a 3 to a 6;'
    ' after delete setting from color 1; after update setting from user_schema 3 to user_schema 6;'
    ' after insert setting to login_default_org 5;'
    ' after insert event to color 4, login_default_org 5, user_schema 6',
    'statement triggers fire once for each table and command, with the rows of a change');
SELECT is(pg_temp.seen($$SELECT set_instance_features('{"userSchema": true}', 'a')$$), NULL,
    'no statement trigger fires where nothing is to be changed');
SELECT is(pg_temp.seen($$SELECT reset_instance_features('a')$$),
    'before update scope; before insert event; before delete setting;'
    ' after update scope from a 6 to a 7;'
    ' after delete setting from login_default_org 5, user_schema 6; after insert event to a 7',
    'statement triggers see the rows of a reset');
SELECT is(pg_temp.seen($$SELECT create_instance('c')$$),
    'before insert scope; after insert scope to c 0', 'statement triggers see a new instance');
SELECT is(pg_temp.seen($$SELECT define_feature('mode')$$),
    'before insert feature; after insert feature to mode -', 'statement triggers see a definition');
SELECT is(pg_temp.seen($$SELECT drop_feature('mode')$$),
    'before delete feature; after delete feature from mode -',
    'statement triggers see a definition go');
ROLLBACK TO statements;

-- Columns that somebody added.
SAVEPOINT columns;
ALTER TABLE instance_features.scope ADD COLUMN note text DEFAULT 'by ' || current_user;
ALTER TABLE instance_features.event ADD COLUMN gone text, ADD COLUMN n integer GENERATED ALWAYS
    AS IDENTITY (START 100), ADD COLUMN number bigserial, ADD COLUMN who text
    NOT NULL DEFAULT current_user, ADD COLUMN size integer
    GENERATED ALWAYS AS (octet_length(value::text)) STORED, ADD COLUMN plain text;
ALTER TABLE instance_features.event DROP COLUMN gone;
ALTER TABLE instance_features.setting ADD COLUMN size integer
    GENERATED ALWAYS AS (octet_length(value::text)) STORED, ADD COLUMN note text DEFAULT 'new';
ALTER TABLE instance_features.feature ADD COLUMN note text NOT NULL DEFAULT 'new';
GRANT USAGE ON SEQUENCE instance_features.event_number_seq TO alice;
SELECT n AS last_n, number AS last_number FROM instance_features.event ORDER BY n DESC LIMIT 1 \gset
SET LOCAL ROLE alice;
SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": true}', 'a') \g /dev/null
RESET ROLE;
UPDATE instance_features.setting SET note = 'kept';
SELECT set_instance_features('{"userSchema": false}', 'a'), create_instance('c'),
    define_feature('mode') \g /dev/null
SELECT results_eq($$SELECT n, number, who, size, plain FROM instance_features.event
        WHERE scope_id = 'a' AND sequence > 3 ORDER BY sequence$$,
    format($$VALUES (%1$s + 1, %2$s + 1::bigint, 'alice', 4, NULL),
        (%1$s + 2, %2$s + 2, 'alice', 4, NULL),
        (%1$s + 3, %2$s + 3, current_user::text COLLATE "default", 5, NULL)$$,
        :last_n, :last_number),
    'columns of events get their default, identity and generated values');
SELECT results_eq($$SELECT feature COLLATE "default", size, note FROM instance_features.setting
        WHERE scope_id = 'a' ORDER BY feature$$,
    $$VALUES ('color', 6, 'kept'), ('login_default_org', 4, 'kept'), ('user_schema', 5, 'kept')$$,
    'an update keeps the values of other columns and computes the generated ones');
SELECT is((SELECT note FROM instance_features.scope WHERE id = 'c'), 'by ' || current_user,
    'a column of scopes gets its default');
SELECT is((SELECT note FROM instance_features.feature WHERE key = 'mode'), 'new',
    'a column of definitions gets its default');
ROLLBACK TO columns;

-- Triggers that suppress a row: an error, and nothing is changed.
CREATE FUNCTION public.suppress()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN NULL;
END
$$;
CREATE FUNCTION pg_temp.contents()
RETURNS text
LANGUAGE sql
AS $$
    SELECT md5(string_agg(row, ' ' ORDER BY row))
    FROM (SELECT t::text FROM instance_features.scope t
        UNION ALL
        SELECT t::text FROM instance_features.setting t
        UNION ALL
        SELECT t::text FROM instance_features.event t
        UNION ALL
        SELECT t::text FROM instance_features.feature t) r(row)
$$;
CREATE FUNCTION pg_temp.suppressed(event text, relation text, command text)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
    before text := pg_temp.contents();
    result text;
BEGIN
    EXECUTE format('CREATE TRIGGER suppress BEFORE %s ON instance_features.%I
        FOR EACH ROW EXECUTE FUNCTION public.suppress()', event, relation);
    result := pg_temp.try('SELECT ' || command);
    EXECUTE format('DROP TRIGGER suppress ON instance_features.%I', relation);
    RETURN concat_ws(', but ', result, CASE WHEN pg_temp.contents() <> before THEN 'changed' END,
        public.differences());
END
$$;
SELECT set_instance_features('{"color": "blue"}', 'b') \g /dev/null
SELECT is(pg_temp.suppressed(event, relation, command),
    format('27000 | a trigger on table "instance_features.%s" suppressed a change'
        ' | Nothing was changed.', relation),
    format('a suppressed %s of table %s is an error of %s', event, relation, command))
FROM (VALUES
    ('INSERT', 'scope', $$set_instance_features('{"userSchema": true}')$$),
    ('INSERT', 'scope', $$create_instance('c')$$),
    ('INSERT', 'scope', $$drop_instance('default')$$),
    ('INSERT', 'scope', $$alter_instance_owner('alice')$$),
    ('INSERT', 'scope', $$apply_features('{"instances": {"c": {}}}')$$),
    ('UPDATE', 'scope', $$set_instance_features('{"userSchema": true}', 'a')$$),
    ('UPDATE', 'scope', $$reset_instance_features('a')$$),
    ('UPDATE', 'scope', $$alter_instance_owner('alice', 'b')$$),
    ('UPDATE', 'scope', $$alter_system_owner('alice')$$),
    ('UPDATE', 'scope', $$purge_feature_events('infinity')$$),
    ('DELETE', 'scope', $$drop_instance('a')$$),
    ('INSERT', 'event', $$set_instance_features('{"userSchema": true}', 'a')$$),
    ('INSERT', 'event', $$reset_instance_features('a')$$),
    ('INSERT', 'event', $$drop_feature('color', true)$$),
    ('DELETE', 'event', $$drop_instance('a')$$),
    ('DELETE', 'event', $$purge_feature_events('infinity')$$),
    ('INSERT', 'setting', $$set_instance_features('{"loginDefaultOrg": true}', 'a')$$),
    ('UPDATE', 'setting', $$set_instance_features('{"userSchema": true}', 'a')$$),
    ('UPDATE', 'setting', $$revert_instance_features(2, 'a')$$),
    ('DELETE', 'setting', $$set_instance_features('{"userSchema": null}', 'a')$$),
    ('DELETE', 'setting', $$reset_instance_features('a')$$),
    ('DELETE', 'setting', $$revert_instance_features(1, 'a')$$),
    ('DELETE', 'setting', $$apply_features('{"instances": {"a": {}}}')$$),
    ('DELETE', 'setting', $$drop_instance('a')$$),
    ('DELETE', 'setting', $$drop_feature('color', true)$$),
    ('INSERT', 'feature', $$define_feature('mode')$$),
    ('UPDATE', 'feature', $$alter_feature('color', '"x"')$$),
    ('UPDATE', 'feature', $$set_feature_stage('color', 'stable')$$),
    ('DELETE', 'feature', $$drop_feature('color', true)$$)) c(event, relation, command);
SELECT is(pg_temp.suppressed('INSERT', 'setting', $$concat_ws(' ', status, body)
        FROM feature_service('PUT', '/v2/features/instance', '{"userSchema": true}')$$) ~
    '^500 .*"message": "internal error"', true, 'the service undoes a change that is suppressed');

-- A trigger on events that sets the feature again.
SAVEPOINT again;
CREATE FUNCTION public.set_again()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_instance_features(jsonb_build_object('userSchema', true), NEW.scope_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER again AFTER INSERT ON instance_features.event FOR EACH ROW
WHEN (NEW.value IS NULL AND NEW.level = 'instance') EXECUTE FUNCTION public.set_again();
SELECT set_instance_features('{"userSchema": null}', 'a') \g /dev/null
SELECT is(feature_enabled('user_schema', 'a'), true,
    'a feature that a trigger sets again when it is unset is set');
SELECT results_eq($$SELECT sequence, event_type FROM instance_feature_history('a') OFFSET 3$$,
    $$VALUES (4::bigint, 'feature.instance.user_schema.unset'),
        (5, 'feature.instance.user_schema.set')$$,
    'the history has both events of a feature that a trigger sets again');
SELECT reset_instance_features('a') \g /dev/null
SELECT results_eq($$SELECT feature, value, sequence FROM get_instance_features(false, 'a')$$,
    $$VALUES ('user_schema', 'true'::jsonb, 7::bigint)$$,
    'a feature that a trigger sets again at a reset is all that is set');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after triggers set features again');
ROLLBACK TO again;

-- The same while the feature is dropped.
CREATE FUNCTION public.set_dropped()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_instance_features('{"color": "again"}', 'b');
    RETURN NULL;
END
$$;
CREATE TRIGGER again AFTER DELETE ON instance_features.setting FOR EACH ROW
WHEN (OLD.scope_id = 'a') EXECUTE FUNCTION public.set_dropped();
SAVEPOINT dropped;
SELECT is(pg_temp.try($$SELECT drop_feature('color', true)$$), '',
    'a feature is dropped that a trigger sets meanwhile on a scope to come');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'nothing is left of a feature that a trigger set while it was dropped');
ROLLBACK TO dropped;
DROP TRIGGER again ON instance_features.setting;
CREATE OR REPLACE FUNCTION public.set_dropped()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_instance_features('{"color": "again"}', 'a');
    RETURN NULL;
END
$$;
CREATE TRIGGER again AFTER DELETE ON instance_features.setting FOR EACH ROW
WHEN (OLD.scope_id = 'b') EXECUTE FUNCTION public.set_dropped();
SELECT pg_temp.contents() AS before \gset
SELECT is(pg_temp.try($$SELECT drop_feature('color', true)$$),
    '27000 | a trigger set feature "color" again while it was dropped',
    'a feature is not dropped that a trigger sets again on a scope that was done');
SELECT is(pg_temp.contents(), :'before',
    'nothing is changed where a trigger sets a feature again that is dropped');
SELECT is(public.differences(), NULL,
    'readers agree with the tables where a trigger sets a feature again that is dropped');
DROP TRIGGER again ON instance_features.setting;

SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent at the end');
SELECT * FROM finish();
ROLLBACK;
