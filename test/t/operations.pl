# Every command of doc/operations.md does what the page says of it.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PageRun;
use Session;
use Test::More;

# The superuser of all clusters, whoever runs this.
local $ENV{PGUSER} = 'postgres';

open_page('doc/operations.md');

# The SQLSTATE that a statement raises.
sub sqlstate
{
	my ($node, $dbname, $user, $sql) = @_;
	my (undef, undef, $stderr) = $node->psql(
		$dbname, "\\set VERBOSITY sqlstate\n$sql",
		extra_params  => [ '-U', $user ],
		on_error_stop => 0);
	return $stderr =~ /ERROR:  (\w{5})/ ? $1 : 'none';
}

sub query
{
	my ($node, $dbname, $user, $sql) = @_;
	return $node->safe_psql($dbname, $sql, extra_params => [ '-U', $user ]);
}

# All that the extension's tables have.
sub contents
{
	my ($node, $dbname) = @_;
	return $node->safe_psql(
		$dbname, q{
		SELECT * FROM instance_features.scope ORDER BY 1, 2, 3;
		SELECT * FROM instance_features.setting ORDER BY 1, 2, 3, 4;
		SELECT * FROM instance_features.event ORDER BY 1, 2, 3, 4;
		SELECT * FROM instance_features.feature ORDER BY 1});
}

sub new_cluster
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%options, extra => [ '--username=postgres', '--encoding=UTF8', '--locale=C' ]);
	$node->start;
	return $node;
}

# No other error than that the superuser exists.
sub errors
{
	my ($output) = @_;
	return join "\n", grep { /ERROR/ && !/role "postgres" already exists/ } split /\n/, $output;
}

my $production = new_cluster('production', allows_streaming => 'logical');
$production->safe_psql(
	'postgres', q{
	CREATE ROLE app_owner LOGIN;
	CREATE ROLE tenant_acme LOGIN;
	CREATE DATABASE app OWNER app_owner});
query(
	$production, 'app', 'app_owner', q{
	CREATE EXTENSION instance_features;
	SELECT define_feature('theme', '"light"');
	SELECT set_instance_features('{"theme": "dark"}');
	SELECT create_instance('acme', 'tenant_acme');
	SELECT set_instance_features('{"loginDefaultOrg": false}', 'acme');
	SELECT set_instance_features('{"loginDefaultOrg": true}', 'acme');
	SELECT set_system_features('{"oidcLegacyIntrospection": true}')});
my $contents = contents($production, 'app');
like(
	$contents,
	qr/^instance\|\|acme\|tenant_acme\|2\|.*theme.*"light"/s,
	'production has an instance, settings and a definition');

# Back up and restore.
my $heading = 'A cluster';
shell_ok($heading, $production, 'postgres', 'pg_dumpall writes a dump');
my $whole = new_cluster('whole');
is(errors(shell_ok($heading, $whole, 'postgres', 'the dump restores')),
	'', 'A cluster: the dump restores without an error');
is(contents($whole, 'app'), $contents, 'A cluster: everything is there');
is( query(
		$whole, 'app', 'tenant_acme',
		q{SELECT (set_instance_features('{"userSchema": true}', 'acme')).sequence}),
	'3',
	'A cluster: an owner goes on');

$heading = 'A database';
$production->safe_psql('app',
	'REVOKE EXECUTE ON FUNCTION feature_enabled(text, text, text, text, boolean) FROM PUBLIC');
shell_ok($heading, $production, 'app_owner', 'the owner writes a dump');
$production->safe_psql('app',
	'GRANT EXECUTE ON FUNCTION feature_enabled(text, text, text, text, boolean) TO PUBLIC');
$production->safe_psql('postgres', 'CREATE DATABASE app_copy OWNER app_owner');
is(errors(shell_ok($heading, $production, 'app_owner', 'the owner restores the dump')),
	'', 'A database: the dump restores without an error');
is(contents($production, 'app_copy'), $contents, 'A database: everything is there');
is(sqlstate($production, 'app_copy', 'tenant_acme', q{SELECT feature_enabled('user_schema')}),
	'none', 'A database: a REVOKE is lost where the owner restores it');
