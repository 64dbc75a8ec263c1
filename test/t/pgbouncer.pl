# pgbouncer in transaction mode in front: clients that use SET LOCAL do not
# leave their instance to the next, and the cache behaves.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my ($pgbouncer) = grep { -x $_ } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'pgbouncer is not installed' unless $pgbouncer;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION instance_features;
	CREATE ROLE alice LOGIN;
	CREATE ROLE bob LOGIN;
	SELECT create_instance('a', 'alice'), create_instance('b', 'bob');
	SELECT set_instance_features('{"userSchema": true}', 'a');
	SELECT define_feature('beta', levels => '{organization,user}');
	SELECT set_user_features('{"beta": true}', 'u', 'a'),
		set_organization_features('{"beta": true}', 'o', 'a')});

my $dir  = $node->basedir;
my $user = $node->safe_psql('postgres', 'SELECT current_user');
append_to_file("$dir/users.txt",     join '',         map { qq{"$_" ""\n} } $user, 'alice', 'bob');
append_to_file("$dir/pgbouncer.ini", sprintf <<"INI", $node->host, $node->port, $node->port);
[databases]
postgres = host=%s port=%d dbname=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = $dir
listen_port = %d
pool_mode = transaction
default_pool_size = 1
auth_type = trust
auth_file = $dir/users.txt
admin_users = $user
logfile = $dir/pgbouncer.log
INI
my $server = IPC::Run::start([ $pgbouncer, '-q', "$dir/pgbouncer.ini" ],
	'<', \undef, '>', "$dir/pgbouncer.out", '2>&1');
