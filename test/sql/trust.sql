\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
DROP EXTENSION instance_features;

-- A database's owner, its successor, superusers, and a role that may only
-- create schemas and extensions in the database.  None has a simple name.
CREATE ROLE "land'lord ""1""";
CREATE ROLE "succ'essor";
CREATE ROLE "su per" SUPERUSER;
CREATE ROLE "ten'ant";
CREATE ROLE stranger;
\set landlord 'land''lord "1"'
SELECT current_database() AS database \gset
ALTER DATABASE :"database" OWNER TO :"landlord";
GRANT CREATE ON DATABASE :"database" TO "ten'ant";
CREATE SCHEMA "of the ten.ant" AUTHORIZATION "ten'ant";
CREATE SCHEMA "a""b; DROP" AUTHORIZATION "ten'ant";

-- The members that have an owner, their owners and access control lists; of a
-- type that is an array or a table's row, PostgreSQL takes care.
CREATE VIEW pg_temp.member AS
SELECT d.classid, d.objid, i.type, i.identity,
    coalesce(n.nspowner, c.relowner, p.proowner, t.typowner, o.oprowner, oc.opcowner,
        opf.opfowner) AS owner,
    coalesce(n.nspacl, c.relacl, p.proacl, t.typacl) AS acl
FROM pg_extension x
JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid
    AND d.deptype = 'e'
LEFT JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
LEFT JOIN pg_operator o ON d.classid = 'pg_operator'::regclass AND o.oid = d.objid
LEFT JOIN pg_opclass oc ON d.classid = 'pg_opclass'::regclass AND oc.oid = d.objid
LEFT JOIN pg_opfamily opf ON d.classid = 'pg_opfamily'::regclass AND opf.oid = d.objid,
LATERAL pg_identify_object(d.classid, d.objid, 0) i
WHERE x.extname = 'instance_features' AND i.type <> 'cast'
    -- From PostgreSQL 17 on, arrays and rows are members, too.
    AND (t.oid IS NULL OR t.typelem = 0 AND (t.typrelid = 0
        OR (SELECT r.relkind = 'c' FROM pg_class r WHERE r.oid = t.typrelid)));

-- Rows only if something belongs to another than the bootstrap superuser: a
-- member, an index, a sequence, a TOAST table, an array's type, a row's type.
CREATE FUNCTION pg_temp.strays()
RETURNS SETOF text
LANGUAGE sql
AS $$
    SELECT format('%s %s belongs to %s', type, identity, owner::regrole) FROM pg_temp.member
    WHERE owner IS DISTINCT FROM 10
    UNION ALL
    SELECT format('%s belongs to %s', c.oid::regclass, c.relowner::regrole)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relowner <> 10 AND (n.nspname = 'instance_features' OR c.oid IN (
        SELECT r.reltoastrelid FROM pg_class r JOIN pg_temp.member m ON m.objid = r.oid))
    UNION ALL
    SELECT format('type %s belongs to %s', t.oid::regtype, t.typowner::regrole)
    FROM pg_type t
    WHERE t.typowner <> 10 AND (t.typnamespace = to_regnamespace('instance_features')
        OR t.typelem IN (SELECT m.objid FROM pg_temp.member m)
        OR t.typrelid IN (SELECT m.objid FROM pg_temp.member m))
$$;

