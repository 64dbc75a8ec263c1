# Random triggers, constraints and index expressions that read and write
# features, around random writes in random transactions of several sessions.
# After every statement each session's answers must be what a query of the
# tables says in that session, and so must those within triggers.
#
# FUZZ_STEPS lengthens a run; SEED and FUZZ_STEPS repeat one.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $seed  = $ENV{SEED}       // int(rand(2**31));
my $steps = $ENV{FUZZ_STEPS} // 1500;
diag("SEED=$seed FUZZ_STEPS=$steps");
srand($seed);

# A server that crashes must be told of, not end the test silently.
$SIG{PIPE} = 'IGNORE';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
max_prepared_transactions = 5
autovacuum = off
client_min_messages = warning
});
$node->start;

# What the tables say, written as a query, and a comparison of every reader's
# answers with it.  A difference is told by a warning, which no rollback undoes.
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION instance_features;
CREATE SCHEMA fuzz;
CREATE SEQUENCE fuzz.comparisons;
CREATE SEQUENCE fuzz.comparisons_in_triggers;
CREATE SEQUENCE fuzz.trigger_calls;
CREATE SEQUENCE fuzz.suppressed_rows;
CREATE SEQUENCE fuzz.caught_errors;

CREATE VIEW fuzz.instance AS
SELECT id, true AS stored, sequence, change_date FROM instance_features.scope
WHERE level = 'instance' AND instance_id = '' AND NOT dropped
UNION ALL
SELECT 'default', false, 0, NULL
WHERE NOT EXISTS (SELECT FROM instance_features.scope
    WHERE level = 'instance' AND instance_id = '' AND id = 'default');

CREATE VIEW fuzz.definition AS
SELECT * FROM instance_features.definition d
WHERE builtin OR key NOT IN (SELECT key FROM instance_features.builtin_features());

-- Settings of the system count once it has a row.
CREATE VIEW fuzz.told AS
SELECT i.id, d.key, d.stage = 'removed' AS removed,
    CASE WHEN d.stage = 'removed' THEN d.default_value
        ELSE coalesce(own.value, sys.value, d.default_value) END AS value,
    CASE WHEN own.value IS NOT NULL THEN 'instance' WHEN sys.value IS NOT NULL THEN 'system'
        ELSE 'default' END AS source,
    CASE WHEN own.value IS NOT NULL THEN own.sequence ELSE sys.sequence END AS sequence,
    CASE WHEN own.value IS NOT NULL THEN own.change_date ELSE sys.change_date END AS change_date
FROM fuzz.instance i
CROSS JOIN fuzz.definition d
LEFT JOIN instance_features.setting own
    ON i.stored AND own.level = 'instance' AND own.instance_id = ''
    AND own.scope_id = i.id AND own.feature = d.key
LEFT JOIN instance_features.setting sys
    ON EXISTS (SELECT FROM instance_features.scope s
        WHERE s.level = 'system' AND s.instance_id = '' AND s.id = 'SYSTEM')
    AND sys.level = 'system' AND sys.instance_id = '' AND sys.scope_id = 'SYSTEM'
    AND sys.feature = d.key;

CREATE FUNCTION fuzz.exists(id text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM get_instance_feature_details(id);
    RETURN true;
EXCEPTION WHEN no_data_found THEN
    RETURN false;
END$$;

CREATE FUNCTION fuzz.differences() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    told jsonb;
    result text;
BEGIN
    -- The answers that a call remembers come first, before all is loaded.
    SELECT coalesce(jsonb_object_agg(id || '.' || key, value), '{}') INTO told
    FROM fuzz.told WHERE jsonb_typeof(value) = 'boolean';
    IF told ? 'default.user_schema'
        AND to_jsonb(feature_enabled('user_schema', 'default')) <> told->'default.user_schema' THEN
        result := concat(result, 'remembered default.user_schema; ');
    END IF;
    IF told ? 'a.user_schema'
        AND to_jsonb(feature_enabled('user_schema', 'a')) <> told->'a.user_schema' THEN
        result := concat(result, 'remembered a.user_schema; ');
    END IF;
    IF told ? 'b.f_bool'
        AND to_jsonb(feature_enabled('f_bool', 'b')) <> told->'b.f_bool' THEN
        result := concat(result, 'remembered b.f_bool; ');
    END IF;
    RETURN concat(result, (
        SELECT string_agg(format('%s: %s, the tables say %s', what, got, want), '; ' ORDER BY what)
        FROM (
            SELECT id || '.' || key, feature_value(key, id)::text, value::text FROM fuzz.told
            UNION ALL
            SELECT coalesce(t.id, s.id) || '.' || coalesce(key, feature) || ' listed',
                (s.value, s.source::text, s.sequence, s.change_date)::text,
                (t.value, t.source, t.sequence, t.change_date)::text
            FROM (SELECT * FROM fuzz.told WHERE NOT removed) t
            FULL JOIN (SELECT i.id, f.* FROM fuzz.instance i, get_instance_features(true, i.id) f) s
                ON s.id = t.id AND s.feature = t.key
            UNION ALL
            SELECT i.id || ' details', get_instance_feature_details(i.id)::text,
                (i.sequence, i.change_date, i.id)::text
            FROM fuzz.instance i
            UNION ALL
            SELECT id || ' exists', fuzz.exists(id)::text, 'false'
            FROM unnest('{default,a,b,c}'::text[]) id
            WHERE id NOT IN (SELECT i.id FROM fuzz.instance i)
        ) c(what, got, want)
        WHERE got IS DISTINCT FROM want));
END$$;

CREATE FUNCTION fuzz.compare(place text, catch boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    -- A query of the tables does not see what others committed meanwhile.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN;
    END IF;
    PERFORM nextval('fuzz.comparisons');
    IF pg_trigger_depth() > 0 THEN
        PERFORM nextval('fuzz.comparisons_in_triggers');
    END IF;
    IF catch THEN
        BEGIN
            found := fuzz.differences();
        EXCEPTION WHEN no_data_found OR undefined_object OR wrong_object_type THEN
            found := SQLERRM;
        END;
    ELSE
        found := fuzz.differences();
    END IF;
    IF found <> '' THEN
        RAISE WARNING 'DIFFERENCE %: %', place, found;
    END IF;
END$$;
});

