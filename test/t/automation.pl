# Every command of doc/automation.md does what the page says of it, with the tools
# that it names.

use strict;
use warnings;

use PageRun;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The superuser of all clusters, whoever runs this.
local $ENV{PGUSER} = 'postgres';

open_page('doc/automation.md');

sub new_cluster
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(
		allows_streaming => 'logical',
		extra            => [ '--username=postgres', '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', $conf) if $conf;
	$node->start;
	return $node;
}

# Wait until the tables of a subscription are copied.
sub wait_for_copy
{
	my ($node, $dbname) = @_;
	$node->poll_query_until($dbname,
		q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')})
	  or die 'the first copy takes too long';
	return;
}

# A connection string without quotes, which stands in a literal.
sub connection
{
	my ($node, $dbname) = @_;
	return sprintf 'host=%s port=%s dbname=%s', $node->host, $node->port, $dbname;
}

# script/test installs pg_cron where there is a package.
my ($sharedir) = run_command([ $ENV{PG_CONFIG} // 'pg_config', '--sharedir' ]);
my $has_cron   = -e "$sharedir/extension/pg_cron.control";
my $production = new_cluster(
	'production',
	$has_cron
	? q{
	shared_preload_libraries = 'pg_cron'
	cron.database_name = 'production'
	cron.use_background_workers = on}
	: '');
$production->safe_psql('postgres',
	'CREATE ROLE tenant_acme LOGIN; CREATE ROLE stranger LOGIN; CREATE DATABASE production');
$production->safe_psql(
	'production', q{
	CREATE EXTENSION instance_features;
	SELECT define_feature('banner'), define_feature('new_checkout'), create_instance('acme', 'tenant_acme');
	SELECT count(create_instance('i' || n)) FROM generate_series(1, 99) n});

# At a time.
my $heading = 'At a time';
SKIP:
{
	unless ($has_cron)
	{
		example($heading, 'sql') for 1 .. 3;
		skip 'there is no package of pg_cron', 7;
	}
	sql_ok($heading, $production, 'production', 'postgres',    'pg_cron can be created');
	sql_ok($heading, $production, 'production', 'tenant_acme', 'an owner schedules changes');
	sql_ok($heading, $production, 'production', 'tenant_acme', 'an owner makes a temporary change');

	# Let all of them run at the next minute, in the order of their ids.
	$production->safe_psql(
		'production', q{
		SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job WHERE jobname <> 'banner off'}
	);
	ok( $production->poll_query_until(
			'production', q{
		SELECT feature_enabled('banner', 'acme') AND NOT feature_enabled('new_checkout', 'acme')
			AND NOT EXISTS (SELECT FROM cron.job WHERE jobname = 'new checkout ends')}),
		"$heading: the changes are made, and the temporary one ends and removes its job");
	is( $production->safe_psql(
			'production', q{
		SELECT DISTINCT editor FROM instance_features.event WHERE scope_id = 'acme'}),
		'tenant_acme',
		"$heading: the job runs as the role that scheduled it");
	$production->safe_psql(
		'production', q{
		SELECT cron.unschedule(jobid) FROM cron.job;
		GRANT USAGE ON SCHEMA cron TO stranger;
		SET ROLE stranger;
		SELECT cron.schedule('theft', '* * * * *', $$SELECT set_instance_features('{"banner": null}', 'acme')$$)}
	);
	ok( $production->poll_query_until(
			'production', q{
		SELECT count(*) > 0 FROM cron.job_run_details d JOIN cron.job USING (jobid)
		WHERE jobname = 'theft' AND d.status = 'failed' AND d.return_message LIKE '%permission denied for instance%'}
		),
		"$heading: a job of another role may not");
	$production->safe_psql('production', 'SELECT cron.unschedule(jobid) FROM cron.job');
}

# From version control.
$heading = 'From version control';
append_to_file("$page_dir/features.json",
	'{"system": {"banner": true}, "instances": {"acme": {"newCheckout": true}, "new": {}}}');
my $output = shell_ok($heading, $production, 'postgres', 'a document is shown and applied');
is(scalar(() = $output =~ /^\s*instance .* new_checkout/mg),
	2, "$heading: the dry run says what applying does");
is( $production->safe_psql(
		'production',
		q{SELECT feature_enabled('banner', 'new'), feature_enabled('new_checkout', 'acme')}),
	't|t',
	"$heading: the document is applied");
shell_ok($heading, $production, 'postgres', 'the database is exported');
like(
	slurp("$page_dir/features.json"),
	qr/"acme": \{\s*"newCheckout": true/,
	"$heading: the export has what was applied");

# Instance by instance.
$heading = 'Instance by instance';
sql_ok($heading, $production, 'production', 'postgres', 'a tenth of the instances is changed');

# An audit trail elsewhere.
$heading = 'An audit trail elsewhere';
my $audit = new_cluster('audit');
sql_ok($heading, $production, 'production', 'postgres', 'events are published');
sql_ok(
	$heading, $audit, 'postgres', 'postgres',
	'the audit server subscribes',
	connection => connection($production, 'production'));
wait_for_copy($audit, 'postgres');
$production->safe_psql(
	'production', q{
	SET instance_features.actor = 'jane';
	SELECT set_instance_features('{"banner": false}', 'acme');
	SELECT purge_feature_events('infinity')});
$production->wait_for_catchup('feature_audit');
$audit->poll_query_until('postgres',
	q{SELECT count(*) = 1 FROM instance_features.event WHERE actor = 'jane'});
is( $audit->safe_psql(
		'postgres', q{
	SELECT event_type, editor FROM instance_features.event WHERE actor = 'jane'}),
	'feature.instance.banner.set|postgres',
	"$heading: an event arrives and survives a purge");
is( $audit->safe_psql(
		'postgres', q{
	SELECT count(*) = max(sequence) FROM instance_features.event WHERE scope_id = 'acme'}),
	't',
	"$heading: earlier events are there too");

# One database of flags.
$heading = 'One database of flags';
my $flags = new_cluster('flags');
$flags->safe_psql('postgres', 'CREATE DATABASE flags');
$flags->safe_psql(
	'flags', q{
	CREATE EXTENSION instance_features;
	SELECT define_feature('beta', levels => '{system,instance,user}'), create_instance('shop'), create_instance('office')}
);
sql_ok($heading, $flags, 'flags', 'postgres', 'the flags are published');
my $shop = new_cluster('shop');
$shop->safe_psql('postgres', 'CREATE DATABASE shop');
sql_ok(
	$heading, $shop, 'shop', 'postgres',
	'a database of an application subscribes',
	connection => connection($flags, 'flags'));
wait_for_copy($shop, 'shop');
$flags->safe_psql(
	'flags', q{
	SELECT set_instance_features('{"beta": true}', 'shop'), set_user_features('{"beta": false}', 'u', 'shop')}
);
ok( $shop->poll_query_until('shop', q{SELECT feature_enabled('beta')}),
	"$heading: a change arrives, and the database is its instance");
ok($shop->poll_query_until('shop', q{SELECT NOT feature_enabled('beta', user_id => 'u')}),
	"$heading: so does a user's");
sql_ok($heading, $shop, 'shop', 'postgres', 'changes are not for the copy');
like(
	(   $shop->psql(
			'shop',
			q{CREATE ROLE somebody; SET ROLE somebody; SELECT set_instance_features('{"beta": true}')}
		))[2],
	qr/permission denied for function set_instance_features/,
	"$heading: nobody but a superuser can set features of the copy");
$flags->stop('immediate');
is($shop->safe_psql('shop', q{SELECT feature_enabled('beta')}),
	't', "$heading: an application reads while the database of flags is down");

is(unused_examples(), 0, 'every command of the page was run');
done_testing;