$production->safe_psql('postgres', 'CREATE DATABASE app_copy2 OWNER app_owner');
$production->command_ok(
	[ 'pg_restore', '-d', $production->connstr('app_copy2'), "$page_dir/app.dump" ],
	'A database: a superuser restores the dump');
is(sqlstate($production, 'app_copy2', 'tenant_acme', q{SELECT feature_enabled('user_schema')}),
	'42501', 'A database: a REVOKE stays where a superuser restores it');
$production->safe_psql('postgres', 'DROP DATABASE app_copy2');

$heading = 'The features alone';
query($production, 'app', 'app_owner', 'CREATE TABLE something_else ()');
shell_ok($heading, $production, 'app_owner', 'the extension is dumped');
$production->safe_psql('postgres', 'CREATE DATABASE features_copy OWNER app_owner');
is(errors(shell_ok($heading, $production, 'app_owner', 'the dump restores')),
	'', 'The features alone: the dump restores without an error');
is(contents($production, 'features_copy'), $contents, 'The features alone: everything is there');
is($production->safe_psql('features_copy', q{SELECT to_regclass('something_else') IS NULL}),
	't', 'The features alone: nothing else is there');
shell_ok($heading, $production, 'app_owner', 'the rows are dumped');
query($production, 'features_copy', 'app_owner',
	q{SELECT create_instance('other'), reset_instance_features('acme'), drop_feature('theme', true)}
);
my $reader = Session->new($production, dbname => 'features_copy');
is($reader->query(q{SELECT feature_enabled('login_default_org', 'acme')}),
	'f', 'The features alone: a session reads other rows');
shell_ok($heading, $production, 'app_owner', 'the rows replace those that are there');
is(contents($production, 'features_copy'),
	$contents, 'The features alone: exactly those rows are there');
is($reader->query(q{SELECT feature_enabled('login_default_org', 'acme')}),
	't', 'The features alone: an open session sees the restored rows');
$reader->quit;
my $empty_dump = shell_ok($heading, $production, 'app_owner', 'pg_dump -n exits with status 0');
unlike($empty_dump, qr/COPY|CREATE/, 'The features alone: pg_dump -n dumps nothing');

$heading = 'Files';
mkdir $production->backup_dir;
shell_ok(
	$heading, $production, 'postgres',
	'pg_basebackup copies the files',
	directory => $production->backup_dir);
my $files = PostgreSQL::Test::Cluster->new('files');
$files->init_from_backup($production, 'backup');
$files->start;
is(contents($files, 'app'), $contents, 'Files: everything is there');
$files->stop;

$heading = 'A restore that disabled triggers';
shell_ok($heading, $production, 'app_owner', 'pg_dump writes the rows');
$production->safe_psql('postgres', 'CREATE DATABASE empty_copy OWNER app_owner');
query($production, 'empty_copy', 'app_owner', 'CREATE EXTENSION instance_features');
shell_ok($heading, $production, 'postgres', 'a superuser restores the rows without triggers');
$reader = Session->new($production, dbname => 'empty_copy', user => 'app_owner');
like(
	$reader->query(q{SELECT feature_enabled('login_default_org', 'acme')}),
	qr/\At\nWARNING:  features are not cached/,
	'A restore that disabled triggers: a reader warns');
query($production, 'empty_copy', 'app_owner',
	q{SELECT set_instance_features('{"loginDefaultOrg": false}', 'acme')});
is($reader->query(q{SELECT feature_enabled('login_default_org', 'acme')}),
	'f', 'A restore that disabled triggers: readers are right, and warn once');
my $loads =
  q{SELECT loads FROM instance_features_stats(), generate_series(1, 3) WHERE feature_enabled('login_default_org', 'acme') IS NULL UNION ALL SELECT loads FROM instance_features_stats()};