# Faults that random statements have found.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION fuzz.read() RETURNS trigger LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM feature_enabled('user_schema');
    RETURN NULL;
END$$;
CREATE TRIGGER zzz AFTER INSERT OR UPDATE OR DELETE ON instance_features.setting
FOR EACH STATEMENT EXECUTE FUNCTION fuzz.read();
});
is( $node->safe_psql(
		'postgres', q{
	BEGIN;
	DO $$BEGIN PERFORM set_instance_features('{"userSchema": true}'); END$$;
	SELECT feature_enabled('user_schema');
	DO $$BEGIN PERFORM set_instance_features('{"userSchema": false}'); END$$;
	SELECT feature_enabled('user_schema');
	UPDATE instance_features.setting SET value = 'true';
	SELECT feature_enabled('user_schema');
	COMMIT;
	DROP TRIGGER zzz ON instance_features.setting;
	SELECT (reset_instance_features()).sequence}),
	"t\nf\nt\n3",
	'what a trigger function reads that is not volatile is not remembered');

like(
	$node->safe_psql(
		'postgres', q{
	SELECT create_instance('old') IS NOT NULL;
	LISTEN instance_features;
	UPDATE instance_features.scope SET id = 'new' WHERE id = 'old';
	SELECT drop_instance('new')}),
	qr/"old".*"new"/s,
	'renaming a scope notifies of its new name too');
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION fuzz.set_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_instance_features('{"loginDefaultOrg": true}');
    RETURN NULL;
END$$;
CREATE TRIGGER aaa AFTER UPDATE ON instance_features.scope
FOR EACH ROW WHEN (NEW.sequence = 4) EXECUTE FUNCTION fuzz.set_again();
});
like(
	$node->safe_psql(
		'postgres', q{
	LISTEN instance_features;
	SELECT (set_instance_features('{"userSchema": true}')).sequence;
	DROP TRIGGER aaa ON instance_features.scope}),
	qr/"sequence": 5,/,
	'a notification has the last sequence, also if a trigger makes one more event');

my $truncating = Session->new($node);
$truncating->query('BEGIN; TRUNCATE instance_features.feature');
my (undef, undef, $stderr) = $node->psql(
	'postgres', q{
	SET lock_timeout = '10ms';
	SELECT apply_features('{"instances": {"a": {}}}')});
like(
	$stderr,
	qr/canceling statement due to lock timeout/,
	'a document cannot be applied while definitions are truncated');
$truncating->query('ROLLBACK');
$truncating->quit;

# Random statements.  COPY reads one of these files.
my @ids    = qw(default a b c);
my %values = (
	user_schema       => [qw(true false)],
	login_default_org => [qw(true false)],
	f_bool            => [qw(true false)],
	f_text            => [qw("x" "y")],
	f_int             => [ 1, 2, 3 ]);
