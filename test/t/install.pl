# Building and installing, in the ways that people and packagers do it.

use strict;
use warnings;

use File::Basename;
use File::Compare;
use File::Find;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tmp = PostgreSQL::Test::Utils::tempdir;
my @make =
  ('make', '-s', 'with_llvm=no', "PG_CONFIG=" . ($ENV{PG_CONFIG} // 'pg_config'), 'COPT=-Werror');
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};

# Run a command in a directory; its output if it fails.
sub run_in
{
	my ($directory, $name, @command) = @_;
	my $output = '';
	my $done   = IPC::Run::run(\@command, '>&', \$output, 'init',
		sub { chdir $directory or die "$directory: $!" });
	ok($done, $name) or diag($output);
	return $output;
}

# The files below a directory, by their names in it.
sub files
{
	my ($directory) = @_;
	my @files;
	find({ no_chdir => 1, wanted => sub { push @files, substr($_, length($directory) + 1) if -f } },
		$directory);
	return [ sort @files ];
}

# Sources alone: what git knows, or what is there less what was built.
sub copy_sources
{
	my ($name) = @_;
	mkdir "$tmp/$name" or die "$tmp/$name: $!";
	my @parts = grep { -e }
	  qw(Makefile META.json README.md CHANGELOG.md CONTRIBUTING.md LICENSE .gitignore
	  instance_features.control doc expected include sql src test script);
	system('cp', '-r', @parts, "$tmp/$name") == 0 or die;
	find(sub { unlink if /\.(o|so|bc)$/ }, "$tmp/$name");
	return "$tmp/$name";
}

# Two builds of the same sources, in different places.
my ($one, $two) = (copy_sources('one'), copy_sources('second'));
run_in($_, "make builds the sources in directory " . basename($_), @make) for $one, $two;
is(compare("$one/instance_features.so", "$two/instance_features.so"),
	0, 'the libraries of two builds are the same, byte for byte');

# Install and uninstall.
run_in($one, 'make install succeeds', @make, "DESTDIR=$tmp/root", 'install');
my $installed = files("$tmp/root");
is(scalar(grep { /instance_features/ } @$installed),
	@$installed, 'every installed file has our name');
like(join("\n", @$installed), qr{lib/instance_features\.so$}m, 'the library is installed');
like(
	join("\n", @$installed),
	qr{extension/instance_features/instance_features\.h$}m,
	'the header is installed');
is( grep({ /--/ } @$installed),
	scalar(my @scripts = glob 'sql/*.sql'),
	'every installation script is installed');
run_in($one, 'make uninstall succeeds', @make, "DESTDIR=$tmp/root", 'uninstall');
is_deeply(files("$tmp/root"), [], 'make uninstall leaves nothing behind');
my $before = files($two);
run_in($one, 'make clean succeeds', @make, 'clean');
is_deeply(files($one), [ grep { !/\.(o|so)$/ } @$before ], 'make clean leaves nothing behind');

# Build where the sources are not, and may not be written; run the tests there,
# as a superuser who did not make the cluster, which has no role "postgres".
local $ENV{PGUSER} = 'maker';
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--username=maker']);
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE "some dba" SUPERUSER LOGIN');
my $sources = files($one);
find(sub { chmod((stat)[2] & 0555, $_) }, $one);
mkdir "$tmp/elsewhere";
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGUSER => 'some dba');
	my @there = (@make, '-f', "$one/Makefile", "VPATH=$one");
	run_in("$tmp/elsewhere", 'a VPATH build succeeds', @there);
	run_in("$tmp/elsewhere", 'make installcheck passes in a VPATH build', @there, 'installcheck');
	is_deeply(files($one), $sources,
		'a VPATH build and its installcheck write nothing to the sources');
	run_in("$tmp/elsewhere", 'make clean succeeds in a VPATH build', @there, 'clean');
	is_deeply(files("$tmp/elsewhere"), [], 'make clean leaves nothing behind of a VPATH build');
}
find(sub { chmod((stat)[2] | 0200, $_) }, $one);

# The archive for PGXN, which has the files of a commit.
SKIP:
{
	skip 'git or unzip is not installed', 5
	  unless grep({ -x "$_/git" } split /:/, $ENV{PATH})
	  && grep({ -x "$_/unzip" } split /:/, $ENV{PATH});
	local %ENV =
	  (%ENV, HOME => $tmp, PGHOST => $node->host, PGPORT => $node->port, PGUSER => 'some dba');
	my @git = (
		'git', '-c', 'user.name=test', '-c',
		'user.email=test@example.com', '-c', 'init.defaultBranch=main');
	system("cd '$two' && make -s with_llvm=no clean >/dev/null") == 0 or die;
	run_in(
		$two, 'git commits the sources',
		'sh', '-c', 'git init -q && git add -A && "$@" commit -qm test',
		'-',  @git);
	run_in($two, 'make dist succeeds', @make, 'dist');
	my ($zip)     = glob "\"$two/instance_features-*.zip\"";
	my ($version) = slurp_file("$two/META.json") =~ /"version": "([^"]*)"/;
	is( basename($zip // 'none'),
		"instance_features-$version.zip",
		'the archive has the version of META.json');
	mkdir "$tmp/unpacked";
	run_in("$tmp/unpacked", 'unzip unpacks the archive', 'unzip', '-q', $zip);
	run_in(
		"$tmp/unpacked/instance_features-$version",
		'the unpacked sources build and pass installcheck',
		'sh', '-ec', '"$@"; exec "$@" installcheck',
		'-',  @make);
}

$node->stop;
done_testing();
