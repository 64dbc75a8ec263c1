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
$node->safe_psql('postgres',
	'CREATE EXTENSION flag_user; CREATE TABLE t (i integer); CREATE TRIGGER gate BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION flag_user_gate()'
);
my $insert =
  'WITH i AS (INSERT INTO t SELECT generate_series(1, 3) RETURNING 1) SELECT count(*) FROM i';

# Without instance_features.
my $session = Session->new($node);
is($session->query('SELECT flag_user_version()'), '',  'without the extension there is no API');
is($session->query($insert),                      '0', 'a trigger can do without');
is($session->query(q{SELECT flag_user_enabled('user_schema', NULL, true)}),
	'f', 'missing_ok is false');
like(
	$session->query(q{SELECT flag_user_enabled('user_schema', NULL, false)}),
	qr/^ERROR:  extension "instance_features" does not exist/,
	'without it is an error');

# It comes, in the same session: the other library was loaded first.
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features');
is($session->query('SELECT flag_user_version()'), '1', 'the API is found once it is there');
is($session->query($insert),                      '0', 'a feature is off by default');
$node->safe_psql('postgres', q{SELECT set_instance_features('{"loginDefaultOrg": true}')});
is($session->query($insert), '3', 'a trigger sees a change by another session');
is( $session->query(
		qq{BEGIN; SELECT 1 FROM set_instance_features('{"loginDefaultOrg": false}'); $insert; ROLLBACK; $insert}
	),
	"1\n0\n3",
	'its own, and its undoing');

# Ours loaded first.
my $second = Session->new($node);
is($second->query(qq{SELECT feature_enabled('login_default_org'); $insert}),
	"t\n3", 'loaded the other way round it works as well');
is($second->query(q{SELECT flag_user_version()}), '1', 'with the same API');
$second->quit;

# Single questions.
is( $session->query(
		q{SELECT flag_user_enabled('login_default_org', NULL, false), flag_user_enabled('user_schema', 'default', false)}
	),
	't|f',
	'enabled() by key and instance');
is( $session->query(
		q{SET instance_features.instance_id = 'nowhere'; SELECT flag_user_enabled('login_default_org', NULL, true), flag_user_enabled('login_default_org', 'default', true)}
	),
	'f|t',
	'of the current instance');
like(
	$session->query(q{SELECT flag_user_enabled('login_default_org', NULL, false)}),
	qr/^ERROR:  instance "nowhere" does not exist/,
	'a missing instance is an error');
is($session->query('RESET instance_features.instance_id'), '', 'or not');
like(
	$session->query(q{SELECT flag_user_enabled('nothing', NULL, false)}),
	qr/^ERROR:  feature "nothing" does not exist/,
	'a missing feature is an error');
is($session->query(q{SELECT flag_user_enabled('nothing', NULL, true)}), 'f', 'or not');
like(
	$session->query(q{SELECT flag_user_enabled('user_schema', '', true)}),
	qr/^ERROR:  instance id must not be empty/,
	'an empty id is an error');
like(
	$session->query(q{SELECT flag_user_enabled('user_schema', repeat('x', 201), true)}),
	qr/^ERROR:  instance id is too long/,
	'so is an overlong one');
like(
	$session->query(q{SELECT flag_user_enabled(NULL, NULL, true)}),
	qr/^ERROR:  feature must not be null/,
	'and NULL as key');
like(
	$session->query(q{SELECT flag_user_resolve(repeat('x', 64), NULL, true)}),
	qr/^ERROR:  key of a feature is too long/,
	'and a key that no feature can have');

# Handles.
is( $session->query(
		q{SELECT flag_user_resolve('user_schema', 'later', true); SELECT flag_user_ask()}),
	"\nf",
	'a handle may be of an instance to come');
