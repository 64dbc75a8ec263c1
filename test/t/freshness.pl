# Once a change has been acknowledged, no later call returns the older value:
# writers flip flags while readers of all kinds look for a stale one.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $seconds = $ENV{FRESHNESS_SECONDS} // 18;
my $node    = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"synchronous_commit = off\nmax_worker_processes = 16\nmax_parallel_workers = 4");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION instance_features;
	SELECT define_feature('deep', levels => '{system,instance,organization,user}');
	SELECT define_feature('pad', '""', value_type => 'string');
	SELECT create_instance('noise' || n) FROM generate_series(1, 50) n;
	-- What the writer is about to write, and what it has written: sequences,
	-- since these are visible at once and in every isolation level.
	CREATE SEQUENCE intent MINVALUE 0;
	CREATE SEQUENCE acknowledged MINVALUE 0;
	SELECT setval('intent', 0), setval('acknowledged', 0);
	-- 1 while the writers are to write.
	CREATE SEQUENCE writing MINVALUE 0;
	-- Feature "deep" has one setting at a time: that of a user who never had
	-- one, then that of the organization, the instance, the system.
	CREATE PROCEDURE write_deep(n bigint) LANGUAGE plpgsql AS $$
	DECLARE
		value jsonb := jsonb_build_object('deep', n % 2 = 1);
		unset jsonb := '{"deep": null}';
	BEGIN
		CASE n % 4
			WHEN 0 THEN
				PERFORM set_user_features(value, 'w' || n / 4, 'default');
			WHEN 1 THEN
				PERFORM set_user_features(unset, 'w' || n / 4, 'default'),
					set_organization_features(value, 'o', 'default');
			WHEN 2 THEN
				PERFORM set_organization_features(unset, 'o', 'default'),
					set_instance_features(value, 'default');
			ELSE
				PERFORM set_instance_features(unset, 'default'), set_system_features(value);
		END CASE;
	END $$;
	CREATE PROCEDURE write_on() LANGUAGE plpgsql AS $$
	DECLARE
		n bigint := (SELECT last_value FROM acknowledged);
	BEGIN
		WHILE (SELECT last_value = 1 FROM writing) LOOP
			n := n + 1;
			PERFORM setval('intent', n);
			IF n % 7 < 2 THEN
				-- By the system, with nothing set on the instance.
				PERFORM set_instance_features('{"userSchema": null}');
				PERFORM set_system_features(jsonb_build_object('userSchema', n % 2 = 1));
			ELSE
				PERFORM set_instance_features(jsonb_build_object('userSchema', n % 2 = 1));
			END IF;
			CALL write_deep(n);
			COMMIT;
			PERFORM setval('acknowledged', n);
			COMMIT;
			PERFORM pg_sleep(0.0002);
		END LOOP;
	END $$;
	CREATE PROCEDURE make_noise() LANGUAGE plpgsql AS $$
	DECLARE
		n bigint := 0;
	BEGIN
		WHILE (SELECT last_value = 1 FROM writing) LOOP
			n := n + 1;
			PERFORM set_instance_features(jsonb_build_object('loginDefaultOrg', n % 2 = 1,
					'pad', repeat('x', 3000)), 'noise' || 1 + n % 50),
				set_user_features(jsonb_build_object('deep', n % 3 = 1), 'n' || n % 1000, 'default'),
				set_organization_features('{"deep": true}', 'n' || n % 100, 'noise1');
			IF n % 11 = 0 THEN
				PERFORM erase_user_features('n' || n % 1000, 'default');
			END IF;
			IF n % 5 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
			PERFORM pg_sleep(0.001);
		END LOOP;
	END $$;
	-- 1 if the answers must be right and are, 0 if a write was under way, or
	-- none was made yet.
	CREATE FUNCTION check_answer(before bigint, answer boolean, deep boolean, next boolean)
		RETURNS integer LANGUAGE plpgsql PARALLEL SAFE AS $$
	BEGIN
		IF before = 0 OR (SELECT last_value FROM intent) <> before THEN
			RETURN 0;
		END IF;
		-- The next user has no setting yet, and inherits.
		IF answer <> (before % 2 = 1) OR deep <> (before % 2 = 1) OR
			next <> (before % 2 = 1 OR before % 4 = 0) THEN
			RAISE EXCEPTION 'stale read: %, %, % after write %', answer, deep, next, before;
		END IF;
		RETURN 1;
	END $$;
	CREATE FUNCTION check_once() RETURNS integer LANGUAGE plpgsql PARALLEL SAFE AS $$
	DECLARE
		before bigint := (SELECT last_value FROM acknowledged);
	BEGIN
		RETURN check_answer(before, feature_enabled('user_schema'),
			feature_enabled('deep', 'default', 'o', 'w' || before / 4),
			feature_enabled('deep', 'default', 'o', 'w' || before / 4 + 1));
	END $$;
	CREATE FUNCTION check_loop(n integer) RETURNS integer LANGUAGE plpgsql AS $$
	DECLARE
		checks integer := 0;
		before bigint;
	BEGIN
		FOR i IN 1 .. n LOOP
			before := (SELECT last_value FROM acknowledged);
			checks := checks + check_answer(before, feature_enabled('user_schema'),
			feature_enabled('deep', 'default', 'o', 'w' || before / 4),
			feature_enabled('deep', 'default', 'o', 'w' || before / 4 + 1));
			IF i % 10 = 0 THEN
				PERFORM feature_enabled('user_schema', 'noise' || 1 + i % 50),
					feature_enabled('deep', 'noise1', 'n' || i % 200),
					feature_enabled('deep', NULL, NULL, 'n' || i % 2000);
			END IF;
		END LOOP;
		RETURN checks;
	END $$;
	CREATE FUNCTION written() RETURNS bigint LANGUAGE sql VOLATILE AS
		'SELECT last_value FROM acknowledged';
	CREATE FUNCTION check_cursor(n integer) RETURNS integer LANGUAGE plpgsql AS $$
	DECLARE
		-- Whom to ask about is read anew for each row.
		c CURSOR FOR SELECT feature_enabled('user_schema'),
			feature_enabled('deep', 'default', 'o', 'w' || written() / 4),
			feature_enabled('deep', 'default', 'o', 'w' || written() / 4 + 1)
			FROM generate_series(1, n);
		checks integer := 0;
		before bigint;
		answer boolean;
		deep boolean;
		next boolean;
	BEGIN
		OPEN c;
		FOR i IN 1 .. n LOOP
			before := (SELECT last_value FROM acknowledged);
			FETCH c INTO answer, deep, next;
			checks := checks + check_answer(before, answer, deep, next);
		END LOOP;
		CLOSE c;
		RETURN checks;
	END $$;
	CREATE TABLE rows AS SELECT generate_series(1, 4000) AS i});

