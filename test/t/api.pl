# The C API, used by another extension: test/modules/flag_user.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql(
	'postgres',
	'CREATE EXTENSION flag_user; CREATE TABLE t (i integer);
		CREATE TRIGGER gate BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION flag_user_gate()'
);
my $insert =
  'WITH i AS (INSERT INTO t SELECT generate_series(1, 3) RETURNING 1) SELECT count(*) FROM i';

# Without instance_features.
my $session = Session->new($node);
is($session->query('SELECT flag_user_version()'),
	'', 'the C API is not found while the extension is missing');
is($session->query($insert), '0', 'a trigger that uses the C API runs without the extension');
is($session->query(q{SELECT flag_user_enabled('user_schema', NULL, true)}),
	'f', 'enabled() with missing_ok is false without the extension');
like(
	$session->query(q{SELECT flag_user_enabled('user_schema', NULL, false)}),
	qr/^ERROR:  extension "instance_features" does not exist/,
	'enabled() without missing_ok raises an error without the extension');

# It comes, in the same session: the other library was loaded first.
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features');
is($session->query('SELECT flag_user_version()'),
	'2', 'the C API is found once the extension is there');
like(
	$session->query('SELECT flag_user_version1()'),
	qr/^ERROR:  the calling module was built with version 1 of the API/,
	'a module that was built with version 1 of the API gets an error');
is($session->query($insert), '0', 'a trigger sees that a feature is off by default');
$node->safe_psql('postgres', q{SELECT set_instance_features('{"loginDefaultOrg": true}')});
is($session->query($insert), '3', 'a trigger sees a change by another session');
is( $session->query(
		qq{BEGIN; SELECT 1 FROM set_instance_features('{"loginDefaultOrg": false}'); $insert;
			ROLLBACK; $insert}
	),
	"1\n0\n3",
	'a trigger sees a change of its own transaction and its rollback');

# Ours loaded first.
my $second = Session->new($node);
is($second->query(qq{SELECT feature_enabled('login_default_org'); $insert}),
	"t\n3", 'a trigger sees a feature when our library was loaded first');
is($second->query(q{SELECT flag_user_version()}),
	'2', 'the C API has the same version when our library was loaded first');
$second->quit;

# Single questions.
is( $session->query(
		q{SELECT flag_user_enabled('login_default_org', NULL, false),
			flag_user_enabled('user_schema', 'default', false)}
	),
	't|f',
	'enabled() reads a feature by its key and instance');
is( $session->query(
		q{SET instance_features.instance_id = 'nowhere';
			SELECT flag_user_enabled('login_default_org', NULL, true),
			flag_user_enabled('login_default_org', 'default', true)}
	),
	'f|t',
	'enabled() reads the current instance where none is named');
like(
	$session->query(q{SELECT flag_user_enabled('login_default_org', NULL, false)}),
	qr/^ERROR:  instance "nowhere" does not exist/,
	'enabled() without missing_ok raises an error for a missing instance');
is($session->query('RESET instance_features.instance_id'),
	'', 'instance_id can be reset after an instance was missing');
like(
	$session->query(q{SELECT flag_user_enabled('nothing', NULL, false)}),
	qr/^ERROR:  feature "nothing" does not exist/,
	'enabled() without missing_ok raises an error for a missing feature');
is($session->query(q{SELECT flag_user_enabled('nothing', NULL, true)}),
	'f', 'enabled() with missing_ok is false for a missing feature');
like(
	$session->query(q{SELECT flag_user_enabled('user_schema', '', true)}),
	qr/^ERROR:  instance id must not be empty/,
	'enabled() refuses an empty instance id');
like(
	$session->query(q{SELECT flag_user_enabled('user_schema', repeat('x', 201), true)}),
	qr/^ERROR:  instance id is too long/,
	'enabled() refuses an overlong instance id');