$node->safe_psql('postgres',
	q{SELECT create_instance('later'); SELECT set_instance_features('{"userSchema": true}', 'later')}
);
is($session->query('SELECT flag_user_ask()'), 't', 'which then has come');
$node->safe_psql('postgres', q{SELECT drop_instance('later')});
is($session->query('SELECT flag_user_ask()'), 'f', 'and gone');
is($session->query(q{SELECT flag_user_resolve('to_come', NULL, true); SELECT flag_user_ask()}),
	"\nf", 'or of a feature to come');
$node->safe_psql('postgres',
	q{INSERT INTO instance_features.feature (key, json_name, value_type, default_value) VALUES ('to_come', 'toCome', 'boolean', 'true'), ('number', 'number', 'number', '1')}
);
is($session->query('SELECT flag_user_ask()'), 't', 'which then has come');
like(
	$session->query(q{SELECT flag_user_resolve('number', NULL, true); SELECT flag_user_ask()}),
	qr/ERROR:  feature "number" is of type number, not boolean/,
	'but not of one that is not boolean');
like(
	$session->query(q{SELECT flag_user_resolve('nothing', NULL, false); SELECT flag_user_ask()}),
	qr/ERROR:  feature "nothing" does not exist/,
	'without missing_ok it raises');
like(
	$session->query('SELECT flag_user_ask()'),
	qr/ERROR:  feature "nothing" does not exist/,
	'each time');
is( $session->query(
		q{BEGIN; SELECT flag_user_resolve('login_default_org', NULL, false); ROLLBACK; SELECT flag_user_ask()}
	),
	"\nt",
	'a handle outlives a rollback');
is( $session->query(
		q{BEGIN; SET LOCAL instance_features.instance_id = 'default'; SELECT flag_user_ask(); COMMIT; SELECT flag_user_ask()}
	),
	"t\nt",
	'it follows the current instance');

# Change callbacks.
is($session->query('SELECT flag_user_watch(true); SELECT flag_user_changes() * 0'),
	"\n0", 'a callback can be registered');
is($session->query('SELECT flag_user_changes()'), '0', 'and is not called when nothing changes');
$node->safe_psql('postgres', q{SELECT set_instance_features('{"loginDefaultOrg": false}')});
is($session->query('SELECT flag_user_changes() > 0'),
	't', 'but when another session has changed something');
is( $session->query(
		q{SET instance_features.instance_id = 'default'; SELECT flag_user_changes() > 0}),
	't',
	'and when the current instance is set');
is( $session->query(
		q{SELECT flag_user_watch(false); SELECT flag_user_changes() * 0; SELECT 1 FROM set_instance_features('{"loginDefaultOrg": true}'); SELECT flag_user_changes()}
	),
	"\n0\n1\n0",
	'until it is unregistered');

# Parallel workers.
is( $session->query(
		q{
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET debug_discard_caches = 0;
	BEGIN;
	SELECT 1 FROM set_instance_features('{"oidcTokenExchange": true}');
	SELECT count(*) = (SELECT count(*) FROM pg_proc) FROM pg_proc WHERE flag_user_enabled('oidc_token_exchange', NULL, false) AND pronargs >= 0;
	ROLLBACK}),
	"1\nt",
	'a parallel worker sees what the leader has not committed');

# DROP EXTENSION.
$node->safe_psql('postgres', 'DROP EXTENSION instance_features');
is($session->query($insert), '0', 'DROP EXTENSION is survived by a handle');
is($session->query(q{SELECT flag_user_enabled('login_default_org', NULL, true)}),
	'f', 'and by enabled() with missing_ok');
like(
	$session->query(q{SELECT flag_user_enabled('login_default_org', NULL, false)}),
	qr/^ERROR:  extension "instance_features" is not installed in this database/,
	'without, it is an error');
$node->safe_psql('postgres',
	q{CREATE EXTENSION instance_features; SELECT set_instance_features('{"loginDefaultOrg": true}')}
);
is($session->query($insert), '3', 'and created again it is found');

$session->quit;
$node->stop;
done_testing();