my $parallel =
  'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET debug_discard_caches = 0; ALTER TABLE rows SET (parallel_workers = 2);';
like(
	$node->safe_psql(
		'postgres', "$parallel EXPLAIN (COSTS OFF) SELECT sum(check_once()) FROM rows WHERE i > 0"),
	qr/Parallel Seq Scan/,
	'the query for the reader in parallel has a parallel plan');

my %readers = (
	'autocommit'         => [ '',       'SELECT check_once();' x 500, '' ],
	'a loop in PL/pgSQL' => [ '',       'SELECT check_loop(5000);',   '' ],
	'a long transaction' => [ 'BEGIN;', 'SELECT check_once();' x 500, 'COMMIT;' ],
	'REPEATABLE READ'    => [
		'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 0;',
		'SELECT check_once();' x 250 . 'SELECT check_loop(1000);',
		'COMMIT;'
	],
	'SERIALIZABLE' => [
		'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 0;',
		'SELECT check_once();' x 250 . 'SELECT check_loop(1000);',
		'COMMIT;'
	],
	'prepared statements' => [
		'SET plan_cache_mode = force_generic_plan; PREPARE p AS SELECT check_once();',
		'EXECUTE p;' x 500, ''
	],
	'cursors'       => [ 'BEGIN;', 'SELECT check_cursor(2000);', 'COMMIT;' ],
	'a small cache' => [ 'SET instance_features.cache_size = 64;', 'SELECT check_loop(1000);', '' ],
	'a parallel query' => [ $parallel, 'SELECT sum(check_once()) FROM rows WHERE i > 0;', '' ],);