like(
	$session->query(q{SELECT flag_user_enabled(NULL, NULL, true)}),
	qr/^ERROR:  feature must not be null/,
	'enabled() refuses NULL as key');
like(
	$session->query(q{SELECT flag_user_resolve(repeat('x', 64), NULL, true)}),
	qr/^ERROR:  key of a feature is too long/,
	'resolve() refuses a key that no feature can have');

# Handles.
is( $session->query(
		q{SELECT flag_user_resolve('user_schema', 'later', true); SELECT flag_user_ask()}),
	"\nf",
	'a handle may be of an instance to come');
$node->safe_psql(
	'postgres',
	q{SELECT create_instance('later');
		SELECT set_instance_features('{"userSchema": true}', 'later')}
);
is($session->query('SELECT flag_user_ask()'),
	't', 'a handle of an instance to come reads it when it has come');
$node->safe_psql('postgres', q{SELECT drop_instance('later')});
is($session->query('SELECT flag_user_ask()'),
	'f', 'a handle of an instance is false after the instance was dropped');
is($session->query(q{SELECT flag_user_resolve('to_come', NULL, true); SELECT flag_user_ask()}),
	"\nf", 'a handle may be of a feature to come');
$node->safe_psql(
	'postgres',
	q{INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
		VALUES ('to_come', 'toCome', 'boolean', 'true'), ('number', 'number', 'number', '1')}
);
is($session->query('SELECT flag_user_ask()'),
	't', 'a handle of a feature to come reads it when it has come');
like(
	$session->query(q{SELECT flag_user_resolve('number', NULL, true); SELECT flag_user_ask()}),
	qr/ERROR:  feature "number" is of type number, not boolean/,
	'a handle of a feature that is not boolean raises an error');
like(
	$session->query(q{SELECT flag_user_resolve('nothing', NULL, false); SELECT flag_user_ask()}),
	qr/ERROR:  feature "nothing" does not exist/,
	'a handle of a missing feature raises an error without missing_ok');
like(
	$session->query('SELECT flag_user_ask()'),
	qr/ERROR:  feature "nothing" does not exist/,
	'a handle of a missing feature raises its error each time');
is( $session->query(
		q{BEGIN; SELECT flag_user_resolve('login_default_org', NULL, false);
			ROLLBACK; SELECT flag_user_ask()}
	),
	"\nt",
	'a handle outlives a rollback');
is( $session->query(
		q{BEGIN; SET LOCAL instance_features.instance_id = 'default'; SELECT flag_user_ask();
			COMMIT; SELECT flag_user_ask()}
	),
	"t\nt",
	'a handle without instance follows the current instance');

# Organizations and users.
$node->safe_psql(
	'postgres',
	q{SELECT define_feature('beta', levels => '{system,instance,organization,user}');
		SELECT set_user_features('{"beta": true}', 'u');
		SELECT set_organization_features('{"beta": true}', 'o')}
);
is( $session->query(
		q{SELECT flag_user_enabled('beta', NULL, false, NULL, 'u'),
			flag_user_enabled('beta', 'default', false, 'o'),
			flag_user_enabled('beta', 'default', false, 'x', 'x')}
	),
	't|t|f',
	'enabled() asks for an organization or a user');
is( $session->query(
		q{SELECT flag_user_resolve('beta', NULL, false); SELECT flag_user_ask();
			SET instance_features.user_id = 'u'; SELECT flag_user_ask();
			SET instance_features.user_id = 'x'; SELECT flag_user_ask();
			SET instance_features.organization_id = 'o'; SELECT flag_user_ask();
			RESET instance_features.organization_id; RESET instance_features.user_id;
			SELECT flag_user_ask()}
	),
	"\nf\nt\nf\nt\nf",
	'a handle without ids follows the current organization and user');
is( $session->query(
		q{SELECT flag_user_resolve('beta', 'default', false); SET instance_features.user_id = 'u';
			SELECT flag_user_ask(); RESET instance_features.user_id}
	),
	"\nf",
	'a handle with an instance takes no current user');