my $directory = $node->data_dir;
for my $i (0 .. 9)
{
	my @rows;
	for my $feature (sort keys %values)
	{
		next if rand() < 0.6;
		my ($level, $id) = rand() < 0.2 ? qw(system SYSTEM) : ('instance', $ids[ rand @ids ]);
		my $value = $values{$feature}[ rand @{ $values{$feature} } ];
		push @rows, join("\t", $level, '', $id, $feature, $value, 1 + int rand 9, '2024-01-01Z');
	}
	append_to_file("$directory/fuzz_copy_$i", join('', map { "$_\n" } @rows));
}
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION fuzz.pick(VARIADIC items text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT items[1 + floor(random() * cardinality(items))::int] $$;
CREATE FUNCTION fuzz.id() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT fuzz.pick('default', 'default', 'a', 'a', 'b', 'c') $$;
CREATE FUNCTION fuzz.key() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT fuzz.pick('user_schema', 'user_schema', 'login_default_org', 'f_bool', 'f_text',
    'f_int') $$;
CREATE FUNCTION fuzz.value(key text) RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT CASE key WHEN 'f_text' THEN fuzz.pick('"x"', '"y"') WHEN 'f_int' THEN
    fuzz.pick('1', '2', '3')
    ELSE fuzz.pick('true', 'false') END $$;
CREATE FUNCTION fuzz.request() RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT '{' || string_agg(format('"%s": %s', k,
    CASE WHEN random() < 0.3 THEN 'null' ELSE fuzz.value(k) END), ', ') || '}'
FROM (SELECT DISTINCT fuzz.key() AS k FROM generate_series(1, 1 + (random() * 2)::int)) r $$;
-- What listeners are told of: a digest of each scope, and of the definitions,
-- which are the system's.
CREATE VIEW fuzz.digest AS
SELECT level, id, md5(string_agg(what, '; ' ORDER BY what)) AS digest
FROM (
    SELECT level, id, row(sequence, change_date, dropped)::text FROM instance_features.scope
    UNION ALL
    SELECT level, scope_id, row(feature, value)::text FROM instance_features.setting
    UNION ALL
    SELECT 'system', 'SYSTEM', row(f.*)::text FROM instance_features.feature f
) w(level, id, what)
GROUP BY level, id;
-- The columns that name a scope, and a feature and its value.
CREATE FUNCTION fuzz.row() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    k text := fuzz.key();
BEGIN
    RETURN CASE WHEN random() < 0.25 THEN $q$'system', '', 'SYSTEM'$q$
            ELSE format($q$'instance', '', %L$q$, fuzz.id()) END
        || format(', %L, %L::jsonb, NULL::numeric, %s, now()', k, fuzz.value(k), 1 + floor(random() * 9));
END$$;
CREATE FUNCTION fuzz.where() RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT CASE floor(random() * 4)::int
    WHEN 0 THEN format('scope_id = %L', fuzz.id())
    WHEN 1 THEN format('feature = %L', fuzz.key())
    WHEN 2 THEN 'level = ' || quote_literal(fuzz.pick('system', 'instance'))
    ELSE format('scope_id = %L AND feature = %L', fuzz.pick('SYSTEM', 'default', 'a', 'b'),
        fuzz.key()) END $$;

CREATE FUNCTION fuzz.block(body text) RETURNS text LANGUAGE sql AS
$$ SELECT format('DO %L', 'BEGIN ' || body || ' END') $$;

CREATE FUNCTION fuzz.statement(depth int DEFAULT 0) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    kind int := floor(random() * 48);
    k text := fuzz.key();
    f text := fuzz.pick('f_bool', 'f_text', 'f_int');
    inner_statement text := CASE WHEN kind >= 40 AND depth < 3 THEN
        fuzz.statement(depth + 1) ELSE 'SELECT 1' END;
BEGIN
    RETURN CASE
    -- Our functions
    WHEN kind < 7 THEN format('SELECT set_instance_features(%L, %L)', fuzz.request(), fuzz.id())
    WHEN kind < 9 THEN format('SELECT set_system_features(%L)', fuzz.request())
    WHEN kind = 9 THEN format('SELECT reset_instance_features(%L)', fuzz.id())
    WHEN kind = 10 THEN fuzz.pick('SELECT reset_system_features()',
        format('SELECT feature_service(%L, %L, %L)', fuzz.pick('PUT', 'PUT', 'DELETE'),
            fuzz.pick('/v2/features/instance', '/v2beta/features/system'), '{"userSchema": true}'))
    WHEN kind = 11 THEN format('SELECT create_instance(%L)', fuzz.id())
    WHEN kind = 12 THEN format('SELECT drop_instance(%L)', fuzz.id())
    WHEN kind = 13 THEN format('SELECT define_feature(%L, %L)', f, fuzz.value(f))
    WHEN kind = 14 THEN format('SELECT drop_feature(%L, cascade => %s)', f, (random() < 0.8)::text)
    WHEN kind = 15 THEN format('SELECT alter_feature(%L, default_value => %L)', f, fuzz.value(f))
    WHEN kind = 16 THEN format('SELECT set_feature_stage(%L, %L)', f,
        fuzz.pick('experimental', 'stable', 'stable', 'removed'))
    WHEN kind = 17 THEN format('SELECT count(*) FROM apply_features(%L)', format(
        '{"system": {"userSchema": %s}, "instances": {"%s": {"userSchema": %s, "f_bool": true}, '
            '"a": {}}}',
        fuzz.value(''), fuzz.pick('b', 'c'), fuzz.value('')))
    WHEN kind = 18 THEN fuzz.pick(
        format('SELECT revert_instance_features(%s, %L)', floor(random() * 4), fuzz.id()),
        'SELECT purge_feature_events(now())',
            'SELECT alter_instance_owner(current_user::regrole, ''a'')')
    WHEN kind = 19 THEN format(
        'SELECT feature_value(%L, ''default''), set_instance_features(%L, ''default''), '
            'feature_value(%L, ''default''), set_system_features(%L), count(*) '
            'FROM get_instance_features(true, ''default'') GROUP BY ()',
        'user_schema', fuzz.request(), 'user_schema', fuzz.request())
    -- Direct DML
    WHEN kind < 22 THEN
        'INSERT INTO instance_features.setting VALUES (' || fuzz.row() || '), (' || fuzz.row()
        || ')'
        || fuzz.pick(' ON CONFLICT DO NOTHING', ' ON CONFLICT DO NOTHING', '')
    WHEN kind = 22 THEN 'INSERT INTO instance_features.setting VALUES (' || fuzz.row()
        || ') ON CONFLICT (level, instance_id, scope_id, feature) '
            'DO UPDATE SET value = excluded.value, sequence = excluded.sequence'
        || fuzz.pick('', ' WHERE setting.value <> excluded.value')
    WHEN kind < 25 THEN format('UPDATE instance_features.setting SET %s WHERE %s',
        fuzz.pick('sequence = sequence + 1',
            'value = CASE '
            'WHEN jsonb_typeof(value) = ''boolean'' THEN to_jsonb(NOT value::boolean) ELSE value '
            'END',
            'change_date = now()', format('scope_id = %L', fuzz.id())), fuzz.where())
    WHEN kind = 25 THEN format('DELETE FROM instance_features.setting WHERE %s', fuzz.where())
    WHEN kind = 26 THEN format(
        'MERGE INTO instance_features.setting t USING (VALUES (%s)) s(level, instance_id, '
            'scope_id, feature, value, sequence, change_date) '
            'ON t.scope_id = s.scope_id AND t.feature = s.feature AND t.level = s.level '
            'WHEN MATCHED AND %s THEN DELETE WHEN MATCHED THEN UPDATE SET value = s.value '
            'WHEN NOT MATCHED AND %s THEN DO NOTHING WHEN NOT MATCHED THEN INSERT '
            'VALUES (s.level, s.instance_id, s.scope_id, s.feature, s.value, s.sequence, '
            's.change_date)',
        fuzz.row(), (random() < 0.3)::text, (random() < 0.3)::text)
    WHEN kind = 27 THEN format('COPY instance_features.setting FROM %L',
        current_setting('data_directory') || '/fuzz_copy_' || floor(random() * 10))
    WHEN kind = 28 THEN
        'INSERT INTO instance_features.scope (level, id, sequence, change_date, dropped) VALUES '
        || fuzz.pick($q$('system', 'SYSTEM', 3, now(), false)$q$,
            $q$('instance', 'default', 0, NULL, true)$q$,
            $q$('instance', 'c', 0, now(), false), ('instance', 'b', 0, now(), false)$q$,
                $q$('instance', 'default', 3, now(), false)$q$)
        || fuzz.pick(' ON CONFLICT DO NOTHING', ' ON CONFLICT (level, instance_id, id) '
            'DO UPDATE SET sequence = excluded.sequence, dropped = excluded.dropped')
    WHEN kind = 29 THEN
        'UPDATE instance_features.scope SET ' || fuzz.pick('sequence = sequence + 1',
        'change_date = now()',
            'id = ''c''', 'dropped = NOT dropped') || ' WHERE id = '
                || quote_literal(fuzz.pick('SYSTEM', 'default', 'a', 'b'))
    WHEN kind = 30 THEN
        format('DELETE FROM instance_features.scope WHERE id = %L',
        fuzz.pick('SYSTEM', 'default', 'a', 'b', 'c'))
    WHEN kind = 31 THEN format('INSERT INTO instance_features.feature VALUES (%L, %L, %L, %L)',
        k, fuzz.pick('one', 'two', 'three'), CASE k WHEN 'f_text' THEN 'string' WHEN 'f_int' THEN
            'integer' ELSE 'boolean' END,
        fuzz.value(k)) || fuzz.pick('', ' ON CONFLICT DO NOTHING')
    WHEN kind = 32 THEN format('UPDATE instance_features.feature SET %s WHERE key = %L',
        fuzz.pick(format('default_value = %L', fuzz.value(f)), 'stage = ''removed''',
            'stage = ''stable''', 'json_name = ''four'''), f)
    WHEN kind = 33 THEN format('DELETE FROM instance_features.feature WHERE key = %L', f)
    WHEN kind = 34 THEN
        format('WITH w AS (INSERT INTO instance_features.setting VALUES (%s) '
        'ON CONFLICT DO NOTHING '
        'RETURNING feature_enabled(''user_schema'')), '
        'u AS (UPDATE instance_features.setting SET sequence = sequence + 1 WHERE %s RETURNING *) '
        'SELECT count(*), feature_enabled(''user_schema'') FROM w', fuzz.row(), fuzz.where())
    WHEN kind = 35 THEN
        format('WITH d AS (DELETE FROM instance_features.setting WHERE %s RETURNING *) '
        'SELECT count(*) FROM d', fuzz.where())
    WHEN kind = 36 THEN CASE WHEN random() < 0.3 THEN
        'TRUNCATE instance_features.setting' ELSE 'SET CONSTRAINTS ALL IMMEDIATE' END
    WHEN kind = 37 THEN
        fuzz.pick('SET LOCAL session_replication_role = replica',
        'SET LOCAL instance_features.instance_id = ''a''',
        'SELECT count(*) FROM instance_features.setting', 'RESET session_replication_role')
    WHEN kind < 40 THEN
        format('SELECT set_instance_features(%L, i) FROM unnest(ARRAY[''a'', ''default'']) i',
        fuzz.request())
    -- Blocks
    WHEN kind < 44 THEN fuzz.block(format(
        'BEGIN EXECUTE %L; PERFORM fuzz.compare(''in a block'', true); IF %s THEN RAISE '
            'EXCEPTION ''fuzz''; END IF; EXCEPTION WHEN OTHERS THEN '
            'PERFORM nextval(''fuzz.caught_errors''); END; '
            'PERFORM fuzz.compare(''after a block'', true);',
        inner_statement, (random() < 0.6)::text))
    WHEN kind = 44 THEN
        fuzz.block(format('EXECUTE %L; EXECUTE %L;', inner_statement, fuzz.statement(depth + 1)))
    WHEN kind = 45 THEN
        fuzz.block(format('EXECUTE %L; %s; PERFORM fuzz.compare(''after a commit'', true);',
        inner_statement, fuzz.pick('COMMIT', 'ROLLBACK')))
    WHEN kind = 46 THEN
        fuzz.block(format('BEGIN BEGIN EXECUTE %L; END; BEGIN EXECUTE %L; RAISE '
        'EXCEPTION ''fuzz''; EXCEPTION WHEN raise_exception THEN NULL; END; EXCEPTION '
        'WHEN OTHERS THEN NULL; END; PERFORM fuzz.compare(''after nested blocks'', true);',
        inner_statement, fuzz.statement(depth + 1)))
    ELSE inner_statement END;
END$$;

-- What triggers, constraints and index expressions do.
CREATE FUNCTION fuzz.peek() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    n int;
BEGIN
    SELECT count(*) INTO n FROM get_system_features(true);
    SELECT count(*) INTO n FROM unnest('{default,a,b}'::text[]) i WHERE fuzz.exists(i);
    IF fuzz.exists('default') THEN
        RETURN feature_enabled('user_schema', 'default') OR true;
    END IF;
    RETURN true;
END$$;

CREATE FUNCTION fuzz.look() RETURNS trigger LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM fuzz.peek();
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD WHEN 'TRUNCATE' THEN NULL ELSE NEW END;
END$$;

CREATE FUNCTION fuzz.checked() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF random() < 0.3 THEN
        PERFORM fuzz.compare('in a constraint', true);
    ELSE
        PERFORM fuzz.peek();
    END IF;
    RETURN random() > 0.03;
END$$;

CREATE FUNCTION fuzz.indexed(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN fuzz.peek();
END$$;

CREATE FUNCTION fuzz.meddle() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    dice float := random();
    place text := format('in %s %s %s trigger %s of %s', TG_WHEN, TG_OP, TG_LEVEL, TG_NAME,
        TG_TABLE_NAME);
BEGIN
    PERFORM nextval('fuzz.trigger_calls');
    IF dice < 0.30 OR TG_WHEN = 'AFTER' AND random() < 0.2 THEN
        PERFORM fuzz.compare(place, random() < 0.5);
    ELSIF dice < 0.45 THEN
        PERFORM fuzz.peek();
    ELSIF dice < 0.53 AND pg_trigger_depth() < 3 THEN
        EXECUTE fuzz.statement(2);
    ELSIF dice < 0.60 AND pg_trigger_depth() < 3 THEN
        BEGIN
            EXECUTE fuzz.statement(2);
            PERFORM fuzz.compare(place, true);
            RAISE EXCEPTION 'fuzz';
        EXCEPTION WHEN OTHERS THEN
            PERFORM nextval('fuzz.caught_errors');
        END;
        PERFORM fuzz.compare(place || ', after a block', random() < 0.5);
    ELSIF dice < 0.65 AND pg_trigger_depth() < 3 THEN
        BEGIN
            EXECUTE fuzz.statement(2);
        EXCEPTION WHEN OTHERS THEN
            PERFORM nextval('fuzz.caught_errors');
        END;
    ELSIF dice < 0.68 THEN
        RAISE EXCEPTION 'fuzz';
    ELSIF dice < 0.78 AND TG_WHEN = 'BEFORE' AND TG_LEVEL = 'ROW' THEN
        PERFORM nextval('fuzz.suppressed_rows');
        RETURN NULL;
    ELSIF dice < 0.84 AND TG_WHEN = 'BEFORE' AND TG_LEVEL = 'ROW' AND TG_TABLE_NAME = 'setting'
        AND TG_OP <> 'DELETE' THEN
        IF NEW.feature = 'user_schema' THEN
            NEW.value := fuzz.value('user_schema');
        END IF;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD WHEN 'TRUNCATE' THEN NULL ELSE NEW END;
END$$;

-- Other triggers, constraints and indexes than before.
CREATE FUNCTION fuzz.arrange() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    command text;
    timing text;
    granularity text;
    events text;
    relation text;
    result text := '';
BEGIN
    FOR command IN
        SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'instance_features.%'
            AND tgfoid::regproc::text LIKE 'fuzz.%'
        UNION ALL
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
            FROM pg_constraint
        WHERE conname LIKE 'fuzz%' AND contype = 'c'
        UNION ALL
        SELECT format('DROP INDEX %s', oid::regclass) FROM pg_class WHERE relname LIKE 'fuzz%'
            AND relkind = 'i'
    LOOP
        EXECUTE command;
    END LOOP;
    IF random() < 0.3 THEN
        TRUNCATE instance_features.scope, instance_features.setting, instance_features.event,
            instance_features.feature;
    ELSE
        TRUNCATE instance_features.event;
        UPDATE instance_features.scope SET sequence = 0, purged_to = NULL;
    END IF;
    FOREACH relation IN ARRAY '{f_bool,f_text,f_int}'::text[] LOOP
        IF random() < 0.8 AND NOT EXISTS (SELECT FROM instance_features.definition
            WHERE key = relation OR json_name = relation) THEN
            PERFORM define_feature(relation, fuzz.value(relation)::jsonb, json_name => relation);
        END IF;
    END LOOP;
    INSERT INTO instance_features.scope (level, id, sequence) VALUES ('system', 'SYSTEM', 0),
        ('instance', 'default', 0),
        ('instance', 'a', 0), ('instance', 'b', 0) ON CONFLICT DO NOTHING;
    FOR i IN 1..floor(random() * 10) LOOP
        relation := 'instance_features.' || fuzz.pick('scope', 'setting', 'setting', 'event',
            'feature');
        timing := fuzz.pick('BEFORE', 'AFTER', 'AFTER', 'CONSTRAINT');
        granularity := CASE WHEN timing = 'CONSTRAINT' THEN
            'ROW' ELSE fuzz.pick('ROW', 'ROW', 'STATEMENT') END;
        events := fuzz.pick('INSERT', 'UPDATE', 'DELETE', 'INSERT OR UPDATE OR DELETE',
            'INSERT OR UPDATE OR DELETE' || CASE WHEN granularity = 'STATEMENT' THEN
                ' OR TRUNCATE' ELSE '' END);
        command := format('CREATE %s TRIGGER %I %s %s '
            'ON %s %s FOR EACH %s %s EXECUTE FUNCTION fuzz.%s()',
            CASE WHEN timing = 'CONSTRAINT' THEN 'CONSTRAINT' ELSE 'OR REPLACE' END,
            fuzz.pick('aaa', '!', 'track_c', 'track_f', 'zzz', '~')
                || CASE WHEN timing = 'CONSTRAINT' THEN i::text ELSE '' END,
            CASE WHEN timing = 'CONSTRAINT' THEN 'AFTER' ELSE timing END, events, relation,
            CASE WHEN timing = 'CONSTRAINT' THEN
                fuzz.pick('DEFERRABLE INITIALLY DEFERRED', 'DEFERRABLE')
                WHEN timing = 'AFTER' AND events = 'UPDATE' AND random() < 0.5 THEN
                    'REFERENCING NEW TABLE AS new_rows' ELSE '' END,
            granularity, CASE WHEN random() < 0.15 THEN
                'WHEN (fuzz.peek())' ELSE '' END, fuzz.pick('meddle', 'meddle', 'look'));
        EXECUTE command;
        result := concat(result, command, E'\n');
    END LOOP;
    IF random() < 0.25 THEN
        command := format('ALTER TABLE instance_features.%s ADD CONSTRAINT fuzz_check CHECK '
            '(fuzz.%s) NOT VALID',
            fuzz.pick('scope', 'setting', 'event', 'feature'), fuzz.pick('checked()', 'peek()'));
        EXECUTE command;
        result := concat(result, command, E'\n');
    END IF;
    IF random() < 0.25 THEN
        command := fuzz.pick('CREATE INDEX fuzz_index '
            'ON instance_features.setting (fuzz.indexed(feature))',
            'CREATE INDEX fuzz_index ON instance_features.setting (sequence) '
                'WHERE fuzz.indexed(value)',
            'CREATE INDEX fuzz_index ON instance_features.scope (fuzz.indexed(sequence))',
            'CREATE INDEX fuzz_index ON instance_features.feature (fuzz.indexed(stage))');
        EXECUTE command;
        result := concat(result, command, E'\n');
    END IF;
    RETURN result;
END$$;
});

