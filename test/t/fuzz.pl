# Random statements in random order, by random roles, compared with a small
# model of what the README promises.  FUZZ_SEED and FUZZ_STEPS replay or lengthen
# a run.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Storable qw(dclone);
use Test::More;

my $seed = $ENV{FUZZ_SEED} // int(rand(2**31));
my $steps = $ENV{FUZZ_STEPS} // 3000;
diag("FUZZ_SEED=$seed FUZZ_STEPS=$steps");
srand($seed);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
$node->safe_psql('postgres', q{
	CREATE EXTENSION instance_features;
	CREATE ROLE sys; CREATE ROLE alice; CREATE ROLE bob; CREATE ROLE eve;
	CREATE ROLE carol IN ROLE alice; CREATE ROLE dave NOINHERIT IN ROLE alice;
	SELECT alter_system_owner('sys')});

# The model.
my %json_name = (
	login_default_org => 'loginDefaultOrg', oidc_legacy_introspection => 'oidcLegacyIntrospection', oidc_token_exchange => 'oidcTokenExchange',
	oidc_trigger_introspection_projections => 'oidcTriggerIntrospectionProjections', user_schema => 'userSchema');
my %key = (reverse(%json_name), map { $_ => $_ } keys %json_name);
my @keys = sort keys %json_name;
my @roles = ($superuser, qw(sys alice bob carol dave eve));
my %inherits = (carol => 'alice');
my %member = (carol => 'alice', dave => 'alice');
my $state = { system => { owner => 'sys', sequence => 0, settings => {} }, default => { owner => $superuser, sequence => 0, settings => {} } };

sub instance { my ($id) = @_; return $id eq 'default' ? 'default' : "i:$id" }
sub has_privileges { my ($role, $owner) = @_; return $role eq $superuser || $role eq $owner || ($inherits{$role} // '') eq $owner }
sub is_system_owner { return has_privileges($_[0], $state->{system}{owner}) }
sub may_change { my ($role, $scope) = @_; return has_privileges($role, $scope->{owner}) || is_system_owner($role) }
sub bad_id { my ($id) = @_; return length($id) == 0 || length($id) > 200 }

# What a request wants: a hash by key, or undef if it is a bad one.
sub parse
{
	my ($request) = @_;
	return undef unless defined $request;
	my $value = JSON::PP->new->allow_nonref->decode($request);
	return undef unless ref $value eq 'HASH' && %$value;
	my %wanted;
	for my $name (keys %$value)
	{
		my $feature = $key{$name};
		return undef if !$feature || exists $wanted{$feature};
		return undef unless !defined $value->{$name} || JSON::PP::is_bool($value->{$name});
		$wanted{$feature} = defined $value->{$name} ? ($value->{$name} ? 'true' : 'false') : undef;
	}
	return \%wanted;
}

sub set
{
	my ($role, $name, $request, $expected) = @_;
	my $wanted = parse($request);
	return 'ERROR:  22023' unless $wanted;
	my $scope = $state->{$name} or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $scope);
	return 'ERROR:  55000' if defined $expected && $expected != $scope->{sequence};
	for my $feature (sort keys %$wanted)
	{
		my $old = $scope->{settings}{$feature};
		my $new = $wanted->{$feature};
		next if (!defined $old && !defined $new) || (defined $old && defined $new && $old->[0] eq $new);
		$scope->{sequence}++;
		if (defined $new) { $scope->{settings}{$feature} = [ $new, $scope->{sequence} ] }
		else { delete $scope->{settings}{$feature} }
	}
	return $scope->{sequence};
}

sub reset_features
{
	my ($role, $name) = @_;
	my $scope = $state->{$name} or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $scope);
	$scope->{sequence}++ if %{ $scope->{settings} };
	$scope->{settings} = {};
	return $scope->{sequence};
}

# [value, source, sequence]
sub effective
{
	my ($name, $feature) = @_;
	my $own = $state->{$name}{settings}{$feature};
	return [ $own->[0], $name eq 'system' ? 'system' : 'instance', $own->[1] ] if $own;
	my $system = $state->{system}{settings}{$feature};
	return [ $system->[0], 'system', $system->[1] ] if $system;
	return [ 'false', 'default', '' ];
}

sub states
{
	my ($name, $inheritance) = @_;
	my $scope = $state->{$name} or return 'ERROR:  P0002';
	return 'ERROR:  P0002' if !$inheritance && $name ne 'system' && !%{ $scope->{settings} };
	return join "\n", map { join '|', $_, @{ effective($name, $_) } } grep { $inheritance || $scope->{settings}{$_} } @keys;
}