-- What is granted on members to anybody but their owner, EXECUTE on functions
-- and USAGE of types aside, which PUBLIC has by default.
CREATE FUNCTION pg_temp.grants()
RETURNS SETOF text
LANGUAGE sql
AS $$
    SELECT format('%s on %s %s to %s', string_agg(a.privilege_type
            || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', '
            ORDER BY a.privilege_type), m.type, m.identity,
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
    FROM pg_temp.member m, LATERAL aclexplode(m.acl) a
    WHERE a.grantee <> m.owner AND NOT (a.grantee = 0 AND m.type IN ('function', 'type'))
    GROUP BY m.type, m.identity, a.grantee
    ORDER BY 1
$$;
CREATE VIEW pg_temp.expected_grants AS SELECT * FROM (VALUES
    ('DELETE, INSERT, SELECT, TRUNCATE, UPDATE on table instance_features.event' ||
        ' to pg_database_owner'),
    ('DELETE, INSERT, SELECT, TRUNCATE, UPDATE on table instance_features.feature' ||
        ' to pg_database_owner'),
    ('DELETE, INSERT, SELECT, TRUNCATE, UPDATE on table instance_features.scope' ||
        ' to pg_database_owner'),
    ('DELETE, INSERT, SELECT, TRUNCATE, UPDATE on table instance_features.setting' ||
        ' to pg_database_owner'),
    ('SELECT on view instance_features.definition to PUBLIC'),
    ('SELECT on view instance_features.effective_feature to PUBLIC'),
    ('SELECT on view instance_features.feature_usage to PUBLIC'),
    ('SELECT on view instance_features.instance to PUBLIC'),
    ('SELECT on view instance_features.organization to PUBLIC'),
    ('SELECT on view instance_features.own_setting to PUBLIC'),
    ('USAGE on schema instance_features to PUBLIC'),
    ('USAGE on schema instance_features to pg_database_owner')) g;

-- Whoever creates the extension.
CREATE FUNCTION pg_temp.created_by(who text, role name, schema name)
RETURNS SETOF text
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN NEXT is(pg_temp.run_as(role, format('CREATE EXTENSION instance_features SCHEMA %I',
        schema)), 'ok', who || ' may create the extension');
    RETURN NEXT is((SELECT count(*) > 60 FROM pg_temp.member), true,
        'the extension that was created by ' || who || ' has members');
    RETURN NEXT is_empty('SELECT pg_temp.strays()',
        'every member belongs to the bootstrap superuser if created by ' || who);
    RETURN NEXT results_eq('SELECT pg_temp.grants()', 'TABLE pg_temp.expected_grants',
        'pg_database_owner has DML and no other role has anything if created by ' || who);
    RETURN NEXT is_empty(
        $q$SELECT identity FROM pg_temp.member JOIN pg_proc ON oid = objid WHERE prosecdef$q$,
        'no function is SECURITY DEFINER if created by ' || who);
    RETURN NEXT is_empty($q$SELECT p.privtype, a.grantee FROM pg_init_privs p
            JOIN pg_temp.member m ON (m.classid, m.objid) = (p.classoid, p.objoid),
            LATERAL aclexplode(p.initprivs) a
            WHERE a.grantee NOT IN (0, 10, 'pg_database_owner'::regrole)$q$,
        'what dumps take for granted names no role that may go if created by ' || who);
    RETURN NEXT is_empty(format('SELECT * FROM %I.check_instance_features()', schema),
        'check_instance_features() finds no problem if created by ' || who);
    RETURN NEXT is(pg_temp.run_as(role, 'DROP EXTENSION instance_features'), 'ok',
        who || ' may drop the extension');
    RETURN NEXT is_empty(
        $q$SELECT FROM pg_namespace WHERE nspname = 'instance_features'$q$,
        'nothing is left of the extension that was created by ' || who);
END;
$$;
SELECT pg_temp.created_by('the bootstrap superuser', NULL, 'public');
SELECT pg_temp.created_by('another superuser', 'su per', 'public');
SELECT pg_temp.created_by('the owner of the database', :'landlord', 'public');
SELECT pg_temp.created_by('a role that may create in the database', 'ten''ant', 'of the ten.ant');
SELECT is(pg_temp.run_as('stranger', 'CREATE EXTENSION instance_features'), '42501',
    'a role that may not create in the database may not create the extension');
SELECT matches(pg_temp.run_as('ten''ant', 'CREATE EXTENSION instance_features SCHEMA "a""b; DROP"'),
    '^(22P02|42P17)$', 'PostgreSQL refuses the extension in a schema with a quote in its name');

-- What happens to roles and to the database later.
SAVEPOINT empty;
SET LOCAL ROLE "su per";
CREATE EXTENSION instance_features;
RESET ROLE;
ALTER ROLE "su per" NOSUPERUSER;
SELECT is_empty('SELECT pg_temp.strays()',
    'every member belongs to the bootstrap superuser after its creator was demoted');
SELECT is(pg_temp.run_as('su per',
    $$ALTER FUNCTION feature_enabled(text, text, text, text, boolean) COST 7$$), '42501',
    'a superuser who created the extension and was demoted cannot alter a function');
SELECT is(pg_temp.run_as('su per',
        $$ALTER TYPE feature_details ALTER ATTRIBUTE sequence TYPE text$$), '42501',
    'a superuser who created the extension and was demoted cannot alter a type');
SELECT is(pg_temp.run_as('su per', $$ALTER TABLE instance_features.scope ADD COLUMN x text$$),
    '42501', 'a superuser who created the extension and was demoted cannot alter a table');
REASSIGN OWNED BY "su per" TO stranger;
DROP OWNED BY "su per";
DROP ROLE "su per";
SELECT is_empty('SELECT pg_temp.strays()',
    'every member belongs to the bootstrap superuser after its creator was reassigned and dropped');
SELECT results_eq('SELECT pg_temp.grants()', 'TABLE pg_temp.expected_grants',
    'the grants are as created after the creator was reassigned and dropped');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'check_instance_features() finds no problem after the creator was reassigned and dropped');