# The sessions.  One that would wait for another gives up at once.
sub connect_session
{
	my (@commands) = @_;
	my $session = Session->new($node);
	$session->query(join("\n", '\set VERBOSITY verbose', q{SET lock_timeout = '10ms';}, @commands));
	return { psql => $session, savepoints => [], in_transaction => 0 };
}
my $control  = connect_session();
my @sessions = (
	connect_session(), connect_session(q{SET instance_features.cache_size = '64kB';}),
	connect_session());
$control->{psql}->query('LISTEN instance_features');
my %prepared;
my $arrangements = 0;
my (@log, $failed, %messages);
my %count = (statements => 0, errors => 0, notified_changes => 0);

sub pick { return $_[ rand @_ ] }

# Look at what a session answered.
sub examine
{
	my ($where, $got) = @_;
	if (   $got =~ /DIFFERENCE|^(?:ERROR|FATAL|PANIC):  (?:XX|57P|58)/m
		|| $got =~ /connection .* (?:closed|lost)/)
	{
		$failed //= "$where: $got";
	}
	return $got =~ /^(?:ERROR|FATAL):/m;
}

# Run statements in a session, and leave it in a state in which it can answer.
sub run
{
	my ($number, $sql, $seeded) = @_;
	my $session = $sessions[$number];
	push @log, "$number: $sql";
	$count{statements}++;
	my $got =
	  $session->{psql}->query($seeded ? sprintf("SELECT setseed(%.9f);\n%s", rand(), $sql) : $sql);
	$got =~ s/^\n//;
	my $error = examine("session $number", $got);
	if ($error)
	{
		$count{errors}++;
		my ($message) = $got =~ /^((?:ERROR|FATAL):.*)/m;
		push @log, "    $message";
		$messages{ $message =~ s/"[^"]*"/"…"/gr =~ s/\d{2,}/N/gr }++;
	}
	return !$error;
}

