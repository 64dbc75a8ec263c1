# kill -9 in the middle of writes: every acknowledged write is there, sequences
# have no gap, and the settings are what the events say.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $rounds = $ENV{CRASH_ROUNDS} // 4;
my $node   = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = on\nrestart_after_crash = on");
$node->start;
$node->safe_psql(
	'postgres',
	q{CREATE EXTENSION instance_features; SELECT create_instance('i' || n)
		FROM generate_series(1, 2) n}
);

for my $round (1 .. $rounds)
{
	my (@out, @harness);
	for my $w (0, 1)
	{
		$out[$w] = '';
		my $script = join '', map {
			sprintf qq{SELECT 'i%d ' ||
					(set_instance_features('{"userSchema": %s, "loginDefaultOrg": %s}',
					'i%d')).sequence;\n},
			  1 + $_ % 2, $_ % 4 < 2 ? 'true' : 'false', ($_ + $w) % 6 < 3 ? 'true' : 'false',
			  1 + $_ % 2
		} 1 .. 20000;
		push @harness,
		  IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ],
			'<', \$script, '>', \$out[$w], '2>', '/dev/null', IPC::Run::timeout(180));
	}
	my $until = time + ($ENV{PG_TEST_TIMEOUT_DEFAULT} // 180);
	while ((grep { length $_ < 400 + 300 * $round } @out) && time < $until)
	{
		$_->pump for @harness;
	}
	if ($round % 2)
	{
		$node->stop('immediate');
	}
	else
	{
		# The postmaster and all of its children, at once.
		my @pids = (
			$node->{_pid},
			split ' ',
			$node->safe_psql(
				'postgres',
				q{SELECT string_agg(pid::text, ' ') FROM pg_stat_activity
					WHERE pid <> pg_backend_pid()}
			));
		kill 'KILL', @pids;
		for (1 .. 50 * ($ENV{PG_TEST_TIMEOUT_DEFAULT} // 180))
		{
			last unless grep { kill 0, $_ } @pids;
			select undef, undef, undef, 0.02;
		}
		$node->{_pid} = undef;
	}
	eval { $_->finish } for @harness;
	my %acknowledged = (i1 => 0, i2 => 0);
	for (map { split /\n/ } @out)
	{
		$acknowledged{$1} = $2 if /^(i\d) (\d+)$/ && $2 > $acknowledged{$1};
	}
	ok( $acknowledged{i1} > 0 && $acknowledged{i2} > 0,
		"round $round: both writers have acknowledged writes");

	$node->start;
	for my $id (sort keys %acknowledged)
	{
		my ($sequence, $count, $max, $distinct) = split /\|/, $node->safe_psql(
			'postgres',
			qq{SELECT s.sequence, count(*), max(e.sequence), count(DISTINCT e.sequence)
				FROM instance_features.scope s
				LEFT JOIN instance_features.event e ON e.scope_id = s.id WHERE s.id = '$id'
					GROUP BY 1});
		cmp_ok($sequence, '>=', $acknowledged{$id},
			"round $round: what was acknowledged of $id is there after the crash");
		is( "$count $max $distinct",
			"$sequence $sequence $sequence",
			"round $round: the history of $id has no gap after the crash");
	}
	is( $node->safe_psql(
			'postgres', q{
		SELECT scope_id, feature, value, sequence FROM instance_features.setting
		EXCEPT
		(SELECT DISTINCT ON (scope_id, feature) scope_id, feature, value, sequence
			FROM instance_features.event ORDER BY scope_id, feature, sequence DESC)}
		),
		'',
		"round $round: the settings are what the events say after the crash");
}

$node->stop;
done_testing();