ROLLBACK TO empty;

SET LOCAL ROLE :"landlord";
CREATE EXTENSION instance_features;
RESET ROLE;
SELECT throws_ok(format('REASSIGN OWNED BY %s TO stranger', 10::oid::regrole), '2BP01', NULL,
    'PostgreSQL does not reassign what the bootstrap superuser owns');

-- What the owner of the database may not do to a member.  A function or type
-- that is in a schema of its own it may drop as far as rights go, but not while
-- the extension needs it.
CREATE TEMP TABLE refused (command text, code text);
INSERT INTO refused
SELECT format(c.command, m.identity), '42501'
FROM pg_temp.member m, (VALUES
    ('schema', 'ALTER SCHEMA %s RENAME TO other'),
    ('schema', 'CREATE TABLE %s.other ()'),
    ('schema', 'CREATE FUNCTION %s.other() RETURNS integer RETURN 1'),
    ('table', 'ALTER TABLE %s ADD COLUMN other text'),
    ('table', 'ALTER TABLE %s RENAME TO other'),
    ('table', 'ALTER TABLE %s SET SCHEMA public'),
    ('table', 'ALTER TABLE %s SET UNLOGGED'),
    ('table', 'ALTER TABLE %s DISABLE TRIGGER ALL'),
    ('table', 'ALTER TABLE %s ENABLE TRIGGER ALL'),
    ('table', 'ALTER TABLE %s ENABLE ROW LEVEL SECURITY'),
    ('table', 'ALTER TABLE %s REPLICA IDENTITY FULL'),
    ('table', 'ALTER TABLE %s SET (fillfactor = 10)'),
    ('table', 'ALTER TABLE %s ALTER COLUMN 1 SET STATISTICS 1'),
    ('table', 'CREATE TRIGGER other BEFORE INSERT ON %s EXECUTE FUNCTION public.on_change()'),
    ('table', $$CREATE CONSTRAINT TRIGGER other AFTER INSERT ON %s
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.on_change()$$),
    ('table', 'CREATE RULE other AS ON INSERT TO %s DO ALSO SELECT 1'),
    ('table', 'CREATE POLICY other ON %s USING (true)'),
    ('table', 'CREATE INDEX ON %s (pg_backend_pid())'),
    ('table', 'CREATE INDEX ON %s ((1))'),
    ('table', 'CREATE TABLE public.child () INHERITS (%s)'),
    ('table', $$CREATE TABLE public.other (LIKE %1$s);
        ALTER TABLE public.other INHERIT %1$s$$),
    ('view', 'ALTER VIEW %s SET (security_barrier = false)'),
    ('view', 'ALTER VIEW %s RENAME TO other'),
    ('view', 'CREATE OR REPLACE VIEW %s AS SELECT 1 AS one'),
    ('view', $$CREATE TRIGGER other INSTEAD OF INSERT ON %s
        FOR EACH ROW EXECUTE FUNCTION public.on_change()$$),
    ('view', 'CREATE RULE other AS ON INSERT TO %s DO INSTEAD SELECT 1'),
    ('function', 'ALTER FUNCTION %s COST 7'),
    ('function', 'ALTER FUNCTION %s SECURITY DEFINER'),
    ('function', 'ALTER FUNCTION %s SET search_path = public'),
    ('function', 'ALTER FUNCTION %s RENAME TO other'),
    ('function', 'ALTER FUNCTION %s SET SCHEMA parking'),
    ('function', 'ALTER FUNCTION %s DEPENDS ON EXTENSION pgtap'),
    ('type', 'ALTER TYPE %s RENAME TO other'),
    ('type', 'ALTER TYPE %s SET SCHEMA parking'),
    ('operator', 'ALTER OPERATOR %s SET (RESTRICT = NONE)'),
    ('operator class', 'ALTER OPERATOR CLASS %s RENAME TO other'),
    ('operator family', 'ALTER OPERATOR FAMILY %s RENAME TO other')) c(type, command)
