# The library exports what SQL calls and what the server looks for when it loads
# a library, and nothing else: names of ours cannot meet those of other libraries.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features');

# The names of the functions in C, and those of their symbols.
my %symbol = map { split /\|/ } split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT DISTINCT p.proname, p.prosrc
	FROM pg_proc p, pg_depend d, pg_extension e
	WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
	AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	AND e.extname = 'instance_features'
	AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')});
$node->stop;
my @functions = values %symbol;
cmp_ok(scalar @functions, '>', 30, 'the extension has functions in C');
is_deeply({ map { $_ => $symbol{$_} } grep { $_ ne $symbol{$_} } keys %symbol },
	{}, 'every function in C has the name of its symbol');

# Compilers, sanitizers and linkers add names that are reserved for them.
my ($library) =
  grep { -e } glob $node->config_data('--pkglibdir') . '/instance_features.{so,dylib}';
my @command = $^O eq 'darwin' ? qw(nm -gU) : qw(nm -D --defined-only);
my ($out, $err) = run_command([ @command, $library ]);
is($err, '', 'nm reads the library');
my @exported = map { (split)[-1] } split /\n/, $out;
s/^_// for $^O eq 'darwin' ? @exported : ();
@exported = grep { !/^(__|_init$|_fini$|_edata$|_end$)/ } @exported;

# What the objects of development version 1 called by another name ends in the
# error that says what to do.
push @functions, qw(create_feature_instance drop_feature_instance instance_features_invalidate);
my @expected = ('Pg_magic_func', '_PG_init', map { ($_, "pg_finfo_$_") } @functions);
is_deeply(
	[ sort @exported ],
	[ sort @expected ],
	'the library exports what is called from outside, and nothing else');

done_testing();
