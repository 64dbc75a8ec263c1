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
cmp_ok(scalar(grep { m{^clients/} } keys %versions),
	'>=', 6, 'both clients have versions to compare');
ok( scalar(grep { /--\Q$version\E\.sql$/ } glob 'sql/*.sql'),
	'an installation script leads to the version');

# https://pgxn.org/spec/
for my $field (qw(name version abstract maintainer license provides meta-spec))
{
	ok(defined $meta->{$field}, "META.json has $field");
}
like($meta->{name},    qr/^[a-z][a-z0-9_-]+$/, 'the name in META.json is one that PGXN allows');
like($meta->{version}, qr/^\d+\.\d+\.\d+$/,    'the version in META.json is a semantic version');
is($meta->{license},              'postgresql', 'the license in META.json is in the list of PGXN');
is($meta->{'meta-spec'}{version}, '1.0.0', 'META.json names the specification that it follows');
for my $name (keys %{ $meta->{provides} })
{
	ok(-e $meta->{provides}{$name}{file}, "$name: the file that META.json names exists");
	ok(-e $meta->{provides}{$name}{docfile},
		"$name: the documentation that META.json names exists");
}
like($_, qr/^\S.*<\S+\@\S+>$/, 'the maintainer in META.json has an address')
  for ref $meta->{maintainer} ? @{ $meta->{maintainer} } : $meta->{maintainer};

# What the specification has of the other fields.
my %known = map { $_ => 1 }
  qw(name version abstract maintainer license provides meta-spec description generated_by tags
  no_index prereqs release_status resources);
ok($known{$_} || /^x_/i, "META.json: $_ is a field of the specification") for sort keys %$meta;
for my $name (keys %{ $meta->{provides} })
{
	my %fields = %{ $meta->{provides}{$name} };
	ok(defined $fields{$_}, "META.json says the $_ of what it provides as $name")
	  for qw(file version);
	is_deeply([ grep { !/^(abstract|file|docfile|version)$/ } keys %fields ],
		[], "META.json says nothing that PGXN does not know of $name");
}
for my $phase (sort keys %{ $meta->{prereqs} })
{
	like(
		$phase,
		qr/^(configure|build|test|runtime|develop)$/,
		"META.json: the phase $phase of prerequisites is one of PGXN");
	for my $relation (sort keys %{ $meta->{prereqs}{$phase} })
	{
		like(
			$relation,
			qr/^(requires|recommends|suggests|conflicts)$/,
			"META.json: the relation $relation of prerequisites is one of PGXN");
		like(
			$_,
			qr/^(0|(>=|>|<=|<|==|!=)? ?\d+\.\d+\.\d+)$/,
			'META.json: a prerequisite has a range of versions'
		) for values %{ $meta->{prereqs}{$phase}{$relation} };
	}
}
is(ref $meta->{tags}, 'ARRAY', 'the tags in META.json are a list');
ok(length($_) >= 1 && length($_) <= 255 && !/[\/\\\x00-\x1f]/, "META.json: \"$_\" can be a tag")
  for @{ $meta->{tags} };
like($meta->{'meta-spec'}{url}, qr{^https?://}, 'the specification that META.json names has a URL');
is($meta->{release_status} // 'stable', 'stable', 'the release status in META.json is stable');

# Every script has a place in the README or CONTRIBUTING.md.
my $text = slurp('README.md') . slurp('CONTRIBUTING.md');
like($text, qr/\Q$_\E/, "README.md or CONTRIBUTING.md mentions $_")
  for grep { !/\.sql$/ }
  glob 'script/test* script/demo* script/check script/format script/package-deb bench/run*';

done_testing();
