# Every SQL example in the documentation does what it shows, links lead
# somewhere, and the reference has every function, view, setting, error and
# problem as the extension has them.  The examples of doc/operations.md and
# doc/automation.md need several clusters: see operations.pl and automation.pl.

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

my $tmp = PostgreSQL::Test::Utils::tempdir;
chmod 0755, $tmp;

# The C example is built as its page says.
my $c_api = slurp('doc/c-api.md');
for ([ 'gate.c', 'c' ], [ 'Makefile', 'make' ])
{
	my ($name, $language) = @$_;
	my ($code) = $c_api =~ /^```$language\n(.*?)^```/ms or die "no example in $language";
	PostgreSQL::Test::Utils::append_to_file("$tmp/$name", $code);
}
{
	local %ENV = %ENV;
	delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
	my $output = '';
	ok( IPC::Run::run(
			[
				'make', '-s', 'with_llvm=no', 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config'),
				'COPT=-Werror'
			],
			'>&',
			\$output,
			'init',
			sub { chdir $tmp }),
		'doc/c-api.md: the C example is built') or diag($output);
}

# Each page has a cluster of its own, and starts from nothing but what it says.
my $node;
for my $page (grep { !/operations|automation/ } 'README.md', glob 'doc/*.md')
{
	my $text = slurp($page);
	next        if $text !~ /^```sql$/m;
	$node->stop if $node;
	$node = PostgreSQL::Test::Cluster->new($page =~ s/\W/_/gr);
	$node->init(extra => ['--username=postgres']);
	$node->append_conf('postgresql.conf',
		"wal_level = logical\nlog_statement = none\ndynamic_library_path = '\$libdir:$tmp'");
	$node->start;
	my $session  = Session->new($node, args => '-Xq');
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
my @pages = (glob('*.md doc/*.md clients/*/README.md'));
for my $page (@pages)
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
		$directory = $1                if $test =~ m{^(.*/)};
		$test      = "$directory$test" if $test !~ m{/};
		ok(-e $test, "$page: $test exists");
	}

	# English that reads as translated.
	is(join(', ', $text =~ /\b(the own|for who|of who|can not)\b/gi),
		'', "$page: no phrase reads as translated");
}

# The README is one screen or two, and leads to every page.
my $readme = slurp('README.md');
cmp_ok(scalar(() = $readme =~ /\n/g), '<=', 90, 'the README has at most 90 lines');
like($readme, qr/\]\(\Q$_\E\)/, "the README links to $_") for grep { $_ ne 'README.md' } @pages;

# The internals have a line for each source file, and name no other.
my $internals = slurp('doc/internals.md');
my %rooms     = map { $_ => 1 } $internals =~ m{^\| `(\w+/\w+\.[ch])` \| \S}mg;
is_deeply(
	[ sort keys %rooms ],
	[ sort map { s{^src/}{}r } glob('src/*/*.c'), 'src/base/compat.h' ],
	'doc/internals.md has a line for each source file');
my $sections       = join '', $internals =~ /^(## The path of a (?:read|set)\n.*?)(?=^## )/msg;
my ($gateway_path) = $internals =~ /^(## The path of a PUT .*)/ms;
for my $path ([ '', $sections ], [ 'clients/gateway/', $gateway_path ])
{
	my ($base, $text) = @$path;
	my @files = $text =~ m{`(src/[\w/]+\.(?:c|h|js))`}g;
	cmp_ok(scalar @files, '>=', 8, 'the traced paths name files');
	ok(-e $_ || -e "$base$_", "doc/internals.md: $_ exists") for @files;
	my $sources = join '',
	  map { slurp($_) } map { -e $_ ? $_ : -e "$base$_" ? "$base$_" : () } @files;
	like($sources, qr/\b\Q$_\E\(/, "doc/internals.md: $_() is in the files of its path")
	  for grep { $_ ne 'feature_service' } $text =~ /`(\w+)\(\)`/g;
}

# The page of the C API has every function.
my ($api) =
  slurp('include/instance_features.h') =~ /^typedef struct InstanceFeaturesApi\n\{(.*?)^\}/ms;
my @members = $api =~ /\(\*(\w+)\)/g;
cmp_ok(scalar @members, '>=', 5, 'the C API has functions');
like($c_api, qr/^\|.*`$_\(/m, "doc/c-api.md has $_") for @members;

$node = PostgreSQL::Test::Cluster->new('functions');
$node->init(extra => ['--username=postgres']);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features');
# Flags move from one database to another as the recipe says.
my ($move) = slurp('doc/recipes.md') =~ /^## Move flags.*?^```sh\n(.*?)^```/ms;
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE postgres") for qw(staging production);
$node->safe_psql('staging',
	q{SELECT set_system_features('{"userSchema": true}'), create_instance('it''s "a" $b'), set_instance_features('{"loginDefaultOrg": false}', 'it''s "a" $b')}
);
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
	my $output = '';
	ok( IPC::Run::run(
			[ 'bash', '-ec', $move ],
			'>&', \$output, 'init', sub { chdir $node->basedir }),
		'flags move between databases') or diag($output);
}
is( $node->safe_psql('production', 'SELECT export_features()'),
	$node->safe_psql('staging',    'SELECT export_features()'),
	'all of them');

