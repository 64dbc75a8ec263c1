# Eight sessions call all public functions at once, and change the tables by direct
# DML, for some minutes.  There is no deadlock and no error but 40001 and those
# that the reference tells of for the call; the tables are consistent at any time;
# and at the end every session agrees with the tables.
#
# A transaction has one call that changes features, as the promise about
# deadlocks says.  Environment: MINUTES (5), SEED.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(time sleep);

my $sessions = 8;
my $seconds  = 60 * ($ENV{MINUTES} // 5);
my $seed     = $ENV{SEED} // int(rand(2**31));
diag("SEED=$seed MINUTES=" . $seconds / 60);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"deadlock_timeout = 200ms\nlog_min_messages = warning\nlog_statement = none");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION instance_features;
	CREATE ROLE alice LOGIN;
	CREATE ROLE bob LOGIN;
	SELECT define_feature('beta', levels => '{instance,organization,user}');
	SELECT define_feature('tier', '"free"', levels => '{system,instance,organization,user}');
	-- A change as ours is, by direct DML that locks the scope first.
	CREATE FUNCTION dml_set(id text, feature text, value jsonb) RETURNS bigint
		LANGUAGE plpgsql AS $$
	DECLARE
		number bigint;
		present jsonb;
	BEGIN
		SELECT s.sequence + 1 INTO number FROM instance_features.scope s
		WHERE s.level = 'instance' AND s.instance_id = '' AND s.id = dml_set.id
			AND NOT s.dropped FOR NO KEY UPDATE;
		IF number IS NULL THEN
			RETURN NULL;
		END IF;
		SELECT t.value INTO present FROM instance_features.setting t
		WHERE t.level = 'instance' AND t.instance_id = '' AND t.scope_id = dml_set.id
			AND t.feature = dml_set.feature;
		INSERT INTO instance_features.event (level, scope_id, sequence, event_type, feature,
			old_value, value, editor, creation_date)
		VALUES ('instance', dml_set.id, number, 'feature.instance.' || dml_set.feature || '.set',
			dml_set.feature, present, dml_set.value, current_user, clock_timestamp());
		INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence,
			change_date)
		VALUES ('instance', dml_set.id, dml_set.feature, dml_set.value, number, clock_timestamp())
		ON CONFLICT ON CONSTRAINT setting_pkey DO UPDATE SET value = excluded.value, percentage = NULL,
			sequence = excluded.sequence, change_date = excluded.change_date;
		UPDATE instance_features.scope s SET sequence = number, change_date = clock_timestamp()
		WHERE s.level = 'instance' AND s.instance_id = '' AND s.id = dml_set.id;
		RETURN number;
	END $$});

my @builtin =
  qw(login_default_org oidc_trigger_introspection_projections oidc_legacy_introspection user_schema
  oidc_token_exchange);
my %custom = (
	color => [ 'string',  '"red"', '"green"', '"blue"' ],
	size  => [ 'integer', 1,       2,         3 ],
	ratio => [ 'number',  0.5,     1.5 ],
	shiny => [ 'boolean', 'true',  'false' ]);
my @instances     = ('default', map { "i$_" } 1 .. 5);
my @organizations = qw(o1 o2 default);
my @users         = qw(u1 u2 u3 default);
my %lower         = (beta => [qw(true false)], tier => [ '"free"', '"paid"' ]);

sub pick     { return $_[ rand @_ ] }
sub instance { return rand() < 0.1 ? 'NULL' : "'" . pick(@instances) . "'" }
sub custom   { return pick(sort keys %custom) }
sub feature  { return rand() < 0.7 ? pick(@builtin) : custom() }

# The id of a scope below an instance and the instance, as arguments.  Where the
# first one is left out, so is the other.
sub of_organization
{
	return rand() < 0.05 ? 'NULL, NULL' : "'" . pick(@organizations) . "', " . instance();
}
sub of_user { return rand() < 0.05 ? 'NULL, NULL' : "'" . pick(@users) . "', " . instance() }

sub context
{
	return join ', ', instance(), pick('NULL', "'" . pick(@organizations) . "'"),
	  pick('NULL', "'" . pick(@users) . "'");
}