# Random things.
sub pick { return $_[ rand @_ ] }
sub random_id { return pick('default', 'a', 'b', 'A', q{it's "c" \\}, 'SYSTEM', 'x' x 200, 'nowhere', '', 'x' x 201) }
sub quote { my ($text) = @_; return defined $text ? q{E'} . ($text =~ s/(['\\])/\\$1/gr) . q{'} : 'NULL' }
sub random_request
{
	return pick(undef, 'null', '[]', '"x"', '1', 'true', '{}', '{"a": {"b": [1]}}', '[{"userSchema": true}]') if rand() < 0.08;
	my %fields;
	for (1 .. 1 + rand 3)
	{
		my $feature = pick(@keys);
		my $value = rand() < 0.06 ? pick('"true"', '1', '[]', '{"enabled": true}', '0.5') : pick('true', 'false', 'null');
		$fields{ rand() < 0.5 ? $feature : $json_name{$feature} } = $value;
		$fields{ pick('user_shema', 'LoginDefaultOrg', '', 'üx', q{a'b}) } = 'true' if rand() < 0.02;
	}
	return '{' . join(', ', map { qq{"$_": $fields{$_}} } sort keys %fields) . '}';
}

my $current = 'default';    # the setting instance_id: a bad one is an error when it is used
my @stack;                  # snapshots of [state, current]: the transaction, then savepoints

# One operation: its SQL, and a function that gives what it should answer.
my %operations = (
	set => sub {
		my ($role) = @_;
		my $id = rand() < 0.5 ? undef : random_id();
		my $request = random_request();
		my $expected = rand() < 0.15 ? int(rand 12) : undef;
		return (sprintf('SELECT (set_instance_features(%s, %s, %s)).sequence', quote($request), quote($id), $expected // 'NULL'),
			sub { bad_id($id // $current) ? 'ERROR:  22023' : set($role, instance($id // $current), $request, $expected) });
	},
	set_system => sub {
		my ($role) = @_;
		my $request = random_request();
		my $expected = rand() < 0.15 ? int(rand 12) : undef;
		return (sprintf('SELECT (set_system_features(%s, %s)).sequence', quote($request), $expected // 'NULL'), sub { set($role, 'system', $request, $expected) });
	},
	reset => sub {
		my ($role) = @_;
		my $id = rand() < 0.5 ? undef : random_id();
		return (sprintf('SELECT (reset_instance_features(%s)).sequence', quote($id)),
			sub { bad_id($id // $current) ? 'ERROR:  22023' : reset_features($role, instance($id // $current)) });
	},
	reset_system => sub { my ($role) = @_; return ('SELECT (reset_system_features()).sequence', sub { reset_features($role, 'system') }) },
	create => sub {
		my ($role) = @_;
		my $id = rand() < 0.05 ? undef : random_id();
		my $owner = rand() < 0.3 ? undef : pick(@roles);
		return (sprintf('SELECT (create_instance(%s, %s)).sequence', quote($id), $owner ? "'$owner'" : 'NULL'), sub {
			return 'ERROR:  22023' if !defined $id || bad_id($id);
			return 'ERROR:  42501' unless is_system_owner($role);
			return 'ERROR:  42710' if $state->{ instance($id) };
			$state->{ instance($id) } = { owner => $owner // $role, sequence => 0, settings => {} };
			return 0;
		});
	},
	drop => sub {
		my ($role) = @_;
		my $id = rand() < 0.05 ? undef : random_id();
		return (sprintf('SELECT drop_instance(%s)', quote($id)), sub {
			return 'ERROR:  22023' if !defined $id || bad_id($id);
			return 'ERROR:  P0002' unless $state->{ instance($id) };
			return 'ERROR:  42501' unless is_system_owner($role);
			delete $state->{ instance($id) };
			return '';
		});
	},
	owner => sub {
		my ($role) = @_;
		my $id = rand() < 0.5 ? undef : random_id();
		my $owner = rand() < 0.05 ? undef : pick(@roles);
		return (sprintf('SELECT alter_instance_owner(%s, %s)', $owner ? "'$owner'" : 'NULL', quote($id)), sub {
			return 'ERROR:  22023' if bad_id($id // $current) || !defined $owner;
			my $scope = $state->{ instance($id // $current) } or return 'ERROR:  P0002';
			return 'ERROR:  42501' unless may_change($role, $scope);
			return 'ERROR:  42501' unless is_system_owner($role) || $role eq $owner || ($member{$role} // '') eq $owner;
			$scope->{owner} = $owner;
			return '';
		});
	},
	enabled => sub {
		my $id = rand() < 0.5 ? undef : random_id();
		my $feature = rand() < 0.05 ? pick('userSchema', '', 'nothing') : pick(@keys);
		return (sprintf('SELECT feature_enabled(%s, %s), feature_value(%s, %s)', (quote($feature), quote($id)) x 2), sub {
			return 'ERROR:  22023' if bad_id($id // $current);
			my $name = instance($id // $current);
			return 'ERROR:  P0002' unless $state->{$name};
			return 'ERROR:  42704' unless $json_name{$feature};
			my $value = effective($name, $feature)->[0];
			return substr($value, 0, 1) . "|$value";
		});
	},
	get => sub {
		my $id = rand() < 0.5 ? undef : random_id();
		my $inheritance = pick(0, 1);
		return (sprintf('SELECT feature, value, source, sequence FROM get_instance_features(%s, %s)', $inheritance ? 'true' : 'false', quote($id)),
			sub { bad_id($id // $current) ? 'ERROR:  22023' : states(instance($id // $current), $inheritance) });
	},
	get_system => sub {
		my $inheritance = pick(0, 1);
		return (sprintf('SELECT feature, value, source, sequence FROM get_system_features(%s)', $inheritance ? 'true' : 'false'), sub { states('system', $inheritance) });
	},
	details => sub {
		my $id = rand() < 0.5 ? undef : random_id();
		return (sprintf('SELECT sequence, resource_owner FROM get_instance_feature_details(%s)', quote($id)), sub {
			return 'ERROR:  22023' if bad_id($id // $current);
			my $scope = $state->{ instance($id // $current) } or return 'ERROR:  P0002';
			return "$scope->{sequence}|" . ($id // $current);
		});
	},
	history => sub {
		my ($role) = @_;
		return ('SELECT count(*) FROM instance_feature_history()', sub {
			return 'ERROR:  22023' if bad_id($current);
			my $scope = $state->{ instance($current) } or return 'ERROR:  P0002';
			return may_change($role, $scope) ? $scope->{sequence} : 'ERROR:  42501';
		});
	},
	service => sub {
		my ($role) = @_;
		my $method = pick('PUT', 'GET', 'DELETE');
		my $level = pick('instance', 'system');
		my $request = random_request();
		my %status = ('22023' => 400, '42501' => 403, 'P0002' => 404);
		return (sprintf(q{SELECT status, body->'details'->>'sequence' FROM feature_service('%s', '/v2beta/features/%s', %s)}, $method, $level, quote($request)), sub {
			return '400|' if $level eq 'instance' && bad_id($current);
			my $name = $level eq 'system' ? 'system' : instance($current);
			my $result = $method eq 'PUT' ? set($role, $name, $request) : $method eq 'DELETE' ? reset_features($role, $name) : states($name, 0);
			return "$status{$1}|" if $result =~ /^ERROR:  (.....)$/;
			return "200|$state->{$name}{sequence}";
		});
	},
	choose => sub {
		my $id = random_id();
		return ('SET instance_features.instance_id = ' . quote($id), sub { $current = $id; return '' });
	},
);
# Reads and sets more often than the rest.
my @names = (sort(keys %operations), ('set') x 8, ('enabled') x 6, ('get') x 3, ('set_system') x 2, ('service') x 3);

my $session = Session->new($node);
$session->query('\set VERBOSITY sqlstate');
my $other = Session->new($node);
my @log;
my $failed;
for my $step (1 .. $steps)
{
	# Transactions and savepoints.
	if (rand() < 0.12)
	{
		my ($sql, $after);
		if (!@stack) { $sql = 'BEGIN'; push @stack, [ dclone($state), $current ] }
		elsif (rand() < 0.4) { push @stack, [ dclone($state), $current ]; $sql = "SAVEPOINT s$#stack" }
		elsif (@stack > 1 && rand() < 0.5)
		{
			my $n = 1 + int rand $#stack;
			$#stack = $n;
			$sql = "ROLLBACK TO s$n";
			($state, $current) = @{ dclone($stack[$n]) };
		}
		elsif (rand() < 0.5) { $sql = 'ROLLBACK'; ($state, $current) = @{ $stack[0] }; @stack = () }
		else { $sql = 'COMMIT'; @stack = () }
		push @log, $sql;
		my $got = $session->query($sql);
		$failed = "$sql: $got" if $got ne '';
	}
	else
	{
		my $role = pick(@roles);
		my ($sql, $model) = $operations{ pick(@names) }->($role);
		$session->query("SET ROLE \"$role\"");
		push @log, "$role: $sql";
		my $got = $session->query($sql);
		my $expected = $model->();
		$failed = "step $step, $role: $sql\ngot:      $got\nexpected: $expected" if $got ne $expected;
		if ($got =~ /^ERROR/ && @stack)
		{
			my $n = $#stack;
			$session->query($n ? "ROLLBACK TO s$n" : 'ROLLBACK');
			($state, $current) = @{ dclone($stack[$n]) };
			@stack = () unless $n;
			push @log, $n ? "ROLLBACK TO s$n" : 'ROLLBACK';
		}
		$session->query('RESET ROLE');
	}

	# Another session sees what is committed.
	if (!@stack && rand() < 0.05 && !$failed)
	{
		my $got = $other->query('SELECT feature, value, source, sequence FROM get_system_features(true)');
		$failed = "step $step, another session\ngot:      $got\nexpected: " . states('system', 1) if $got ne states('system', 1);
	}
	last if $failed;
}
ok(!$failed, "$steps random statements answer as the model does") or diag(join("\n", @log[ ($#log > 30 ? $#log - 30 : 0) .. $#log ], $failed));
$session->query('ROLLBACK') if @stack;
is($node->safe_psql('postgres', 'SELECT * FROM check_instance_features()'), '', 'and leave the tables consistent');

$_->quit for $session, $other;
$node->stop;
done_testing();
