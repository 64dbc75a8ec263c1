# Each document in examples/ can be applied, to a database in which nothing is
# defined, as examples/README.md says, and again.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

my @documents = glob 'examples/*.json';
my $readme    = slurp_file('examples/README.md');
my @commands  = $readme =~ /^    (psql .*)$/mg;
is(scalar @commands, 2, 'examples/README.md has a dry run, and the command that applies');

# Run a command of the page with another database and document.  Returns its rows.
sub run_example
{
	my ($command, $database, $document) = @_;
	my $connection = $node->connstr($database);
	my ($out, $err) = ('', '');
	$command =~ s/^psql -X -d app/psql -XAt -d "$connection"/ or die $command;
	$command =~ s/examples\/\w+\.json/$document/              or die $command;
	ok(IPC::Run::run([ 'bash', '-c', $command ], '>', \$out, '2>', \$err), "$document: $command")
	  or diag($err);
	is($err, '', "$document: nothing is told besides the rows");
	return $out;
}

for my $document (@documents)
{
	my $database = $document =~ s/\W/_/gr;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database,  'CREATE EXTENSION instance_features');
	my $told = run_example($commands[0], $database, $document);
	isnt($told, '', "$document: a dry run tells changes");
	is( $node->safe_psql($database, 'SELECT export_features(true)'),
		'{"system": {}, "instances": {"default": {}}}',
		"$document: a dry run changes nothing");
	is(run_example($commands[1], $database, $document),
		$told, "$document: what is applied is what the dry run told");
	is(run_example($_, $database, $document), '', "$document: it changes nothing when it is there")
	  for @commands;
	is($node->safe_psql($database, 'SELECT * FROM check_instance_features()'),
		'', "$document: the tables are consistent");
	is( $node->safe_psql(
			$database,
			sprintf q{SELECT count(*) FROM instance_features.definition d
				WHERE NOT builtin AND (description = '' OR NOT $document$%s$document$::jsonb->'features' ? key)},
			slurp_file($document)),
		0,
		"$document: each definition that is there is one of the document, and has a description");
	like($readme, qr/\(\Q@{[ $document =~ s{.*\/}{}r ]}\E\)/, "examples/README.md has $document");
}

is( $node->safe_psql(
		'examples_shop_json',
		q{SELECT string_agg(DISTINCT value_type::text, ' ' ORDER BY value_type::text)
			FROM instance_features.definition WHERE NOT builtin}),
	'array boolean integer number object string',
	'examples/shop.json has features of all types');
is( $node->safe_psql(
		'examples_shop_json',
		q{SELECT string_agg(DISTINCT level, ' ' ORDER BY level) FROM instance_features.setting}),
	'instance organization system user',
	'examples/shop.json has settings on all levels');
is( $node->safe_psql(
		'examples_shop_json', q{SELECT feature_text('theme', 'lisbon', 'wholesale', 'mia'),
			feature_integer('max_items', 'lisbon', 'wholesale'), feature_integer('max_items', 'oslo'),
			feature_enabled('new_checkout', 'oslo', NULL, 'per'), feature_enabled('new_checkout', 'oslo')}
	),
	'dark|1000|100|f|t',
	'settings of examples/shop.json are in force');
is( $node->safe_psql(
		'examples_zitadel_v2_json',
		q{SELECT count(*) FROM instance_features.definition
			WHERE json_name IN ('improvedPerformance', 'loginV2', 'permissionCheckV2',
				'oidcSingleV1SessionTermination', 'debugOidcParentError', 'consoleUseV2UserApi',
				'enableBackChannelLogout', 'disableUserTokenEvent')}),
	8,
	'features of examples/zitadel-v2.json have the JSON names of the messages');
$node->stop;

done_testing;
