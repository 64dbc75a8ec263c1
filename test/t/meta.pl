# The version stands in several files, which agree; META.json has what the PGXN
# meta specification 1.0.0 requires.

use strict;
use warnings;

use JSON::PP;
use Test::More;

sub slurp
{
	my ($name) = @_;
	open my $file, '<', $name or die "$name: $!";
	local $/;
	return <$file>;
}

my $meta = decode_json(slurp('META.json'));
my ($version) = slurp('instance_features.control') =~ /^default_version = '(.*)'/m;

# The version by file, as "2.0": all but the control file's may say "2.0.0".
my %versions = ('instance_features.control' => $version);

sub version_of
{
	my ($place, $found) = @_;
	$versions{$place} = ($found // 'none') =~ s/^(\d+\.\d+)\.0$/$1/r;
}
version_of('META.json',          $meta->{version});
version_of('META.json provides', $meta->{provides}{instance_features}{version});
version_of('CHANGELOG.md',       slurp('CHANGELOG.md')     =~ /\A# Changes\n\n## (\S+)\n/);
version_of('debian/changelog',   slurp('debian/changelog') =~ /\Ainstance-features \((\S+)\) /);
for my $client (glob 'clients/*')
{
	my $lock = decode_json(slurp("$client/package-lock.json"));
	version_of("$client/package.json",      decode_json(slurp("$client/package.json"))->{version});
	version_of("$client/package-lock.json", $lock->{version});
	version_of("$client/package-lock.json packages", $lock->{packages}{''}{version});
}
is_deeply(
	\%versions,
	{ map { $_ => $version } keys %versions },
	'the control file, META.json, debian/changelog, the clients and CHANGELOG.md name one version'
) or diag(explain(\%versions));
cmp_ok(scalar(grep { m{^clients/} } keys %versions), '>=', 6, 'both clients have a version');
ok(scalar(grep { /--\Q$version\E\.sql$/ } glob 'sql/*.sql'), 'a script leads to the version');

# https://pgxn.org/spec/
for my $field (qw(name version abstract maintainer license provides meta-spec))
{
	ok(defined $meta->{$field}, "META.json has $field");
}
like($meta->{name},    qr/^[a-z][a-z0-9_-]+$/, 'a name');
like($meta->{version}, qr/^\d+\.\d+\.\d+$/,    'a semantic version');
is($meta->{license},              'postgresql', 'a license of the list');
is($meta->{'meta-spec'}{version}, '1.0.0',      'the specification that it follows');
for my $name (keys %{ $meta->{provides} })
{
	ok(-e $meta->{provides}{$name}{file},    "$name: its file exists");
	ok(-e $meta->{provides}{$name}{docfile}, "$name: so does its documentation");
}
like($_, qr/^\S.*<\S+\@\S+>$/, 'a maintainer with an address')
  for ref $meta->{maintainer} ? @{ $meta->{maintainer} } : $meta->{maintainer};

# What the specification has of the other fields.
my %known = map { $_ => 1 }
  qw(name version abstract maintainer license provides meta-spec description generated_by tags no_index prereqs release_status resources);
ok($known{$_} || /^x_/i, "META.json: $_ is a field of the specification") for sort keys %$meta;
for my $name (keys %{ $meta->{provides} })
{
	my %fields = %{ $meta->{provides}{$name} };
	ok(defined $fields{$_}, "$name has a $_") for qw(file version);
	is_deeply([ grep { !/^(abstract|file|docfile|version)$/ } keys %fields ],
		[], "$name has nothing else");
}
for my $phase (sort keys %{ $meta->{prereqs} })
{
	like($phase, qr/^(configure|build|test|runtime|develop)$/, "prereqs: $phase is a phase");
	for my $relation (sort keys %{ $meta->{prereqs}{$phase} })
	{
		like(
			$relation,
			qr/^(requires|recommends|suggests|conflicts)$/,
			"prereqs: $relation is a relation");
		like($_, qr/^(0|(>=|>|<=|<|==|!=)? ?\d+\.\d+\.\d+)$/, 'prereqs: a version range')
		  for values %{ $meta->{prereqs}{$phase}{$relation} };
	}
}
is(ref $meta->{tags}, 'ARRAY', 'tags are a list');
ok(length($_) >= 1 && length($_) <= 255 && !/[\/\\\x00-\x1f]/, "\"$_\" is a tag")
  for @{ $meta->{tags} };
like($meta->{'meta-spec'}{url}, qr{^https?://}, 'the specification has a URL');
is($meta->{release_status} // 'stable', 'stable', 'the release is stable');

# Every script has a place in the README or CONTRIBUTING.md.
my $text = slurp('README.md') . slurp('CONTRIBUTING.md');
like($text, qr/\Q$_\E/, "$_ is mentioned")
  for grep { !/\.sql$/ }
  glob 'script/test* script/demo* script/check script/format script/package-deb bench/run*';

done_testing();
