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
	SELECT alter_system_owner('sys');
	SELECT define_feature('f_all', levels => '{system,instance,organization,user}');
	SELECT define_feature('f_low', '"x"', levels => '{organization,user}');
	CREATE FUNCTION hot(key text, i text, o text, u text) RETURNS boolean
	LANGUAGE plpgsql AS 'BEGIN RETURN feature_enabled(key, i, o, u); END'});

# The model.  A value is the text of a jsonb value.  An event of a scope has its
# sequence, its feature (undef for a reset), the old value, the value, the editor,
# the actor, the reason, and the number of the step that made it, which stands for
# its time.  A scope below an instance is in the model if it has a row.
my @levels   = qw(system instance organization user);
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
				description => 'built in',
				levels      => [qw(system instance)],
				builtin     => 1
			}
		} keys %builtin
	}
};
$state->{definitions}{f_all} = {
	json_name   => 'fAll',
	type        => 'boolean',
	default     => 'false',
	stage       => 'experimental',
	description => '',
	levels      => [@levels],
	builtin     => 0
};
$state->{definitions}{f_low} = {
	json_name   => 'fLow',
	type        => 'string',
	default     => '"x"',
	stage       => 'experimental',
	description => '',
	levels      => [qw(organization user)],
	builtin     => 0
};

sub new_scope
{
	my ($owner) = @_;
	return { owner => $owner, sequence => 0, settings => {}, events => [], purged_to => 0 };
}

# Instances are named so that none collides with the system, scopes below them so
# that none collides with another.
sub instance { my ($id) = @_; return $id eq 'default' ? 'default' : "i:$id" }
sub lower { my ($level, $instance, $id) = @_; return "$level\n$instance\n$id" }

sub scope_id
{
	my ($name) = @_;
	return
		$name eq 'system' ? 'SYSTEM'
	  : $name =~ /\n/     ? (split /\n/, $name, 3)[2]
	  :                     $name =~ s/^i://r;
}

sub level_of
{
	my ($name) = @_;
	return $name eq 'system' ? 'system' : $name =~ /^(\w+)\n/ ? $1 : 'instance';
}

# The instance that a scope belongs to, or the scope itself.
sub owned_name
{
	my ($name) = @_;
	return $name =~ /\n/ ? instance((split /\n/, $name, 3)[1]) : $name;
}

# The names of the scopes of a level, in the order of instances and ids.
sub names_of
{
	my ($level) = @_;
	my @names =
	  sort {
			 scope_id(owned_name($a)) cmp scope_id(owned_name($b))
		  || scope_id($a) cmp scope_id($b)
	  }
	  grep { level_of($_) eq $level } keys %{ $state->{scopes} };
	return @names;
}
sub instance_names { return names_of('instance') }

