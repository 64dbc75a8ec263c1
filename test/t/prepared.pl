# A change made by a prepared transaction is nobody's until COMMIT PREPARED.  In
# a cluster of its own, because prepared transactions are disabled by default.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION instance_features; SELECT create_instance('a')});

my ($preparer, $reader) = map { Session->new($node) } 1 .. 2;
my $enabled  = q{SELECT feature_enabled('user_schema', 'a')};
my $sequence = 0;

# Set the feature to another value and prepare that.
sub prepare
{
	my ($value) = @_;
	return $preparer->query(
		qq{
		SET client_min_messages = error;
		BEGIN;
		SELECT (set_instance_features('{"userSchema": $value}', 'a')).sequence,
			feature_enabled('user_schema', 'a');
		PREPARE TRANSACTION 'features'});
}

# Every session, before and after each way to end a prepared transaction.
my $now = 'f';
for my $how (
	'COMMIT by the session that prepared',
	'ROLLBACK by the session that prepared',
	'COMMIT by another session',
	'ROLLBACK by another session',
	'COMMIT after a restart')
{
	my ($command) = $how =~ /^(\w+)/;
	my $next      = $now eq 't'  ? 'f'    : 't';
	my $value     = $next eq 't' ? 'true' : 'false';
	is($_->query($enabled), $now, "$how: a session has read the feature") for $preparer, $reader;
	is(prepare($value), ($sequence + 1) . "|$next", "$how: the change is seen in its transaction");
	is($preparer->query($enabled), $now, "$how: the session that prepared sees the old value");
	is($reader->query($enabled),   $now, "$how: another session sees the old value");
	if ($how =~ /restart/)
	{
		$_->quit for $preparer, $reader;
		$node->restart;
		($preparer, $reader) = map { Session->new($node) } 1 .. 2;
		is($reader->query($enabled), $now, "$how: a new session sees the old value");
	}
	is(($how =~ /another/ ? $reader : $preparer)->query("$command PREPARED 'features'"),
		'', "$how: the transaction ends");
	($now, $sequence) = ($next, $sequence + 1) if $command eq 'COMMIT';
	is($_->query($enabled), $now, "$how: every session sees the outcome") for $preparer, $reader;
	is( $reader->query(q{SELECT count(*), max(sequence) FROM instance_feature_history('a')}),
		"$sequence|" . ($sequence || ''),
		"$how: the history has no gap");
}

# What a prepared transaction read of its own changes is forgotten.
like(
	$preparer->query(
		q{
	BEGIN;
	SELECT define_feature('later');
	SELECT (set_instance_features('{"later": true}', 'a')).sequence, feature_enabled('later', 'a');
	PREPARE TRANSACTION 'definition'}),
	qr/^\n\d+\|t\nWARNING:  feature changes of a prepared transaction are not notified/,
	'a definition and a setting of it are prepared');
for my $session ($preparer, $reader)
{
	like(
		$session->query(q{SELECT feature_enabled('later', 'a')}),
		qr/^ERROR:  feature "later" does not exist/,
		'a prepared definition does not exist yet');
}
$reader->query(q{COMMIT PREPARED 'definition'});
is($_->query(q{SELECT feature_enabled('later', 'a')}),
	't', 'a definition exists after COMMIT PREPARED')
  for $preparer, $reader;
is($reader->query('SELECT count(*) FROM check_instance_features()'),
	'0', 'the tables are consistent after a definition was prepared and committed');

# A prepared first change of a user keeps the instance from being dropped.
my $of_user = q{SELECT feature_enabled('beta', NULL, NULL, 'u')};
$reader->query(q{SELECT define_feature('beta', levels => '{user}')});
for my $end ('ROLLBACK', 'COMMIT')
{
	is($reader->query($of_user), 'f', "$end: a user has the default before a prepared change");
	is( $preparer->query(
			qq{SET client_min_messages = error; BEGIN;
				SELECT (set_user_features('{"beta": true}', 'u')).sequence; $of_user;
				PREPARE TRANSACTION 'user'}
		),
		"1\nt",
		"$end: the first change of a user is prepared");
	is($_->query($of_user), 'f', "$end: a prepared change of a user is nobody's")
	  for $preparer, $reader;
	for my $statement (q{drop_instance('default')}, q{erase_user_features('u')})
	{
		like(
			$reader->query("SET lock_timeout = '10ms'; SELECT $statement; RESET lock_timeout"),
			qr/^ERROR:  canceling statement due to lock timeout/,
			"$end: $statement waits for a prepared change");
	}
	$reader->query("$end PREPARED 'user'");
}
is($_->query($of_user), 't', 'every session sees a change of a user after COMMIT PREPARED')
  for $preparer, $reader;
$preparer->query(
	q{BEGIN; SELECT erase_user_features('u'), feature_enabled('beta', NULL, NULL, 'u');
		PREPARE TRANSACTION 'erasure'});
is($_->query($of_user), 't', 'a prepared erasure is seen by nobody') for $preparer, $reader;
$reader->query(q{COMMIT PREPARED 'erasure'});
is($_->query($of_user), 'f', 'every session sees an erasure after COMMIT PREPARED')
  for $preparer, $reader;
is( $reader->query(
		q{SELECT count(*) FROM user_feature_history('u');
			SELECT count(*) FROM check_instance_features()}),
	"0\n0",
	'nothing is left of a user after a prepared erasure');

# A prepared transaction keeps its locks: writers of the same instance wait.
is( prepare($now eq 't' ? 'false' : 'true') =~ s/\|.*//r,
	$sequence + 2,
	'a change is prepared for a writer to wait for');
my $writer = Session->new($node);
$writer->send(q{SELECT (set_instance_features('{"loginDefaultOrg": true}', 'a')).sequence});
ok( $node->poll_query_until(
		'postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity
			WHERE wait_event_type = 'Lock' AND query ~ 'loginDefaultOrg'
			AND pid <> pg_backend_pid()}
	),
	'a writer waits for a prepared transaction');
is($reader->query(q{SELECT (set_instance_features('{"loginDefaultOrg": true}')).sequence}),
	'1', 'a writer of another instance does not wait');
$reader->query(q{ROLLBACK PREPARED 'features'});
is($writer->wait, $sequence + 2, 'the writer goes on after ROLLBACK PREPARED, without a gap');

$_->quit for $preparer, $reader, $writer;
$node->stop;
done_testing();