sub end_transaction
{
	my ($number) = @_;
	$sessions[$number]{in_transaction} = 0;
	$sessions[$number]{savepoints}     = [];
	return;
}

sub undo_error
{
	my ($number) = @_;
	my $session = $sessions[$number];
	return unless $session->{in_transaction};
	my $savepoints = $session->{savepoints};
	if (@$savepoints && rand() < 0.8)
	{
		my $n = int rand @$savepoints;
		$#$savepoints = $n;
		run($number, "ROLLBACK TO $savepoints->[$n]");
	}
	else
	{
		run($number, 'ROLLBACK');
		end_transaction($number);
	}
	return;
}

sub control_transaction
{
	my ($number, $step) = @_;
	my $session    = $sessions[$number];
	my $savepoints = $session->{savepoints};
	if (!$session->{in_transaction})
	{
		run($number, rand() < 0.1 ? 'BEGIN ISOLATION LEVEL REPEATABLE READ' : 'BEGIN');
		$session->{in_transaction} = 1;
		return;
	}
	my $dice = rand();
	if ($dice < 0.35)
	{
		push @$savepoints, "s$step";
		run($number, "SAVEPOINT s$step");
	}
	elsif ($dice < 0.65 && @$savepoints)
	{
		my $n    = int rand @$savepoints;
		my $name = $savepoints->[$n];
		if (rand() < 0.6)
		{
			$#$savepoints = $n;
			run($number, "ROLLBACK TO $name");
		}
		else
		{
			$#$savepoints = $n - 1;
			run($number, "RELEASE $name");
		}
	}
	elsif ($dice < 0.72)
	{
		$prepared{"p$step"} = 1 if run($number, "PREPARE TRANSACTION 'p$step'", 1);
		end_transaction($number);
	}
	else
	{
		run($number, rand() < 0.65 ? 'COMMIT' : 'ROLLBACK', 1);
		end_transaction($number);
	}
	return;
}

