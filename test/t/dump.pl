# pg_dump and pg_restore carry every scope, owner, setting and event, and the
# copy counts on.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $dir = $node->basedir;

$node->safe_psql('postgres', q{CREATE ROLE alice; CREATE ROLE bob; CREATE ROLE gone});
$node->safe_psql(
	'postgres', q{
	CREATE SCHEMA features;
	GRANT USAGE ON SCHEMA features TO PUBLIC;
	CREATE EXTENSION instance_features SCHEMA features;
	SET search_path = features;
	SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": false}');
	SELECT set_instance_features('{"userSchema": null}');
	SELECT create_instance(E'it''s "a" \\\\ \nb', 'alice');
	SELECT set_instance_features('{"oidcTokenExchange": true}', E'it''s "a" \\\\ \nb');
	SELECT create_instance('orphan', 'gone');
	SELECT alter_system_owner('bob');
	SELECT define_feature('own', '{"a": 1}', 'of our own', 'oursAlone');
	SELECT define_feature('color', '"red"', allowed_values => '["red", "green"]');
	SELECT set_feature_stage('color', 'deprecated');
	SELECT set_system_features('{"own": {"b": [1, 2]}}');
	SELECT define_feature('beta', levels => '{organization,user}');
	SELECT set_user_features('{"beta": true}', 'purged');
	SELECT set_user_features('{"beta": null}', 'purged');
	SELECT purge_feature_events('infinity');
	SET instance_features.actor = E'o''brien \\\\ "\n';
	SET instance_features.reason = 'because';
	SELECT set_organization_features('{"beta": true}', E'it''s "an" \\\\ \norganization',
		E'it''s "a" \\\\ \nb');
	SELECT set_user_features('{"beta": true}', E'it''s "a" \\\\ \nuser', E'it''s "a" \\\\ \nb');
	SELECT set_user_features('{"beta": false}', E'it''s "a" \\\\ \nuser', E'it''s "a" \\\\ \nb');
	SELECT set_user_features('{"beta": true}', 'erased');
	SELECT erase_user_features('erased');
	DROP ROLE gone});

# All that there is to carry.
sub contents
{
	my ($db, $cluster) = @_;
	return ($cluster // $node)->safe_psql(
		$db, q{
		SELECT * FROM instance_features.scope ORDER BY 1, 2, 3;
		SELECT * FROM instance_features.setting ORDER BY 1, 2, 3, 4;
		SELECT * FROM instance_features.event ORDER BY 1, 2, 3, 4;
		SELECT key, json_name, value_type, default_value, description, stage, allowed_values,
			levels
			FROM instance_features.feature ORDER BY 1;
		SELECT feature, value, source FROM features.get_instance_features(true);
		SELECT feature, value, source, sequence FROM features.get_effective_features(
			E'it''s "a" \\\\ \nb', E'it''s "an" \\\\ \norganization', E'it''s "a" \\\\ \nuser');
		SELECT sequence, event_type, value, editor, actor, reason
			FROM features.user_feature_history(E'it''s "a" \\\\ \nuser', E'it''s "a" \\\\ \nb');
		SELECT problem FROM features.check_instance_features();
		SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace
			WHERE extname = 'instance_features'}
	);
}

my $contents = contents('postgres');
like($contents, qr/orphan\|\?"gone"\|0/, 'an instance of a dropped role is among the contents');
like(
	$contents,
	qr/color\|color\|string\|"red"\|\|deprecated\|\["red", "green"\]/,
	'features of our own are among the contents');
like(
	$contents,
	qr/2\|feature\.user\.beta\.set\|false\|\w+\|o'brien \\ "\n\|because/,
	'who changed a user, and why, is among the contents');
unlike($contents, qr/erased/, 'an erased user is not among the contents');
is( $node->safe_psql(
		'postgres', q{SELECT string_agg(DISTINCT level, ' ') FROM instance_features.scope
			WHERE purged_to IS NOT NULL}),
	'instance user',
	'scopes with purged events are among the contents');