WHERE c.type = m.type;
INSERT INTO refused
SELECT format('COMMENT ON %s %s IS NULL', m.type, m.identity), '42501' FROM pg_temp.member m
WHERE m.type IN ('schema', 'table', 'view', 'function', 'type', 'operator', 'operator class',
    'operator family');
INSERT INTO refused
SELECT format('ALTER %s %s OWNER TO CURRENT_USER', m.type, m.identity), '42501'
FROM pg_temp.member m
WHERE m.type IN ('schema', 'table', 'view', 'function', 'type', 'operator', 'operator class',
    'operator family');
INSERT INTO refused
SELECT format('ALTER EXTENSION instance_features DROP %s %s', m.type, m.identity), '42501'
FROM pg_temp.member m
WHERE m.type IN ('schema', 'table', 'view', 'function', 'type', 'operator', 'operator class',
    'operator family');
INSERT INTO refused
SELECT format('DROP %s %s %s', m.type, m.identity, c.cascade),
    CASE WHEN m.identity ~ '^instance_features\M' OR m.type ~ '^operator' THEN '42501'
        ELSE '2BP01' END
FROM pg_temp.member m, (VALUES (''), ('CASCADE')) c(cascade)
WHERE m.type IN ('schema', 'table', 'view', 'function', 'type', 'operator', 'operator class',
    'operator family');
INSERT INTO refused
SELECT pg_get_functiondef(m.objid), '42501' FROM pg_temp.member m WHERE m.type = 'function';
INSERT INTO refused
SELECT regexp_replace(pg_get_functiondef(m.objid), 'LANGUAGE c.*',
    'LANGUAGE sql AS ''SELECT NULL'''), '42501'
FROM pg_temp.member m WHERE m.type = 'function' AND m.identity !~ 'scope_owner|track_changes';
INSERT INTO refused VALUES
    ('ALTER TYPE feature_details ALTER ATTRIBUTE sequence TYPE text', '42501'),
    ('ALTER TYPE feature_details ADD ATTRIBUTE other text', '42501'),
    ('ALTER TYPE feature_state DROP ATTRIBUTE value', '42501'),
    ('ALTER TYPE feature_response RENAME ATTRIBUTE status TO other', '42501'),
    ('ALTER TYPE feature_source ADD VALUE ''other''', '42501'),
    ('ALTER TYPE feature_stage RENAME VALUE ''stable'' TO ''other''', '42501'),
    ('ALTER TYPE instance_features.scope_owner SET (RECEIVE = NONE)', '42501'),
    ('CREATE STATISTICS other ON level, id FROM instance_features.scope', '42501'),
    ($$CREATE TABLE other (level text, instance_id text, id text,
        FOREIGN KEY (level, instance_id, id) REFERENCES instance_features.scope)$$, '42501'),
    ('ALTER TRIGGER track_end ON instance_features.scope RENAME TO other', '42501'),
    ('DROP TRIGGER track_end ON instance_features.scope', '42501'),
    ('COMMENT ON TRIGGER track_end ON instance_features.scope IS NULL', '42501'),
    ('COMMENT ON COLUMN instance_features.scope.id IS NULL', '42501'),
    ('COMMENT ON CONSTRAINT scope_pkey ON instance_features.scope IS NULL', '42501'),
    ('ALTER INDEX instance_features.scope_pkey RENAME TO other', '42501'),
    ('ALTER TABLE instance_features.scope DROP CONSTRAINT scope_pkey', '42501'),
    ('DROP INDEX instance_features.scope_pkey', '42501'),
    ('CLUSTER instance_features.scope USING scope_pkey', '42501'),
    ('ALTER DOMAIN instance_features.scope_owner RENAME TO other', '42501'),
    ('DROP CAST (regrole AS instance_features.scope_owner)', '42501'),
    ('COMMENT ON CAST (regrole AS instance_features.scope_owner) IS NULL', '42501'),
    ('CREATE PUBLICATION other FOR TABLE instance_features.scope', '42501'),
    ('ALTER EXTENSION instance_features SET SCHEMA parking', '0A000');