sub finish_prepared
{
	for my $name (sort keys %prepared)
	{
		my $number = int rand @sessions;
		next                    if $sessions[$number]{in_transaction};
		delete $prepared{$name} if run($number, pick('COMMIT', 'ROLLBACK') . " PREPARED '$name'");
	}
	return;
}

# Listeners must be told of every scope that a committed transaction changed.
my $digests = {};
my %notified;
my $untold = 1;    # whether something has changed that need not be told

# The digests of all scopes by name, undef if a TRUNCATE keeps us from reading
# them.  Adds to the names of the scopes that were notified.
sub read_digests
{
	my $got = $control->{psql}->query('SELECT * FROM fuzz.digest');
	$notified{ $2 ? "$1|$2" : $1 } = 1
	  while $got =~ /payload "\{"level": "(\w+)"(?:, "resourceOwner": "(\w+)")?/g;
	return undef if $got =~ /^ERROR/m;
	return { map { /^(\w+\|\w+)\|(\w{32})$/ ? ($1, $2) : () } split /\n/, $got };
}

sub check_notifications
{
	my ($must_be_told) = @_;
	$untold = 1 unless $must_be_told;
	my $new = read_digests() or return;
	for my $name ($untold ? () : sort keys %{ { %$digests, %$new } })
	{
		next if ($digests->{$name} // '') eq ($new->{$name} // '');

		# Direct DML may name a system that there is not.
		next if $name =~ /^system\|(?!SYSTEM$)/;
		$count{notified_changes}++;

		# A notification may come a bit later.
		my $limit = time + ($ENV{PG_TEST_TIMEOUT_DEFAULT} // 180);
		read_digests() until $notified{all} || $notified{$name} || time > $limit;
		$failed //= "changed without a notification: $name"
		  unless $notified{all} || $notified{$name};
	}
	$digests  = $new;
	%notified = ();
	$untold   = 0;
	return;
}

sub compare_all
{
	my ($step) = @_;
	$_->{psql}->send(q{SELECT fuzz.compare('between statements')}) for @sessions;
	for my $number (0 .. $#sessions)
	{
		my $got = $sessions[$number]{psql}->wait;

		# A TRUNCATE in another session keeps everybody out.
		if ($got =~ /^ERROR:  55P03/m)
		{
			undo_error($number);
			next;
		}
		$failed //= "step $step, session $number: $got" if $got ne '';
	}
	return;
}

sub arrange
{
	for my $number (grep { $sessions[$_]{in_transaction} } 0 .. $#sessions)
	{
		run($number, pick('COMMIT', 'ROLLBACK'), 1);
		end_transaction($number);
	}
	finish_prepared() while %prepared;
	@log = ();
	$control->{psql}->query('VACUUM') if $arrangements++ % 10 == 9;
	my $got =
	  $control->{psql}->query(sprintf('SELECT setseed(%.9f), NULL; SELECT fuzz.arrange()', rand()));
	examine('arrange', $got);
	push @log, $got;
	check_notifications(0);
	return;
}

for my $step (1 .. $steps)
{
	arrange() if $step % 50 == 1;
	push @log, "-- step $step";
	my $number = int rand @sessions;
	if (rand() < 0.25) { control_transaction($number, $step) }
	else
	{
		my $sql = $control->{psql}
		  ->query(sprintf('SELECT setseed(%.9f) IS NULL; SELECT fuzz.statement()', rand()));
		$sql =~ s/^[ft]\n//;
		$sql .= '\; ' . 'SELECT fuzz.compare(\'in one message\')' if rand() < 0.05;
		undo_error($number) unless run($number, $sql, 1);
	}
	check_notifications(1) unless $failed;

	# Prepared transactions cannot notify.
	if (%prepared && rand() < 0.3)
	{
		finish_prepared();
		check_notifications(0);
	}
	compare_all($step) unless $failed;
	if ($failed)
	{
		$failed = "step $step: $failed";
		last;
	}
}

ok(!defined $failed,
	"$steps random statements leave no session with an answer that differs from the tables")
  or diag(join("\n", @log, $failed, "SEED=$seed FUZZ_STEPS=$steps"));
if (!defined $failed)
{
	for my $sequence (
		qw(comparisons comparisons_in_triggers trigger_calls suppressed_rows caught_errors))
	{
		$count{$sequence} = $node->safe_psql('postgres', "SELECT nextval('fuzz.$sequence') - 1");
		ok($count{$sequence} > 0 || $steps < 1000, "the run had $sequence");
	}
	ok($count{notified_changes} > 0, 'the run had changes that listeners were told of');
	cmp_ok($count{errors}, '<', $count{statements} / 2, 'more statements succeed than fail');
	if ($ENV{FUZZ_ERRORS})
	{
		diag("$messages{$_} $_") for sort { $messages{$b} <=> $messages{$a} } keys %messages;
	}
	diag(join(', ', map { "$_ $count{$_}" } sort keys %count));
}

$_->{psql}->quit for @sessions, $control;
$node->stop('immediate');
done_testing();