# Restore a dump into a new database and look at it.
sub check_copy
{
	my ($db,     @restore) = @_;
	my ($stdout, $stderr)  = ('', '');
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0") if $db ne 'postgres';
	ok(IPC::Run::run([ @restore, '-d', $node->connstr($db) ], '>', \$stdout, '2>', \$stderr),
		"$db: the dump restores");
	is($stderr,       '',        "$db: the restore prints no error or warning");
	is(contents($db), $contents, "$db: the restored contents are those of the dump");
	is( $node->safe_psql(
			$db,
			q{SELECT (features.set_instance_features('{"userSchema": true}')).sequence,
				(features.set_system_features('{"userSchema": true}')).sequence,
				(features.set_user_features('{"beta": true}', 'purged')).sequence,
				(features.set_user_features('{"beta": true}', 'erased')).sequence}
		),
		'4|2|3|1',
		"$db: the sequences of the restored scopes go on");
	is( $node->safe_psql(
			$db,
			q{SET ROLE alice;
				SELECT (features.set_instance_features('{"userSchema": true}',
				E'it''s "a" \\\\ \nb')).sequence;
				SELECT (features.set_user_features('{"beta": null}', E'it''s "a" \\\\ \nuser',
				E'it''s "a" \\\\ \nb')).sequence}
		),
		"2\n3",
		"$db: the owner of an instance changes it and a user of it after the restore");
	return;
}

command_ok([ 'pg_dump', '-f', "$dir/plain.sql", $node->connstr('postgres') ], 'pg_dump writes SQL');
check_copy('plain', 'psql', '-Xq', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f',
	"$dir/plain.sql");
command_ok([ 'pg_dump', '--inserts', '-f', "$dir/inserts.sql", $node->connstr('postgres') ],
	'pg_dump writes INSERTs');
check_copy(
	'inserts',         'psql', '-Xq', '-o', '/dev/null', '-v',
	'ON_ERROR_STOP=1', '-f',   "$dir/inserts.sql");
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", $node->connstr('postgres') ],
	'pg_dump writes an archive');
check_copy('custom',      'pg_restore', "$dir/custom");
check_copy('parallel',    'pg_restore', '-j', '4', "$dir/custom");
check_copy('triggerless', 'pg_restore', '--disable-triggers', "$dir/custom");

# Over what is there.
$node->safe_psql('custom',
	q{SELECT features.set_instance_features('{"oidcTokenExchange": true, "loginDefaultOrg": true}')}
);
my ($out, $err);
ok( IPC::Run::run(
		[ 'pg_restore', '--clean', '--if-exists', '-d', $node->connstr('custom'), "$dir/custom" ],
		'>', \$out, '2>', \$err),
	'pg_restore --clean restores over what is there');
is($err,               '',        'pg_restore --clean prints no error');
is(contents('custom'), $contents, 'pg_restore --clean leaves everything as it was in the dump');

# A whole cluster.
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init;
$copy->start;
command_ok([ 'pg_dumpall', '-f', "$dir/all.sql", '-d', $node->connstr('postgres') ],
	'pg_dumpall writes SQL');
$copy->command_ok(
	[ 'psql', '-Xq', '-o', '/dev/null', '-f', "$dir/all.sql", $copy->connstr('postgres') ],
	'a dump of pg_dumpall restores');
is(contents('postgres', $copy), $contents, 'a dump of a whole cluster carries everything');

# Drop and create again.
$node->safe_psql('parallel', 'CREATE VIEW v AS SELECT features.feature_enabled(\'user_schema\')');
my ($status) = $node->psql('parallel', 'DROP EXTENSION instance_features');
isnt($status, 0, 'DROP EXTENSION refuses what depends on it');
$node->safe_psql(
	'parallel',
	'DROP EXTENSION instance_features CASCADE; DROP SCHEMA features;
		CREATE EXTENSION instance_features'
);
is( $node->safe_psql(
		'parallel',
		q{SELECT to_regclass('v') IS NULL, feature_enabled('user_schema'),
			(get_instance_feature_details()).sequence}
	),
	't|f|0',
	'DROP EXTENSION CASCADE drops what depends on it, after which CREATE EXTENSION starts anew');

$node->stop;
$copy->stop;
done_testing();