# A scope, or undef if there is none.  One below an instance exists with it, and
# comes into the model when it is changed.
sub scope_of
{
	my ($name) = @_;
	return undef unless $state->{scopes}{ owned_name($name) };
	return $state->{scopes}{$name} // new_scope();
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
	my ($role, $name) = @_;
	return has_privileges($role, $state->{scopes}{ owned_name($name) }{owner})
	  || is_system_owner($role);
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

# Definitions.  In a document they have these fields, in the order of jsonb.
my @definition_fields = (
	[ type          => 'type' ],
	[ stage         => 'stage' ],
	[ levels        => 'levels' ],
	[ default       => 'default' ],
	[ jsonName      => 'json_name' ],
	[ description   => 'description' ],
	[ allowedValues => 'allowed' ]);
my @stages = qw(experimental stable deprecated removed);

# The JSON name of a feature that gives none.
sub camel_case { my ($key) = @_; return $key =~ s/_+(.?)/uc $1/gre }

sub has_valid_values
{
	my ($definition) = @_;
	my ($type, $default, $allowed) = @$definition{qw(type default allowed)};
	return (!defined $allowed || are_valid_allowed_values($allowed, $type))
	  && is_valid($default, $type, $allowed);
}

# Whether a new feature can be defined so, if its names are free.
sub is_definable
{
	my ($key, $definition) = @_;
	my $name = $definition->{json_name};
	return
		 $key =~ /^[a-z][a-z0-9_]{0,62}$/
	  && !bad_id($name)
	  && $name !~ /^(?:details|organizationId|userId)$/
	  && has_valid_values($definition);
}

# Keys and JSON names.
sub taken_names
{
	return map { $_ => 1, definition($_)->{json_name} => 1 } keys_of_all();
}

# Whether a scope has a setting of a feature that a definition does not allow.
sub is_violated
{
	my ($key, $definition) = @_;
	for my $name (keys %{ $state->{scopes} })
	{
		my $setting = $state->{scopes}{$name}{settings}{$key} or next;
		return 1 unless is_valid($setting->[0], @$definition{qw(type allowed)});
		return 1 unless grep { $_ eq level_of($name) } @{ $definition->{levels} };
	}
	return 0;
}

# What a definition of a document gives, or undef if it is a bad one: something
# that is no object, or a hash of texts by field.
sub parse_definition
{
	my ($given) = @_;
	return undef unless ref $given;
	my %fields = map { @$_ } @definition_fields;
	my %known  = (
		type   => [qw(boolean string integer number array object)],
		stage  => \@stages,
		levels => \@levels);
	my %parsed;
	for my $name (keys %$given)
	{
		my $field = $fields{$name} or return undef;
		my $text  = $given->{$name};
		my $type  = $field =~ /^(?:allowed|levels)$/ ? 'array' : 'string';
		return undef if $field eq 'default' ? $text eq 'null' : type_of($text) ne $type;
		my @parts = $type eq 'array' ? $text =~ /[^][, ]+/g : $text;
		s/^"(.*)"$/$1/ for my @strings = @parts;
		if (my $known = $known{$field})
		{
			my %in = map { $_ => 1 } @strings;
			return undef if !@strings || grep { !/^"/ } @parts;
			return undef if grep {
				my $string = $_;
				!grep { $_ eq $string } @$known
			} @strings;
			$parsed{$field} = $field eq 'levels' ? [ grep { $in{$_} } @levels ] : $strings[0];
		}
		else { $parsed{$field} = $field =~ /^(?:default|allowed)$/ ? $text : $strings[0] }
	}
	return \%parsed;
}

# A definition, or that of a new feature, with what was given in place of what it
# had.
sub merge_definition
{
	my ($key, $given) = @_;
	my %new = (
		default     => 'false',
		description => '',
		levels      => [qw(system instance)],
		stage       => 'experimental',
		builtin     => 0,
		%{ definition($key) // {} }, %$given);
	$new{json_name} //= camel_case($key);
	$new{type}      //= type_of($new{default});
	return \%new;
}

# A field of a definition as JSON, or undef if it is empty.
sub format_field
{
	my ($definition, $field) = @_;
	my $value = $definition->{$field};
	return
		!defined $value                   ? undef
	  : $field eq 'levels'                ? '[' . join(', ', map { qq{"$_"} } @$value) . ']'
	  : $field =~ /^(?:default|allowed)$/ ? $value
	  :                                     qq{"$value"};
}

# The fields in which a definition differs from another one, or all that are not
# empty: [name, JSON] of each.
sub fields_of
{
	my ($definition, $other) = @_;
	$other //= { description => '' };
	return grep { defined $_->[1] && $_->[1] ne $_->[2] }
	  map {
		my ($name, $field) = @$_;
		[ $name, format_field($definition, $field), format_field($other, $field) // '' ]
	  } @definition_fields;
}

sub format_definition
{
	return '{' . join(', ', map { qq{"$_->[0]": $_->[1]} } fields_of(@_)) . '}';
}

# How a role makes the definitions those of a document: a list of [key, old, new],
# or an error.
sub plan_definitions
{
	my ($role, $definitions) = @_;
	my %taken = taken_names();
	my @steps;
	for my $key (sort keys %$definitions)
	{
		my $old = definition($key);
		my $new = merge_definition($key, parse_definition($definitions->{$key}));
		my %differs;
		if ($old)
		{
			%differs = map { $_->[0] => 1 } fields_of($new, $old) or next;
		}
		else { return 'ERROR:  22023' unless is_definable($key, $new) }
		return 'ERROR:  42501' if !is_system_owner($role) || $new->{builtin};
		return 'ERROR:  42710' if !$old && ($taken{$key} || $taken{ $new->{json_name} });
		return 'ERROR:  55000' if $differs{type} || $differs{jsonName};
		return 'ERROR:  22023'
		  if ($differs{allowedValues} || $differs{default})
		  && !has_valid_values($new);
		push @steps, [ $key, $old, $new ];
	}
	my @new = grep { !$_->[1] } @steps;
	my %owner;
	for my $step (@new)
	{
		for my $name ($step->[0], $step->[2]{json_name})
		{
			return 'ERROR:  42710' if ($owner{$name} //= $step->[0]) ne $step->[0];
		}
	}
	return @steps;
}

# What a request wants: a hash by key, or undef if it is a bad one.  A request is
# the text of something that is no object, or a hash of texts.
sub parse_features
{
	my ($request, $level) = @_;
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
		return undef unless grep { $_ eq $level } @{ $definition->{levels} };
		return undef
		  if $value ne 'null' && !is_valid($value, $definition->{type}, $definition->{allowed});
		$wanted{$key} = $value eq 'null' ? undef : $value unless $definition->{stage} eq 'removed';
	}
	return \%wanted;
}

sub parse_request
{
	my ($request, $level) = @_;
	return undef unless ref $request && %$request;
	return parse_features($request, $level);
}

# The share that is a percentage, in hundredths, or undef if it is a bad one.
sub share_of
{
	my ($percentage) = @_;
	return undef if ($percentage // '') !~ /^-?\d+(?:\.\d\d?)?0*$/;
	return $percentage < 0 || $percentage > 100 ? undef : sprintf '%.0f', $percentage * 100;
}

sub percentage_of { my ($share) = @_; return defined $share ? $share / 100 : '' }

# Parse what is to be rolled out on a scope, [percentage, value] by name, and add
# it as [value, share] to what else is wanted.  Returns false if it is bad.
sub parse_rollouts
{
	my ($rollouts, $level, $wanted) = @_;
	my %given = map { $_ => 1 } keys %$wanted;
	for my $name (keys %$rollouts)
	{
		my ($percentage, $value) = @{ $rollouts->{$name} };
		my $share  = share_of($percentage);
		my $parsed = parse_features({ $name => $value }, $level);
		return 0 if !$parsed || $value eq 'null' || !defined $share;
		my ($key) = keys %$parsed or next;
		return 0 if $given{$key}++;
		$wanted->{$key} = [ $value, $share ];
	}
	return 1;
}

# MurmurHash3_x86_32 of bytes, with the seed 0.
sub murmur3
{
	my ($bytes)  = @_;
	my $rotate   = sub { my ($x, $n) = @_; return ($x << $n | $x >> 32 - $n) & 0xffffffff };
	my $multiply = sub {
		my ($x, $y) = @_;
		return (($x >> 16) * $y % 65536 * 65536 + ($x & 0xffff) * $y) % 2**32;
	};
	my $hash = 0;
	for my $block (unpack '(a4)*', $bytes)
	{
		my $k = $multiply->(unpack('V', $block . "\0" x (4 - length $block)), 0xcc9e2d51);
		$hash ^= $multiply->($rotate->($k, 15), 0x1b873593);
		$hash = ($multiply->($rotate->($hash, 13), 5) + 0xe6546b64) & 0xffffffff
		  if length $block == 4;
	}
	$hash ^= length $bytes;
	$hash = $multiply->($hash ^ $hash >> 16, 0x85ebca6b);
	$hash = $multiply->($hash ^ $hash >> 13, 0xc2b2ae35);
	return $hash ^ $hash >> 16;
}

# Whether a setting of a scope holds in a chain.
sub holds
{
	my ($setting, $name, $chain, $key) = @_;
	return 1 unless defined $setting->[2];
	my %below = (system => 'instance', instance => 'user');
	my ($who) = grep { level_of($_) eq $below{ level_of($name) } } @$chain;
	return defined $who && murmur3("$key:" . scope_id($who)) % 10_000 < $setting->[2];
}

# Change a scope: returns [key, old value, value, sequence, share] of each change.
# What is wanted is a value, or [value, share].
sub find_changes
{
	my ($scope, $wanted) = @_;
	my $sequence = $scope->{sequence};
	my @changes;
	for my $key (sort keys %$wanted)
	{
		my ($old, undef, $old_share) = @{ $scope->{settings}{$key} // [] };
		my ($new, $share) = ref $wanted->{$key} ? @{ $wanted->{$key} } : $wanted->{$key};
		next if !defined $old && !defined $new;
		next
		  if defined $old
		  && defined $new
		  && $old eq $new
		  && ($old_share // -1) == ($share // -1);
		push @changes, [ $key, $old, $new, ++$sequence, $share ];
	}
	return @changes;
}

# The settings actor and reason, and whether they can be recorded.
my %said = (actor => '', reason => '');

sub is_recordable
{
	return length($said{actor}) <= 200 && length($said{reason}) <= 1000;
}

sub add_event
{
	my ($scope, $role, $key, $old, $value, $share) = @_;
	push @{ $scope->{events} },
	  {
		sequence => ++$scope->{sequence},
		feature  => $key,
		old      => $old,
		value    => $value,
		share    => $share,
		editor   => $role,
		actor    => $said{actor},
		reason   => $said{reason},
		step     => $step
	  };
	return;
}

# Returns false if there are changes that cannot be recorded.
sub make_changes
{
	my ($role, $name, @changes) = @_;
	return 1 unless @changes;
	return 0 unless is_recordable();
	my $scope = $state->{scopes}{$name} //= new_scope();
	for my $change (@changes)
	{
		my ($key, $old, $new, $sequence, $share) = @$change;
		add_event($scope, $role, $key, $old, $new, $share);
		if (defined $new) { $scope->{settings}{$key} = [ $new, $sequence, $share ] }
		else              { delete $scope->{settings}{$key} }
	}
	return 1;
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
	my $wanted = parse_request($request, level_of($name));
	return 'ERROR:  22023' if !$wanted || defined $expected && $expected < 0;
	my $scope = scope_of($name) or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $name);
	return 'ERROR:  55000' if defined $expected && $expected != $scope->{sequence};
	make_changes($role, $name, find_changes($scope, $wanted)) or return 'ERROR:  22023';
	return scope_of($name)->{sequence};
}

sub roll_out
{
	my ($role, $name, $key, $percentage, $value) = @_;
	return 'ERROR:  22023' if !defined $key || !defined $value || !defined share_of($percentage);
	return 'ERROR:  42704' unless definition($key);
	my %wanted;
	return 'ERROR:  22023'
	  unless parse_rollouts({ $key => [ $percentage, $value ] }, level_of($name), \%wanted);
	my $scope = scope_of($name) or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $name);
	make_changes($role, $name, find_changes($scope, \%wanted)) or return 'ERROR:  22023';
	return scope_of($name)->{sequence};
}

sub reset_features
{
	my ($role, $name, $expected) = @_;
	return 'ERROR:  22023' if defined $expected && $expected < 0;
	my $scope = scope_of($name) or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $name);
	return 'ERROR:  55000' if defined $expected && $expected != $scope->{sequence};
	return $scope->{sequence} unless %{ $scope->{settings} };
	return 'ERROR:  22023'    unless is_recordable();
	add_event($scope, $role);
	$scope->{settings} = {};
	return $scope->{sequence};
}

# The settings that some events make: [value, sequence, share] by key.
sub replay
{
	my (@events) = @_;
	my %settings;
	for my $event (@events)
	{
		if    (!defined $event->{feature}) { %settings = () }
		elsif (defined $event->{value})
		{
			$settings{ $event->{feature} } = [ @$event{qw(value sequence share)} ];
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

# [value, source, sequence, share] in a chain of scopes, the lowest one first.
sub effective
{
	my ($chain, $key) = @_;
	my $definition = definition($key);
	if ($definition->{stage} ne 'removed')
	{
		for my $name (@$chain)
		{
			my $setting = scope_of($name)->{settings}{$key};
			return [ $setting->[0], level_of($name), @$setting[ 1, 2 ] ]
			  if $setting && holds($setting, $name, $chain, $key);
		}
	}
	return [ $definition->{default}, 'default', '', undef ];
}

# A list of [key, value, source, sequence, share] of the lowest scope of a chain, or an
# error.
sub list_states
{
	my ($chain, $inheritance) = @_;
	return 'ERROR:  P0002' if grep { !scope_of($_) } @$chain;
	return map                     { [ $_, @{ effective($chain, $_) } ] }
	  grep                         { definition($_)->{stage} ne 'removed' } keys_of_all()
	  if $inheritance;
	my $name     = $chain->[0];
	my $settings = scope_of($name)->{settings};
	return 'ERROR:  P0002' if $name ne 'system' && !%$settings;
	return map { [ $_, $settings->{$_}[0], level_of($name), @{ $settings->{$_} }[ 1, 2 ] ] }
	  sort keys %$settings;
}

# The chain of the system or of an instance.
sub chain_of { my ($name) = @_; return [ $name eq 'system' ? 'system' : ($name, 'system') ] }

# The same as text, given the name of the system or of an instance, or a chain.
sub states
{
	my ($chain, $inheritance) = @_;
	$chain = chain_of($chain) unless ref $chain;
	my @states = list_states($chain, $inheritance);
	return join "\n", map { ref $_ ? join('|', @$_[ 0 .. 3 ]) : $_ } @states;
}

# What a call is about, by what it names: i, o and u are the named instance,
# organization and user, I, O and U the current ones, - none, and x an error.
my %contexts = (
	context => {
		''  => 'I O U',
		i   => 'i - -',
		o   => 'I o -',
		u   => 'I O u',
		io  => 'i o -',
		iu  => 'i - u',
		ou  => 'I o u',
		iou => 'i o u'
	},
	user => {
		'' => 'I O U',
		i  => 'x',
		u  => 'I O u',
		iu => 'i - u'
	},
	organization => {
		'' => 'I O -',
		i  => 'x',
		o  => 'I o -',
		io => 'i o -'
	});
my %current = (I => 'default', O => '', U => '');

# The chain of scopes that a call of a kind is about, which names some ids by the
# letters above; undef if that is an error.  Only a walk goes through the
# organization of a user.
sub resolve
{
	my ($kind, $named, $walk) = @_;
	my $given = join '', grep { defined $named->{$_} } qw(i o u);
	my $row   = $contexts{$kind}{$given};
	return undef if $row eq 'x';
	my ($i, $o, $u) = map {
			$_ eq '-'                       ? undef
		  : /[iou]/                         ? $named->{$_}
		  : $_ ne 'I' && $current{$_} eq '' ? undef
		  : $current{$_}
	} split / /, $row;
	return undef if grep { defined $_ && bad_id($_) } $i, $o, $u;
	return undef if $kind eq 'user' && !defined $u || $kind eq 'organization' && !defined $o;
	$o = undef   if $kind eq 'user' && !$walk;
	return [
		defined $u ? lower('user', $i, $u) : (), defined $o ? lower('organization', $i, $o) : (),
		instance($i),                            'system'
	];
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

sub random_lower_id
{
	my ($level) = @_;
	my @names = names_of($level);
	return scope_id(pick(@names)) if @names && rand() < 0.6;
	return pick('default', 'a', 'a', 'b', 'A', q{it's "c" \\}, 'SYSTEM', 'x' x 200)
	  if rand() < 0.95;
	return pick('', 'x' x 201);
}

# The levels of a definition as an argument, and as a list: undef if they are left
# out, a bad list if they are.
sub random_levels
{
	my $levels = pick(
		'{system,instance}', '{system,instance,organization,user}',
		'{user}',            '{organization,user}',
		'{instance,user}',   '{system,instance,organization,user}',
		'{user,system}',     '{user,user,instance}');
	$levels = pick('{}', '{NULL}', '{user,NULL}') if rand() < 0.05;
	my %in = map { $_ => 1 } $levels =~ /(\w+)/g;
	return ($levels,
		$in{NULL} || !%in ? [] : [ grep { $in{$_} } qw(system instance organization user) ]);
}
my @own_features = qw(f_bool f_text f_int f_num f_list f_more f_all f_low);
my %pools        = (
	boolean => [qw(true false)],
	string  => [ '"x"', '"y"',   '"z"' ],
	integer => [ 1,     2,       3, -4 ],
	number  => [ '1.5', 2,       '-0.25' ],
	array   => [ '[]',  '["x"]', '["x", "y"]', '[1, 2]', '["x", "x"]' ],
	object  => [ '{}',  '{"a": 1}' ]);
my %natural_type = (
	f_text => 'string',
	f_low  => 'string',
	f_int  => 'integer',
	f_num  => 'number',
	f_list => 'array');

sub random_value
{
	my ($key) = @_;
	return pick('"true"', '1', '[]', '{"enabled": true}', '0.5', '["x"]') if rand() < 0.05;
	my $definition = definition($key);
	my @pool  = @{ $pools{ $definition ? $definition->{type} : $natural_type{$key} // 'boolean' } };
	my @valid = grep { $definition && is_valid($_, @$definition{qw(type allowed)}) } @pool;
	return pick(@valid && rand() < 0.9 ? @valid : @pool);
}

sub random_list { my (@elements) = @_; return '[' . join(', ', @elements) . ']' }

# What a document gives of a definition.
sub random_definition
{
	my ($key) = @_;
	my $old   = definition($key);
	my $type  = $old ? $old->{type} : rand() < 0.8 && $natural_type{$key} || pick(sort keys %pools);
	my %given = $old && rand() < 0.3 ? map { @$_[ 0, 1 ] } fields_of($old) : ();
	my $allowed = $old ? $old->{allowed} : undef;
	return pick('null', '[]', 'true', '"x"', '1') if rand() < 0.01;
	delete $given{description}                    if $old && $old->{builtin};
	return \%given                                if $old && rand() < ($old->{builtin} ? 0.8 : 0.2);

	if ($type =~ /^(?:string|integer|number|array)$/ && rand() < 0.3)
	{
		my @elements = $type eq 'array' ? ('"x"', '"y"', 1, 2) : @{ $pools{$type} };
		@elements             = grep { rand() < 0.7 } @elements;
		$allowed              = random_list(@elements);
		$given{allowedValues} = $allowed;
	}
	if (defined $given{allowedValues} || rand() < ($old ? 0.3 : $type eq 'boolean' ? 0.7 : 0.97))
	{
		my @valid = grep { is_valid($_, $type, $allowed) } @{ $pools{$type} };
		$given{default} = pick(@valid && rand() < 0.95 ? @valid : @{ $pools{$type} });
	}
	$given{type}   = qq{"$type"}                        if rand() < ($old ? 0.1 : 0.5);
	$given{type}   = '"' . pick(sort keys %pools) . '"' if rand() < 0.02;
	$given{levels} = random_list(map { qq{"$_"} } pick(@levels), grep { rand() < 0.5 } @levels)
	  if rand() < 0.4;
	$given{stage}       = '"' . pick(@stages, 'removed') . '"'    if rand() < 0.4;
	$given{description} = pick('"words"', '"other words"', '""')  if rand() < 0.3;
	$given{jsonName}    = pick('"own"', '"userSchema"', '"fInt"') if rand() < 0.03;
	$given{jsonName}    = '"' . ($old ? $old->{json_name} : camel_case($key)) . '"' if rand() < 0.1;
	$given{ pick('defaults', 'key', map { $_->[0] } @definition_fields) } =
	  pick('null', '1', '"x"', '""', '[]', '[1]', '{}', '["x"]', '["user", null]', 'true')
	  if rand() < 0.03;
	return \%given;
}

# The definitions of a document by key.
sub random_definitions
{
	my %definitions;
	my %set = map  { $_ => 1 } map { keys %{ $_->{settings} } } values %{ $state->{scopes} };
	my @set = grep { $set{$_} } @own_features;
	for (1 .. 1 + rand 3)
	{
		my $key =
		  rand() < 0.05
		  ? pick(sort(keys %builtin), 'Bad', '', 'fInt', 'f' x 64)
		  : pick(@set && rand() < 0.4 ? @set : @own_features);
		$definitions{$key} = random_definition($key);
	}
	return \%definitions;
}

# The definitions that these would make, for settings to go with them.
sub planned_definitions
{
	my ($definitions) = @_;
	my %planned = %{ $state->{definitions} };
	for my $key (keys %$definitions)
	{
		my $parsed = parse_definition($definitions->{$key}) or next;
		$planned{$key} = merge_definition($key, $parsed);
	}
	return \%planned;
}

# The field of a document with definitions, if it has one.
sub definitions_field
{
	my ($definitions) = @_;
	return                              unless defined $definitions;
	return qq{"features": $definitions} unless ref $definitions;
	return '"features": {'
	  . join(', ',
		map { json_string($_) . ': ' . request_text($definitions->{$_}) } sort keys %$definitions)
	  . '}';
}

sub random_key
{
	return rand() < 0.1 ? pick('userSchema', '', 'nothing', @own_features) : pick(keys_of_all());
}
my $changed;    # the feature whose definition the last statement has changed

sub random_features
{
	my ($level) = @_;
	my %fields;
	my @fitting = grep {
		grep { $_ eq $level }
		  @{ definition($_)->{levels} }
	} keys_of_all();
	for (1 .. 1 + rand 3)
	{
		my $key = @fitting && rand() < 0.95 ? pick(@fitting) : pick(keys_of_all(), @own_features);
		$key = $changed
		  if defined $changed && rand() < ((grep { $_ eq $changed } @fitting) ? 0.6 : 0.1);
		my $name = rand() < 0.5 || !definition($key) ? $key : definition($key)->{json_name};
		$fields{$name} = rand() < 0.3 ? 'null' : random_value($key);
		$fields{ pick('user_shema', 'LoginDefaultOrg', '', 'üx', q{a'b}) } = 'true'
		  if rand() < 0.02;
	}
	return \%fields;
}

# A feature, a percentage and a value.
sub random_rollout
{
	my ($level) = @_;
	my @fitting = grep {
		grep { $_ eq $level }
		  @{ definition($_)->{levels} }
	} keys_of_all();
	my $key = @fitting && rand() < 0.9 ? pick(@fitting) : rand() < 0.1 ? undef : random_key();
	my $percentage =
	  rand() < 0.05
	  ? pick(undef, '-1', '100.01', '33.333', 'NaN', 'Infinity', '1e300')
	  : pick(0, 100, 1, 25, 50, 50, '50.00', 99.99, 33.33, int(rand 10_001) / 100);
	my $value = rand() < 0.03 ? pick(undef, 'null') : random_value($key // '');
	return ($key, $percentage, $value);
}

sub random_request
{
	my ($level) = @_;
	return pick(undef, 'null', '[]', '"x"', '1', 'true', {}, '[{"userSchema": true}]')
	  if rand() < 0.08;
	return random_features($level);
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

# What the settings are after the transaction, and snapshots of [state, settings]:
# of the transaction, then of savepoints.
my %session = (%current, %said);
my @stack;

sub snapshot { return dclone([ $state, { %current, %said }, \%session ]) }

sub use_settings
{
	my (%values) = @_;
	@current{qw(I O U)}     = @values{qw(I O U)};
	@said{qw(actor reason)} = @values{qw(actor reason)};
	return;
}

sub go_back
{
	my ($snapshot) = @_;
	my ($then, $values, $later) = @{ dclone($snapshot) };
	$state   = $then;
	%session = %$later;
	use_settings(%$values);
	return;
}

# An id, or none, and the instance that a call with it is about: undef if that is
# a bad one.
sub random_instance
{
	my $id = rand() < 0.4 ? undef : random_id();
	return ($id,
		sub { my $used = $id // $current{I}; return bad_id($used) ? undef : instance($used) });
}

# An id and an instance, or none, and the chain that a call of that level with them
# is about: undef if that is a bad one.
sub random_scope
{
	my ($level)  = @_;
	my %letters  = (organization => 'o', user => 'u');
	my $id       = rand() < 0.25 ? undef : random_lower_id($level);
	my $instance = rand() < 0.5  ? undef : random_id();
	my %named    = ($letters{$level} => $id, i => $instance);
	return (quote($id) . ', ' . quote($instance),
		sub { my ($walk) = @_; return resolve($level, \%named, $walk) });
}

# Instance, organization and user, or none, and their chain.
sub random_context { return context_of(random_ids()) }

sub random_ids
{
	return (
		i => rand() < 0.5 ? undef : random_id(),
		o => rand() < 0.5 ? undef : random_lower_id('organization'),
		u => rand() < 0.5 ? undef : random_lower_id('user'));
}

sub context_of
{
	my (%named) = @_;
	return (
		join(', ', map { quote($_) } @named{qw(i o u)}),
		sub { return resolve('context', \%named) });
}

# The field of a document with the roll-outs of scopes, [percentage, value] by key.
sub rollout_fields
{
	my (%rollouts) = @_;
	my $object = sub {
		my ($scope) = @_;
		return '{' . join(
			', ',
			map {
				sprintf '%s: {"percentage": %s, "value": %s}', json_string($_),
				  $scope->{$_}[0] // 'null', $scope->{$_}[1]
			} sort keys %$scope) . '}';
	};
	my @instances = grep { $_ ne 'system' } keys %rollouts;
	return unless %rollouts;
	return '"rollouts": {'
	  . join(
		', ',
		$rollouts{system} ? '"system": ' . $object->($rollouts{system}) : (),
		@instances
		? '"instances": {'
		  . join(
			', ', map { json_string(scope_id($_)) . ': ' . $object->($rollouts{$_}) } @instances)
		  . '}'
		: ()) . '}';
}

# The fields of a document with the requests of some scopes; the instances are
# there, even if there are none, if that is asked for.
sub document_fields
{
	my (%requests) = @_;
	my $instances  = delete $requests{instances};
	my %scopes     = (instances => {});
	my @fields;
	for my $name (sort keys %requests)
	{
		my $level = level_of($name);
		my $field = json_string(scope_id($name)) . ': ' . request_text($requests{$name});
		if ($level eq 'system') { push @fields, '"system": ' . request_text($requests{$name}) }
		elsif ($level eq 'instance') { push @{ $scopes{instances}{''} }, $field }
		else { push @{ $scopes{"${level}s"}{ scope_id(owned_name($name)) } }, $field }
	}
	push @fields, '"instances": {' . join(', ', @{ $scopes{instances}{''} // [] }) . '}'
	  if $instances || %{ $scopes{instances} };
	for my $field (grep { $scopes{$_} } qw(organizations users))
	{
		my $below = $scopes{$field};
		push @fields,
		  "\"$field\": {"
		  . join(', ',
			map { json_string($_) . ': {' . join(', ', @{ $below->{$_} }) . '}' } sort keys %$below)
		  . '}';
	}
	return @fields;
}

# One operation: its SQL, a function that gives what it should answer, and one
# that brings the answer into a form that can be compared.
my %operations = (
	set => sub {
		my ($role) = @_;
		my ($id, $name) = random_instance();
		my $request  = random_request('instance');
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
		my $request  = random_request('system');
		my $expected = rand() < 0.15 ? random_sequence(12) : undef;
		return (
			sprintf(
				'SELECT (set_system_features(%s, %s)).sequence',
				quote(request_text($request)),
				$expected // 'NULL'),
			sub { set($role, 'system', $request, $expected) });
	},
	roll_out => sub {
		my ($role) = @_;
		my ($id, $name) = random_instance();
		my ($key, $percentage, $value) = random_rollout('instance');
		return (
			sprintf(
				'SELECT (roll_out_instance_feature(%s, %s, %s, %s)).sequence',
				quote($key), quote($percentage), quote($value), quote($id)),
			sub {
				defined $name->()
				  ? roll_out($role, $name->(), $key, $percentage, $value)
				  : 'ERROR:  22023';
			});
	},
	roll_out_system => sub {
		my ($role) = @_;
		my ($key, $percentage, $value) = random_rollout('system');
		return (
			sprintf(
				'SELECT (roll_out_system_feature(%s, %s, %s)).sequence',
				quote($key), quote($percentage), quote($value)),
			sub { roll_out($role, 'system', $key, $percentage, $value) });
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
		my ($role)  = @_;
		my $id      = rand() < 0.05 ? undef : random_id();
		my $owner   = rand() < 0.3  ? undef : pick(@roles);
		my $request = rand() < 0.6  ? undef : random_request('instance');
		return (
			sprintf(
				'SELECT (create_instance(%s, %s, %s)).sequence',
				quote($id),
				$owner ? "'$owner'" : 'NULL',
				quote(defined $request ? request_text($request) : undef)),
			sub {
				return 'ERROR:  22023' if !defined $id || bad_id($id);
				my $wanted = defined $request ? parse_features($request, 'instance') : {};
				return 'ERROR:  22023' unless $wanted;
				return 'ERROR:  42501' unless is_system_owner($role);
				my $name = instance($id);
				return 'ERROR:  42710' if $state->{scopes}{$name};
				my $scope   = new_scope($owner // $role);
				my @changes = find_changes($scope, $wanted);
				return 'ERROR:  22023' if @changes && !is_recordable();
				$state->{scopes}{$name} = $scope;
				make_changes($role, $name, @changes);
				return $scope->{sequence};
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
				delete $state->{scopes}{$_}
				  for grep { owned_name($_) eq instance($id) } keys %{ $state->{scopes} };
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
				return 'ERROR:  42501' unless may_change($role, $name->());
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
		  rand() < 0.2
		  ? pick('userSchema', 'own', 'details', 'organizationId', 'userId', 'f_int', '', 'x' x 201)
		  : undef;
		my $description = pick(undef, 'words');
		my ($levels, $list) =
			rand() < 0.02 ? ('NULL', [])
		  : rand() < 0.2  ? (undef,  [qw(system instance)])
		  :                 random_levels();
		return (
			sprintf(
				'SELECT define_feature(%s, %s, %s, %s, %s, %s%s)',
				quote($key),
				quote($default),
				quote($description),
				quote($json_name),
				quote($type),
				quote($allowed),
				!defined $levels ? '' : $levels eq 'NULL' ? ', NULL' : ", '$levels'"),
			sub {
				return 'ERROR:  22023' unless @$list;
				return 'ERROR:  22023'
				  if !defined $key || !defined $default;
				my $new = {
					json_name   => $json_name // camel_case($key),
					type        => $type      // type_of($default),
					default     => $default,
					allowed     => $allowed,
					stage       => 'experimental',
					description => $description // '',
					levels      => $list,
					builtin     => 0
				};
				return 'ERROR:  22023' if $default eq 'null' || !is_definable($key, $new);
				return 'ERROR:  42501' unless is_system_owner($role);
				my %taken = taken_names();
				return 'ERROR:  42710' if $taken{$key} || $taken{ $new->{json_name} };
				$state->{definitions}{$key} = $new;
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
		my ($levels, $list) = rand() < 0.5 ? (undef, undef) : random_levels();
		return (
			sprintf(
				'SELECT alter_feature(%s, %s, %s, %s, %s)',
				quote($key),     quote($default), quote($description),
				quote($allowed), quote($levels)),
			sub {
				return 'ERROR:  22023' if $list && !@$list;
				return 'ERROR:  22023'
				  unless defined $default || defined $allowed || defined $description || $list;
				my $error = definition_error($role, $key);
				return $error if $error;
				my $new = dclone(definition($key));
				$new->{default}     = $default                              if defined $default;
				$new->{description} = $description                          if defined $description;
				$new->{allowed}     = $allowed eq 'null' ? undef : $allowed if defined $allowed;
				$new->{levels}      = $list                                 if $list;
				return 'ERROR:  22023' unless has_valid_values($new);
				return 'ERROR:  55000' if is_violated($key, $new);
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
				my @setters =
				  grep { $state->{scopes}{$_}{settings}{$key} } keys %{ $state->{scopes} };
				return 'ERROR:  55000' if @setters && $cascade eq 'false';
				return 'ERROR:  22023' if @setters && !is_recordable();
				make_changes($role, $_, find_changes(scope_of($_), { $key => undef })) for @setters;
				delete $state->{definitions}{$key};
				return '';
			});
	},
	apply => sub {
		my ($role)      = @_;
		my $dry_run     = rand() < 0.04 ? 'NULL'               : pick('true', 'false', 'false');
		my $definitions = rand() < 0.5  ? random_definitions() : undef;
		$definitions = pick('[]', 'null', '1') if rand() < 0.01;
		local $state->{definitions} = planned_definitions($definitions) if ref $definitions;
		$changed = pick(grep { definition($_) } sort keys %$definitions) if ref $definitions;
		my %document;
		my $part = sub {
			my ($level) = @_;
			return
				rand() < 0.05 ? random_request($level) // 'null'
			  : rand() < 0.2  ? {}
			  :                 random_features($level);
		};

		# Of many scopes, one is wrong more often than not.
		my $is_small = rand() < 0.6;
		$document{system} = $part->('system') if rand() < 0.4;
		for (1 .. rand($is_small ? 1 : 3))
		{
			my $id = random_id();
			next if $id eq '' && rand() < 0.7 || length $id > 200 && rand() < 0.7;
			$document{ instance($id) } = $part->('instance');
		}
		for (1 .. rand($is_small ? 2 : 4))
		{
			my $level = pick(qw(organization user));
			my ($instance, $id) = (random_id(), random_lower_id($level));
			next if bad_id($instance) && rand() < 0.7;
			next if $is_small         && !$state->{scopes}{ instance($instance) };
			$document{ lower($level, $instance, $id) } = $part->($level);
		}
		if (ref $definitions && rand() < 0.8)
		{

			# Settings that a definition may no longer allow.
			for my $name (sort keys %{ $state->{scopes} })
			{
				next unless grep { $state->{scopes}{$name}{settings}{$_} } keys %$definitions;
				$document{$name} //= rand() < 0.5 ? {} : random_features(level_of($name));
			}
		}
		my %rollouts;
		for my $name (grep { $_ eq 'system' || rand() < 0.5 } 'system', instance(random_id()))
		{
			next if rand() < ($is_small ? 0.9 : 0.6) || bad_id(scope_id($name));
			$rollouts{$name} = {};
			for (1 .. rand 3)
			{
				my ($key, $percentage, $value) = random_rollout(level_of($name));
				next if !defined $key || ($percentage // 'Infinity') =~ /^[NI]/;
				$rollouts{$name}{$key} = [ $percentage, $value // 'null' ];
			}
		}
		my $extra =
		  rand() < 0.03
		  ? pick('"features_of_mine": {}', '"users": 1', '"users": {"a": null}')
		  : undef;
		my $text = '{'
		  . join(', ',
			definitions_field($definitions),
			document_fields(%document),
			rollout_fields(%rollouts),
			$extra // ())
		  . '}';
		if (rand() < 0.03) { $text = pick(undef, '[]', 'null'); $extra = 'bad' }
		return (
			sprintf('SELECT * FROM apply_features(%s, %s)', quote($text), $dry_run),
			sub {
				my $before = dclone($state);
				my $result =
				  apply($role, \%document, \%rollouts, $definitions // {}, $extra, $dry_run);
				$state = $before if $result =~ /^ERROR/ || $dry_run eq 'true';
				return $result;
			});
	},
	export => sub {
		my ($role) = @_;
		my $users = pick('', '', 'false', 'true', 'true', rand() < 0.2 ? 'NULL' : 'true');
		return (
			"SELECT export_features($users)",
			sub {
				return 'ERROR:  22023' if $users eq 'NULL';
				my (%document, %rollouts);
				for my $name (grep { may_change($role, $_) } keys %{ $state->{scopes} })
				{
					next if level_of($name) eq 'user' && $users ne 'true';
					my $settings = scope_of($name)->{settings};
					my @keys     = grep { definition($_)->{stage} ne 'removed' } keys %$settings;
					my %features = map  { definition($_)->{json_name} => $settings->{$_}[0] }
					  grep { !defined $settings->{$_}[2] } @keys;
					$rollouts{$name}{$_} = [ percentage_of($settings->{$_}[2]), $settings->{$_}[0] ]
					  for grep { defined $settings->{$_}[2] } @keys;
					$document{$name} = \%features if %features || $name !~ /\n/;
				}
				my %definitions = map { $_ => format_definition(definition($_)) }
				  grep { !definition($_)->{builtin} } keys_of_all();
				return '{'
				  . join(', ',
					definitions_field(%definitions ? \%definitions : undef),
					document_fields(instances => 1, %document),
					rollout_fields(%rollouts))
				  . '}';
			},
			\&canonical);
	},
	apply_exported => sub {
		my $dry_run = pick('true', 'false');
		return ("SELECT count(*) FROM apply_features(export_features(true), $dry_run)", sub { 0 });
	},
	enabled => sub {
		my ($context, $chain) = random_context();
		my $key      = random_key();
		my $function = pick('feature_enabled', 'feature_value');
		my $fallback =
		  rand() < 0.7 ? undef : $function eq 'feature_enabled' ? pick('t', 'f') : '"fallback"';
		return (
			sprintf('SELECT %s(%s, %s, %s)', $function, quote($key), $context, quote($fallback)),
			sub { read_value($chain->(), $key, $function, $fallback) });
	},
	hot => sub {

		# Contexts that differ from each other in little.
		my @booleans =
		  grep {
			definition($_)->{type} eq 'boolean'
			  && (@{ definition($_)->{levels} } > 2 || rand() < 0.3)
		  } keys_of_all();
		my $key = @booleans && rand() < 0.8 ? pick(@booleans) : random_key();
		my %ids = random_ids();
		my @rows;
		for (1 .. 2 + rand 6)
		{
			my %other = random_ids();
			my $which = pick(qw(i o u u u));
			$ids{$which} = $other{$which};
			$key = random_key() if rand() < 0.05;
			push @rows, [ $key, context_of(%ids) ];
		}
		my $function = pick('hot', 'feature_enabled');
		return (
			sprintf(
				'SELECT %s(key, i, o, u) FROM (VALUES %s) v (key, i, o, u)',
				$function,                                                     join ', ',
				map { '(' . join(', ', quote($_->[0]), $_->[1]) . ')' } @rows, @rows),
			sub {
				my @answers =
				  map {
					my ($key, undef, $chain) = @$_;
					read_value($chain->(), $key, 'feature_enabled')
				  } @rows;
				my ($error) = grep { /^ERROR/ } @answers;
				return $error // join "\n", @answers, @answers;
			});
	},
	effective_features => sub {
		my ($context, $chain) = random_context();
		return ("SELECT feature, value, source, sequence FROM get_effective_features($context)",
			sub { $chain->() ? states($chain->(), 1) : 'ERROR:  22023' });
	},
	agreement => sub {
		my ($context, $chain) = random_context();
		return (
			qq{SELECT d.key, e.value, feature_value(d.key, $context)
				FROM instance_features.definition d
				FULL JOIN get_effective_features($context) e ON e.feature = d.key
				WHERE d.stage <> 'removed'
				AND e.value IS DISTINCT FROM feature_value(d.key, $context)},
			sub {
				$chain->()
				  ? (grep { !scope_of($_) } @{ $chain->() })
					  ? 'ERROR:  P0002'
					  : ''
				  : 'ERROR:  22023';
			});
	},
	typed => sub {
		my ($context, $chain) = random_context();
		my %types =
		  (feature_text => 'string', feature_integer => 'integer', feature_number => 'number');
		my $function = pick(sort keys %types);
		my @fitting  = grep { definition($_)->{type} eq $types{$function} } keys_of_all();
		my $key      = @fitting && rand() < 0.7 ? pick(@fitting) : random_own_key();
		my $fallback = rand() < 0.7 ? undef : $function eq 'feature_text' ? 'x' : 7;
		return (
			sprintf('SELECT %s(%s, %s, %s)', $function, quote($key), $context, quote($fallback)),
			sub { read_value($chain->(), $key, $function, $fallback) });
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
				'SELECT sequence, event_type, feature, old_value, value, editor, actor, reason,
					percentage FROM instance_feature_history(%s)',
				quote($id)),
			sub { defined $name->() ? history($role, $name->()) : 'ERROR:  22023' });
	},
	system_history => sub {
		my ($role) = @_;
		return (
			'SELECT sequence, event_type, feature, old_value, value, editor, actor, reason,
				percentage FROM system_feature_history()',
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
			q{SELECT key, json_name, value_type, default_value, allowed_values, stage, levels,
				CASE WHEN NOT builtin THEN description END, builtin
				FROM instance_features.definition ORDER BY key COLLATE "C"},
			sub {
				return join "\n", map {
					my $d = definition($_);
					join '|', $_, @$d{qw(json_name type default)}, $d->{allowed} // '',
					  $d->{stage}, '{' . join(',', @{ $d->{levels} }) . '}',
					  $d->{builtin}
					  ? ('', 't')
					  : ($d->{description}, 'f')
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
				} grep { may_change($role, $_) } instance_names();
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
					map { join '|', scope_id($name), @$_[ 0 .. 3 ] }
					  list_states(chain_of($name), 1)
				} grep { may_change($role, $_) } instance_names();
			});
	},
	own_settings => sub {
		my ($role) = @_;
		return (
			q{SELECT level, instance_id, scope_id, feature, value, percentage, sequence, editor
				FROM instance_features.own_setting ORDER BY level, instance_id COLLATE "C",
				scope_id COLLATE "C", feature COLLATE "C"},
			sub {
				return join "\n", map {
					my $name     = $_;
					my $scope    = $state->{scopes}{$name};
					my $settings = $scope->{settings};
					map {
						my ($value, $sequence, $share) = @{ $settings->{$_} };
						my ($event) = grep { $_->{sequence} == $sequence } @{ $scope->{events} };
						join '|', level_of($name),
						  $name eq 'system' ? '' : scope_id(owned_name($name)), scope_id($name), $_,
						  $value, percentage_of($share), $sequence, $event->{editor}
					  } sort
					  keys %$settings
				} grep { may_change($role, $_) } map { names_of($_) } @levels;
			});
	},
	organizations => sub {
		my ($role) = @_;
		return (
			q{SELECT instance_id, organization_id, sequence, settings
				FROM instance_features.organization
				ORDER BY instance_id COLLATE "C", organization_id COLLATE "C"},
			sub {
				return join "\n", map {
					join '|', scope_id(owned_name($_)), scope_id($_), scope_of($_)->{sequence},
					  scalar keys %{ scope_of($_)->{settings} }
				} grep { may_change($role, $_) } names_of('organization');
			});
	},
	usage => sub {
		my ($role) = @_;
		return (
			q{SELECT feature, stage, value, instances, organizations, users, percentage, reached
				FROM instance_features.feature_usage
				ORDER BY feature COLLATE "C", value::text COLLATE "C"},
			sub {
				return join "\n", map {
					my $key = $_;
					my %count;
					for my $name (
						grep { $_ ne 'system' && may_change($role, $_) }
						keys %{ $state->{scopes} })
					{
						my $setting = scope_of($name)->{settings}{$key} or next;
						$count{ $setting->[0] }{ level_of($name) }++;
					}
					my $system  = $state->{scopes}{system}{settings}{$key};
					my $reached = grep {
						my $own = scope_of($_)->{settings}{$key};
						$system
						  && !($own && !defined $own->[2])
						  && holds($system, 'system', [$_], $key)
					} grep { may_change($role, $_) } instance_names();
					$system = undef unless $system && defined $system->[2];
					$count{ $system->[0] } //= {} if $system;
					$count{''} = {} unless %count;
					map {
						my $value = $_;
						join '|', $key, definition($key)->{stage}, $value,
						  (map { $count{$value}{$_} // 0 } qw(instance organization user)),
						  $system && $system->[0] eq $value
						  ? (percentage_of($system->[2]), $reached)
						  : ('', '')
					} sort keys %count
				} keys_of_all();
			});
	},
	service => sub {
		my ($role)      = @_;
		my $method      = pick('PUT', 'GET', 'DELETE', 'PUT', 'GET', 'POST');
		my $level       = pick('instance', 'system');
		my $request     = random_request($level);
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
		return (
			q{RESET ROLE; SELECT count(*) FROM check_instance_features();
			SELECT s.level, s.instance_id, s.id, s.sequence, (SELECT count(*)
				FROM instance_features.event e WHERE (e.level, e.instance_id, e.scope_id)
				= (s.level, s.instance_id, s.id))
			FROM instance_features.scope s WHERE s.level IN ('organization', 'user')
			ORDER BY 1, 2, 3},
			sub {
				return join "\n", 0, map {
					join '|', level_of($_), scope_id(owned_name($_)), scope_id($_),
					  scope_of($_)->{sequence},
					  scalar @{ scope_of($_)->{events} }
				} map { names_of($_) } qw(organization user);
			});
	},
	choose => sub {
		my ($setting, $key, $value) =
		  rand() < 0.4
		  ? ('instance_id', 'I', rand() < 0.7 ? pick('default', 'a') : random_id())
		  : rand() < 0.5
		  ? ('organization_id', 'O', rand() < 0.3 ? '' : random_lower_id('organization'))
		  : ('user_id', 'U', rand() < 0.3         ? '' : random_lower_id('user'));
		return set_command($setting, $key, $value);
	},
	say => sub {
		my ($setting, $value) =
		  rand() < 0.5
		  ? (
			'actor',
			pick('', 'ann', q{o'"brien\\}, 'ü' x 100, 'x' x 200, rand() < 0.2 ? 'x' x 201 : 'bea'))
		  : ('reason', pick('', 'because', 'ü' x 500, rand() < 0.2 ? 'y' x 1001 : 'y' x 1000));
		return set_command($setting, $setting, $value);
	},
	set_context => sub {
		my %named = (
			I => rand() < 0.03 ? undef : rand() < 0.6 ? pick('default', 'a') : random_id(),
			O => rand() < 0.4  ? undef : random_lower_id('organization'),
			U => rand() < 0.4  ? undef : random_lower_id('user'));
		my $is_local = rand() < 0.03 ? 'NULL' : pick('true', 'false', undef);
		return (
			sprintf(
				'SELECT set_feature_context(%s%s)',
				join(', ', map { quote($_) } @named{qw(I O U)}),
				defined $is_local ? ", $is_local" : ''),
			sub {
				return 'ERROR:  22023' if !defined $named{I} || ($is_local // '') eq 'NULL';
				return 'ERROR:  22023' if grep { defined $_ && bad_id($_) } values %named;
				my $local = ($is_local // 'true') eq 'true';
				return '' if $local && !@stack;
				for my $key (keys %named)
				{
					$current{$key} = $named{$key} // '';
					$session{$key} = $current{$key} unless $local;
				}
				return '';
			});
	},);

# SET or SET LOCAL of a setting, which the model knows by a key.
sub set_command
{
	my ($setting, $key, $value) = @_;
	my $local = @stack && rand() < 0.3;
	return (
		($local ? 'SET LOCAL' : 'SET') . " instance_features.$setting = " . quote($value),
		sub {
			$session{$key} = $value unless $local;
			use_settings(%current, %said, $key => $value);
			return '';
		});
}

# The functions of the levels below the instance.
for my $level (qw(organization user))
{
	%operations = (
		%operations,
		"set_$level" => sub {
			my ($role) = @_;
			my ($scope, $chain) = random_scope($level);
			my $request  = random_request($level);
			my $expected = rand() < 0.15 ? random_sequence(6) : undef;
			return (
				sprintf(
					'SELECT (set_%s_features(%s, %s, %s)).sequence',
					$level, quote(request_text($request)),
					$scope, $expected // 'NULL'),
				sub {
					$chain->() ? set($role, $chain->()[0], $request, $expected) : 'ERROR:  22023';
				});
		},
		"reset_$level" => sub {
			my ($role) = @_;
			my ($scope, $chain) = random_scope($level);
			my $expected = rand() < 0.3 ? random_sequence(6) : undef;
			return (
				sprintf(
					'SELECT (reset_%s_features(%s, %s)).sequence',
					$level, $scope, $expected // 'NULL'),
				sub {
					$chain->() ? reset_features($role, $chain->()[0], $expected) : 'ERROR:  22023';
				});
		},
		"erase_$level" => sub {
			my ($role) = @_;
			my ($scope, $chain) = random_scope($level);
			return (
				"SELECT erase_${level}_features($scope)",
				sub {
					return 'ERROR:  22023' if $scope =~ /^NULL/ || !$chain->();
					my $name = $chain->()[0];
					return 'ERROR:  P0002' unless scope_of($name);
					return 'ERROR:  42501' unless may_change($role, $name);
					delete $state->{scopes}{$name};
					return '';
				});
		},
		"get_$level" => sub {
			my ($scope, $chain) = random_scope($level);
			my $inheritance = pick(0, 1);
			return (
				sprintf(
					'SELECT feature, value, source, sequence FROM get_%s_features(%s, %s)',
					$level, $inheritance ? 'true' : 'false', $scope),
				sub {
					$chain->($inheritance)
					  ? states($chain->($inheritance), $inheritance)
					  : 'ERROR:  22023';
				});
		},
		"details_$level" => sub {
			my ($scope, $chain) = random_scope($level);
			return (
				"SELECT sequence, resource_owner FROM get_${level}_feature_details($scope)",
				sub {
					return 'ERROR:  22023' unless $chain->();
					my $name = $chain->()[0];
					return 'ERROR:  P0002' unless scope_of($name);
					return scope_of($name)->{sequence} . '|' . scope_id($name);
				});
		},
		"history_$level" => sub {
			my ($role) = @_;
			my ($scope, $chain) = random_scope($level);
			return (
				"SELECT sequence, event_type, feature, old_value, value, editor, actor, reason,
				percentage FROM ${level}_feature_history($scope)",
				sub { $chain->() ? history($role, $chain->()[0]) : 'ERROR:  22023' });
		});
}

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
	my ($chain, $key, $function, $fallback) = @_;
	my %types = (
		feature_enabled => ['boolean'],
		feature_text    => ['string'],
		feature_integer => ['integer'],
		feature_number  => [ 'number', 'integer' ]);
	return 'ERROR:  22023' unless $chain && defined $key;
	return 'ERROR:  P0002' if grep { !scope_of($_) } @$chain;
	return $fallback // 'ERROR:  42704' unless definition($key);
	my $value = effective($chain, $key)->[0];
	return $value if $function eq 'feature_value';
	return 'ERROR:  22023' unless grep { $_ eq definition($key)->{type} } @{ $types{$function} };
	return $function eq 'feature_enabled' ? substr($value, 0, 1) : $value =~ s/"//gr;
}

sub history
{
	my ($role, $name) = @_;
	my $scope = scope_of($name) or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $name);
	my $level = level_of($name) eq 'organization' ? 'org' : level_of($name);
	return join "\n", map {
		my $event = $_;
		my $type =
		  !defined $event->{feature} ? 'reset'
		  : $event->{feature}
		  . (
			 !defined $event->{value} ? '.unset'
			: defined $event->{share} ? '.rolled_out'
			:                           '.set');
		join '|', $event->{sequence}, "feature.$level.$type",
		  (map { $event->{$_} // '' } qw(feature old value editor actor reason)),
		  percentage_of($event->{share})
	} @{ $scope->{events} };
}

sub features_at
{
	my ($role, $name, $sequence) = @_;
	my $scope = $state->{scopes}{$name} or return 'ERROR:  P0002';
	return 'ERROR:  42501' unless may_change($role, $name);
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
	return 'ERROR:  42501' unless may_change($role, $name);
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
		  unless is_valid($settings{$key}[0], @$definition{qw(type allowed)})
		  && grep { $_ eq 'instance' } @{ $definition->{levels} };
		$wanted{$key} = [ @{ $settings{$key} }[ 0, 2 ] ];
	}
	make_changes($role, $name, find_changes($scope, unset_all_others($scope, \%wanted)))
	  or return 'ERROR:  22023';
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
		@$_{qw(actor reason)} = ('', '') for @left;
		next if @left == @events;
		$deleted += @events - @left;
		$scope->{events}    = \@left;
		$scope->{purged_to} = $last;
	}
	return $deleted;
}

# A document says what some definitions and the settings of some scopes are.  All of
# it is checked first, then it is applied, scope by scope.  While that is so, the
# definitions are what they will be, except that those that will be removed are not
# yet.  A dry run does the same, but it records nothing.
sub apply
{
	my ($role, $document, $rollouts, $definitions, $extra, $dry_run) = @_;
	return 'ERROR:  22023'                   if $dry_run eq 'NULL' || $extra;
	local @said{qw(actor reason)} = ('', '') if $dry_run eq 'true';
	return 'ERROR:  22023' unless ref $definitions;
	return 'ERROR:  22023' if grep { !parse_definition($_) } values %$definitions;
	my %requests = %$document;
	$requests{$_} //= {} for keys %$rollouts;
	return 'ERROR:  22023'
	  if grep { !ref $requests{$_} || bad_id(scope_id($_)) || bad_id(scope_id(owned_name($_))) }
	  keys %requests;
	$requests{ owned_name($_) } //= undef for keys %requests;
	my %rank  = map { $levels[$_] => $_ } 0 .. $#levels;
	my @names = sort {
			 $rank{ level_of($a) } <=> $rank{ level_of($b) }
		  || scope_id(owned_name($a)) cmp scope_id(owned_name($b))
		  || scope_id($a) cmp scope_id($b)
	} keys %requests;

	my @steps = plan_definitions($role, $definitions);
	return $steps[0] if @steps && !ref $steps[0];
	my @rows_of_definitions;
	for my $step (@steps)
	{
		my ($key, $old, $new) = @$step;
		push @rows_of_definitions,
		  [
			'', '', '', $key,
			$old ? format_definition($old, $new) : '',
			format_definition($new, $old), ''
		  ];
		my $interim = {%$new};
		$interim->{stage} = $old ? $old->{stage} : 'experimental' if $new->{stage} eq 'removed';
		$state->{definitions}{$key} = $interim;
	}

	my @rows;
	for my $pass ('check', 'change')
	{
		@rows = @rows_of_definitions;
		my %made;
		for my $name (@names)
		{
			my $wanted = $requests{$name};
			if ($wanted)
			{
				$wanted = parse_features($wanted, level_of($name)) or return 'ERROR:  22023';
				return 'ERROR:  22023'
				  unless parse_rollouts($rollouts->{$name} // {}, level_of($name), $wanted);
			}
			my @columns = (
				level_of($name), $name eq 'system' ? '' : scope_id(owned_name($name)),
				scope_id($name));
			my $scope = $made{ owned_name($name) } ? new_scope() : scope_of($name);
			if (!$scope)
			{
				return 'ERROR:  P0002' unless $wanted && is_system_owner($role);
				$scope = new_scope($role);
				if   ($pass eq 'check') { $made{$name}            = 1 }
				else                    { $state->{scopes}{$name} = $scope }
				push @rows, [ @columns, '', '', '', 0 ];
			}
			next unless $wanted;
			my @changes = find_changes($scope, unset_all_others($scope, $wanted));
			return 'ERROR:  42501'
			  if @changes && !$made{ owned_name($name) } && !may_change($role, $name);
			push @rows, map {
				[ @columns, map { $_ // '' } @$_[ 0 .. 3 ] ]
			} @changes;
			next if $pass eq 'check';
			make_changes($role, $name, @changes) or return 'ERROR:  22023';
		}
	}
	for my $step (@steps)
	{
		my ($key, undef, $new) = @$step;
		return 'ERROR:  55000' if is_violated($key, $new);
		$state->{definitions}{$key} = $new;
	}
	return join "\n", map { join '|', @$_ } @rows;
}

sub service
{
	my ($role, $method, $level, $request, $inheritance) = @_;
	my %status = ('22023' => 400, '42501' => 403, 'P0002' => 404, '55000' => 400);
	return '405||' if $method eq 'POST';
	return '400||' if $level eq 'instance' && bad_id($current{I});
	my $name = $level eq 'system' ? 'system' : instance($current{I});
	my $body = '{}';
	my $result;
	if ($method eq 'GET')
	{
		my @states = list_states(chain_of($name), $inheritance);
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
						my ($key, $value, $source, undef, $share) = @$_;
						my $field = definition($key)->{type} eq 'boolean' ? 'enabled' : 'value';
						sprintf(
							'"%s": {"%s": %s, "source": "%s"%s}',
							definition($key)->{json_name},
							$field,
							$value,
							$sources{$source},
							defined $share && !$inheritance
							? ', "percentage": ' . percentage_of($share)
							: '')
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
	('hot') x 4,
	('set_user') x 8,
	('set_organization') x 6,
	('effective_features') x 3,
	('agreement') x 2,
	('choose') x 3,
	('set_context') x 2,
	('typed') x 2,
	('get') x 3,
	('set_system') x 2,
	('roll_out') x 5,
	('roll_out_system') x 2,
	('service') x 3,
	('define') x 4,
	('drop_feature') x 3,
	('apply') x 4,
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
		if    (!@stack) { $sql = 'BEGIN'; push @stack, snapshot() }
		elsif (rand() < 0.4)
		{
			push @stack, snapshot();
			$sql = "SAVEPOINT s$#stack";
		}
		elsif (@stack > 1 && rand() < 0.5)
		{
			my $n = 1 + int rand $#stack;
			if (rand() < 0.7)
			{
				$#stack = $n;
				$sql    = "ROLLBACK TO s$n";
				go_back($stack[$n]);
			}
			else
			{
				$#stack = $n - 1;
				$sql    = "RELEASE s$n";
			}
		}
		elsif (rand() < 0.5) { $sql = 'ROLLBACK'; go_back($stack[0]); @stack = () }
		else                 { $sql = 'COMMIT'; @stack = (); use_settings(%session) }
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
		  || $sql =~ /"features": \{"(f_\w+)"/
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
			go_back($stack[$n]);
			@stack = () unless $n;
			push @log, $n ? "ROLLBACK TO s$n" : 'ROLLBACK';
		}
		$session->query('RESET ROLE');
	}

	# Another session sees what is committed.
	if (!@stack && rand() < 0.15 && !$failed)
	{
		my %ids = (
			i => random_id(),
			o => rand() < 0.5 ? undef : random_lower_id('organization'),
			u => rand() < 0.5 ? undef : random_lower_id('user'));
		my $chain = resolve('context', \%ids);
		if ($chain && $state->{scopes}{ $chain->[-2] })
		{
			my $sql = sprintf 'SELECT feature, value, source, sequence
				FROM get_effective_features(%s)', join ', ', map { quote($_) } @ids{qw(i o u)};
			my $got      = $other->query($sql);
			my $expected = states($chain, 1);
			$failed = "step $step, another session: $sql\ngot:      $got\nexpected: $expected"
			  if $got ne $expected;
		}
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

# An exported document makes another database the same, but for owners and history.
my $document = $node->safe_psql('postgres', 'SELECT export_features(true)');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->safe_psql('copy', q{CREATE EXTENSION instance_features; SELECT drop_instance('default')});
is( $node->safe_psql(
		'copy', 'SELECT count(*) >= 0 FROM apply_features('
		  . quote($document) . ');
			SELECT export_features(true)'),
	"t\n$document",
	'an exported document gives an empty database the same definitions and settings');
is($node->safe_psql('copy', 'SELECT * FROM check_instance_features()'),
	'', 'a document that was applied leaves the tables consistent');

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
