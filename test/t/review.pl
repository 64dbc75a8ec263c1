# What direct DML, other people's locks, DROP EXTENSION and dropped roles do to
# calls that are under way, and to transactions that end.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE owner LOGIN;
	CREATE DATABASE test OWNER owner;
});
$node->safe_psql('test', q{CREATE EXTENSION instance_features});
my %owner  = (dbname => 'test', user => 'owner');
my $dml    = Session->new($node, %owner);
my $caller = Session->new($node, %owner);

# Send what a lock holds up, and wait until it is.
sub send_and_block
{
	my ($session, $sql) = @_;
	$session->query(q{SET application_name = 'blocked'});
	$session->send($sql);
	$node->poll_query_until(
		'test',
		q{SELECT count(*) = 1 FROM pg_stat_activity
			WHERE application_name = 'blocked' AND wait_event_type = 'Lock'}
	) or die 'not blocked';
	return;
}

# Renamed while a call waits for the row.
for my $call (q{alter_feature('x', description => 'altered')}, q{set_feature_stage('x', 'stable')})
{
	$dml->query(q{SELECT define_feature('x')});
	$dml->query(
		q{BEGIN; UPDATE instance_features.feature SET key = 'y', json_name = 'y' WHERE key = 'x'});
	send_and_block($caller, "SELECT $call");
	$dml->query('COMMIT');
	like(
		$caller->wait,
		qr/feature "x" does not exist/,
		"$call finds its feature gone when another session renames it meanwhile");
	is( $dml->query(q{SELECT stage, description FROM instance_features.feature WHERE key = 'y'}),
		'experimental|',
		"$call leaves a feature alone that another session has renamed meanwhile");
	$dml->query(q{DELETE FROM instance_features.feature});
}

$dml->query(
	q{SELECT set_instance_features(jsonb_build_object('userSchema', n % 2 = 0))
		FROM generate_series(1, 5) n}
);
$dml->query(
	q{BEGIN;
	UPDATE instance_features.scope SET id = 'moved' WHERE id = 'default';
	UPDATE instance_features.setting SET scope_id = 'moved';
	UPDATE instance_features.event SET scope_id = 'moved'});
send_and_block($caller, q{SELECT (set_instance_features('{"userSchema": true}')).sequence});
$dml->query('COMMIT');
is($caller->wait, '1',
	'the history of an implicit instance begins anew when another session renames its row meanwhile'
);
is($node->safe_psql('test', 'SELECT * FROM check_instance_features()'),
	'', 'the tables are consistent after a row was renamed under a writer');

# A row that direct DML has locked does not hold up everybody else.
$dml->query(q{SELECT define_feature('x'), set_instance_features('{"x": true}')});
$dml->query(q{BEGIN; SELECT FROM instance_features.setting WHERE feature = 'x' FOR UPDATE});
$caller->query('SET lock_timeout = 0');
$caller->send(q{SELECT drop_feature('x', cascade => true)});
$node->poll_query_until(
	'test',
	q{SELECT count(*) > 0 FROM pg_locks
		WHERE relation = 'instance_features.feature'::regclass AND mode = 'ShareRowExclusiveLock'
		AND granted}
) or die 'not reached';
my $others = $node->psql('test',
	q{SET lock_timeout = '3s'; SELECT set_system_features('{"loginDefaultOrg": true}')});
is($others, 0, 'drop_feature() does not hold up other changes while a setting is locked');
is( $node->safe_psql(
		'test',
		q{SELECT count(*) FROM pg_stat_activity
			WHERE state = 'active' AND query ~ 'drop_feature' AND pid <> pg_backend_pid()}
	),
	'1',
	'drop_feature() still waits for a setting when another change has gone through');
$dml->query('COMMIT');
is($caller->wait, '', 'drop_feature() goes on when the setting is free');

$dml->query(q{SELECT define_feature('x'), set_instance_features('{"x": true}')});
$dml->query(q{BEGIN; SELECT FROM instance_features.setting WHERE feature = 'x' FOR UPDATE});
my ($answer, $seconds);
for (1 .. 5)
{
	my $start = time;
	$answer =
	  $caller->query(q{SET lock_timeout = '300ms'; SELECT drop_feature('x', cascade => true)});
	$seconds = time - $start;

	# A busy machine may hold up one attempt or another, but not each of them.
	last if $seconds < 3;
}
like($answer, qr/could not lock the definitions/, 'drop_feature() gives up after lock_timeout');
cmp_ok($seconds, '<', 3, 'drop_feature() gives up not much later than lock_timeout');
is($caller->query('SHOW lock_timeout'), '300ms', 'drop_feature() leaves lock_timeout as it was');
$dml->query('ROLLBACK');

