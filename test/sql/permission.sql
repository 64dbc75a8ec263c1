\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

CREATE ROLE "system owner";
CREATE ROLE alice;
CREATE ROLE alices_member IN ROLE alice;
CREATE ROLE alices_noinherit_member NOINHERIT IN ROLE alice;
CREATE ROLE stranger;
SELECT alter_system_owner('"system owner"') AS ignored \gset
SELECT create_instance('a', 'alice') AS ignored \gset

-- What each function answers to each role, as a SQLSTATE or "ok".
CREATE TEMP TABLE expected (call text, superuser text, "system owner" text, alice text,
    alices_member text, alices_noinherit_member text, stranger text);
INSERT INTO expected VALUES
    ($$set_instance_features('{"userSchema": true}', 'a')$$, 'ok', 'ok', 'ok', 'ok', '42501',
        '42501'),
    ($$reset_instance_features('a')$$, 'ok', 'ok', 'ok', 'ok', '42501', '42501'),
    ($$instance_feature_history('a')$$, 'ok', 'ok', 'ok', 'ok', '42501', '42501'),
    ($$set_system_features('{"userSchema": true}')$$, 'ok', 'ok', '42501', '42501', '42501',
        '42501'),
    ($$reset_system_features()$$, 'ok', 'ok', '42501', '42501', '42501', '42501'),
    ($$roll_out_system_feature('user_schema', 50)$$, 'ok', 'ok', '42501', '42501', '42501',
        '42501'),
    ($$roll_out_instance_feature('user_schema', 50, 'true', 'a')$$, 'ok', 'ok', 'ok', 'ok',
        '42501', '42501'),
    ($$roll_out_instance_feature('user_schema', 50, 'true', 'z')$$, 'P0002', 'P0002', 'P0002',
        'P0002', 'P0002', 'P0002'),
    ($$system_feature_history()$$, 'ok', 'ok', '42501', '42501', '42501', '42501'),
    ($$alter_instance_owner('stranger', 'a')$$, 'ok', 'ok', '42501', '42501', '42501', '42501'),
    ($$alter_instance_owner('alice', 'a')$$, 'ok', 'ok', 'ok', 'ok', '42501', '42501'),
    ($$alter_system_owner('stranger')$$, 'ok', '42501', '42501', '42501', '42501', '42501'),
    ($$alter_system_owner('"system owner"')$$, 'ok', 'ok', '42501', '42501', '42501', '42501'),
    ($$create_instance('b')$$, 'ok', 'ok', '42501', '42501', '42501', '42501'),
    ($$create_instance('a')$$, '42710', '42710', '42501', '42501', '42501', '42501'),
    ($$drop_instance('a')$$, 'ok', 'ok', '42501', '42501', '42501', '42501'),
    -- an instance that does not exist
    ($$set_instance_features('{"userSchema": true}', 'z')$$, 'P0002', 'P0002', 'P0002', 'P0002',
        'P0002', 'P0002'),
    ($$reset_instance_features('z')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002', 'P0002'),
    ($$instance_feature_history('z')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002', 'P0002'),
    ($$alter_instance_owner('stranger', 'z')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002',
        'P0002'),
    ($$drop_instance('z')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002', 'P0002'),
    ($$get_instance_features(true, 'z')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002', 'P0002'),
    ($$get_instance_feature_details('z')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002', 'P0002'),
    ($$feature_enabled('user_schema', 'z')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002', 'P0002'),
    ($$feature_value('user_schema', 'z')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002', 'P0002'),
    -- everybody may read
    ($$get_instance_features(true, 'a')$$, 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'),
    ($$get_instance_features(false, 'a')$$, 'P0002', 'P0002', 'P0002', 'P0002', 'P0002', 'P0002'),
    ($$get_system_features(true)$$, 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'),
    ($$get_instance_feature_details('a')$$, 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'),
    ($$get_system_feature_details()$$, 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'),
    ($$feature_enabled('user_schema', 'a')$$, 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'),
    ($$feature_value('user_schema', 'a')$$, 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'),
    -- but not the tables
    ($$count(*) FROM instance_features.scope$$, 'ok', '42501', '42501', '42501', '42501', '42501');

-- Each in a subtransaction of its own, so that none sees what another did.
CREATE FUNCTION pg_temp.undone(role name, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    BEGIN
        result := pg_temp.run_as(role, 'SELECT ' || call);
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN
        RETURN result;
    END;
END $$;
SELECT is(
    (SELECT ARRAY[pg_temp.undone(NULL, call), pg_temp.undone('system owner', call),
        pg_temp.undone('alice', call),
        pg_temp.undone('alices_member', call), pg_temp.undone('alices_noinherit_member', call),
        pg_temp.undone('stranger', call)]),
    ARRAY[superuser, "system owner", alice, alices_member, alices_noinherit_member, stranger],
    'each role may do what it has a right to, and nothing else: ' || call) FROM expected;

-- What a 403 says.
SELECT is(pg_temp.try_as('stranger', $$SELECT set_instance_features('{"userSchema": true}', 'a')$$),
    '42501 | permission denied for instance "a" | Permission "iam.feature.write" is required, '
        'which role "alice" has.', 'a refused set names the permission and the owner');
SELECT is(pg_temp.try_as('stranger', $$SELECT set_instance_features('{"userSchema": null}', 'a')$$),
    '42501 | permission denied for instance "a" | Permission "iam.feature.write" is required, '
        'which role "alice" has.',
    'a set that would change nothing is refused without the permission');
SELECT is(pg_temp.try_as('stranger', $$SELECT reset_instance_features('a')$$),
    '42501 | permission denied for instance "a" | Permission "iam.feature.delete" is required, '
        'which role "alice" has.', 'a refused reset names the permission and the owner');
SELECT is(pg_temp.try_as('alice', $$SELECT set_system_features('{"userSchema": true}')$$),
    '42501 | permission denied for the system | Permission "system.feature.write" is required, '
        'which role "system owner" has.',
    'a refused set of the system names the permission and the owner');
SELECT is(pg_temp.try_as('alice', $$SELECT reset_system_features()$$),
    '42501 | permission denied for the system | Permission "system.feature.delete" is required, '
        'which role "system owner" has.',
    'a refused reset of the system names the permission and the owner');
SELECT is(pg_temp.try_as('alice', $$SELECT create_instance('b')$$),
    '42501 | permission denied for instance "b" | Permission "system.feature.write" is required, '
        'which role "system owner" has.',
    'a refused creation names the permission and the owner of the system');
SELECT is(pg_temp.try_as('alice', $$SELECT drop_instance('a')$$),
    '42501 | permission denied for instance "a" | Permission "system.feature.delete" is required, '
        'which role "system owner" has.',
    'a refused drop names the permission and the owner of the system');
SELECT is(pg_temp.try_as('alice', $$SELECT alter_instance_owner('stranger', 'a')$$),
    '42501 | permission denied to give instance "a" to role "stranger" | '
        'Permission "iam.feature.write" can be given only by a member of the new owner role.',
    'an owner cannot give an instance to a role of which it is no member');
SELECT is(pg_temp.try_as('alices_noinherit_member',
    $$SELECT (set_instance_features('{"userSchema": true}', 'a')).sequence
        FROM set_config('role', 'alice', true)$$), '1',
    'a member that does not inherit may use SET ROLE to write');
SELECT is((SELECT editor FROM instance_feature_history('a')), 'alice',
    'the history names the role that SET ROLE chose');
SELECT is(pg_temp.try_as('alice',
    $$SELECT (set_instance_features('{"userSchema": false}', 'a')).sequence$$), '2',
    'the owner can write after a member has written');

-- Choosing an instance grants nothing.
SELECT is(pg_temp.try_as('stranger',
    $$SELECT set_instance_features('{"userSchema": true}')
        FROM set_config('instance_features.instance_id', 'a', true)$$) ~ '^42501', true,
    'choosing an instance grants no right');

-- SECURITY DEFINER.
CREATE FUNCTION pg_temp.switch(value boolean) RETURNS bigint LANGUAGE sql SECURITY DEFINER
    AS $$ SELECT (set_instance_features(jsonb_build_object('userSchema', value), 'a')).sequence $$;
ALTER FUNCTION pg_temp.switch(boolean) OWNER TO alice;
SELECT is(pg_temp.try_as('stranger', 'SELECT pg_temp.switch(true)'), '3',
    'a SECURITY DEFINER function of the owner may write');
SELECT is((SELECT editor FROM instance_feature_history('a') WHERE sequence = 3), 'alice',
    'the history names the owner of a SECURITY DEFINER function');
ALTER FUNCTION pg_temp.switch(boolean) OWNER TO stranger;
SELECT is(pg_temp.try_as('alice', 'SELECT pg_temp.switch(false)') ~ '^42501', true,
    'a SECURITY DEFINER function of a stranger may not write, even for the owner');

SELECT create_instance('v', 'alice') AS ignored \gset

-- Views run functions as who reads them, whoever owns the view.
CREATE VIEW public.switch_view
    AS SELECT (set_instance_features('{"userSchema": false}', 'v')).sequence;
ALTER VIEW public.switch_view OWNER TO alice;
GRANT SELECT ON public.switch_view TO stranger, alices_member;
SELECT is(pg_temp.try_as('stranger', 'SELECT * FROM public.switch_view') ~ '^42501', true,
    'a view of the owner lends a stranger no right to write');
SELECT is(pg_temp.try_as('alices_member', 'SELECT * FROM public.switch_view'), '1',
    'a view of the owner writes for a member of the owner');
SELECT is((SELECT editor FROM instance_feature_history('v') WHERE sequence = 1), 'alices_member',
    'the history names the reader of a view that writes');
CREATE VIEW public.enabled_view AS SELECT feature_enabled('user_schema', 'v') AS enabled,
    (SELECT count(*) FROM get_instance_features(true, 'v')) AS features;
GRANT SELECT ON public.enabled_view TO stranger;
SELECT is(pg_temp.try_as('stranger', 'SELECT enabled FROM public.enabled_view'), 'false',
    'a view that reads features may be read by a stranger');
SELECT set_instance_features('{"userSchema": true}', 'v') AS ignored \gset

-- Somebody's tables with our tables' names, with triggers on them.
CREATE SCHEMA mallory AUTHORIZATION stranger;
SET LOCAL ROLE stranger;
CREATE TABLE mallory.scope ();
CREATE TABLE mallory.setting (level text, scope_id text, feature text, value jsonb);
CREATE TABLE mallory.event (level text, scope_id text);
CREATE FUNCTION mallory.grab() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION ''grabbed''; END';
CREATE TRIGGER grab BEFORE INSERT ON mallory.setting FOR EACH ROW EXECUTE FUNCTION mallory.grab();
CREATE TRIGGER grab BEFORE INSERT ON mallory.event FOR EACH ROW EXECUTE FUNCTION mallory.grab();
RESET ROLE;
SET LOCAL search_path = mallory, public;
SELECT is((set_instance_features('{"oidcTokenExchange": false}', 'v')).sequence, 3::bigint,
    'a set writes no table of our names in the search_path');
SELECT is(feature_enabled('oidc_token_exchange', 'v'), false,
    'a read uses no table of our names in the search_path');
RESET search_path;
SELECT is(pg_temp.try_as('stranger',
    'CREATE TRIGGER t AFTER INSERT ON mallory.scope FOR EACH ROW EXECUTE FUNCTION '
        'instance_features.track_changes()') ~ '^42501', true,
    'our trigger function is not executable for triggers on a stranger''s tables');

-- A trigger on somebody's table.
CREATE TABLE public.orders (id integer);
CREATE FUNCTION public.on_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_instance_features('{"oidcTokenExchange": true}', 'a');
    RETURN NEW;
END $$;
CREATE TRIGGER on_order BEFORE INSERT ON public.orders FOR EACH ROW
    EXECUTE FUNCTION public.on_order();
GRANT INSERT, SELECT ON public.orders TO alice, stranger;
SELECT is(pg_temp.try_as('stranger', 'INSERT INTO public.orders VALUES (1) RETURNING id')
    ~ '^42501', true, 'a trigger has no rights if its caller has none');
SELECT is(pg_temp.try_as('alice', 'INSERT INTO public.orders VALUES (1) RETURNING id'), '1',
    'a trigger has the owner''s rights if the owner is its caller');
SELECT is((SELECT count(*) FROM instance_feature_history('a')
    WHERE feature = 'oidc_token_exchange'), 1::bigint,
    'a trigger that the owner fires makes its change');

-- Triggers on our tables run as the caller.
CREATE TABLE public.seen (who name);
CREATE FUNCTION public.on_setting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (current_user);
    IF NEW.value = 'false' THEN
        RAISE EXCEPTION 'not this';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER on_setting AFTER INSERT OR UPDATE ON instance_features.setting FOR EACH ROW
    EXECUTE FUNCTION public.on_setting();
SELECT is(pg_temp.try_as('alice',
    $$SELECT current_user FROM set_instance_features('{"oidcLegacyIntrospection": true}', 'a')$$),
    '42501 | permission denied for table seen',
    'a trigger on our tables has no right that the caller does not have');
GRANT INSERT ON public.seen TO alice;
SELECT is(pg_temp.try_as('alice',
    $$SELECT current_user FROM set_instance_features('{"oidcLegacyIntrospection": true}', 'a')$$),
    'alice', 'the current role is the caller''s after a change that fires a trigger');
SELECT is((SELECT string_agg(who, ' ') FROM public.seen), 'alice',
    'a trigger on our tables runs as the caller');
SELECT is(pg_temp.try_as('alice',
    $$SELECT set_instance_features('{"oidcLegacyIntrospection": false}', 'a')$$)
    ~ '^P0001 \| not this', true, 'a trigger''s error is the caller''s error');
SELECT is(pg_temp.try_as('alice',
    $$SELECT status || current_user FROM set_config('instance_features.instance_id', 'a', true),
        feature_service('PUT', '/v2/features/instance', '{"oidcLegacyIntrospection": false}')$$),
    '500alice', 'the current role is the caller''s after an error in a trigger');
DROP TRIGGER on_setting ON instance_features.setting;
SELECT is((get_instance_feature_details('a')).sequence, 5::bigint,
    'a change that a trigger made fail leaves nothing behind');

-- A trigger that suppresses a change: an error, not half a change, nor a wait for ever.
SET LOCAL statement_timeout = '20s';
SELECT create_instance('t', 'alice') AS ignored \gset
CREATE FUNCTION pg_temp.suppress() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER suppress BEFORE INSERT OR UPDATE ON instance_features.scope FOR EACH ROW
    EXECUTE FUNCTION pg_temp.suppress();
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": true}', 'default')$$),
    '27000 | a trigger on table "instance_features.scope" suppressed a change | '
        'Nothing was changed.', 'a suppressed insertion of a scope is an error');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": true}', 't')$$),
    '27000 | a trigger on table "instance_features.scope" suppressed a change | '
        'Nothing was changed.', 'a suppressed update of a scope''s sequence is an error');
DROP TRIGGER suppress ON instance_features.scope;
CREATE TRIGGER suppress BEFORE INSERT ON instance_features.event FOR EACH ROW
    EXECUTE FUNCTION pg_temp.suppress();
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": true}', 't')$$),
    '27000 | a trigger on table "instance_features.event" suppressed a change | '
        'Nothing was changed.', 'a suppressed insertion of an event is an error');
DROP TRIGGER suppress ON instance_features.event;
CREATE TRIGGER suppress BEFORE INSERT ON instance_features.setting FOR EACH ROW
    EXECUTE FUNCTION pg_temp.suppress();
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": true}', 't')$$),
    '27000 | a trigger on table "instance_features.setting" suppressed a change | '
        'Nothing was changed.', 'a suppressed insertion of a setting is an error');
DROP TRIGGER suppress ON instance_features.setting;
SELECT is((get_instance_feature_details('t')).sequence, 0::bigint,
    'a suppressed change leaves nothing behind');
RESET statement_timeout;

-- A hostile search_path.
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'evil'; END $$;
CREATE FUNCTION evil.eq(bigint, bigint) RETURNS boolean LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'evil'; END $$;
CREATE FUNCTION evil.plus(bigint, bigint) RETURNS bigint LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'evil'; END $$;
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR evil.+ (FUNCTION = evil.plus, LEFTARG = bigint, RIGHTARG = bigint);
SET LOCAL search_path = evil, public, pg_catalog;
SELECT sequence AS set_sequence
FROM public.set_instance_features('{"oidcLegacyIntrospection": false}', 'a') \gset
SELECT sequence AS reset_sequence FROM public.reset_instance_features('a') \gset
SELECT feature_enabled AS enabled
FROM public.feature_enabled('oidc_legacy_introspection', 'a') \gset
RESET search_path;
SELECT is(:set_sequence, 6, 'a set uses no operators of the search_path');
SELECT is(:reset_sequence, 7, 'a reset uses no operators of the search_path');
SELECT is(:'enabled'::text, 'f', 'a read uses no operators of the search_path');

-- REVOKE narrows who may read.
REVOKE EXECUTE ON FUNCTION feature_enabled(text, text, text, text, boolean) FROM PUBLIC;
SELECT is(pg_temp.try_as('stranger', $$SELECT feature_enabled('user_schema')$$) ~ '^42501', true,
    'REVOKE EXECUTE takes the right to read away');

-- A role renamed, and one dropped.
ALTER ROLE alice RENAME TO bob;
SELECT is(pg_temp.try_as('bob',
    $$SELECT (set_instance_features('{"userSchema": true}', 'a')).sequence$$), '8',
    'an owner whose role was renamed can write');
SELECT results_eq($$SELECT DISTINCT editor COLLATE "C" FROM instance_feature_history('a')
    WHERE editor IN ('alice', 'bob') ORDER BY 1$$, $$VALUES ('alice' COLLATE "C"), ('bob')$$,
    'the history keeps the name that a renamed role had');
CREATE ROLE gone;
SELECT alter_instance_owner('gone', 'a') AS ignored \gset
SELECT 'gone'::regrole::oid AS gone \gset
DROP ROLE gone;
SELECT is(pg_temp.try_as('stranger', $$SELECT set_instance_features('{"userSchema": true}', 'a')$$),
    '42501 | permission denied for instance "a" | Permission "iam.feature.write" is required.  '
        'It belonged to a role that is gone, and was named "gone".',
    'an instance whose owner was dropped is refused to everybody else');
SELECT is(pg_temp.try_as('system owner', $$SELECT alter_instance_owner('bob', 'a')$$), '',
    'the system''s owner can give away an instance whose owner was dropped');
SELECT is(pg_temp.try_as(NULL,
    format('SELECT alter_instance_owner(%s::oid::regrole, %L)', :'gone', 'a')),
    format('42704 | role with OID %s does not exist', :'gone'),
    'alter_instance_owner() refuses a role that was dropped');
SELECT is(pg_temp.try_as(NULL, $$SELECT alter_instance_owner('-', 'a')$$),
    '42704 | role with OID 0 does not exist', 'alter_instance_owner() refuses the OID of no role');
SELECT is(pg_temp.try_as(NULL, $$SELECT alter_instance_owner(NULL, 'a')$$),
    '22023 | owner must not be null', 'alter_instance_owner() refuses NULL as an owner');

SELECT * FROM finish();
ROLLBACK;