my $connstr = "host=$dir port=" . $node->port . " dbname=postgres";
for (1 .. 50 * ($ENV{PG_TEST_TIMEOUT_DEFAULT} // 180))
{
	last if -S "$dir/.s.PGSQL." . $node->port;
	select undef, undef, undef, 0.02;
}

my @clients  = map { Session->new($node, connstr => $connstr, user => $user) } 1 .. 3;
my $instance = 'SHOW instance_features.instance_id';
my $enabled  = q{SELECT feature_enabled('user_schema')};
is( $clients[0]->query('SELECT pg_backend_pid()'),
	$clients[1]->query('SELECT pg_backend_pid()'),
	'two clients share one connection to the server');
is($clients[0]->query("BEGIN; SET LOCAL instance_features.instance_id = 'a'; $enabled; COMMIT"),
	't', 'a client reads its instance with SET LOCAL');
is($clients[1]->query("$instance; $enabled"),
	"default\nf", 'the next client reads the default instance');
is( $clients[0]->query(
		q{BEGIN;
			SET LOCAL instance_features.instance_id = 'a';
			SELECT (set_instance_features('{"loginDefaultOrg": true}')).resource_owner; COMMIT}
	),
	'a',
	'a client writes to its instance with SET LOCAL');
is( $clients[1]->query(
		q{BEGIN;
			SET LOCAL instance_features.instance_id = 'b';
			SELECT feature_enabled('login_default_org'); COMMIT}
	),
	'f',
	'the next client reads another instance');
like(
	$clients[0]->query(
		q{BEGIN;
			SET LOCAL instance_features.instance_id = 'a'; SELECT set_instance_features('{"x": 1}');
			COMMIT}
	),
	qr/ERROR:  unknown feature "x"/,
	'a client fails after SET LOCAL');
is($clients[1]->query($instance), 'default', 'a client that failed leaves its instance to nobody');
is( $clients[0]->query(
		q{BEGIN; SET LOCAL instance_features.instance_id = 'a'; SAVEPOINT s;
			SET LOCAL instance_features.instance_id = 'b'; ROLLBACK TO s;
			SHOW instance_features.instance_id; ROLLBACK}
	),
	'a',
	'a client goes back to a savepoint from a second instance to the first');
is($clients[2]->query($instance),
	'default', 'a client that went back to a savepoint leaves its instance to nobody');
is( $clients[0]->query(
		q{SELECT status FROM feature_service('GET', '/v2/features/instance?inheritance=true');
			SELECT coalesce(current_setting('response.status', true), '')}
	),
	"200\n",
	'the service leaves its status to nobody');

# A context, and who changes what for which reason, last as long as a transaction.
my $context = q{SELECT current_setting('instance_features.' || name)
	FROM unnest('{instance_id,organization_id,user_id,actor,reason}'::text[]) name};
my $nothing = "default\n\n\n\n";
is($clients[2]->query($context), $nothing, 'a pooled connection begins with no context');
is( $clients[0]->query(
		q{BEGIN; SELECT set_feature_context('a', NULL, 'u');
			SELECT feature_enabled('beta'), (get_user_feature_details()).resource_owner; COMMIT}
	),
	"\nt|u",
	'a client reads as its user');
is($clients[1]->query("$context; SELECT feature_enabled('beta')"),
	"$nothing\nf", 'a client leaves its user to nobody');
is( $clients[0]->query(
		q{BEGIN; SELECT set_feature_context('a', 'o', 'u'); SET LOCAL instance_features.actor = 'ann';
			SET LOCAL instance_features.reason = 'because';
			SELECT (set_user_features('{"beta": false}')).sequence, feature_enabled('beta'); COMMIT;
			SELECT actor, reason FROM user_feature_history('u', 'a') WHERE sequence = 2}
	),
	"\n2|f\nann|because",
	'a client changes its user, for a reason');
is($clients[1]->query($context), $nothing, 'a client leaves its name and its reason to nobody');
is( $clients[1]->query(
		q{BEGIN; SELECT set_feature_context('a', 'o');
			SELECT feature_enabled('beta'), current_setting('instance_features.user_id'); COMMIT}
	),
	"\nt|",
	'a client of an organization has no user');
for my $end (
	'ROLLBACK',
	q{SELECT feature_enabled('nothing'); COMMIT},
	q{SAVEPOINT s; SELECT set_feature_context('b', 'p', 'v'); RELEASE s; COMMIT},
	q{SAVEPOINT s; SELECT set_feature_context('b', 'p', 'v'); ROLLBACK TO s; COMMIT})
{
	$clients[0]->query("BEGIN; SELECT set_feature_context('a', 'o', 'u'); $end");
	is($clients[1]->query($context), $nothing, "a client leaves no context after $end");
}
is($clients[0]->query(q{SELECT set_feature_context('a', 'o', 'u'); } . $context),
	"\n$nothing", 'a context that a client sets outside of a transaction is gone at once');

# Clients of different roles, at once.
my @roles = map { Session->new($node, connstr => $connstr, user => $_) } 'alice', 'bob';
for my $round (1 .. 20)
{
	for my $i (0, 1)
	{
		my $value = ($round + $i) % 2 ? 'true' : 'false';
		my $id    = (qw(a b))[$i];
		$roles[$i]->send(
			qq{BEGIN;
				SET LOCAL instance_features.instance_id = '$id';
				SELECT (set_instance_features('{"oidcTokenExchange": $value}')).resource_owner,
				feature_enabled('oidc_token_exchange'); COMMIT}
		);
	}
	my @got = map { $_->wait } @roles;
	is( "@got",
		join(' ', map { (qw(a b))[$_] . '|' . (($round + $_) % 2 ? 't' : 'f') } 0, 1),
		"round $round: each client writes to and reads from its own instance");
}
like(
	$roles[0]->query(
		q{BEGIN;
			SET LOCAL instance_features.instance_id = 'b';
			SELECT set_instance_features('{"userSchema": true}'); COMMIT}
	),
	qr/ERROR:  permission denied for instance "b"/,
	'a client has no right to the instance of another role');

# A change by somebody who does not come through the pool.
$node->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": true}')});
is($clients[1]->query($enabled), 't', 'the cache of a pooled connection is up to date');

$_->quit for @clients, @roles;
$server->signal('TERM');
eval { $server->finish };
$node->stop;
done_testing();
