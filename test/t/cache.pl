# A change has only its own scope loaded again, in sessions of the primary, of a
# standby and of a logical subscriber, however the change is made.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 'logical');
$primary->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$primary->start;
$primary->safe_psql(
	'postgres', q{
	CREATE EXTENSION instance_features;
	SELECT define_feature('deep', levels => '{system,instance,organization,user}');
	SELECT create_instance('i' || n), set_instance_features('{"userSchema": true}', 'i' || n)
	FROM generate_series(1, 100) n;
	SELECT create_instance('w');
	SELECT set_user_features('{"deep": true}', 'u' || n, 'w') FROM generate_series(1, 30) n;
	SELECT set_organization_features('{"deep": true}', 'o' || n, 'w') FROM generate_series(1, 30) n;
	CREATE PUBLICATION features FOR TABLE instance_features.scope, instance_features.setting,
		instance_features.event, instance_features.feature});
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
my $connstr = $primary->connstr('postgres');
$subscriber->safe_psql('postgres',
	qq{CREATE EXTENSION instance_features; CREATE SUBSCRIPTION features CONNECTION \$\$$connstr\$\$ PUBLICATION features}
);
$subscriber->wait_for_subscription_sync($primary, 'features');

my $writer  = Session->new($primary);
my %readers = (
	'a session of the primary'    => Session->new($primary),
	'a session of the standby'    => Session->new($standby),
	'a session of the subscriber' => Session->new($subscriber));
my $others = q{SELECT count(*) FILTER (WHERE feature_enabled('user_schema', 'i' || n))
	FROM generate_series(11, 100) n \g /dev/null
	SELECT count(*) FILTER (WHERE feature_enabled('deep', 'w', 'none', CASE WHEN n > 30 THEN 'no' END || n))
	FROM generate_series(1, 1000) n \g /dev/null
};

sub stat_of
{
	my ($reader, $column) = @_;
	return $reader->query("SELECT $column FROM instance_features_stats()");
}

sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	$primary->wait_for_catchup('features');
}

# What is changed, how much of the others is loaded again at most, a question,
# and the answer.
my $user  = q{SELECT feature_enabled('deep', 'w', 'none', '%s')};
my @cases = (
	[
		'a change of an instance',
		q{SELECT set_instance_features('{"userSchema": false}', 'i1')},
		0, q{SELECT feature_enabled('user_schema', 'i1')}, 'f'
	],
	[
		'the first setting of an instance',
		q{SELECT set_instance_features('{"userSchema": true}', 'w')},
		1, q{SELECT feature_enabled('user_schema', 'w')}, 't'
	],
	[
		'a change of a user',
		q{SELECT set_user_features('{"deep": false}', 'u1', 'w')},
		0, sprintf($user, 'u1'), 'f'
	],
	[
		'the first setting of a user',
		q{SELECT set_user_features('{"deep": true}', 'new', 'w')},
		0, sprintf($user, 'new'), 't'
	],
	[
		'the erasure of a user',
		q{SELECT erase_user_features('new', 'w')},
		0, sprintf($user, 'new'), 'f'
	],
	[
		'the first setting of an organization',
		q{SELECT set_organization_features('{"deep": true}', 'new', 'w')},
		0, q{SELECT feature_enabled('deep', 'w', 'new', 'nobody')}, 't'
	],
	[
		'a change by COMMIT PREPARED',
		q{BEGIN; SELECT set_user_features('{"deep": false}', 'u2', 'w'); PREPARE TRANSACTION 'p';
			COMMIT PREPARED 'p'},
		0, sprintf($user, 'u2'), 'f'
	],
	[
		'a change that ROLLBACK PREPARED undid',
		q{BEGIN; SELECT set_user_features('{"deep": true}', 'u2', 'w'); PREPARE TRANSACTION 'p';
			ROLLBACK PREPARED 'p'},
		0, sprintf($user, 'u2'), 'f'
	],
	[
		'a change that was undone by ROLLBACK TO and made again',
		q{BEGIN; SAVEPOINT s; SELECT set_user_features('{"deep": true}', 'again', 'w');
			ROLLBACK TO s; SELECT set_user_features('{"deep": true}', 'again', 'w'); COMMIT},
		0, sprintf($user, 'again'), 't'
	],
	[
		'direct DML', q{UPDATE instance_features.setting SET value = 'false' WHERE scope_id = 'u3'},
		0, sprintf($user, 'u3'), 'f'
	],
	[
		'direct DML that gives a setting to another scope',
		q{DELETE FROM instance_features.setting WHERE scope_id = 'u3';
			UPDATE instance_features.setting SET scope_id = 'u3' WHERE scope_id = 'u4'},
		0, sprintf($user, 'u4'), 'f'
	],
	[
		'changes of ten scopes',
		q{SELECT set_instance_features('{"userSchema": false}', 'i' || n) FROM generate_series(1, 10) n},
		0,
		q{SELECT count(*) FILTER (WHERE feature_enabled('user_schema', 'i' || n))
			FROM generate_series(1, 10) n},
		0
	],
	[
		'more changes than have messages of their own, after others that were undone',
		q{BEGIN; SAVEPOINT s;
			SELECT set_instance_features('{"userSchema": false}', 'i' || n) FROM generate_series(1, 100) n;
			ROLLBACK TO s;
			SELECT set_instance_features('{"userSchema": false}', 'i' || n) FROM generate_series(1, 100) n;
			COMMIT},
		200,
		q{SELECT count(*) FILTER (WHERE feature_enabled('user_schema', 'i' || n))
			FROM generate_series(1, 100) n},
		0
	],
	[
		'a change of the system',
		q{SELECT set_system_features('{"oidcTokenExchange": true}')},
		200,
		q{SELECT count(*) FILTER (WHERE feature_enabled('oidc_token_exchange', 'i' || n))
			FROM generate_series(1, 100) n},
		100
	],
	[
		'a definition', q{SELECT define_feature('later', 'true')},
		200,
		q{SELECT count(*) FILTER (WHERE feature_enabled('later', 'i' || n, NULL, NULL, false))
			FROM generate_series(1, 100) n},
		100
	],
	[ 'a TRUNCATE', q{TRUNCATE instance_features.setting}, 200, sprintf($user, 'u5'), 'f' ]);
