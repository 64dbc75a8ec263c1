# CONTRIBUTING.md's recipes do what they say: this test applies all of them to a
# copy of the sources, builds it, installs it into a copy of PostgreSQL, and runs
# there the tests that the recipes add and those of the rest.

use strict;
use warnings;

use Cwd;
use File::Basename;
use Installation;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $home = getcwd;
my $page = slurp_file('CONTRIBUTING.md');

# The recipes in their order: a heading and the lines of its block.
my @recipes;
my ($recipes) = $page =~ /^## Recipes\n(.*?)^## /ms;
while ($recipes =~ /^### (.*?)\n(.*?)(?=^### |\z)/gms)
{
	my ($heading, $text) = ($1, $2);
	my @blocks = $text =~ /^```diff\n(.*?)^```$/gms;
	is(scalar @blocks, 1, "\"$heading\" has one block");
	push @recipes, [ $heading, join '', @blocks ];
}
is_deeply(
	[ map { $_->[0] } @recipes ],
	[
		map { "Add $_" } 'a built-in feature',
		'an SQL function',
		'an error', 'a setting', 'a value type', 'a level'
	],
	'there are six recipes');

# Apply the block of a recipe.  Returns what cannot be applied.
sub apply
{
	my ($directory, $block) = @_;
	my @problems;
	for my $part (split /^(?=\+\+\+ )/m, $block)
	{
		my ($file, $changes) = $part =~ /\A\+\+\+ (\S+)\n@@\n(.*)\z/s or return "no file: $part";
		my $path = "$directory/$file";
		my $text = -e $path ? slurp_file($path) : '';
		for my $change (split /^@@\n/m, $changes)
		{
			my @lines = $change =~ /^(.*)\n/mg;
			my $old   = join '', map { substr($_, 1) . "\n" } grep { /^[ -]/ } @lines;
			my $new   = join '', map { substr($_, 1) . "\n" } grep { /^[ +]/ } @lines;
			my $found = length $old ? () = "\n$text" =~ /\n\Q$old\E/g : !-e $path;
			push @problems, "$file: found $found times:\n$old" if $found != 1;
			$text = "\n$text";
			$text =~ s/\n\Q$old\E/\n$new/;
			$text = substr $text, 1;
		}
		unlink $path;
		append_to_file($path, $text);
	}
	return join "\n", @problems;
}

my $tmp    = PostgreSQL::Test::Utils::tempdir;
my $source = "$tmp/source";
mkdir $source or die;
system('cp', '-r', 'Makefile', 'instance_features.control', 'src', 'include', 'sql', 'test',
	'expected', $source) == 0
  or die;
unlink glob "$source/src/*/*.o $source/src/*/*.bc";
my %before = map { $_ => 1 } glob "$source/test/sql/*.sql";
for my $recipe (@recipes)
{
	my ($heading, $block) = @$recipe;
	is(apply($source, $block), '', "\"$heading\" can be applied");
}
my @new = grep { !$before{$_} } glob "$source/test/sql/*.sql";
cmp_ok(scalar @new, '==', scalar @recipes, 'each recipe has a test of its own');

# Run a script of test/sql in the scratch tree, and expect it to pass.
sub passes
{
	my ($node,   $file, $name)  = @_;
	my ($status, $out,  $error) = (0, '', '');
	chdir $source or die;
	IPC::Run::run([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', \$out, '2>', \$error);
	chdir $home or die;
	my ($plan) = $out      =~ /^1\.\.(\d+)$/m;
	my $passed = () = $out =~ /^ok /mg;
	my @failed = $out      =~ /^not ok .*/mg;
	ok(defined $plan && $passed == $plan && !@failed && $error !~ /ERROR/, $name)
	  or diag(join "\n", @failed, grep { /ERROR|DETAIL|^#/ } split /\n/, "$out$error");
	return;
}

my ($copied_pg_config, $reason) = Installation::copy("$tmp/installation");
SKIP:
{
	skip "the installation of PostgreSQL cannot be copied: $reason", 1 unless $copied_pg_config;
	chomp(my $share = `$copied_pg_config --sharedir`);
	skip 'pgTAP is not installed', 1 unless -e "$share/extension/pgtap.control";
	my @make = ('make', '-s', '-C', $source, 'with_llvm=no', 'COPT=-Werror');
	delete local @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
	command_ok(
		[ @make, 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config') ],
		'the sources with all recipes build without a warning');
	command_ok(
		[ @make, "PG_CONFIG=$copied_pg_config", 'install' ],
		'they are installed into a copy of PostgreSQL');

	my $node = PostgreSQL::Test::Cluster->new('main',
		install_path => $copied_pg_config =~ s{/bin/pg_config$}{}r);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->start;
	for my $file (@new)
	{
		my ($name) = $file =~ /(\w+)\.sql$/;
		passes($node, $file, "the recipe's test $name passes");
	}
	my @old = map { /(\w+)\.sql$/ } sort keys %before;
	passes($node, "$source/test/sql/$_.sql", "with all recipes, the test $_ still passes") for @old;

	# Those in Perl that know the functions and the features.
	{
		local @ENV{qw(PG_CONFIG PATH TESTDATADIR TESTLOGDIR)} =
		  ($copied_pg_config, dirname($copied_pg_config) . ":$ENV{PATH}", "$tmp/data", "$tmp/log");
		local $ENV{FUZZ_STEPS} = 1500;
		mkdir "$tmp/$_" for qw(data log);
		chdir $source or die;
		for my $name (qw(symbols fuzz))
		{
			my ($out, $error) = ('', '');
			ok( IPC::Run::run(
					[ $^X, (map { "-I$_" } @INC), "test/t/$name.pl" ],
					'>', \$out, '2>', \$error),
				"with all recipes, the test $name still passes"
			) or diag(join "\n", grep { !/^ok/ } split /\n/, $out . $error);
		}
		chdir $home or die;
	}

	# What a transaction that is rolled back cannot show.
	$node->safe_psql(
		'postgres', q{
		CREATE EXTENSION instance_features;
		SELECT create_team('red'), define_feature('shared', levels => '{system,team}')});
	my $listener = Session->new($node);
	$listener->query('LISTEN instance_features');
	$node->safe_psql('postgres', q{SELECT set_team_features('{"shared": true}', 'red')});
	like(
		$listener->query('SELECT 1'),
		qr/"level": "team", "resourceOwner": "red", "sequence": 1, .*"features": \["shared"\]/,
		'a change of a team is notified');
	is( $listener->query(
			q{SELECT source FROM get_team_features(true, 'red') WHERE feature = 'shared'}),
		'team',
		'a session reads the setting of a team');
	$node->safe_psql('postgres', q{SELECT reset_team_features('red')});
	is( (   $listener->query(
				q{SELECT source FROM get_team_features(true, 'red') WHERE feature = 'shared'}) =~
			  /^(.*)/)[0],
		'default',
		'another session\'s reset of a team is seen at once');
	$listener->quit;
	is($node->safe_psql('postgres', q{SELECT count(*) FROM check_instance_features()}),
		'0', 'check_instance_features() has nothing against teams');

	# How to accept the result of a new test, and to watch what a session does.
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres');
	my @installcheck = (
		@make, 'installcheck', 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config'),
		'REGRESS=web_key', 'ISOLATION=');
	command_fails(\@installcheck, 'a new test fails for want of an expected result');
	command_ok([ @make, 'expected' ], 'make expected accepts its result');
	command_ok(\@installcheck,        'the new test passes with it');
	my ($watch) = $page =~ /^(PGOPTIONS=.*debug2.*)$/m;
	like(
		`$watch 2>&1`,
		qr/^DEBUG:  instance_features: loading instance "default"/m,
		'the page says how to watch what is loaded');
	$node->stop;
}

done_testing();