CREATE SCHEMA parking AUTHORIZATION :"landlord";
CREATE FUNCTION public.on_change() RETURNS trigger LANGUAGE plpgsql
AS $$BEGIN RETURN NULL; END$$;

-- Commands that PostgreSQL does not know as they stand here, or whose right is
-- checked after something else, would prove nothing.
SELECT cmp_ok((SELECT count(*) FROM refused), '>', 500::bigint, 'there are commands to be refused');
SELECT is_empty(format($$
    SELECT command, code, pg_temp.run_as(%1$L, command) FROM refused
    WHERE pg_temp.run_as(%1$L, command) <> code$$, :'landlord'),
    'the owner of the database can neither alter nor replace nor drop nor comment on any member');
SELECT is_empty('SELECT pg_temp.strays()',
    'every member belongs to the bootstrap superuser after all attempts');

-- A GRANT without the right to grant is no error, but grants nothing.
SET LOCAL client_min_messages = error;
SELECT pg_temp.run_as(:'landlord',
    format('GRANT ALL ON %s %s TO stranger, CURRENT_USER', type, identity))
FROM pg_temp.member WHERE type IN ('schema', 'table', 'function', 'type') \g /dev/null
SET LOCAL client_min_messages = warning;
SELECT results_eq('SELECT pg_temp.grants()', 'TABLE pg_temp.expected_grants',
    'the owner of the database can grant nothing');

-- What the owner of the database may do.
CREATE TEMP TABLE allowed (n integer GENERATED ALWAYS AS IDENTITY, command text);
INSERT INTO allowed (command)
SELECT format(c.command, t.name)
FROM unnest('{scope,feature,setting,event}'::text[]) t(name), (VALUES
    ('SELECT * FROM instance_features.%s'),
    ('INSERT INTO instance_features.%1$s SELECT * FROM instance_features.%1$s WHERE false'),
    ($$INSERT INTO instance_features.%1$s SELECT * FROM instance_features.%1$s
        ON CONFLICT DO NOTHING$$),
    ('DELETE FROM instance_features.%s'),
    ('TRUNCATE instance_features.%s'),
    ('LOCK TABLE instance_features.%s')) c(command);