is( $session->query(
		q{SELECT flag_user_resolve('beta', NULL, false, NULL, 'u'); SELECT flag_user_ask()}),
	"\nt",
	'a handle of a user');
$node->safe_psql('postgres', q{SELECT set_user_features('{"beta": false}', 'u')});
is($session->query('SELECT flag_user_ask()'), 'f', 'a handle of a user sees a change');
$node->safe_psql('postgres', q{SELECT erase_user_features('u')});
is( $session->query(
		q{SET instance_features.organization_id = 'o'; SELECT flag_user_ask();
			RESET instance_features.organization_id}
	),
	't',
	'a handle of a user who was erased inherits from the organization');
like(
	$session->query(q{SELECT flag_user_enabled('beta', NULL, true, repeat('x', 201))}),
	qr/^ERROR:  organization id is too long/,
	'an overlong organization id raises an error also with missing_ok');
like(
	$session->query(q{SELECT flag_user_resolve('beta', NULL, true, NULL, '')}),
	qr/^ERROR:  user id must not be empty/,
	'resolve() checks the id of the user');

# Change callbacks.
is($session->query('SELECT flag_user_watch(true); SELECT flag_user_changes() * 0'),
	"\n0", 'a callback can be registered');
is($session->query('SELECT flag_user_changes()'),
	'0', 'a callback is not called when nothing changes');
$node->safe_psql('postgres', q{SELECT set_instance_features('{"loginDefaultOrg": false}')});
is($session->query('SELECT flag_user_changes() > 0'),
	't', 'a callback is called when another session has changed something');
is( $session->query(
		q{SET instance_features.instance_id = 'default'; SELECT flag_user_changes() > 0}),
	't',
	'a callback is called when the current instance is set');
is( $session->query(
		q{SELECT flag_user_watch(false); SELECT flag_user_changes() * 0; SELECT 1
			FROM set_instance_features('{"loginDefaultOrg": true}'); SELECT flag_user_changes()}
	),
	"\n0\n1\n0",
	'a callback is not called after it was unregistered');

# Parallel workers.
is( $session->query(
		q{
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
		SET debug_discard_caches = 0;
	BEGIN;
	SELECT 1 FROM set_instance_features('{"oidcTokenExchange": true}');
	SELECT count(*) = (SELECT count(*) FROM pg_proc) FROM pg_proc
		WHERE flag_user_enabled('oidc_token_exchange', NULL, false) AND pronargs >= 0;
	ROLLBACK}),
	"1\nt",
	'a parallel worker sees what the leader has not committed');
is( $session->query(
		q{
	BEGIN;
	SELECT set_feature_context('default', NULL, 'parallel');
	SELECT 1 FROM set_user_features('{"beta": true}');
	SELECT count(*) = (SELECT count(*) FROM pg_proc) FROM pg_proc
		WHERE flag_user_enabled('beta', NULL, false) AND feature_enabled('beta') AND pronargs >= 0;
	ROLLBACK}),
	"\n1\nt",
	'a parallel worker sees the current user of the leader');

# DROP EXTENSION.
$node->safe_psql('postgres', 'DROP EXTENSION instance_features');
is($session->query($insert), '0', 'a handle survives DROP EXTENSION');
is($session->query(q{SELECT flag_user_enabled('login_default_org', NULL, true)}),
	'f', 'enabled() with missing_ok is false after DROP EXTENSION');
like(
	$session->query(q{SELECT flag_user_enabled('login_default_org', NULL, false)}),
	qr/^ERROR:  extension "instance_features" is not installed in this database/,
	'enabled() without missing_ok raises an error after DROP EXTENSION');
$node->safe_psql('postgres',
	q{CREATE EXTENSION instance_features; SELECT set_instance_features('{"loginDefaultOrg": true}')}
);
is($session->query($insert), '3', 'a handle finds the extension that was created again');

$session->quit;
$node->stop;
done_testing();
