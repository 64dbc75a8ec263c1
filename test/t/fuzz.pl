# Random calls of all public functions in random order, by random roles, compared
# with a small model of what the reference promises.  FUZZ_STEPS lengthens a run;
# SEED and FUZZ_STEPS repeat one.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Storable qw(dclone);
use Test::More;

my $seed  = $ENV{SEED}       // int(rand(2**31));
my $steps = $ENV{FUZZ_STEPS} // 4000;
diag("SEED=$seed FUZZ_STEPS=$steps");
srand($seed);

# A server that crashes must be told of, not end the test silently.
$SIG{PIPE} = 'IGNORE';

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION instance_features;
	CREATE ROLE sys; CREATE ROLE alice; CREATE ROLE bob; CREATE ROLE eve;
	CREATE ROLE carol IN ROLE alice; CREATE ROLE dave NOINHERIT IN ROLE alice;
	SELECT alter_system_owner('sys')});

# The model.  A value is the text of a jsonb value.  An event of a scope has its
# sequence, its feature (undef for a reset), the old value, the value, the editor,
# and the number of the step that made it, which stands for its time.
my @roles    = ($superuser, qw(sys alice bob carol dave eve));
my %inherits = (carol => 'alice');
my %member   = (carol => 'alice', dave => 'alice');
my %builtin  = (
	login_default_org                      => 'loginDefaultOrg',
	oidc_legacy_introspection              => 'oidcLegacyIntrospection',
	oidc_token_exchange                    => 'oidcTokenExchange',
	oidc_trigger_introspection_projections => 'oidcTriggerIntrospectionProjections',
	user_schema                            => 'userSchema');
my $step  = 0;
my $state = {
	scopes      => { system => new_scope('sys'), default => new_scope($superuser) },
	definitions => {
		map {
			$_ => {
				json_name   => $builtin{$_},
				type        => 'boolean',
				default     => 'false',
				stage       => 'experimental',
				description => '',
				builtin     => 1
			}
		} keys %builtin
	}
};

sub new_scope
{
	my ($owner) = @_;
	return { owner => $owner, sequence => 0, settings => {}, events => [], purged_to => 0 };
}

