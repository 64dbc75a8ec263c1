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
		FROM generate_series(1, 2) n;
		SELECT define_feature('beta', levels => '{instance,organization,user}');
		SELECT define_feature('gamma', levels => '{instance,organization,user}')}
);

# The scopes that are changed: the function that does it, its arguments, and the
# key of the scope's row.
my %scopes = (
	i1 => [ 'set_instance_features',     q{'i1'},      q{('instance', '', 'i1')} ],
	i2 => [ 'set_instance_features',     q{'i2'},      q{('instance', '', 'i2')} ],
	o  => [ 'set_organization_features', q{'o', 'i1'}, q{('organization', 'i1', 'o')} ],
	u  => [ 'set_user_features',         q{'u', 'i2'}, q{('user', 'i2', 'u')} ]);
my @labels = sort keys %scopes;

for my $round (1 .. $rounds)
{
	my (@out, @harness);
	for my $w (0, 1)
	{
		$out[$w] = '';
		my $script = "SET instance_features.actor = 'writer $w';\n" . join '', map {
			my $label = $labels[ $_ % @labels ];
			my ($function, $arguments) = @{ $scopes{$label} };

			# Scopes come and go, too.
			my $other = sprintf q{SELECT FROM set_user_features('{"beta": true}', 'u%d', 'i1');
				SELECT FROM erase_user_features('u%d', 'i1');
				}, $_ % 7, ($_ + 3) % 7;
			sprintf qq{%sSELECT '%s ' ||
					(%s('{"beta": %s, "gamma": %s}', %s)).sequence;\n},
			  $_ % 10 ? '' : $other, $label, $function, $_ % 8 < 4 ? 'true' : 'false',
			  ($_ + 4 * $w) % 24 < 12 ? 'true' : 'false', $arguments
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
	my %acknowledged = map { $_ => 0 } @labels;
	for (map { split /\n/ } @out)
	{
		$acknowledged{$1} = $2 if /^(\w+) (\d+)$/ && $2 > $acknowledged{$1};
	}
	is(join(' ', grep { $acknowledged{$_} > 0 } @labels),
		"@labels", "round $round: writes of every scope were acknowledged");

	$node->start;
	for my $id (sort keys %acknowledged)
	{
		my ($sequence, $count, $max, $distinct) = split /\|/, $node->safe_psql(
			'postgres',
			qq{SELECT s.sequence, count(*), max(e.sequence), count(DISTINCT e.sequence)
				FROM instance_features.scope s
				LEFT JOIN instance_features.event e
					ON (e.level, e.instance_id, e.scope_id) = (s.level, s.instance_id, s.id)
					AND e.actor LIKE 'writer _'
				WHERE (s.level, s.instance_id, s.id) = $scopes{$id}[2] GROUP BY 1});
		cmp_ok($sequence, '>=', $acknowledged{$id},
			"round $round: what was acknowledged of $id is there after the crash");
		is( "$count $max $distinct",
			"$sequence $sequence $sequence",
			"round $round: the history of $id has no gap after the crash");
	}
	is($node->safe_psql('postgres', 'SELECT * FROM check_instance_features()'),
		'', "round $round: the settings are what the events say after the crash");
}

$node->stop;
done_testing();