my ($writer, $noise) = map { Session->new($node) } 1 .. 2;
my $total = 0;
for my $name (sort keys %readers)
{
	my ($first, $again, $last) = @{ $readers{$name} };
	my $share  = $seconds / keys %readers;
	my $reader = Session->new($node);
	$node->safe_psql('postgres', q{SELECT setval('writing', 1)});
	$writer->send('CALL write_on()');
	$noise->send('CALL make_noise()');
	my $until  = time + $share;
	my $limit  = time + ($ENV{PG_TEST_TIMEOUT_DEFAULT} // 180);
	my $checks = 0;
	my $errors = '';
	$reader->query($first);

	# A slow machine takes longer for as many reads beside writes.
	while ($errors eq '' && (time < $until || ($checks <= 500 && time < $limit)))
	{
		my $result = $reader->query($again);
		$checks += $_ for grep { /^\d+$/ } split /\n/, $result;
		$errors = $1 if $result =~ /(ERROR:.*)/;
	}
	$reader->query($last);
	$reader->quit;
	$node->safe_psql('postgres', q{SELECT setval('writing', 0)});
	is($writer->wait . $noise->wait, '', "$name: the writers write without an error");
	is($errors,                      '', "$name: none of the reads is stale");
	cmp_ok($checks, '>', 500, "$name: more than 500 reads are decisive");
	$total += $checks;
}
my $writes = $node->safe_psql('postgres', 'SELECT last_value FROM acknowledged');
diag("$total decisive reads beside $writes writes");

# More messages than the queue holds, while a session sleeps.
my $reader  = Session->new($node);
my $enabled = q{SELECT feature_enabled('user_schema')};
$node->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": false}')});
is($reader->query($enabled), 'f', 'a session reads a feature before the message queue overflows');
$node->safe_psql('postgres', join '',
	map { "CREATE TEMP TABLE t$_ (a text, b text, c text); DROP TABLE t$_;" } 1 .. 400);
$node->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": true}')});
is($reader->query($enabled), 't', 'a session sees a change after the message queue has overflown');

# An error while the cache loads: a lock that it waits for, and a cancel.
my $locker = Session->new($node);
$node->safe_psql('postgres', q{SELECT reset_system_features(), create_instance('a')});
$locker->query('BEGIN; LOCK TABLE instance_features.setting IN ACCESS EXCLUSIVE MODE');
$reader->send(q{SELECT feature_enabled('user_schema', 'a')});
ok( $node->poll_query_until(
		'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}),
	'a load waits for a lock');
$node->safe_psql('postgres',
	q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'});
like(
	$reader->wait,
	qr/^ERROR:  canceling statement due to user request/,
	'a load that waits for a lock can be cancelled');
like(
	$reader->query(
		q{SET lock_timeout = '10ms'; SELECT feature_enabled('user_schema', 'a'); RESET lock_timeout}
	),
	qr/^ERROR:  canceling statement due to lock timeout/,
	'a load that waits for a lock gives up after lock_timeout');
$locker->query('COMMIT');
is($reader->query(q{SELECT feature_enabled('user_schema', 'a'), feature_enabled('user_schema')}),
	'f|t', 'a session loads features after it was cancelled and after it gave up');

# A message that arrives while the cache loads, after the load's snapshot was
# taken: each change, by a transaction that holds the load up, is one that makes
# a value known to the reader wrong.
my $deep  = q{SELECT feature_enabled('deep', 'a', 'o', '%s')};
my @loads = (
	[
		'an instance',
		q{set_instance_features('{"oidcTokenExchange": %s}', 'a')},
		q{set_instance_features('{"userSchema": %s}', 'a')},
		q{SELECT feature_enabled('user_schema', 'a')}
	],
	[
		'a user',
		q{set_user_features('{"deep": null}', 'u', 'a'), set_user_features('{"deep": false}', 'u', 'a')},
		q{set_user_features('{"deep": %s}', 'u', 'a')},
		sprintf($deep, 'u')
	],
	[
		'users who have no setting yet',
		q{set_system_features('{"loginDefaultOrg": %s}')},
		q{set_user_features('{"deep": %s}', 'first', 'a')},
		sprintf($deep, 'first')
	]);
$reader->query(sprintf($deep, 'nobody'));
for my $load (@loads)
{
	my ($what, $before, $change, $question) = @$load;
	for my $value (qw(true false))
	{
		my $name = "$what, and a change to $value";
		$node->safe_psql('postgres', 'SELECT ' . sprintf($before, $value));
		$locker->query('BEGIN; LOCK TABLE instance_features.setting IN ACCESS EXCLUSIVE MODE');
		$reader->send("SELECT ($question) IS NOT NULL");
		ok( $node->poll_query_until(
				'postgres',
				q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}),
			"a load waits for a lock: $name");
		$locker->query('SELECT ' . sprintf($change, $value) . '; COMMIT');
		is($reader->wait, 't', "a load that a lock has held up goes on: $name");
		is( $reader->query($question),
			substr($value, 0, 1),
			"the call after a load that was held up sees the change: $name");
	}
}

# Memory: bounded by the setting, and not growing.
my $bytes =
  q{SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'instance_features%'};
$node->safe_psql(
	'postgres',
	q{INSERT INTO instance_features.scope (level, id, owner, sequence, change_date, creation_date)
		SELECT 'instance', 'm' || n, current_user::regrole, 0, now(), now()
		FROM generate_series(1, 3000) n;
	INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence, change_date)
		SELECT 'instance', 'm' || n, 'user_schema', 'true', 1, now() FROM generate_series(1, 3000) n}
);
my $all = q{SELECT count(*) FILTER (WHERE NOT feature_enabled('oidc_token_exchange', 'm' || n))
		FROM generate_series(1, 3000) n};
$reader->query('SET instance_features.cache_size = 100');
is($reader->query($all), '3000', 'a session with a small cache reads many instances');
my $small = $reader->query($bytes);
cmp_ok(
	$small, '<',
	100 * 1024 + 20_000,
	'the cache of instances keeps to its size, definitions and the system aside');
$reader->query('SET instance_features.cache_size = 3000');
$reader->query($all);
my $large = $reader->query($bytes);
cmp_ok($large, '>', 5 * $small, 'a cache with a larger size takes more memory');
$reader->query('SET instance_features.cache_size = 100');
$reader->query(q{SELECT feature_enabled('user_schema', 'noise9')});
cmp_ok($reader->query($bytes),
	'<', $large / 2, 'a cache with a smaller size gives memory back when it next loads');

# MEMORY_CALLS calls with keys and instances mixed, hits and misses, errors too.
my $calls = $ENV{MEMORY_CALLS} // 1_000_000;
my $mixed = q{
	SELECT count(feature_enabled(CASE i % 3 WHEN 0 THEN 'login_default_org' ELSE 'user_schema' END,
		CASE i % 5 WHEN 0 THEN NULL ELSE 'noise' || 1 + i % 47 END)),
		count(CASE WHEN i % 10 = 0 THEN feature_value('user_schema', 'm' || i % 300) END)
	FROM (SELECT generate_series(1, } . $calls / 20 . q{) AS i) s};
my $errors      = join '', map { "SELECT feature_enabled('nothing');" } 1 .. 50;
my $total_bytes = 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts';
$reader->query("$mixed; $errors") for 1 .. 5;
my $ours_before = $reader->query($bytes);
my $before      = $reader->query($total_bytes);
$reader->query("$mixed; $errors; SELECT set_config('instance_features.notify', 'on', false)")
  for 1 .. 20;
my $after = $reader->query($total_bytes);
# Which scopes are cached is up to chance, and so is their size.
cmp_ok(
	$reader->query($bytes),
	'<',
	$ours_before + 20_000,
	"$calls mixed calls do not let the cache grow");
# The session's other memory comes in large blocks.
cmp_ok($after - $before,
	'<', $calls,
	"$calls mixed calls do not let the session grow by more than their number in bytes");

$_->quit for $reader, $locker, $writer, $noise;
$node->stop;
done_testing();