for my $case (@cases)
{
	my ($what, $change, $most, $question, $answer) = @$case;
	my %loads;
	my %before;
	for my $name (sort keys %readers)
	{
		$readers{$name}->query("$others; $question") for 1 .. 2;
		$before{$name} = $readers{$name}->query($question);
		$loads{$name}  = stat_of($readers{$name}, 'loads');
	}
	unlike($writer->query("SET client_min_messages = error; $change"), qr/ERROR/, "$what succeeds");
	catch_up();
	for my $name (sort keys %readers)
	{
		my $reader = $readers{$name};
		$reader->query($others);
		cmp_ok(stat_of($reader, 'loads') - $loads{$name},
			'<=', $most, "$what has no more than $most other scopes loaded again by $name");
		is($reader->query($question), $answer, "$what is seen by $name (before: $before{$name})");
	}
}

# A foreign writer at full speed.
my $reader = $readers{'a session of the primary'};
$primary->safe_psql('postgres', q{SELECT create_instance('foreign')});
$reader->query($others);
my $statistics = 'loads, invalidations';
my $before     = stat_of($reader, $statistics);
$writer->query(
	q{DO $$BEGIN FOR n IN 1 .. 3000 LOOP
		PERFORM set_instance_features(jsonb_build_object('userSchema', n % 2 = 1), 'foreign');
		COMMIT;
	END LOOP; END$$});
$reader->query($others);
is(stat_of($reader, $statistics),
	$before, '3,000 changes of an instance that nobody asked about cost nothing');

# The messages of users who have no setting here are remembered, but not for
# ever.
my $bytes = stat_of($reader, 'bytes');
$writer->query(
	q{DO $$BEGIN FOR n IN 1 .. 20000 LOOP
		PERFORM set_user_features('{"deep": true}', 'x' || n, 'foreign');
		IF n % 50 = 0 THEN COMMIT; END IF;
	END LOOP; END$$});
$reader->query($others);
cmp_ok(stat_of($reader, 'bytes') - $bytes,
	'<', 200_000, 'changes of 20,000 users elsewhere do not let the cache grow much');
is( $reader->query(
		q{SELECT count(*) FILTER (WHERE feature_enabled('deep', 'foreign', NULL, 'x' || n))
		FROM generate_series(1, 30000) n}),
	20000,
	'all users with settings are found among others');
$before = stat_of($reader, 'loads');
is( $reader->query(
		q{SELECT count(*) FILTER (WHERE feature_enabled('deep', 'foreign', NULL, 'y' || n))
		FROM generate_series(1, 100000) n}),
	0,
	'users without settings are found among others');
cmp_ok(stat_of($reader, 'loads') - $before,
	'<', 100, '100,000 users without settings, beside 20,000 with some, are not loaded');

# What a real sequence costs.
$before = stat_of($reader, 'loads');
$writer->query('CREATE SEQUENCE s; DROP SEQUENCE s');
$reader->query($others);
is(stat_of($reader, 'loads'), $before, 'a sequence of the user costs a session no load');

# An answer that a call site remembers, while its instance leaves the cache.
$primary->safe_psql(
	'postgres', q{
	CREATE SEQUENCE turn MINVALUE 0;
	SELECT setval('turn', 0), define_feature('pad', '""', value_type => 'string');
	SELECT set_instance_features('{"userSchema": true}', 'i1');
	SELECT set_instance_features(jsonb_build_object('pad', repeat('x', 2000)), 'i' || n)
	FROM generate_series(2, 100) n});
# A session that listens for users would notice the message anyway.
$reader->quit;
$reader = $readers{'a session of the primary'} = Session->new($primary);
$reader->send(
	q{SET instance_features.cache_size = '64kB';
	CREATE FUNCTION pg_temp.seen() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		seen text := '';
	BEGIN
		FOR i IN 1 .. 2 LOOP
			seen := seen || feature_enabled('user_schema', 'i1');
			CONTINUE WHEN i = 2;
			PERFORM count(feature_enabled('user_schema', 'i' || 2 + n % 99))
			FROM generate_series(1, 20000) n;
			PERFORM setval('turn', 1);
			WHILE (SELECT last_value < 2 FROM turn) LOOP
				PERFORM pg_sleep(0.01);
			END LOOP;
		END LOOP;
		RETURN seen;
	END $$;
	SELECT pg_temp.seen()});
ok( $primary->poll_query_until('postgres', 'SELECT last_value = 1 FROM turn'),
	'a session remembers an answer, and reads more instances than fit');
$writer->query(q{SELECT set_instance_features('{"userSchema": false}', 'i1'), setval('turn', 2)});
is($reader->wait, 'truefalse',
	'a call site does not remember an answer whose instance has left the cache');

$_->quit for $writer, values %readers;
$_->stop for $subscriber, $standby, $primary;
done_testing();
