# Every SQL example in the documentation does what it shows, links lead
# somewhere, and the reference has every function, view, setting and problem as
# the extension has them.  The examples of doc/operations.md need several
# clusters: see operations.pl.

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Page;
use Session;
use Test::More;

# The superuser that the examples show, whoever runs this.
local $ENV{PGUSER} = 'postgres';

# Each page has a cluster of its own, and starts from nothing but what it says.
my $node;
for my $page (grep { $_ ne 'doc/operations.md' } 'README.md', glob 'doc/*.md')
{
	my $text = slurp($page);
	next if $text !~ /^```sql$/m;
	$node->stop if $node;
	$node = PostgreSQL::Test::Cluster->new($page =~ s/\W/_/gr);
	$node->init(extra => ['--username=postgres']);
	$node->append_conf('postgresql.conf', 'wal_level = logical');
	$node->start;
	my $session = Session->new($node, args => '-Xq');
	my @examples = grep { $_->{language} eq 'sql' } examples($text);
	is(scalar @examples, scalar(() = $text =~ /^```sql$/mg), "$page: every example is found");
	for my $example (@examples)
	{
		my ($title) = $example->{code} =~ /^(.{1,60})/;
		my $result = run_statements($session, $example->{code});
		is(normalize($result), normalize($example->{output}), "$page: $title");
	}
	$session->quit;
}
$node->stop;

# What a page refers to is there.
for my $page (glob '*.md doc/*.md')
{
	my $text = slurp($page);
	for my $link ($text =~ /\]\(([^)\s]*)\)/g)
	{
		next if $link =~ /^\w+:/;
		my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
		$file = $file eq '' ? $page : dirname($page) . "/$file";
		ok(-e $file, "$page: $link exists") or next;
		my %anchors = map { lc =~ s/[^\w\s-]//gr =~ s/ /-/gr => 1 } slurp($file) =~ /^#+ (.*)$/mg;
		ok($anchors{$anchor}, "$page: $link has its heading") if $anchor ne '';
	}

	# A page names tests by their paths, or by names alone after a path.
	my $directory = '';
	for my $test ($text =~ m{`((?:test/[\w/]+/)?\w+\.(?:sql|spec|pl))`}g)
	{
		$directory = $1 if $test =~ m{^(.*/)};
		$test = "$directory$test" if $test !~ m{/};
		ok(-e $test, "$page: $test exists");
	}
}

$node = PostgreSQL::Test::Cluster->new('functions');
$node->init(extra => ['--username=postgres']);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features');
my $readme = slurp('README.md');
# Flags move from one database to another as the recipe says.
my ($move) = slurp('doc/recipes.md') =~ /^## Move flags.*?^```sh\n(.*?)^```/ms;
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE postgres") for qw(staging production);
$node->safe_psql('staging', q{SELECT set_system_features('{"userSchema": true}'), create_instance('it''s "a" $b'), set_instance_features('{"loginDefaultOrg": false}', 'it''s "a" $b')});
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
	my $output = '';
	ok(IPC::Run::run([ 'bash', '-ec', $move ], '>&', \$output, 'init', sub { chdir $node->basedir }), 'flags move between databases') or diag($output);
}
is($node->safe_psql('production', 'SELECT export_features()'), $node->safe_psql('staging', 'SELECT export_features()'), 'all of them');

# Settings outlive the extension as the README says of versions before 2.0.
my ($upgrade) = $readme =~ /^### Upgrading.*?^```sh\n(.*?)^```/ms;
$node->safe_psql('postgres', 'CREATE DATABASE app TEMPLATE staging');
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
	my $output = '';
	ok(IPC::Run::run([ 'bash', '-ec', $upgrade ], '>&', \$output, 'init', sub { chdir $node->basedir }), 'the extension is created anew') or diag($output);
	like($output, qr/^DROP EXTENSION\nCREATE EXTENSION$/m, 'and was dropped before');
}
is($node->safe_psql('app', 'SELECT export_features()'), $node->safe_psql('staging', 'SELECT export_features()'), 'the settings are applied to the new one');

# The reference has every function, with its arguments and columns.
my @functions = split /\n/, $node->safe_psql('postgres', q{
	SELECT proname, pg_get_function_arguments(pg_proc.oid) FROM pg_proc
	JOIN pg_depend ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
	WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features') AND pronamespace <> 'instance_features'::regnamespace
	ORDER BY 1});
cmp_ok(scalar @functions, '>', 30, 'the extension has functions');
for my $function (@functions)
{
	my ($name, $arguments) = split /\|/, $function, 2;
	$arguments =~ s/::\w+//g;
	$arguments =~ s/timestamp with time zone/timestamptz/g;
	my @in = grep { !/^OUT / } split /, /, $arguments;
	my @out = map { s/^OUT //r } grep { /^OUT / } split /, /, $arguments;
	my $signature = "`$name(" . join(', ', @in) . ')`';
	like($readme, qr{^###.*\Q$signature\E}m, "$name() is documented with its arguments");
	next if !@out;
	my $columns = 'record (' . join(', ', @out) . ')`';
	like($readme, qr{^###.*\Q$signature\E[^#]*?\Q$columns\E}m, "$name() is documented with its columns");
}

# So has it every view and its columns, every setting and its default, every
# table, type, and problem that check_instance_features() reports.
for (split /\n/, $node->safe_psql('postgres', q{
	SELECT relname, string_agg(attname, ', ' ORDER BY attnum) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0
	WHERE relnamespace = 'instance_features'::regnamespace AND relkind = 'v' GROUP BY 1}))
{
	my ($view, $columns) = split /\|/;
	like($readme, qr{^\| `$view` \| `\(\Q$columns\E\)`}m, "the view $view is documented with its columns");
}
for (split /\n/, $node->safe_psql('postgres', q{
	SELECT FROM instance_features_version();
	SELECT name, current_setting(name), CASE context WHEN 'user' THEN 'anyone' ELSE 'superusers' END FROM pg_settings WHERE name LIKE 'instance\_features.%'}))
{
	next if $_ eq '';
	my ($setting, $default, $who) = split /\|/;
	like($readme, qr{^\| `\Q$setting\E` \| `\Q$default\E` \| $who \|}m, "the setting $setting is documented with its default and who may set it");
}
like($readme, qr{^\| `$_` \|}m, "the table $_ is documented")
  for split /\n/, $node->safe_psql('postgres', q{SELECT relname FROM pg_class WHERE relnamespace = 'instance_features'::regnamespace AND relkind = 'r'});
like($readme, qr{^\| `(instance_features\.)?$_` \|}m, "the type $_ is documented")
  for split /\n/, $node->safe_psql('postgres', q{
	SELECT typname FROM pg_type JOIN pg_depend ON objid = pg_type.oid AND classid = 'pg_type'::regclass AND deptype = 'e'
	WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features') AND typelem = 0
		AND NOT EXISTS (SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind <> 'c')});
my %problems = map { $_ => 1 } $node->safe_psql('postgres', q{SELECT pg_get_function_sqlbody('instance_features.check_tables'::regproc)}) =~ /SELECT '([\w ]+)'::text/g;
cmp_ok(scalar keys %problems, '>', 10, 'check_instance_features() reports problems');
like($readme, qr{^\| .*`$_`.* \| .* \|$}m, "the problem \"$_\" is documented") for sort keys %problems;

$node->stop;
done_testing();