sub value_of
{
	my ($feature) = @_;
	return pick(@{ $lower{$feature} }) if $lower{$feature};
	my ($type, @values) = @{ $custom{$feature} // [ 'boolean', 'true', 'false' ] };
	return pick(@values);
}

sub settings
{
	my ($null, $below) = @_;
	my %fields;
	for (1 .. 1 + rand 3)
	{
		my $feature = !$below ? feature() : rand() < 0.9 ? pick(sort keys %lower) : custom();
		$fields{$feature} = $null && rand() < 0.25 ? 'null' : value_of($feature);
	}
	return '{' . join(', ', map { qq{"$_": $fields{$_}} } sort keys %fields) . '}';
}

sub document
{
	my @parts;
	push @parts, '"system": ' . settings() if rand() < 0.3;
	my %some = map { pick(@instances) => 1 } 1 .. 1 + rand 4;
	push @parts, '"instances": {'
	  . join(', ', map { qq{"$_": } . (rand() < 0.1 ? '{}' : settings()) } sort keys %some) . '}';
	return '{' . join(', ', @parts) . '}';
}

sub expected { return rand() < 0.2 ? int(rand 30) : 'NULL' }

# Each operation: how often, the statement, and the SQLSTATEs that it may raise
# besides 40001 and, for those who are no superusers, 42501.  What it prints is
# told, and nothing is printed that should not be.
my @gone       = qw(P0002);
my @unknown    = qw(42704 22023);
my %operations = (
	set_instance_features => [
		30,
		sub {
			sprintf q{SELECT FROM set_instance_features('%s', %s, %s)}, settings(1), instance(),
			  expected();
		},
		@gone,
		'22023',
		'55000'
	],
	set_system_features => [
		4,
		sub { sprintf q{SELECT FROM set_system_features('%s', %s)}, settings(1), expected() },
		'22023',
		'55000'
	],
	reset_instance_features => [
		4,
		sub { sprintf 'SELECT FROM reset_instance_features(%s, %s)', instance(), expected() },
		@gone,
		'55000'
	],
	reset_system_features   => [ 1, sub { 'SELECT FROM reset_system_features()' } ],
	roll_out_system_feature => [
		3,
		sub {
			my $feature = pick(@builtin, 'tier');
			sprintf q{SELECT FROM roll_out_system_feature('%s', %d, '%s')}, $feature, rand 101,
			  value_of($feature);
		}
	],
	roll_out_instance_feature => [
		8,
		sub {
			my $feature = pick(@builtin, 'tier', 'beta', 'beta');
			sprintf q{SELECT FROM roll_out_instance_feature('%s', %d, '%s', %s)}, $feature,
			  rand 101, value_of($feature), instance();
		},
		@gone
	],
	set_organization_features => [
		15,
		sub {
			sprintf q{SELECT FROM set_organization_features('%s', %s, %s)}, settings(1, 1),
			  of_organization(), expected();
		},
		@gone,
		'22023',
		'55000'
	],
	set_user_features => [
		25,
		sub {
			sprintf q{SELECT FROM set_user_features('%s', %s, %s)}, settings(1, 1), of_user(),
			  expected();
		},
		@gone,
		'22023',
		'55000'
	],
	reset_organization_features => [
		3,
		sub {
			sprintf 'SELECT FROM reset_organization_features(%s, %s)', of_organization(),
			  expected();
		},
		@gone,
		'22023',
		'55000'
	],
	reset_user_features => [
		3,
		sub { sprintf 'SELECT FROM reset_user_features(%s, %s)', of_user(), expected() },
		@gone,
		'22023',
		'55000'
	],
	erase_organization_features => [
		4,
		sub {
			sprintf q{SELECT erase_organization_features('%s', %s) IS NULL}, pick(@organizations),
			  instance();
		},
		@gone
	],
	erase_user_features => [
		6,
		sub { sprintf q{SELECT erase_user_features('%s', %s) IS NULL}, pick(@users), instance() },
		@gone
	],
	get_effective_features => [
		6,
		sub { sprintf 'SELECT count(*) < 0 FROM get_effective_features(%s)', context() },
		@gone
	],
	get_organization_features => [
		2,
		sub {
			sprintf q{SELECT count(*) < 0 FROM get_organization_features(%s, %s)},
			  pick('true', 'false'), of_organization();
		},
		@gone,
		'22023'
	],
	get_user_features => [
		3,
		sub {
			sprintf q{SELECT count(*) < 0 FROM get_user_features(%s, %s)},
			  pick('true', 'false'), of_user();
		},
		@gone,
		'22023'
	],
	get_organization_feature_details => [
		1,
		sub {
			sprintf q{SELECT sequence < 0 FROM get_organization_feature_details(%s)},
			  of_organization();
		},
		@gone,
		'22023'
	],
	get_user_feature_details => [
		2,
		sub { sprintf q{SELECT sequence < 0 FROM get_user_feature_details(%s)}, of_user() },
		@gone,
		'22023'
	],
	organization_feature_history => [
		1,
		sub {
			sprintf q{SELECT count(*) < 0 FROM organization_feature_history(%s)}, of_organization();
		},
		@gone,
		'22023'
	],
	user_feature_history => [
		2,
		sub { sprintf q{SELECT count(*) < 0 FROM user_feature_history(%s)}, of_user() },
		@gone,
		'22023'
	],
	set_feature_context => [
		3,
		sub {
			sprintf q{SELECT set_feature_context('%s', %s, %s, %s) IS NULL}, pick(@instances),
			  pick('NULL', "'" . pick(@organizations) . "'"),
			  pick('NULL', "'" . pick(@users) . "'"),
			  pick('true', 'false');
		}
	],
	'the views' => [
		1,
		sub {
			sprintf 'SELECT count(*) < 0 FROM instance_features.%s',
			  pick(qw(own_setting organization feature_usage));
		}
	],
	revert_instance_features => [
		4, sub { sprintf 'SELECT FROM revert_instance_features(%d, %s)', rand 20, instance() },
		@gone, '55000', '22023'
	],
	create_instance => [
		8,
		sub {
			sprintf q{SELECT FROM create_instance('%s', '%s')}, pick(@instances),
			  pick(qw(alice bob));
		},
		'42710'
	],
	drop_instance =>
	  [ 3, sub { sprintf q{SELECT drop_instance('%s') IS NULL}, pick(@instances) }, @gone ],
	alter_instance_owner => [
		3,
		sub {
			sprintf q{SELECT alter_instance_owner('%s', %s) IS NULL}, pick(qw(alice bob)),
			  instance();
		},
		@gone
	],
	alter_system_owner =>
	  [ 1, sub { sprintf q{SELECT alter_system_owner('%s') IS NULL}, pick(qw(alice bob)) } ],
	apply_features => [
		6,
		sub {
			sprintf q{SELECT count(*) < 0 FROM apply_features('%s', %s)}, document(),
			  rand() < 0.2 ? 'true' : 'false';
		},
		@gone,
		'22023'
	],
	define_feature => [
		3,
		sub {
			my $feature = custom();
			my ($type, @values) = @{ $custom{$feature} };
			sprintf
			  q{SELECT define_feature('%s', '%s', allowed_values => %s, levels => '%s') IS NULL},
			  $feature, $values[0],
			  $type ne 'boolean' && rand() < 0.5 ? "'[" . join(', ', @values) . "]'" : 'NULL',
			  pick('{system,instance}', '{system,instance,organization,user}');
		},
		'42710'
	],
	alter_feature => [
		3,
		sub {
			my $feature = custom();
			my ($type, @values) = @{ $custom{$feature} };
			my $allowed = $type eq 'boolean' ? 'NULL' : pick(
				'NULL', 'NULL', q{'null'},
				"'[" . join(', ', @values) . "]'",
				"'[" . join(', ', @values[ 0, 1 ]) . "]'");
			sprintf q{SELECT alter_feature('%s', '%s', 'number %d', %s, %s) IS NULL}, $feature,
			  pick(@values[ 0, 1 ]), rand 1000, $allowed,
			  pick('NULL', 'NULL', q{'{system,instance}'},
				q{'{system,instance,organization,user}'});
		},
		@unknown,
		'55000',
		'55P03'
	],
	set_feature_stage => [
		3,
		sub {
			sprintf q{SELECT set_feature_stage('%s', '%s') IS NULL}, custom(),
			  pick(qw(experimental stable deprecated removed));
		},
		'42704',
		'55P03'
	],
	drop_feature => [
		2,
		sub { sprintf q{SELECT drop_feature('%s', %s) IS NULL}, custom(), pick('true', 'false') },
		'42704',
		'55000',
		'55P03'
	],
	purge_feature_events => [
		3,
		sub {
			sprintf q{SELECT purge_feature_events(clock_timestamp() - interval '%d ms') < 0},
			  rand 2000;
		}
	],
	feature_service => [
		6,
		sub {
			my $method = pick(qw(GET PUT DELETE));
			sprintf q{SELECT 'unexpected ' || body::text
					FROM feature_service('%s', '/v2beta/features/%s', %s)
					WHERE status NOT IN (200, 400, 403, 404)},
			  $method, pick(qw(instance system)),
			  $method eq 'PUT' ? "'" . settings(1) . "'" : 'NULL';
		}
	],
	'direct DML: a change' => [
		4,
		sub {
			my $feature = pick(@builtin);
			sprintf q{SELECT dml_set('%s', '%s', '%s') < 0}, pick(@instances), $feature,
			  value_of($feature);
		}
	],
	'direct DML: a time' => [
		3,
		sub {
			sprintf q{UPDATE instance_features.setting SET change_date = clock_timestamp()
					WHERE '%s' IN (instance_id, scope_id) AND feature = '%s'}, pick(@instances),
			  rand() < 0.5 ? feature() : pick(sort keys %lower);
		}
	],
	'direct DML: a description' => [
		1,
		sub {
			sprintf
			  q{UPDATE instance_features.feature SET description = 'described' WHERE key = '%s'},
			  custom();
		}
	],
	feature_enabled => [
		20,
		sub {
			sprintf q{SELECT feature_enabled('%s', %s) IS NULL}, pick(@builtin, 'beta', 'beta'),
			  context();
		},
		@gone
	],
	feature_value => [
		6,
		sub { sprintf q{SELECT feature_value('%s', %s) IS NULL}, feature(), context() },
		@gone,
		'42704'
	],
	feature_text => [
		2,
		sub {
			sprintf q{SELECT feature_text('color', %s) NOT IN ('red', 'green', 'blue')}, context();
		},
		@gone,
		'42704'
	],
	feature_integer => [
		2,
		sub { sprintf q{SELECT feature_integer('size', %s) NOT BETWEEN 1 AND 3}, context() },
		@gone,
		'42704'
	],
	feature_number => [
		2,
		sub { sprintf q{SELECT feature_number('ratio', %s) NOT IN (0.5, 1.5)}, context() },
		@gone,
		'42704'
	],
	get_instance_features => [
		4,
		sub {
			sprintf q{SELECT count(*) < 0 FROM get_instance_features(%s, %s)},
			  pick('true', 'false'), instance();
		},
		@gone
	],
	get_system_features => [
		2,
		sub { sprintf q{SELECT count(*) < 0 FROM get_system_features(%s)}, pick('true', 'false') }
	],
	get_instance_feature_details => [
		2,
		sub { sprintf q{SELECT sequence < 0 FROM get_instance_feature_details(%s)}, instance() },
		@gone
	],
	get_system_feature_details =>
	  [ 1, sub { 'SELECT sequence < 0 FROM get_system_feature_details()' } ],
	get_instance_features_at => [
		2,
		sub {
			sprintf q{SELECT count(*) < 0
					FROM get_instance_features_at(clock_timestamp()
						- interval '%d ms', %s)}, rand 500, instance();
		},
		@gone,
		'55000'
	],
	instance_feature_history => [
		2,
		sub { sprintf q{SELECT count(*) < 0 FROM instance_feature_history(%s)}, instance() },
		@gone
	],
	system_feature_history    => [ 1, sub { 'SELECT count(*) < 0 FROM system_feature_history()' } ],
	export_features           => [ 1, sub { 'SELECT export_features() IS NULL' } ],
	instance_features_stats   => [ 1, sub { 'SELECT hits < 0 FROM instance_features_stats()' } ],
	instance_features_version => [ 1, sub { 'SELECT instance_features_version() IS NULL' } ],
	check_instance_features   =>
	  [ 1, sub { q{SELECT 'inconsistent: ' || c::text FROM check_instance_features() c} } ],);
my @names = map { my $name = $_; ($name) x $operations{$name}[0] } sort keys %operations;
is( $node->safe_psql(
		'postgres', q{
	SELECT proname FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
		AND d.deptype = 'e' AND p.pronamespace = 'public'::regnamespace
	GROUP BY proname ORDER BY proname COLLATE "C"}),
	join("\n", grep { !/DML|views/ } sort keys %operations),
	'every public function takes part');

# Whether each session answers what the tables say, by a query of the tables.
my ($o, $u) = map {
	join ', ', map { "('$_')" } 'nobody', @$_
} \@organizations, \@users;
my $agreement = qq{
	WITH answer AS (
		SELECT i.instance_id, NULL AS o, NULL AS u, d.key, feature_value(d.key, i.instance_id) AS value
		FROM instance_features.instance i, instance_features.definition d WHERE d.stage <> 'removed'
		UNION ALL
		SELECT i.instance_id, o, u, d.key, feature_value(d.key, i.instance_id, o, u)
		FROM instance_features.instance i, instance_features.definition d,
			(VALUES $o) o (o), (VALUES $u) u (u) WHERE d.stage <> 'removed'
	), truth AS (
		SELECT instance_id, NULL AS o, NULL AS u, feature, value FROM instance_features.effective_feature
		UNION ALL
		SELECT f.instance_id, o, u, f.feature, coalesce(
			(SELECT s.value FROM instance_features.setting s WHERE s.level = 'user'
				AND (s.instance_id, s.scope_id, s.feature) = (f.instance_id, u, f.feature)),
			(SELECT s.value FROM instance_features.setting s WHERE s.level = 'organization'
				AND (s.instance_id, s.scope_id, s.feature) = (f.instance_id, o, f.feature)),
			(SELECT s.value FROM instance_features.setting s WHERE s.level = 'instance'
				AND (s.instance_id, s.scope_id, s.feature) = ('', f.instance_id, f.feature)
				AND s.percentage IS NOT NULL
				AND instance_features.rollout_includes(s.feature, s.percentage, u)),
			f.value)
		FROM instance_features.effective_feature f, (VALUES $o) o (o), (VALUES $u) u (u)
	)
	SELECT concat_ws(' ', 'answered', instance_id, o, u, key, value)
		FROM (TABLE answer EXCEPT TABLE truth) a
	UNION ALL
	SELECT concat_ws(' ', 'true is', instance_id, o, u, feature, value)
		FROM (TABLE truth EXCEPT TABLE answer) b};

# One session, in a process of its own, which writes what happened to a file.
my $tmp = PostgreSQL::Test::Utils::tempdir;

sub run_session
{
	my ($number) = @_;
	srand($seed + $number);
	open my $report, '>', "$tmp/report$number" or die;
	my $session   = Session->new($node);
	my $superuser = $number < 5;
	$session->query('\set VERBOSITY verbose');
	$session->query('LISTEN instance_features') if $number == 0;
	$session->query('SET client_min_messages = error');
	my (%done, %retried, %failed);
	my $until = time + $seconds;

	while (time < $until)
	{
		my $name = pick(@names);
		my (undef, $make, @allowed) = @{ $operations{$name} };
		my $sql = $make->();
		my ($before, $after) = ('', '');
		my $role = $superuser || $name =~ /DML|check/ ? '' : pick(qw(alice bob));
		push @allowed, '42501' if $role;
		my $kind = rand();

		# In a transaction, with reads and savepoints around it.
		if ($kind < 0.3)
		{
			my $read = sprintf q{SELECT feature_enabled('%s') IS NULL;}, pick(@builtin);
			$before = 'BEGIN'
			  . pick('', ' ISOLATION LEVEL REPEATABLE READ', ' ISOLATION LEVEL SERIALIZABLE') . ';';
			$before .= $read          if rand() < 0.5;
			$before .= 'SAVEPOINT s;' if rand() < 0.4;
			$after = ';';
			$after .= sprintf 'SELECT pg_sleep(%f) IS NULL;', rand(0.02) if rand() < 0.5;
			$after .= 'ROLLBACK TO s;' . $read if $before =~ /SAVEPOINT/ && rand() < 0.5;
			$after .= pick('COMMIT', 'COMMIT', 'ROLLBACK');
			push @allowed, 'P0002', '25P02', '3B001';
		}
		$before = "SET ROLE $role; $before" if $role;
		my $answer = $session->query("$before$sql$after");
		$session->query('ROLLBACK; RESET ROLE') if $before;
		$answer =~ s/^Asynchronous notification.*\n?//mg;
		my @states = $answer =~ /ERROR:  (\w{5}):/g;
		if (grep { $_ eq '40001' } @states)
		{
			$retried{$name}++;
		}
		elsif (@states) { $failed{$name}{ $states[0] }++ }
		else            { $done{$name}++ }
		my %may = map { $_ => 1 } @allowed, '40001';
		print $report "unexpected: $before$sql$after\n$answer\n" if grep { !$may{$_} } @states;
		(my $printed = $answer) =~ s/^(ERROR|DETAIL|HINT|CONTEXT|LOCATION|LINE|WARNING|f$|\s*\^
			|SQL\ statement|PL\/pgSQL).*\n?//mgx;
		$printed =~ s/^\s*\n//mg;
		print $report "printed: $before$sql$after\n$answer\n" if $printed =~ /\S/ && !@states;
	}
	print $report join "\n", (map { "done $_ $done{$_}" } sort keys %done),
	  (map { "retried $_ $retried{$_}" } sort keys %retried), (
		map {
			my $name = $_;
			map { "failed $name $_ $failed{$name}{$_}" } sort keys %{ $failed{$name} }
		} sort keys %failed),
	  '';

	# When all have finished, what this session answers is the truth.
	append_to_file("$tmp/finished$number", '');
	sleep 0.05 until -e "$tmp/all";
	my $answer = $session->query($agreement) =~ s/^Asynchronous notification.*\n?//mgr;
	print $report "disagrees: $answer\n" if $answer ne '';
	print $report "agrees\n"             if $answer eq '';
	close $report;
	$session->quit;
	return;
}

my @pids;
for my $number (0 .. $sessions - 1)
{
	my $pid = fork // die;
	if (!$pid)
	{
		eval { run_session($number) };
		append_to_file("$tmp/died$number",     $@) if $@;
		append_to_file("$tmp/finished$number", '') unless -e "$tmp/finished$number";
		require POSIX;
		POSIX::_exit(0);
	}
	push @pids, $pid;
}
my $limit = time + $seconds + 120;
sleep 0.05 until time > $limit || $sessions == grep { -e "$tmp/finished$_" } 0 .. $sessions - 1;
is(scalar(grep { -e "$tmp/finished$_" } 0 .. $sessions - 1),
	$sessions, 'every session comes to an end');
append_to_file("$tmp/all", '');
if (time > $limit)
{
	diag(
		$node->safe_psql(
			'postgres',
			q{SELECT pid, wait_event_type, wait_event, pg_blocking_pids(pid), query
				FROM pg_stat_activity WHERE backend_type = 'client backend'}
		));
	kill 'TERM', @pids;
}
waitpid $_, 0 for @pids;

my (%done, %other);
for my $number (0 .. $sessions - 1)
{
	my $report  = -e "$tmp/report$number" ? slurp_file("$tmp/report$number") : '';
	my $trouble = join '', $report =~
	  /^((?:unexpected|printed|disagrees): (?:.*\n)*?)(?=done |agrees|unexpected: |printed: |\z)/mg;
	$trouble = substr($trouble, 0, 5000) . '...' if length $trouble > 5000;
	is($trouble, '', "session $number has only errors that the reference tells of");
	like($report, qr/^agrees$/m, "session $number agrees with the tables at the end");
	is(-e "$tmp/died$number" ? slurp_file("$tmp/died$number") : '',
		'', "session $number does not break");
	$done{$1}         += $2 while $report =~ /^done (.+) (\d+)$/mg;
	$other{$1}{$2}    += $3 while $report =~ /^failed (.+) (\w{5}) (\d+)$/mg;
	$other{$1}{40001} += $2 while $report =~ /^retried (.+) (\d+)$/mg;
}
for my $name (sort keys %operations)
{
	diag(
		sprintf '%-28s %7d done  %s',
		$name,     $done{$name} // 0,
		join ', ', map { "$_: $other{$name}{$_}" } sort keys %{ $other{$name} // {} });
	cmp_ok($done{$name} // 0, '>', 0, "$name gets through");
}
my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock detected/,                           'there is no deadlock');
unlike($log, qr/\b(PANIC|TRAP|XX000|terminated by signal)\b/, 'the server is in good health');
is($node->safe_psql('postgres', 'SELECT * FROM check_instance_features()'),
	'', 'the tables are consistent at the end');
is($node->safe_psql('postgres', $agreement), '', 'a new session agrees with the tables at the end');

$node->stop;
done_testing();