# The sections of the reference by their headings.
my $reference = slurp('doc/reference.md');
my %section   = $reference =~ /^##+ ([^\n]*)\n(.*?)(?=^##+ |\z)/msg;

# It has a heading for every function, with its arguments and columns, its
# result, its errors and an example that calls it.
my @functions = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT proname, pg_get_function_arguments(pg_proc.oid) FROM pg_proc
	JOIN pg_depend ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
	WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features') AND pronamespace <> 'instance_features'::regnamespace
	ORDER BY 1});
cmp_ok(scalar @functions, '>', 30, 'the extension has functions');
for my $function (@functions)
{
	my ($name, $arguments) = split /\|/, $function, 2;
	$arguments =~ s/::\w+(?:\[\])?//g;
	$arguments =~ s/timestamp with time zone/timestamptz/g;
	my @in        = grep { !/^OUT / } split /, /, $arguments;
	my @out       = map  { s/^OUT //r } grep { /^OUT / } split /, /, $arguments;
	my $signature = "`$name(" . join(', ', @in) . ')`';
	my $text      = $section{$name} // '';
	like($text, qr{^\Q$signature\E\s→ `}m,   "$name() is documented with its arguments");
	like($text, qr{^\*\*$_(\.\*\*|\*\*)\s}m, "$name() is documented with its $_")
	  for qw(Arguments Returns Errors);
	like(join('', map { $_->{code} } grep { $_->{language} eq 'sql' } examples($text)),
		qr/\b$name\(/, "$name() has an example");
	next if !@out;
	my $columns = 'record (' . join(', ', @out) . ')`';
	like($text, qr{\Q$signature\E\s→[^#]*?\Q$columns\E}, "$name() is documented with its columns");
}
my %names = map { (split /\|/)[0] => 1 } @functions;
is(join(', ', grep { /_/ && !$names{$_} } $reference =~ /^### (.*)$/mg),
	'', 'no other function is documented');

# So has it every view and table with its columns, every setting and its default,
# every type, built-in feature, and problem that check_instance_features()
# reports.
for (
	split /\n/,
	$node->safe_psql(
		'postgres', q{
	SELECT CASE relkind WHEN 'v' THEN 'Views' ELSE 'Tables' END, relname, string_agg(attname, ', ' ORDER BY attnum)
	FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
	WHERE relnamespace = 'instance_features'::regnamespace AND relkind IN ('r', 'v') GROUP BY relkind, relname}
	))
{
	my ($heading, $relation, $columns) = split /\|/;
	like(
		$section{$heading},
		qr{^\| `$relation` \| `\(\Q$columns\E\)`}m,
		"$relation is documented with its columns below \"$heading\"");
}
for (
	split /\n/,
	$node->safe_psql(
		'postgres', q{
	SELECT FROM instance_features_version();
	SELECT name, current_setting(name), CASE context WHEN 'user' THEN 'anyone' ELSE 'superusers' END FROM pg_settings WHERE name LIKE 'instance\_features.%'}
	))
{
	next if $_ eq '';
	my ($setting, $default, $who) = split /\|/;
	$default = $default eq '' ? 'empty' : "`$default`";
	like(
		$section{Settings},
		qr{^\| `\Q$setting\E` \| \Q$default\E \| $who \|}m,
		"the setting $setting is documented with its default and who may set it");
}
for (
	split /\n/,
	$node->safe_psql(
		'postgres', q{
	SELECT typname, (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = pg_type.oid) FROM pg_type
	JOIN pg_depend ON objid = pg_type.oid AND classid = 'pg_type'::regclass AND deptype = 'e'
	WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features') AND typelem = 0
		AND NOT EXISTS (SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind <> 'c')}))
{
	my ($type, $labels) = split /\|/;
	my ($row) = $section{Types} =~ /^(\| `(?:instance_features\.)?$type` \|.*)$/m;
	ok($row, "the type $type is documented");
	my $list = join ', ', map { "`$_`" } $labels =~ /'([^']*)'/g;
	like($row, qr/enum \Q$list\E/, "the type $type is documented with its values") if $list ne '';
}
like(
	$section{'Built-in features'},
	qr/^\| `$_->[0]` \| `$_->[1]` \|/m,
	"the built-in feature $_->[0] is documented")
  for map { [ split /\|/ ] } split /\n/,
  $node->safe_psql('postgres',
	'SELECT key, json_name FROM instance_features.definition WHERE builtin');
my %problems =
  map { $_ => 1 }
  $node->safe_psql('postgres',
	q{SELECT pg_get_function_sqlbody('instance_features.check_tables'::regproc)}) =~
  /SELECT '([\w ]+)'::text/g;
cmp_ok(scalar keys %problems, '>', 10, 'check_instance_features() reports problems');
like(
	$section{check_instance_features},
	qr{^\| .*`$_`.* \| .* \|$}m,
	"the problem \"$_\" is documented") for sort keys %problems;

# The fields of a notification, on each level but the system.
my $listener = Session->new($node);
$listener->query('LISTEN instance_features');
$node->safe_psql('postgres',
	q{SELECT define_feature('levels', levels => '{instance,organization,user}')});
$listener->query('SELECT 1');
for my $level (qw(instance organization user))
{
	my $id = $level eq 'instance' ? 'default' : $level;
	$node->safe_psql('postgres', qq{SELECT set_${level}_features('{"levels": true}', '$id')});
	my ($payload) = $listener->query('SELECT 1') =~ /with payload "(\{.*\})"/;
	my @fields    = $payload                     =~ /"(\w+)":/g;
	my ($shown)   = $section{Notifications}      =~ /^(\{"level": "$level".*)$/m;
	cmp_ok(scalar @fields, '>=', 4, "a notification of level $level has fields");
	is_deeply([ ($shown // '') =~ /"(\w+)":/g ],
		\@fields, "the fields of a notification of level $level are documented");
}
$listener->quit;

# Every SQLSTATE that the sources name, by its number and PostgreSQL's name for
# it, and with the statuses of HTTP and gRPC that the service has for it.
my $sources = join '', map { slurp($_) } glob 'src/*/*.[ch]';
my %raised  = map { $_ => 1 } grep { !/^TO_CATEGORY$/ } $sources =~ /\bERRCODE_([A-Z_]+)/g;
cmp_ok(scalar keys %raised, '>', 15, 'the sources raise errors');
my ($sharedir) = map { chomp; $_ } qx("@{[$ENV{PG_CONFIG} // 'pg_config']}" --sharedir);
my (%sqlstate, %condition);
for (split /\n/, slurp("$sharedir/errcodes.txt"))
{
	next if !/^(\w{5})\s+[EWS]\s+ERRCODE_(\w+)(?:\s+(\w+))?/;
	$sqlstate{$2} = $1;
	$condition{$1} //= $3;
}
my %grpc = $sources =~ /^#define GRPC_(\w+)\s+(\d+)$/mg;
my ($statuses) = $sources =~ /service_statuses\[\] =\n\{(.*?)^\};/ms;
my %status =
  map { /\{ERRCODE_(\w+), \{(\d+), GRPC_(\w+)\}/ ? ($1 => "$2 | $grpc{$3} `$3`") : () } split /\n/,
  $statuses;
cmp_ok(scalar keys %status, '>=', 10, 'the service has statuses for errors');
for my $name (sort keys %raised)
{
	# Classes, of which the reference has members or the class.
	next if $name =~ /^(TRANSACTION_ROLLBACK|OPERATOR_INTERVENTION)$/;
	my $error = "$sqlstate{$name} `$condition{$sqlstate{$name}}`";
	if ($status{$name})
	{
		like(
			$section{Errors},
			qr/^\|[^|\n]*\Q$error\E[^|\n]* \| \Q$status{$name}\E \| \S/m,
			"the error $error is documented with its statuses");
	}
	else
	{
		like($section{Errors}, qr/\Q$error\E/, "the error $error is documented");
	}
}

$node->stop;
done_testing();