# Instances are named so that none collides with the system.
sub instance { my ($id)   = @_; return $id eq 'default'  ? 'default' : "i:$id" }
sub scope_id { my ($name) = @_; return $name eq 'system' ? 'SYSTEM'  : $name =~ s/^i://r }

sub instance_names
{
	my @names =
	  sort { scope_id($a) cmp scope_id($b) } grep { $_ ne 'system' } keys %{ $state->{scopes} };
	return @names;
}
sub keys_of_all { my @keys  = sort keys %{ $state->{definitions} }; return @keys }
sub definition  { my ($key) = @_; return $state->{definitions}{$key} }

sub has_privileges
{
	my ($role, $owner) = @_;
	return $role eq $superuser || $role eq $owner || ($inherits{$role} // '') eq $owner;
}
sub is_system_owner { return has_privileges($_[0], $state->{scopes}{system}{owner}) }

sub may_change
{
	my ($role, $scope) = @_;
	return has_privileges($role, $scope->{owner}) || is_system_owner($role);
}

sub may_become
{
	my ($role, $owner) = @_;
	return $role eq $superuser || $role eq $owner || ($member{$role} // '') eq $owner;
}
sub bad_id { my ($id) = @_; return length($id) == 0 || length($id) > 200 }

# Values
sub type_of
{
	my ($value) = @_;
	return
		$value =~ /^(?:true|false)$/ ? 'boolean'
	  : $value eq 'null'             ? 'null'
	  : $value =~ /^"/               ? 'string'
	  : $value =~ /^\[/              ? 'array'
	  : $value =~ /^\{/              ? 'object'
	  : $value =~ /\./               ? 'number'
	  :                                'integer';
}
sub elements { my ($array) = @_; return $array =~ /("\w*"|-?\d+(?:\.\d+)?|true|false)/g }

sub conforms
{
	my ($value, $type) = @_;
	my $own = type_of($value);
	return $own eq $type || $type eq 'number' && $own eq 'integer';
}

sub is_valid
{
	my ($value, $type, $allowed) = @_;
	return 0 unless conforms($value, $type);
	return 1 unless $allowed;
	my @parts = $type eq 'array' ? elements($value) : ($value);
	my %seen;
	return 0 if grep { $seen{$_}++ } @parts;
	my %allowed = map { $_ => 1 } elements($allowed);
	return !grep { !$allowed{$_} } @parts;
}

sub are_valid_allowed_values
{
	my ($allowed, $type) = @_;
	return 0 if $type eq 'boolean' || $type eq 'object' || type_of($allowed) ne 'array';
	my @elements = elements($allowed);
	my %seen;
	return 0 if !@elements  || grep  { $seen{$_}++ } @elements;
	return $type eq 'array' || !grep { !conforms($_, $type) } @elements;
}

# What a request wants: a hash by key, or undef if it is a bad one.  A request is
# the text of something that is no object, or a hash of texts.
sub parse_features
{
	my ($request) = @_;
	return undef unless ref $request;
	my %by_name = map { ($_ => $_) } keys_of_all();
	$by_name{ definition($_)->{json_name} } = $_ for keys_of_all();
	my (%wanted, %seen);
	for my $name (keys %$request)
	{
		my $key   = $by_name{$name};
		my $value = $request->{$name};
		return undef if !defined $key || $seen{$key}++;
		my $definition = definition($key);
		return undef
		  if $value ne 'null' && !is_valid($value, $definition->{type}, $definition->{allowed});
		$wanted{$key} = $value eq 'null' ? undef : $value unless $definition->{stage} eq 'removed';
	}
	return \%wanted;
}

sub parse_request
{
	my ($request) = @_;
	return undef unless ref $request && %$request;
	return parse_features($request);
}

# Change a scope: returns [key, old value, value, sequence] of each change.
sub find_changes
{
	my ($scope, $wanted) = @_;
	my $sequence = $scope->{sequence};
	my @changes;
	for my $key (sort keys %$wanted)
	{
		my $old = $scope->{settings}{$key} ? $scope->{settings}{$key}[0] : undef;
		my $new = $wanted->{$key};
		next if !defined $old && !defined $new || defined $old && defined $new && $old eq $new;
		push @changes, [ $key, $old, $new, ++$sequence ];
	}
	return @changes;
}

sub add_event
{
	my ($scope, $role, $key, $old, $value) = @_;
	push @{ $scope->{events} },
	  {
		sequence => ++$scope->{sequence},
		feature  => $key,
		old      => $old,
		value    => $value,
		editor   => $role,
		step     => $step
	  };
	return;
}

sub make_changes
{
	my ($role, $scope, @changes) = @_;
	for my $change (@changes)
	{
		my ($key, $old, $new, $sequence) = @$change;
		add_event($scope, $role, $key, $old, $new);
		if (defined $new) { $scope->{settings}{$key} = [ $new, $sequence ] }
		else              { delete $scope->{settings}{$key} }
	}
	return;
}

# Extend what is wanted: all else is to be unset.
sub unset_all_others
{
	my ($scope, $wanted) = @_;
	for my $key (keys %{ $scope->{settings} })
	{
		$wanted->{$key} = undef
		  unless exists $wanted->{$key} || definition($key)->{stage} eq 'removed';
	}
	return $wanted;
}

sub set
{
	my ($role, $name, $request, $expected) = @_;
	my $wanted = parse_request($request);
	return 'ERROR:  22023' if !$wanted || defined $expected && $expected < 0;
	my $scope = $state->{scopes}{$name} or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $scope);
	return 'ERROR:  55000' if defined $expected && $expected != $scope->{sequence};
	make_changes($role, $scope, find_changes($scope, $wanted));
	return $scope->{sequence};
}

sub reset_features
{
	my ($role, $name, $expected) = @_;
	return 'ERROR:  22023' if defined $expected && $expected < 0;
	my $scope = $state->{scopes}{$name} or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $scope);
	return 'ERROR:  55000'   if defined $expected && $expected != $scope->{sequence};
	add_event($scope, $role) if %{ $scope->{settings} };
	$scope->{settings} = {};
	return $scope->{sequence};
}

# The settings that some events make: [value, sequence] by key.
sub replay
{
	my (@events) = @_;
	my %settings;
	for my $event (@events)
	{
		if    (!defined $event->{feature}) { %settings = () }
		elsif (defined $event->{value})
		{
			$settings{ $event->{feature} } = [ $event->{value}, $event->{sequence} ];
		}
		else { delete $settings{ $event->{feature} } }
	}
	return %settings;
}

# Whether events that were purged are not needed to replay these.
sub is_reconstructible
{
	my ($scope, @events) = @_;
	return !$scope->{purged_to} || grep { $_->{sequence} >= $scope->{purged_to} } @events;
}

# [value, source, sequence]
sub effective
{
	my ($name, $key) = @_;
	my $definition = definition($key);
	if ($definition->{stage} ne 'removed')
	{
		my $own = $state->{scopes}{$name}{settings}{$key};
		return [ $own->[0], $name eq 'system' ? 'system' : 'instance', $own->[1] ] if $own;
		my $system = $state->{scopes}{system}{settings}{$key};
		return [ $system->[0], 'system', $system->[1] ] if $system;
	}
	return [ $definition->{default}, 'default', '' ];
}

# A list of [key, value, source, sequence], or an error.
sub list_states
{
	my ($name, $inheritance) = @_;
	my $scope = $state->{scopes}{$name} or return 'ERROR:  P0002';
	return map { [ $_, @{ effective($name, $_) } ] }
	  grep     { definition($_)->{stage} ne 'removed' } keys_of_all()
	  if $inheritance;
	my $settings = $scope->{settings};
	return 'ERROR:  P0002' if $name ne 'system' && !%$settings;
	return map {
		[ $_, $settings->{$_}[0], $name eq 'system' ? 'system' : 'instance', $settings->{$_}[1] ]
	} sort keys %$settings;
}

sub states
{
	my (@states) = list_states(@_);
	return join "\n", map { ref $_ ? join('|', @$_) : $_ } @states;
}

# Random things.
sub pick { return $_[ rand @_ ] }

sub random_id
{
	return pick(map { scope_id($_) } instance_names()) if rand() < 0.6 && instance_names() > 0;
	return pick(
		'default', 'a',       'b',       'b', 'A', q{it's "c" \\},
		'SYSTEM',  'x' x 200, 'nowhere', '',  'x' x 201);
}

# More often than not one that may do everything.
sub random_role
{
	return
	  rand() < 0.4 ? $superuser : rand() < 0.4 ? $state->{scopes}{system}{owner} : pick(@roles);
}
sub random_sequence { my ($limit) = @_; return rand() < 0.05 ? -1 : int rand $limit }

sub quote
{
	my ($text) = @_;
	return defined $text ? q{E'} . ($text =~ s/(['\\])/\\$1/gr) . q{'} : 'NULL';
}
my @own_features = qw(f_bool f_text f_int f_num f_list f_more);
my %pools        = (
	boolean => [qw(true false)],
	string  => [ '"x"', '"y"',   '"z"' ],
	integer => [ 1,     2,       3, -4 ],
	number  => [ '1.5', 2,       '-0.25' ],
	array   => [ '[]',  '["x"]', '["x", "y"]', '[1, 2]', '["x", "x"]' ],
	object  => [ '{}',  '{"a": 1}' ]);
my %natural_type = (f_text => 'string', f_int => 'integer', f_num => 'number', f_list => 'array');

sub random_value
{
	my ($key) = @_;
	return pick('"true"', '1', '[]', '{"enabled": true}', '0.5', '["x"]') if rand() < 0.05;
	my $definition = definition($key);
	return pick(
		@{ $pools{ $definition ? $definition->{type} : $natural_type{$key} // 'boolean' } });
}

sub random_key
{
	return rand() < 0.1 ? pick('userSchema', '', 'nothing', @own_features) : pick(keys_of_all());
}
my $changed;    # the feature whose definition the last statement has changed

sub random_features
{
	my %fields;
	for (1 .. 1 + rand 3)
	{
		my $key = rand() < 0.02 ? pick(@own_features) : pick(keys_of_all());
		$key = $changed if defined $changed && rand() < 0.5;
		my $name = rand() < 0.5 || !definition($key) ? $key : definition($key)->{json_name};
		$fields{$name} = rand() < 0.3 ? 'null' : random_value($key);
		$fields{ pick('user_shema', 'LoginDefaultOrg', '', 'üx', q{a'b}) } = 'true'
		  if rand() < 0.02;
	}
	return \%fields;
}

sub random_request
{
	return pick(undef, 'null', '[]', '"x"', '1', 'true', {}, '[{"userSchema": true}]')
	  if rand() < 0.08;
	return random_features();
}

sub request_text
{
	my ($request) = @_;
	return
	  ref $request
	  ? '{' . join(', ', map { qq{"$_": $request->{$_}} } sort keys %$request) . '}'
	  : $request;
}
# The JSON that a text is, in a form that can be compared.
sub canonical
{
	my ($text) = @_;
	return JSON::PP->new->utf8->allow_nonref->canonical->encode(
		JSON::PP->new->utf8->allow_nonref->decode($text));
}
sub json_string { my ($text) = @_; return JSON::PP->new->allow_nonref->encode($text) }

my $current = 'default';    # the setting instance_id
my @stack;                  # snapshots of [state, current]: the transaction, then savepoints

# An id, or none, and the instance that a call with it is about: undef if that is
# a bad one.
sub random_instance
{
	my $id = rand() < 0.4 ? undef : random_id();
	return ($id,
		sub { my $used = $id // $current; return bad_id($used) ? undef : instance($used) });
}

# One operation: its SQL, a function that gives what it should answer, and one
# that brings the answer into a form that can be compared.
my %operations = (
	set => sub {
		my ($role) = @_;
		my ($id, $name) = random_instance();
		my $request  = random_request();
		my $expected = rand() < 0.15 ? random_sequence(12) : undef;
		return (
			sprintf(
				'SELECT (set_instance_features(%s, %s, %s)).sequence',
				quote(request_text($request)),
				quote($id), $expected // 'NULL'),
			sub { defined $name->() ? set($role, $name->(), $request, $expected) : 'ERROR:  22023' }
		);
	},
	set_system => sub {
		my ($role)   = @_;
		my $request  = random_request();
		my $expected = rand() < 0.15 ? random_sequence(12) : undef;
		return (
			sprintf(
				'SELECT (set_system_features(%s, %s)).sequence',
				quote(request_text($request)),
				$expected // 'NULL'),
			sub { set($role, 'system', $request, $expected) });
	},
	reset => sub {
		my ($role) = @_;
		my ($id, $name) = random_instance();
		my $expected = rand() < 0.3 ? random_sequence(12) : undef;
		return (
			sprintf(
				'SELECT (reset_instance_features(%s, %s)).sequence',
				quote($id), $expected // 'NULL'),
			sub {
				defined $name->() ? reset_features($role, $name->(), $expected) : 'ERROR:  22023';
			});
	},
	reset_system => sub {
		my ($role) = @_;
		my $expected = rand() < 0.3 ? random_sequence(12) : undef;
		return (sprintf('SELECT (reset_system_features(%s)).sequence', $expected // 'NULL'),
			sub { reset_features($role, 'system', $expected) });
	},
	create => sub {
		my ($role) = @_;
		my $id     = rand() < 0.05 ? undef : random_id();
		my $owner  = rand() < 0.3  ? undef : pick(@roles);
		return (
			sprintf(
				'SELECT (create_instance(%s, %s)).sequence',
				quote($id), $owner ? "'$owner'" : 'NULL'),
			sub {
				return 'ERROR:  22023' if !defined $id || bad_id($id);
				return 'ERROR:  42501' unless is_system_owner($role);
				return 'ERROR:  42710' if $state->{scopes}{ instance($id) };
				$state->{scopes}{ instance($id) } = new_scope($owner // $role);
				return 0;
			});
	},
	drop => sub {
		my ($role) = @_;
		my $id = rand() < 0.05 ? undef : rand() < 0.6 ? pick(qw(A SYSTEM nowhere)) : random_id();
		return (
			sprintf('SELECT drop_instance(%s)', quote($id)),
			sub {
				return 'ERROR:  22023' if !defined $id || bad_id($id);
				return 'ERROR:  P0002' unless $state->{scopes}{ instance($id) };
				return 'ERROR:  42501' unless is_system_owner($role);
				delete $state->{scopes}{ instance($id) };
				return '';
			});
	},
	owner => sub {
		my ($role) = @_;
		my ($id, $name) = random_instance();
		my $owner = rand() < 0.05 ? undef : pick(@roles);
		return (
			sprintf(
				'SELECT alter_instance_owner(%s, %s)', $owner ? "'$owner'" : 'NULL', quote($id)),
			sub {
				return 'ERROR:  22023' if !defined $name->() || !defined $owner;
				my $scope = $state->{scopes}{ $name->() } or return 'ERROR:  P0002';
				return 'ERROR:  42501' unless may_change($role, $scope);
				return 'ERROR:  42501' unless is_system_owner($role) || may_become($role, $owner);
				$scope->{owner} = $owner;
				return '';
			});
	},
	system_owner => sub {
		my ($role) = @_;
		my $owner = rand() < 0.05 ? undef : pick('sys', 'sys', @roles);
		return (
			sprintf('SELECT alter_system_owner(%s)', $owner ? "'$owner'" : 'NULL'),
			sub {
				return 'ERROR:  22023' if !defined $owner;
				return 'ERROR:  42501' unless is_system_owner($role) && may_become($role, $owner);
				$state->{scopes}{system}{owner} = $owner;
				return '';
			});
	},
	define => sub {
		my ($role) = @_;
		my $key =
		  rand() < 0.1 ? pick('user_schema', 'Bad', 'f-x', undef, 'f' x 64) : pick(@own_features);
		my $type = rand() < 0.4 ? pick(sort keys %pools) : undef;
		my $default =
		  rand() < 0.05
		  ? pick(undef, 'null')
		  : pick(@{ $pools{ $type // $natural_type{ $key // '' } // pick(sort keys %pools) } });
		my $allowed =
		  rand() < 0.3
		  ? pick('["x", "y"]', '[1, 2, 1.5]', '["x", "x"]', '[]', '"x"', '[1, 2]')
		  : undef;
		my $json_name =
		  rand() < 0.2 ? pick('userSchema', 'own', 'details', 'f_int', '', 'x' x 201) : undef;
		my $description = pick(undef, 'words');
		return (
			sprintf(
				'SELECT define_feature(%s, %s, %s, %s, %s, %s)',
				quote($key),       quote($default), quote($description),
				quote($json_name), quote($type),    quote($allowed)),
			sub {
				return 'ERROR:  22023'
				  if !defined $key || !defined $default || $key !~ /^[a-z][a-z0-9_]{0,62}$/;
				my $name = $json_name // $key =~ s/_+(.?)/uc $1/gre;
				return 'ERROR:  22023'
				  if length($name) == 0
				  || length($name) > 200
				  || $name eq 'details'
				  || $default eq 'null';
				my $own_type = $type // type_of($default);
				return 'ERROR:  22023'
				  if defined $allowed && !are_valid_allowed_values($allowed, $own_type);
				return 'ERROR:  22023' unless is_valid($default, $own_type, $allowed);
				return 'ERROR:  42501' unless is_system_owner($role);
				my %taken = map { $_ => 1, definition($_)->{json_name} => 1 } keys_of_all();
				return 'ERROR:  42710' if $taken{$key} || $taken{$name};
				$state->{definitions}{$key} = {
					json_name   => $name,
					type        => $own_type,
					default     => $default,
					allowed     => $allowed,
					stage       => 'experimental',
					description => $description // '',
					builtin     => 0
				};
				return '';
			});
	},
	alter => sub {
		my ($role)  = @_;
		my $key     = random_own_key();
		my $default = rand() < 0.6 ? random_value($key) : undef;
		my $allowed =
		  rand() < 0.4
		  ? pick('["x", "y"]', '["x", "y", "z"]', '[1, 2, 3]', 'null', 'null', '[1, 2, 1.5]', '[]')
		  : undef;
		my $description = pick(undef, 'other words');
		return (
			sprintf(
				'SELECT alter_feature(%s, %s, %s, %s)',
				quote($key), quote($default), quote($description), quote($allowed)),
			sub {
				return 'ERROR:  22023'
				  unless defined $default || defined $allowed || defined $description;
				my $error = definition_error($role, $key);
				return $error if $error;
				my $new = dclone(definition($key));
				$new->{default}     = $default                              if defined $default;
				$new->{description} = $description                          if defined $description;
				$new->{allowed}     = $allowed eq 'null' ? undef : $allowed if defined $allowed;
				return 'ERROR:  22023'
				  if defined $new->{allowed}
				  && !are_valid_allowed_values($new->{allowed}, $new->{type});
				return 'ERROR:  22023'
				  unless is_valid($new->{default}, $new->{type}, $new->{allowed});
				return 'ERROR:  55000'
				  if defined $allowed
				  && grep {
					$_->{settings}{$key}
					  && !is_valid($_->{settings}{$key}[0], $new->{type}, $new->{allowed})
				  } values %{ $state->{scopes} };
				$state->{definitions}{$key} = $new;
				return '';
			});
	},
	stage => sub {
		my ($role) = @_;
		my $key = random_own_key();
		my $stage =
		  rand() < 0.05 ? undef : pick('experimental', 'stable', 'stable', 'deprecated', 'removed');
		return (
			sprintf('SELECT set_feature_stage(%s, %s)', quote($key), quote($stage)),
			sub {
				return 'ERROR:  22023' unless defined $stage;
				my $error = definition_error($role, $key);
				return $error if $error;
				definition($key)->{stage} = $stage;
				return '';
			});
	},
	drop_feature => sub {
		my ($role)  = @_;
		my $key     = random_own_key();
		my $cascade = pick('NULL', 'false', 'true', 'true', 'true');
		return (
			sprintf('SELECT drop_feature(%s, %s)', quote($key), $cascade),
			sub {
				return 'ERROR:  22023' if $cascade eq 'NULL';
				my $error = definition_error($role, $key);
				return $error if $error;
				my @setters = grep { $_->{settings}{$key} } values %{ $state->{scopes} };
				return 'ERROR:  55000' if @setters && $cascade eq 'false';
				make_changes($role, $_, find_changes($_, { $key => undef })) for @setters;
				delete $state->{definitions}{$key};
				return '';
			});
	},
	apply => sub {
		my ($role) = @_;
		my $dry_run = rand() < 0.04 ? 'NULL' : pick('true', 'false', 'false');
		my %document;
		$document{system} = rand() < 0.05 ? random_request() // 'null' : random_features()
		  if rand() < 0.4;
		for (1 .. rand 3)
		{
			my $id = random_id();
			next if $id eq '' && rand() < 0.7 || length $id > 200 && rand() < 0.7;
			$document{instances}{$id} = rand() < 0.05 ? random_request()
			  // 'null' : rand() < 0.2 ? {} : random_features();
		}
		my $extra     = rand() < 0.03 ? pick('"features_of_mine": {}', '"instances": 1') : undef;
		my $instances = $document{instances};
		my $text      = '{'
		  . join(
			', ',
			$document{system} ? '"system": ' . request_text($document{system}) : (),
			$instances        ? '"instances": {'
			  . join(', ',
				map { json_string($_) . ': ' . request_text($instances->{$_}) }
				sort keys %$instances)
			  . '}' : (),
			$extra // ()) . '}';
		if (rand() < 0.03) { $text = pick(undef, '[]', 'null'); $extra = 'bad' }
		return (
			sprintf('SELECT * FROM apply_features(%s, %s)', quote($text), $dry_run),
			sub {
				my $before = dclone($state);
				my $result = apply($role, \%document, $extra, $dry_run);
				$state = $before if $result =~ /^ERROR/;
				return $result;
			});
	},
	export => sub {
		my ($role) = @_;
		return (
			'SELECT export_features()',
			sub {
				my $object = sub {
					my ($scope) = @_;
					my $settings = $scope->{settings};
					return '{'
					  . join(', ',
						map  { '"' . definition($_)->{json_name} . '": ' . $settings->{$_}[0] }
						grep { definition($_)->{stage} ne 'removed' } sort keys %$settings)
					  . '}';
				};
				my @instances = grep { may_change($role, $state->{scopes}{$_}) } instance_names();
				return '{'
				  . (
					is_system_owner($role)
					? '"system": ' . $object->($state->{scopes}{system}) . ', '
					: '')
				  . '"instances": {'
				  . join(', ',
					map { json_string(scope_id($_)) . ': ' . $object->($state->{scopes}{$_}) }
					  @instances)
				  . '}}';
			},
			\&canonical);
	},
	enabled => sub {
		my ($id, $name) = random_instance();
		my $key      = random_key();
		my $function = pick('feature_enabled', 'feature_value');
		return (sprintf('SELECT %s(%s, %s)', $function, quote($key), quote($id)),
			sub { read_value($name->(), $key, $function) });
	},
	typed => sub {
		my ($id, $name) = random_instance();
		my %types =
		  (feature_text => 'string', feature_integer => 'integer', feature_number => 'number');
		my $function = pick(sort keys %types);
		my @fitting  = grep { definition($_)->{type} eq $types{$function} } keys_of_all();
		my $key      = @fitting && rand() < 0.7 ? pick(@fitting) : random_own_key();
		return (sprintf('SELECT %s(%s, %s)', $function, quote($key), quote($id)),
			sub { read_value($name->(), $key, $function) });
	},
	get => sub {
		my ($id, $name) = random_instance();
		my $inheritance = pick(0, 1);
		return (
			sprintf(
				'SELECT feature, value, source, sequence FROM get_instance_features(%s, %s)',
				$inheritance ? 'true' : 'false',
				quote($id)),
			sub { defined $name->() ? states($name->(), $inheritance) : 'ERROR:  22023' });
	},
	get_system => sub {
		my $inheritance = pick(0, 1);
		return (
			sprintf('SELECT feature, value, source, sequence FROM get_system_features(%s)',
				$inheritance ? 'true' : 'false'),
			sub { states('system', $inheritance) });
	},
	details => sub {
		my ($id, $name) = random_instance();
		return (
			sprintf('SELECT sequence, resource_owner FROM get_instance_feature_details(%s)',
				quote($id)),
			sub {
				return 'ERROR:  22023' unless defined $name->();
				my $scope = $state->{scopes}{ $name->() } or return 'ERROR:  P0002';
				return "$scope->{sequence}|" . scope_id($name->());
			});
	},
	system_details => sub {
		return ('SELECT sequence, resource_owner FROM get_system_feature_details()',
			sub { "$state->{scopes}{system}{sequence}|SYSTEM" });
	},
	history => sub {
		my ($role) = @_;
		my ($id, $name) = random_instance();
		return (
			sprintf(
				'SELECT sequence, event_type, feature, old_value, value, editor
					FROM instance_feature_history(%s)',
				quote($id)),
			sub { defined $name->() ? history($role, $name->()) : 'ERROR:  22023' });
	},
	system_history => sub {
		my ($role) = @_;
		return (
			'SELECT sequence, event_type, feature, old_value, value, editor
				FROM system_feature_history()',
			sub { history($role, 'system') });
	},
	at => sub {
		my ($role) = @_;
		my ($id, $name) = random_instance();
		my $scope = defined $name->() ? $state->{scopes}{ $name->() } : undef;
		my $sequence =
			 $scope
		  && @{ $scope->{events} }
		  && rand() < 0.8 ? pick(@{ $scope->{events} })->{sequence} : int rand 9;
		my $quoted = quote($id);
		return (
			qq{SELECT feature, value, source, sequence
				FROM get_instance_features_at((SELECT creation_date
					FROM instance_feature_history($quoted) WHERE sequence = $sequence), $quoted)},
			sub { defined $name->() ? features_at($role, $name->(), $sequence) : 'ERROR:  22023' });
	},
	revert => sub {
		my ($role) = @_;
		my ($id, $name) = random_instance();
		my $scope = defined $name->() ? $state->{scopes}{ $name->() } : undef;
		my $sequence =
		  rand() < 0.05
		  ? undef
		  : random_sequence($scope && rand() < 0.8 ? $scope->{sequence} + 1 : 12);
		return (
			sprintf(
				'SELECT (revert_instance_features(%s, %s)).sequence',
				$sequence // 'NULL',
				quote($id)),
			sub {
				return 'ERROR:  22023' if !defined $name->() || !defined $sequence || $sequence < 0;
				return revert($role, $name->(), $sequence);
			});
	},
	purge => sub {
		my ($role) = @_;
		my $before = rand() < 0.1 ? pick(undef, '-infinity') : 'infinity';
		return (sprintf('SELECT purge_feature_events(%s)', quote($before)),
			sub { purge($role, $before) });
	},
	definitions => sub {
		return (
			q{SELECT key, json_name, value_type, default_value, allowed_values, stage,
				CASE WHEN NOT builtin THEN description END, builtin
				FROM instance_features.definition ORDER BY key COLLATE "C"},
			sub {
				return join "\n", map {
					my $d = definition($_);
					join '|', $_, @$d{qw(json_name type default)}, $d->{allowed} // '',
					  $d->{stage}, $d->{description}, $d->{builtin}
					  ? 't'
					  : 'f'
				} keys_of_all();
			});
	},
	instances => sub {
		my ($role) = @_;
		return (
			q{SELECT instance_id, owner, sequence, settings FROM instance_features.instance
				ORDER BY instance_id COLLATE "C"},
			sub {
				return join "\n", map {
					my $scope = $state->{scopes}{$_};
					join '|', scope_id($_), $scope->{owner}, $scope->{sequence},
					  scalar keys %{ $scope->{settings} }
				} grep { may_change($role, $state->{scopes}{$_}) } instance_names();
			});
	},
	effective => sub {
		my ($role) = @_;
		return (
			q{SELECT instance_id, feature, value, source, sequence
				FROM instance_features.effective_feature
				ORDER BY instance_id COLLATE "C", feature COLLATE "C"},
			sub {
				return join "\n", map {
					my $name = $_;
					map { join '|', scope_id($name), @$_ } list_states($name, 1)
				} grep { may_change($role, $state->{scopes}{$_}) } instance_names();
			});
	},
	service => sub {
		my ($role)      = @_;
		my $method      = pick('PUT', 'GET', 'DELETE', 'PUT', 'GET', 'POST');
		my $level       = pick('instance', 'system');
		my $request     = random_request();
		my $inheritance = $method eq 'GET' && rand() < 0.5;
		my $path =
		  pick('/v2beta', '/v2') . "/features/$level" . ($inheritance ? '?inheritance=true' : '');
		return (
			sprintf(
				q{SELECT status, body->'details'->>'sequence',
					CASE WHEN status = 200 THEN body - 'details' END
					FROM feature_service('%s', '%s', %s)},
				$method, $path, quote(request_text($request))),
			sub { service($role, $method, $level, $request, $inheritance) },
			sub { $_[0] =~ s/(\{.*\})$/canonical($1)/er });
	},
	library => sub {
		return (
			'SELECT hits >= 0, loads >= 0, instance_features_version()
				FROM instance_features_stats()',
			sub { 't|t|2.0' });
	},
	check => sub {
		return ("RESET ROLE; SELECT count(*) FROM check_instance_features()", sub { 0 });
	},
	choose => sub {
		my $id = rand() < 0.7 ? pick('default', 'a') : random_id();
		return ('SET instance_features.instance_id = ' . quote($id),
			sub { $current = $id; return '' });
	},);

sub random_own_key
{
	return rand() < 0.1
	  ? pick('user_schema', 'nothing', @own_features)
	  : pick((grep { !definition($_)->{builtin} } keys_of_all()), 'f_bool');
}

# What keeps a role from changing a definition, '' if nothing does.
sub definition_error
{
	my ($role, $key) = @_;
	return 'ERROR:  42704' unless definition($key);
	return 'ERROR:  42501' if !is_system_owner($role) || definition($key)->{builtin};
	return '';
}

sub read_value
{
	my ($name, $key, $function) = @_;
	my %types = (
		feature_enabled => ['boolean'],
		feature_text    => ['string'],
		feature_integer => ['integer'],
		feature_number  => [ 'number', 'integer' ]);
	return 'ERROR:  22023' unless defined $name;
	return 'ERROR:  P0002' unless $state->{scopes}{$name};
	return 'ERROR:  42704' unless definition($key);
	my $value = effective($name, $key)->[0];
	return $value if $function eq 'feature_value';
	return 'ERROR:  22023' unless grep { $_ eq definition($key)->{type} } @{ $types{$function} };
	return $function eq 'feature_enabled' ? substr($value, 0, 1) : $value =~ s/"//gr;
}

sub history
{
	my ($role, $name) = @_;
	my $scope = $state->{scopes}{$name} or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $scope);
	my $level = $name eq 'system' ? 'system' : 'instance';
	return join "\n", map {
		my $event = $_;
		my $type =
		  !defined $event->{feature}
		  ? 'reset'
		  : $event->{feature} . (defined $event->{value} ? '.set' : '.unset');
		join '|', $event->{sequence}, "feature.$level.$type",
		  map { $event->{$_} // '' }
		  qw(feature old value editor)
	} @{ $scope->{events} };
}

sub features_at
{
	my ($role, $name, $sequence) = @_;
	my $scope = $state->{scopes}{$name} or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $scope);
	my ($event) = grep { $_->{sequence} == $sequence } @{ $scope->{events} };
	return 'ERROR:  22023' unless $event;
	my @events = grep { $_->{step} <= $event->{step} } @{ $scope->{events} };
	return 'ERROR:  P0002' unless is_reconstructible($scope, @events);
	my %settings = replay(@events);
	return 'ERROR:  P0002' unless %settings;
	return join "\n", map { "$_|$settings{$_}[0]|instance|$settings{$_}[1]" } sort keys %settings;
}

sub revert
{
	my ($role, $name, $sequence) = @_;
	my $scope = $state->{scopes}{$name} or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $scope);
	return 'ERROR:  P0002' if $sequence > $scope->{sequence};
	my @events = grep { $_->{sequence} <= $sequence } @{ $scope->{events} };
	return 'ERROR:  P0002' unless $sequence == 0 || is_reconstructible($scope, @events);
	my %settings = replay(@events);
	my %wanted;

	for my $key (keys %settings)
	{
		my $definition = definition($key);
		next if !$definition || $definition->{stage} eq 'removed';
		return 'ERROR:  22023'
		  unless is_valid($settings{$key}[0], $definition->{type}, $definition->{allowed});
		$wanted{$key} = $settings{$key}[0];
	}
	make_changes($role, $scope, find_changes($scope, unset_all_others($scope, \%wanted)));
	return $scope->{sequence};
}

sub purge
{
	my ($role, $before) = @_;
	return 'ERROR:  22023' unless defined $before;
	return 'ERROR:  42501' unless is_system_owner($role);
	return 0 if $before eq '-infinity';
	my $deleted = 0;
	for my $scope (values %{ $state->{scopes} })
	{
		my @events   = @{ $scope->{events} } or next;
		my %settings = replay(@events);
		my %kept     = map { $_->[1] => 1 } values %settings;
		my $last     = $events[-1]{sequence};
		my @left     = grep { $_->{sequence} == $last || $kept{ $_->{sequence} } } @events;
		next if @left == @events;
		$deleted += @events - @left;
		$scope->{events}    = \@left;
		$scope->{purged_to} = $last;
	}
	return $deleted;
}

sub apply
{
	my ($role, $document, $extra, $dry_run) = @_;
	return 'ERROR:  22023' if $dry_run eq 'NULL' || $extra;
	my %requests =
	  map { (instance($_) => $document->{instances}{$_}) } keys %{ $document->{instances} };
	$requests{system} = $document->{system} if $document->{system};
	return 'ERROR:  22023'                  if grep { bad_id($_) } keys %{ $document->{instances} };
	return 'ERROR:  22023'                  if grep { !parse_features($_) } values %requests;
	my @rows;
	for my $name (
		sort { ($b eq 'system') <=> ($a eq 'system') || scope_id($a) cmp scope_id($b) }
		keys %requests)
	{
		my $scope = $state->{scopes}{$name};
		my @columns =
		  $name eq 'system' ? ('system', '', 'SYSTEM') : ('instance', (scope_id($name)) x 2);
		if (!$scope)
		{
			return 'ERROR:  P0002' unless is_system_owner($role);
			$scope = new_scope($role);
			$state->{scopes}{$name} = $scope if $dry_run eq 'false';
			push @rows, [ @columns, '', '', '', 0 ];
		}
		elsif (!may_change($role, $scope)) { return 'ERROR:  42501' }
		my @changes =
		  find_changes($scope, unset_all_others($scope, parse_features($requests{$name})));
		push @rows, map {
			[ @columns, map { $_ // '' } @$_ ]
		} @changes;
		make_changes($role, $scope, @changes) if $dry_run eq 'false';
	}
	return join "\n", map { join '|', @$_ } @rows;
}

sub service
{
	my ($role, $method, $level, $request, $inheritance) = @_;
	my %status = ('22023' => 400, '42501' => 403, 'P0002' => 404, '55000' => 400);
	return '405||' if $method eq 'POST';
	return '400||' if $level eq 'instance' && bad_id($current);
	my $name = $level eq 'system' ? 'system' : instance($current);
	my $body = '{}';
	my $result;
	if ($method eq 'GET')
	{
		my @states = list_states($name, $inheritance);
		if (@states && !ref $states[0]) { $result = $states[0] }
		else
		{
			my %sources = (
				system   => 'SOURCE_SYSTEM',
				instance => 'SOURCE_INSTANCE',
				default  => 'SOURCE_UNSPECIFIED');
			$result = '';
			$body   = canonical(
				'{' . join(
					', ',
					map {
						my ($key, $value, $source) = @$_;
						my $field = definition($key)->{type} eq 'boolean' ? 'enabled' : 'value';
						sprintf(
							'"%s": {"%s": %s, "source": "%s"}',
							definition($key)->{json_name},
							$field, $value, $sources{$source})
					} @states)
				  . '}');
		}
	}
	else { $result = $method eq 'PUT' ? set($role, $name, $request) : reset_features($role, $name) }
	return "$status{$1}||" if $result =~ /^ERROR:  (.....)$/;
	return "200|$state->{scopes}{$name}{sequence}|$body";
}

# Reads and sets more often than the rest.
my @names = (
	sort(keys %operations),
	('set') x 10,
	('create') x 2,
	('enabled') x 6,
	('typed') x 2,
	('get') x 3,
	('set_system') x 2,
	('service') x 3,
	('define') x 2,
	('apply') x 2,
	('at') x 2,
	('revert') x 2);

my $session = Session->new($node);
$session->query("\\set VERBOSITY sqlstate\nSET client_min_messages = error;");
my $other = Session->new($node);
my @log;
my $failed;
my %called;
while ($step++ < $steps)
{
	# Transactions and savepoints.
	if (rand() < 0.12)
	{
		my $sql;
		if    (!@stack) { $sql = 'BEGIN'; push @stack, [ dclone($state), $current ] }
		elsif (rand() < 0.4)
		{
			push @stack, [ dclone($state), $current ];
			$sql = "SAVEPOINT s$#stack";
		}
		elsif (@stack > 1 && rand() < 0.5)
		{
			my $n = 1 + int rand $#stack;
			if (rand() < 0.7)
			{
				$#stack = $n;
				$sql    = "ROLLBACK TO s$n";
				($state, $current) = @{ dclone($stack[$n]) };
			}
			else
			{
				$#stack = $n - 1;
				$sql    = "RELEASE s$n";
			}
		}
		elsif (rand() < 0.5) { $sql = 'ROLLBACK'; ($state, $current) = @{ $stack[0] }; @stack = () }
		else                 { $sql = 'COMMIT'; @stack = () }
		push @log, $sql;
		my $got = $session->query($sql);
		$failed = "$sql: $got" if $got ne '';
	}
	else
	{
		my $role = random_role();
		my $operation =
		  defined $changed && rand() < 0.7 ? pick(qw(set set_system apply)) : pick(@names);
		my ($sql, $model, $form) = $operations{$operation}->($role);
		$changed =
			$sql =~ /(?:define_feature|alter_feature|set_feature_stage|drop_feature)\(E'(f_\w+)'/
		  ? $1
		  : undef;
		$session->query("SET ROLE \"$role\"");
		push @log, "$role: $sql";
		$called{$1}++ while $sql =~ /(\w+)\(/g;
		$called{$1}++ while $sql =~ /(instance_features\.\w+)/g;
		my $got      = $session->query($sql);
		my $expected = $model->();
		my $error    = $got =~ /^ERROR/;
		($got, $expected) = map { $_ =~ /^ERROR/ ? $_ : $form->($_) } $got, $expected if $form;
		$failed = "step $step, $role: $sql\ngot:      $got\nexpected: $expected"
		  if $got ne $expected;
		$called{"$1, succeeded"}++ if !$error && $sql =~ /(\w+)\(/;

		if ($error && @stack)
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
		my $got =
		  $other->query('SELECT feature, value, source, sequence FROM get_system_features(true)');
		$failed = "step $step, another session\ngot:      $got\nexpected: " . states('system', 1)
		  if $got ne states('system', 1);
	}
	last if $failed;
}
ok(!$failed, "$steps random statements answer as the model does")
  or diag(
	join("\n",
		@log[ ($#log > 30 ? $#log - 30 : 0) .. $#log ],
		$failed, "SEED=$seed FUZZ_STEPS=$steps"));
$session->query('ROLLBACK') if @stack;
is($node->safe_psql('postgres', 'SELECT * FROM check_instance_features()'),
	'', 'random statements leave the tables consistent');

if (!$failed)
{
	my @functions = split /\n/, $node->safe_psql(
		'postgres', q{
		SELECT DISTINCT proname FROM pg_proc p
		JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		WHERE pronamespace = 'public'::regnamespace ORDER BY 1});
	is(join(' ', grep { !$called{$_} } @functions), '', 'the model calls every public function');
	diag(
		map {
			sprintf("%6d %s\n",
				$called{$_} // 0,
				$_ . ($called{"$_, succeeded"} ? ", $called{\"$_, succeeded\"} with success" : ''))
		} @functions,
		grep { /\./ } sort keys %called);
}

$_->quit for $session, $other;
$node->stop;
done_testing();
