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

is($meta->{version}, "$version.0", 'META.json has the version of the control file');
is($meta->{provides}{instance_features}{version}, "$version.0", 'for the extension too');
like(slurp('CHANGELOG.md'), qr/\A# Changes\n\n## \Q$version\E\n/, 'it is the first in CHANGELOG.md');
my ($data) = slurp('Makefile') =~ /^DATA = (.*)/m;
ok(-e $_, "$_ exists") for split ' ', $data;
like($data, qr/--\Q$version\E\.sql/, 'a script leads to the version');
is_deeply([ sort glob 'sql/*.sql' ], [ sort split ' ', $data ], 'every script is installed');

# https://pgxn.org/spec/
for my $field (qw(name version abstract maintainer license provides meta-spec))
{
	ok(defined $meta->{$field}, "META.json has $field");
}
like($meta->{name}, qr/^[a-z][a-z0-9_-]+$/, 'a name');
like($meta->{version}, qr/^\d+\.\d+\.\d+$/, 'a semantic version');
is($meta->{license}, 'postgresql', 'a license of the list');
is($meta->{'meta-spec'}{version}, '1.0.0', 'the specification that it follows');
for my $name (keys %{ $meta->{provides} })
{
	ok(-e $meta->{provides}{$name}{file}, "$name: its file exists");
	ok(-e $meta->{provides}{$name}{docfile}, "$name: so does its documentation");
}
like($_, qr/^\S.*<\S+\@\S+>$/, 'a maintainer with an address') for ref $meta->{maintainer} ? @{ $meta->{maintainer} } : $meta->{maintainer};

# Every file of the sources has a place in the README or CONTRIBUTING.md.
my $text = slurp('README.md') . slurp('CONTRIBUTING.md');
like($text, qr/\Q$_\E/, "$_ is mentioned") for glob 'script/test* script/demo script/check script/format bench/run';

done_testing();