INSERT INTO allowed (command) VALUES
    ($$INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
        VALUES ('mine', 'mine', 'boolean', 'true')$$),
    ($$INSERT INTO instance_features.scope (level, id, owner, sequence)
        VALUES ('instance', 'i', 'stranger', 1)$$),
    ($$INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence,
        change_date) VALUES ('instance', 'i', 'mine', 'false', 1, now())$$),
    ($$INSERT INTO instance_features.event (level, scope_id, sequence, event_type, feature, value,
        editor, creation_date) VALUES ('instance', 'i', 1, 'feature.instance.mine.set', 'mine',
        'false', 'x', now())$$),
    ($$UPDATE instance_features.scope SET owner = NULL$$),
    ($$UPDATE instance_features.setting SET value = 'true'$$),
    ($$UPDATE instance_features.event SET value = 'true'$$),
    ($$UPDATE instance_features.feature SET description = 'x'$$),
    ($$SELECT * FROM instance_features.instance$$),
    ($$SELECT * FROM instance_features.effective_feature$$),
    ($$SELECT * FROM instance_features.feature_usage$$),
    ($$SELECT * FROM instance_features.definition$$),
    ($$SELECT set_system_features('{"userSchema": true}')$$),
    ($$SELECT set_instance_features('{"userSchema": true}')$$),
    ($$SELECT set_instance_features('{"mine": null}', 'i')$$),
    ($$SELECT reset_system_features()$$),
    ($$SELECT reset_instance_features()$$),
    ($$SELECT feature_enabled('mine', 'i')$$),
    ($$SELECT feature_value('mine')$$),
    ($$SELECT define_feature('title', '"x"', value_type => 'string')$$),
    ($$SELECT define_feature('amount', '1')$$),
    ($$SELECT alter_feature('title', '"y"')$$),
    ($$SELECT set_feature_stage('title', 'stable')$$),
    ($$SELECT feature_text('title')$$),
    ($$SELECT feature_integer('amount')$$),
    ($$SELECT feature_number('amount')$$),
    ($$SELECT get_system_features(true)$$),
    ($$SELECT get_instance_features(true)$$),
    ($$SELECT get_system_feature_details()$$),
    ($$SELECT get_instance_feature_details()$$),
    ($$SELECT create_instance('j')$$),
    ($$SELECT set_instance_features('{"title": "z"}', 'j')$$),
    ($$SELECT create_instance('k', 'stranger')$$),
    ($$SELECT create_instance('l', 'stranger', '{"title": "z"}')$$),
    ($$SELECT drop_feature('title', true)$$),
    ($$SELECT alter_instance_owner('stranger', 'j')$$),
    ($$SELECT apply_features(export_features())$$),
    ($$SELECT apply_features('{"features": {"size": {"default": 1}},
        "instances": {"j": {"size": 2}}}')$$),
    ($$SELECT export_features(true)$$),
    ($$SELECT system_feature_history()$$),
    ($$SELECT instance_feature_history('j')$$),
    ($$SELECT set_instance_features('{"mine": false}', 'j')$$),
    ($$SELECT get_instance_features_at('infinity', 'j')$$),
    ($$SELECT revert_instance_features(1, 'j')$$),
    ($$SELECT define_feature('everywhere', levels => '{system,instance,organization,user}')$$),
    ($$SELECT set_organization_features('{"everywhere": true}', 'o', 'j')$$),
    ($$SELECT set_user_features('{"everywhere": true}', 'u', 'j')$$),
    ($$SELECT roll_out_system_feature('everywhere', 50)$$),
    ($$SELECT roll_out_instance_feature('everywhere', 50, 'false', 'j')$$),
    ($$SELECT get_effective_features('j', 'o', 'u')$$),
    ($$SELECT get_organization_features(false, 'o', 'j')$$),
    ($$SELECT get_user_features(true, 'u', 'j')$$),
    ($$SELECT get_organization_feature_details('o', 'j')$$),
    ($$SELECT get_user_feature_details('u', 'j')$$),
    ($$SELECT organization_feature_history('o', 'j')$$),
    ($$SELECT user_feature_history('u', 'j')$$),
    ($$SELECT reset_organization_features('o', 'j')$$),
    ($$SELECT reset_user_features('u', 'j')$$),
    ($$SELECT erase_organization_features('o', 'j')$$),
    ($$SELECT erase_user_features('u', 'j')$$),
    ($$SELECT set_feature_context('j')$$),
    ($$SELECT set_feature_context('default')$$),
    ($$SELECT purge_feature_events(now())$$),
    ($$SELECT 1 / (status = 200)::int FROM feature_service('GET', '/v2/features/system')$$),
    ($$SELECT 1 / (status = 200)::int FROM feature_service('POST', '/ofrep/v1/evaluate/flags')$$),
    ($$SELECT check_instance_features()$$),
    ($$SELECT instance_features_stats()$$),
    ($$SELECT instance_features_version()$$),
    ($$SELECT drop_instance('k')$$),
    ($$SELECT alter_system_owner(quote_ident(CURRENT_USER)::regrole)$$),
    ($$ALTER EXTENSION instance_features UPDATE$$),
    ($$ALTER EXTENSION instance_features ADD FUNCTION public.mine()$$);
SET LOCAL ROLE :"landlord";
CREATE FUNCTION public.mine() RETURNS integer RETURN 1;
RESET ROLE;
SELECT is_empty($$
    SELECT identity FROM pg_temp.member
    WHERE type = 'function' AND identity !~ '^instance_features\.'
        AND NOT EXISTS (SELECT FROM allowed WHERE position(
            split_part(split_part(identity, '(', 1), '.', 2) || '(' IN command) > 0)$$,
    'every function is among those that the owner of the database calls');
SELECT is(pg_temp.run_as(:'landlord', command), 'ok',
    'the owner of the database may: ' || regexp_replace(command, '\s+', ' ', 'g'))
FROM allowed ORDER BY n;
ALTER EXTENSION instance_features DROP FUNCTION public.mine();
SELECT is_empty($$SELECT * FROM check_instance_features()
        WHERE problem !~ '^(sequence|event|setting)'$$,
    'check_instance_features() finds nothing but what the DML left');

-- Who is not the owner has no right on the tables, nor on what is internal.
SELECT is(pg_temp.run_as('stranger', command), '42501',
    'a stranger may not: ' || regexp_replace(command, '\s+', ' ', 'g'))
FROM unnest(ARRAY['TABLE instance_features.scope', 'TABLE instance_features.setting',
    'TABLE instance_features.event', 'TABLE instance_features.feature',
    'TRUNCATE instance_features.setting', 'DELETE FROM instance_features.event',
    'LOCK TABLE instance_features.scope', 'SELECT check_instance_features()',
    $$CREATE TABLE pg_temp.t ();
        CREATE TRIGGER t BEFORE INSERT ON pg_temp.t
        EXECUTE FUNCTION instance_features.track_changes()$$])
    command;

-- The next owner of the database has what the last one had, who has it no more.
ALTER DATABASE :"database" OWNER TO "succ'essor";
SELECT is_empty('SELECT pg_temp.strays()',
    'every member belongs to the bootstrap superuser after the database got another owner');
SELECT is(pg_temp.run_as(:'landlord', 'TABLE instance_features.scope'), '42501',
    'the former owner of the database may not read the tables');
SELECT is(pg_temp.run_as('succ''essor',
        'TRUNCATE instance_features.scope, instance_features.setting, instance_features.event'),
    'ok', 'the next owner of the database may write the tables');
SELECT is(pg_temp.run_as('succ''essor', $$SELECT set_system_features('{"userSchema": true}')$$),
    'ok', 'the next owner of the database owns the system that nobody was given');
SELECT is(pg_temp.run_as(:'landlord', $$SELECT set_instance_features('{"userSchema": true}')$$),
    '42501', 'the former owner of the database does not own the instance "default"');
SELECT is_empty(format('SELECT command, pg_temp.run_as(%1$L, command) FROM refused
        WHERE pg_temp.run_as(%1$L, command) = ''ok''', :'landlord'),
    'the former owner of the database, who owns the extension, can alter no member');
REASSIGN OWNED BY :"landlord" TO "succ'essor";
DROP OWNED BY :"landlord";
DROP ROLE :"landlord";
SELECT is_empty('SELECT pg_temp.strays()',
    'every member belongs to the bootstrap superuser after the extension''s owner was dropped');
SELECT results_eq('SELECT pg_temp.grants()', 'TABLE pg_temp.expected_grants',
    'the grants are as created after the extension''s owner was dropped');
SELECT is(pg_temp.run_as('succ''essor', 'DROP EXTENSION instance_features'), 'ok',
    'the role that the extension was reassigned to may drop it');
SELECT is_empty($$SELECT FROM pg_namespace WHERE nspname = 'instance_features'$$,
    'nothing is left of the extension that was reassigned');

-- What is in the way is not taken over.
SELECT is(pg_temp.run_as('succ''essor', command || '; CREATE EXTENSION instance_features'), code,
    'CREATE EXTENSION fails where there is already what this makes: ' || command)
FROM (VALUES ('CREATE SCHEMA instance_features', '42P06'),
    ('CREATE TYPE feature_details AS (sequence text)', '42710'),
    ('CREATE TABLE feature_state ()', '42710'),
    ('CREATE DOMAIN feature_type AS text', '42710'),
    ('CREATE FUNCTION feature_enabled(text, text, text, text, boolean) RETURNS boolean RETURN '
        'true', '42723'),
    ('CREATE FUNCTION check_instance_features() RETURNS boolean RETURN true', '42723'))
    c(command, code);
SELECT is(pg_temp.run_as('succ''essor', 'CREATE EXTENSION instance_features'), 'ok',
    'CREATE EXTENSION works where nothing is in the way');

SELECT * FROM finish();
ROLLBACK;