my ($before, $after) = map { $reader->query($loads) } 1, 2;
cmp_ok($after, '>', $before, 'A restore that disabled triggers: nothing is cached');
sql_ok($heading, $production, 'empty_copy', 'app_owner', 'the triggers are named');
is( sqlstate(
		$production, 'empty_copy',
		'app_owner', 'ALTER TABLE instance_features.scope ENABLE ALWAYS TRIGGER track_begin'),
	'42501',
	'A restore that disabled triggers: mending takes a superuser');
sql_ok($heading, $production, 'empty_copy', 'postgres', 'the commands mend it');
$reader->query($loads);
($before, $after) = map { $reader->query($loads) } 1, 2;
is($after, $before, 'A restore that disabled triggers: mended, an open session caches again');
$reader->quit;

$heading = 'Your triggers and columns';
sql_ok($heading, $production, 'app', 'app_owner', 'a trigger asks for a feature');
shell_ok($heading, $production, 'app_owner', 'the rows of its table are dumped');
shell_ok($heading, $production, 'app_owner',
	'the rows of its table are restored, with the trigger there');
is($production->safe_psql('app', 'SELECT count(*) FROM orders'),
	'2', 'Your triggers and columns: the rows are there');
$production->safe_psql(
	'app', q{
	DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('check_orders'::regproc), 'public.feature_enabled', 'feature_enabled'); END $do$}
);
$production->command_checks_all(
	[
		'psql', '-X',                        '-v', 'ON_ERROR_STOP=1',
		'-d',   $production->connstr('app'), '-f', "$page_dir/orders.sql"
	],
	3,
	[qr//],
	[qr/function feature_enabled\(unknown, unknown\) does not exist/],
	'Your triggers and columns: without its schema a function is not found');
$production->safe_psql('app', q{INSERT INTO orders VALUES ('acme', 'rocket')});
$production->safe_psql('app', 'DROP TABLE orders, something_else; DROP FUNCTION check_orders');

# Production to staging.
$heading = 'Production to staging, without the roles';
my $staging = new_cluster('staging');
$staging->safe_psql('postgres',
	'CREATE ROLE staging_owner LOGIN; CREATE DATABASE app OWNER staging_owner');
is(errors(shell_ok($heading, $staging, 'staging_owner', 'the owner restores the dump')),
	'', 'Production to staging, without the roles: the dump restores without an error');
is($staging->safe_psql('app', q{SELECT feature_enabled('login_default_org', 'acme')}),
	't', 'Production to staging, without the roles: settings are in force');
$staging->safe_psql('postgres', 'CREATE ROLE tenant_acme LOGIN');
is(sqlstate($staging, 'app', 'tenant_acme', q{SELECT reset_instance_features('acme')}),
	'42501', 'Production to staging, without the roles: a namesake made later gets nothing');
$staging->safe_psql('postgres', 'DROP ROLE tenant_acme');
sql_ok($heading, $staging, 'app', 'staging_owner', 'lost owners are named and replaced');
$staging->safe_psql('app', q{CREATE ROLE gone; SELECT alter_system_owner('gone'); DROP ROLE gone});
is(sqlstate($staging, 'app', 'staging_owner', q{SELECT reset_system_features()}),
	'42501', 'Production to staging, without the roles: a system whose owner is gone is nobody\'s');
sql_ok($heading, $staging, 'app', 'staging_owner',
	'the owner of the database takes the system back');
is(query($staging, 'app', 'staging_owner', q{SELECT (reset_system_features()).sequence}),
	'2', 'Production to staging, without the roles: and may change it');
sql_ok($heading, $staging, 'app', 'staging_owner', 'events are purged');
is($staging->safe_psql('app', 'SELECT count(*) FROM check_instance_features()'),
	'0', 'Production to staging, without the roles: the tables are consistent');
$staging->stop;

# Moving a database.
$heading = 'Moving a database';
$whole->safe_psql('postgres', $_)
  for 'CREATE ROLE new_owner LOGIN', 'DROP DATABASE app', 'CREATE DATABASE app OWNER app_owner';
$whole->command_ok(
	[ 'pg_restore', '-U', 'app_owner', '-d', $whole->connstr('app'), "$page_dir/app.dump" ],
	"$heading: a role that is no superuser owns database and extension");
sql_ok($heading, $whole, 'postgres', 'postgres', 'the database changes its owner');
is(sqlstate($whole, 'app', 'app_owner', q{SELECT reset_system_features()}),
	'42501', "$heading: the old owner may not change the system");
is(sqlstate($whole, 'app', 'app_owner', 'SELECT FROM instance_features.scope'),
	'42501', "$heading: nor read the tables");
is( query(
		$whole, 'app', 'new_owner',
		q{SELECT count(*) FROM instance_features.scope, reset_system_features()}),
	'3',
	"$heading: the new owner may do both");
sql_ok($heading, $whole, 'app', 'postgres', 'the extension changes its owner');
is(sqlstate($whole, 'postgres', 'postgres', 'DROP ROLE app_owner'),
	'none', "$heading: the old owner can be dropped");
is(sqlstate($whole, 'app', 'new_owner', 'ALTER EXTENSION instance_features UPDATE'),
	'none', "$heading: the new owner can update the extension");
is($whole->safe_psql('app', 'SELECT count(*) FROM check_instance_features()'),
	'0', "$heading: nothing is amiss");
$whole->safe_psql('postgres', 'CREATE DATABASE again OWNER new_owner');
$whole->command_ok(
	[ 'pg_dump', '-U', 'new_owner', '-Fc', '-f', "$page_dir/again.dump", $whole->connstr('app') ],
	"$heading: the new owner dumps the database");
$whole->command_ok(
	[
		'pg_restore', '-U',
		'new_owner',  '--exit-on-error',
		'-d',         $whole->connstr('again'),
		"$page_dir/again.dump"
	],
	"$heading: the dump restores without the old owner");
is(contents($whole, 'again'), contents($whole, 'app'), "$heading: the dump has everything");
$whole->stop;

$production->safe_psql('app', q{ALTER DATABASE app SET instance_features.instance_id = 'acme'});
shell_ok($heading, $production, 'postgres', 'roles and database are dumped');
my $moved = new_cluster('moved');
is(errors(shell_ok($heading, $moved, 'postgres', 'roles and database restore')),
	'', "$heading: another cluster gets them without an error");
$production->safe_psql('app', q{ALTER DATABASE app RESET instance_features.instance_id});
is(contents($moved, 'app'), $contents, "$heading: another cluster has everything");
is( query(
		$moved, 'app', 'tenant_acme',
		q{SELECT (set_instance_features('{"userSchema": true}')).resource_owner}),
	'acme',
	"$heading: another cluster has owners and the database's settings");
$moved->stop;

# Subscribers.
$heading = 'Subscribers';
my $subscriber = new_cluster('subscriber', allows_streaming => 'logical');
$subscriber->safe_psql('postgres',
	'CREATE ROLE app_owner LOGIN; CREATE ROLE stranger LOGIN; CREATE DATABASE app OWNER app_owner');
my @connection = (
	connection => sprintf 'host=%s port=%d dbname=app user=postgres',
	$production->host, $production->port);
is( sqlstate(
		$production, 'app',
		'app_owner', 'CREATE PUBLICATION p FOR TABLE instance_features.scope'),
	'42501',
	"$heading: a publication takes a superuser");
sql_ok($heading, $production, 'app', 'postgres', 'the tables are published');
sql_ok($heading, $subscriber, 'app', 'postgres', 'the tables are subscribed to', @connection);

# Wait until the subscriber has what the publisher has.
sub caught_up
{
	my ($name) = @_;
	$subscriber->poll_query_until('app',
		q{SELECT count(*) = 4 FROM pg_subscription_rel WHERE srsubstate = 'r'})
	  or die 'the tables were not copied';
	$production->wait_for_catchup('features');
	my $copy = contents($subscriber, 'app');
	is($copy =~ s/\?"tenant_acme"/tenant_acme/r, contents($production, 'app'), "$heading: $name");
	return;
}
caught_up('the first copy brings everything');
is( $subscriber->safe_psql('app', q{SELECT detail FROM check_instance_features()}),
	'The role that was named "tenant_acme" is gone.',
	"$heading: an owner whose role is missing is nobody");
$reader = Session->new($subscriber, dbname => 'app');
is( $reader->query(
		q{LISTEN instance_features; SELECT feature_enabled('login_default_org', 'acme')}),
	't',
	"$heading: a session of the subscriber reads");
query($production, 'app', 'tenant_acme',
	q{SELECT set_instance_features('{"loginDefaultOrg": null}', 'acme')});
caught_up('changes arrive');
my $seen = $reader->query(q{SELECT feature_enabled('login_default_org', 'acme')});
like($seen, qr/\Af$/m, "$heading: an open session sees what is applied");
like(
	$seen . $reader->query('SELECT 1'),
	qr/notification "instance_features" with payload "\{"level": "instance", "resourceOwner": "acme", "sequence": 3,/,
	"$heading: what is applied is notified");
$reader->quit;
# Wait until the apply worker fails once more.
sub apply_fails
{
	my $count = $subscriber->safe_psql('app',
		q{SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = 'features'});
	return $subscriber->poll_query_until('app',
		qq{SELECT apply_error_count > $count FROM pg_stat_subscription_stats WHERE subname = 'features'}
	);
}
SKIP:
{
	my ($major) = $subscriber->safe_psql('app', 'SHOW server_version_num') =~ /^(\d\d)/;
	if ($major < 16)
	{
		example($heading, 'sql');
		skip 'subscriptions belong to superusers before PostgreSQL 16', 3;
	}
	# The connections of this test have no passwords.
	$subscriber->safe_psql('app', 'ALTER SUBSCRIPTION features SET (password_required = false)');
	$subscriber->safe_psql('app', 'ALTER SUBSCRIPTION features OWNER TO app_owner');
	query($production, 'app', 'app_owner', q{SELECT set_instance_features('{"theme": "green"}')});
	ok(apply_fails(), "$heading: a subscription that is not a superuser's needs run_as_owner");
	sql_ok($heading, $subscriber, 'app', 'postgres',
		'the subscription is given to the owner of the database');
	query($production, 'app', 'app_owner', q{SELECT set_instance_features('{"theme": "blue"}')});
	caught_up('changes arrive by a subscription that is not a superuser\'s');
}
$subscriber->safe_psql('app', q{SELECT set_instance_features('{"userSchema": true}', 'acme')});
query($production, 'app', 'tenant_acme',
	q{SELECT set_instance_features('{"oidcTokenExchange": true}', 'acme')});
ok(apply_fails(), "$heading: a local write stops the apply worker");
sql_ok($heading, $subscriber, 'app', 'postgres', 'changes can be forbidden');
is(sqlstate($subscriber, 'app', 'stranger', qq{SELECT $_}), '42501', "$heading: $_ is forbidden")
  for q{set_instance_features('{}')}, q{reset_instance_features()}, q{apply_features('{}')},
  q{feature_service('GET', '/')}, q{revert_instance_features(0)};
sql_ok($heading, $subscriber, 'app', 'postgres', 'everything is copied again', @connection);
caught_up('the subscriber has what the publisher has, and no more');
query($production, 'app', 'tenant_acme',
	q{SELECT set_instance_features('{"userSchema": false}', 'acme')});
caught_up('changes arrive again');
$subscriber->safe_psql('app', 'DROP SUBSCRIPTION features');
$subscriber->stop;

# The rest, in one cluster.
sql_ok('Upgrading the package', $production, 'app', 'app_owner', 'the owner updates the extension');
sql_ok('Upgrading the package', $production, 'app', 'app_owner', 'old sessions are listed');
sql_ok('Poolers', $production, 'app', 'postgres', 'role and instance are those of a transaction');
is( $production->safe_psql(
		'app',
		q{SELECT editor FROM instance_feature_history('acme') ORDER BY sequence DESC LIMIT 1}),
	'tenant_acme',
	'Poolers: the role changed the feature');

$heading = 'Settings of roles and databases';
is( sqlstate(
		$production,   'app',
		'tenant_acme', q{ALTER ROLE tenant_acme SET instance_features.instance_id = 'acme'}),
	'42501',
	"$heading: a cold session refuses a setting");
sql_ok($heading, $production, 'app', 'tenant_acme',
	'a session that has called a function takes a setting');
is( query(
		$production,   'app',
		'tenant_acme', q{SELECT resource_owner FROM get_instance_feature_details()}),
	'acme',
	"$heading: the setting holds");
is( sqlstate(
		$production, 'app',
		'app_owner', q{SELECT instance_features_version(); SET instance_features.notify = off}),
	'42501',
	"$heading: a setting of superusers is refused to others");
sql_ok($heading, $production, 'app', 'postgres', 'a superuser grants a setting');
is( sqlstate(
		$production, 'app',
		'app_owner', q{SELECT instance_features_version(); SET instance_features.notify = off}),
	'none',
	"$heading: a setting that was granted can be set");

$heading = 'Managed servers';
$production->safe_psql('postgres',
	'CREATE ROLE stranger LOGIN; CREATE DATABASE managed OWNER app_owner');
sql_ok($heading, $production, 'managed', 'app_owner',
	'the extension is created in a schema of its own');
is( query(
		$production,   'managed',
		'tenant_acme', q{SELECT features.feature_enabled('user_schema', 'default')}),
	'f',
	"$heading: a role with USAGE on the schema may read");
is( sqlstate(
		$production, 'managed',
		'stranger',  q{SELECT features.feature_enabled('user_schema', 'default')}),
	'42501',
	"$heading: another role may not");

$heading = 'Housekeeping';
sql_ok($heading, $production, 'app', 'app_owner', 'events are purged');
sql_ok($heading, $production, 'app', 'app_owner', 'all is well');
sql_ok($heading, $production, 'app', 'postgres',  'an index is made anew');

$heading = 'Uninstalling';
$reader  = Session->new($production, dbname => 'app_copy');
is($reader->query(q{SELECT feature_enabled('login_default_org', 'acme')}),
	't', "$heading: a session has the library loaded");
$production->safe_psql('app_copy', q{CREATE VIEW v AS SELECT feature_enabled('user_schema')});
is(sqlstate($production, 'app_copy', 'app_owner', 'DROP EXTENSION instance_features'),
	'2BP01', "$heading: a view that calls a function is in the way");
$production->safe_psql('app_copy', 'DROP VIEW v');
is(sqlstate($production, 'app_copy', 'tenant_acme', 'DROP EXTENSION instance_features'),
	'42501', "$heading: not everybody may drop the extension");
sql_ok($heading, $production, 'app_copy', 'app_owner',
	'the role that created the extension drops it');
like(
	$reader->query(q{SELECT feature_enabled('login_default_org', 'acme')}),
	qr/does not exist/,
	"$heading: an open session does not find it");
$reader->quit;
is( $production->safe_psql(
		'app_copy', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'instance_features'}),
	'0',
	"$heading: nothing is left");

# Settings outlive the extension as the page says of versions before 2.0.
$heading = 'From version 1';
$production->safe_psql(
	'app', q{
	SELECT drop_feature('theme', true), create_instance('it''s "a" $b');
	SELECT set_instance_features('{"loginDefaultOrg": false}', 'it''s "a" $b'), set_system_features('{"userSchema": true}')}
);
my $settings = $production->safe_psql('app', 'SELECT export_features()');
like($settings, qr/"acme": \{"/, "$heading: an instance has settings");
my $upgrade = shell_ok($heading, $production, 'postgres', 'the extension is created anew');
like(
	$upgrade,
	qr/^DROP EXTENSION\nCREATE EXTENSION$/m,
	"$heading: the extension was dropped before");
is($production->safe_psql('app', 'SELECT export_features()'),
	$settings, "$heading: the settings are applied to the new one");
$production->stop;

is(unused_examples(), 0, 'every command of the page was run');
done_testing();