# REINDEX CONCURRENTLY waits for who waits for its lock, and VACUUM takes it too.
my $locker = Session->new($node, dbname => 'test');
$locker->query(q{BEGIN; LOCK instance_features.feature IN SHARE UPDATE EXCLUSIVE MODE});
is( $node->psql(
		'test',
		q{SET lock_timeout = '5s';
			SELECT define_feature('z'), alter_feature('z', description => 'altered')}
	),
	0,
	'define_feature() and alter_feature() do not wait for maintenance');
$locker->query('COMMIT');
$dml->query(q{BEGIN; SELECT define_feature('first')});
send_and_block($caller,
	q{SET lock_timeout = '60s'; SELECT define_feature('second', json_name => 'first')});
$dml->query('COMMIT');
like(
	$caller->wait,
	qr/name "first" is already used by feature "first"/,
	'define_feature() waits for another to commit the same name');
$dml->query(q{SELECT drop_feature('x', true), drop_feature('z'), drop_feature('first')});

# VACUUM FULL gives rows other places, which a change must not have read before.
$node->safe_psql(
	'test', q{
	SELECT create_instance('t' || n) FROM generate_series(10, 29) n;
	SELECT set_instance_features('{"userSchema": true}', 't' || n) FROM generate_series(10, 29) n;
	SELECT reset_instance_features('t' || n) FROM generate_series(10, 14) n});
$locker->query(q{BEGIN; LOCK instance_features.event IN SHARE MODE});
send_and_block($caller, q{SELECT (set_instance_features('{"userSchema": false}', 't20')).sequence});
$node->psql('test', q{SET lock_timeout = '500ms'; VACUUM FULL instance_features.setting});
$locker->query('COMMIT');
is($caller->wait, '2', 'a change goes on that VACUUM FULL wanted to overtake');
is( $node->safe_psql(
		'test',
		q{SELECT scope_id FROM instance_features.setting
			WHERE value = 'false' AND scope_id LIKE 't%'}
	),
	't20',
	'a change after VACUUM FULL is written to the setting of its own instance');
is($node->safe_psql('test', 'SELECT * FROM check_instance_features()'),
	'', 'the tables are consistent after VACUUM FULL beside a change');

# A relation cache message that arrives while features are loaded.
my $reader = Session->new($node, dbname => 'test');
$reader->query(q{SELECT feature_enabled('user_schema', 'default')});
$dml->query(q{SELECT set_instance_features('{"userSchema": null}')});
$locker->query(
	q{BEGIN; ALTER TABLE instance_features.setting SET (autovacuum_enabled = off);
		LOCK instance_features.setting}
);
send_and_block($reader, q{SELECT feature_enabled('user_schema', 'default')});
$locker->query('COMMIT');
is($reader->wait, 'f',
	'a session does not warn of missing triggers because a table was altered meanwhile');
$node->safe_psql('test', 'ALTER TABLE instance_features.setting RESET (autovacuum_enabled)');

# The end of transactions.
is( $dml->query(
		sprintf q{INSERT INTO instance_features.setting
				VALUES ('instance', '', '%s', 'user_schema', 'true', NULL, 1, now())},
		'a' x 100000),
	'',
	'direct DML commits with an id that is too long for a notification');
$dml->query(q{DELETE FROM instance_features.setting WHERE length(scope_id) > 200});
is( $node->psql(
		'test', q{BEGIN; SELECT define_feature('y'); DROP EXTENSION instance_features; COMMIT}),
	0,
	'DROP EXTENSION works in a transaction that has changed a definition');
is( $node->safe_psql(
		'test', q{SELECT count(*) FROM pg_extension WHERE extname = 'instance_features'}),
	'0',
	'DROP EXTENSION drops the extension in a transaction that has changed a definition');

# A dump after the superuser who created the extension is gone.
$node->safe_psql('postgres', 'CREATE ROLE creator SUPERUSER LOGIN');
$node->safe_psql('test',     'SET ROLE creator; CREATE EXTENSION instance_features');
$node->safe_psql('test',
	'REASSIGN OWNED BY creator TO owner; DROP OWNED BY creator; DROP ROLE creator');
my ($dump, $messages) =
  run_command([ 'pg_dump', '--username=owner', '-d', $node->connstr('test') ]);
unlike(
	$dump,
	qr/^(GRANT|REVOKE) /m,
	'a dump grants and revokes nothing after the creator of the extension was dropped');
$node->safe_psql('postgres', 'CREATE DATABASE restored OWNER owner');
is($node->psql('restored', $dump, extra_params => [ '-U', 'owner' ], on_error_stop => 1),
	0, 'the dump is restored by the owner of the database');

$_->quit for $dml, $caller, $reader, $locker;
$node->stop;
done_testing();
