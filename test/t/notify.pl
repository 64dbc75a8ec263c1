# Listeners learn of each committed change, by whatever means it was made, once a
# scope and transaction.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical');
my $major = int($node->pg_version =~ /^(\d+)/ ? $1 : 0);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');

# The smallest queue that there can be, where it can be set.
$node->append_conf('postgresql.conf', 'max_notify_queue_pages = 64') if $major >= 17;
$node->start;
$node->safe_psql('postgres',
	'CREATE EXTENSION instance_features; CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');

my $listener = Session->new($node);
$listener->query('LISTEN instance_features');

sub payloads_of
{
	my ($output) = @_;
	my @payloads;
	push @payloads, decode_json($1)
	  while $output =~ /notification "instance_features" with payload "(.*)" received/g;
	return @payloads;
}

# The payloads that the listener was notified of by what the statements did.
sub notified
{
	my ($sql) = @_;
	$node->psql('postgres', $sql);
	return payloads_of($listener->query('SELECT 1'));
}

# The same, each as "level resourceOwner sequence keys", without keys if there
# are no features.
sub summary
{
	return join ', ', map {
		join ' ', $_->{level}, $_->{resourceOwner} // (), $_->{sequence} // (),
		  $_->{features}
		  ? '[' . join(' ', @{ $_->{features} }) . ']'
		  : ()
	} @_;
}

sub notifies
{
	my ($sql, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(summary(notified($sql)), $expected, $name);
	return;
}

# Our functions.
my @payloads =
  notified(q{SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": true}')});
is(@payloads, 1, 'a change of two features is notified once');
like(
	$payloads[0]{changeDate},
	qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/,
	'a notification has the time of the change');
delete $payloads[0]{changeDate};
is_deeply(
	\@payloads,
	[
		{
			level         => 'instance',
			resourceOwner => 'default',
			sequence      => 2,
			features      => [ 'login_default_org', 'user_schema' ]
		}
	],
	'a notification has the level, the resource owner, the sequence and the features');

notifies(
	q{SELECT set_system_features('{"userSchema": true}')},
	'system SYSTEM 1 [user_schema]',
	'a change of the system is notified');
notifies(
	'SELECT reset_instance_features()',
	'instance default 3 [login_default_org user_schema]',
	'a reset names what it removed');
notifies('SELECT reset_instance_features()',             '', 'no change is not notified');
notifies(q{SELECT set_instance_features('{"x": true}')}, '', 'an error is not notified');
notifies(q{BEGIN; SELECT set_instance_features('{"userSchema": true}'); ROLLBACK},
	'', 'what is rolled back is not notified');
notifies(
	q{
	BEGIN;
	SELECT set_instance_features('{"userSchema": true}');
	SELECT set_system_features('{"userSchema": false}');
	SAVEPOINT a;
	SELECT set_instance_features('{"loginDefaultOrg": true}');
	RELEASE a;
	SAVEPOINT b;
	SELECT set_instance_features('{"oidcTokenExchange": true}');
	ROLLBACK TO b;
	SELECT set_instance_features('{"userSchema": false}');
	COMMIT},
	'instance default 6 [user_schema login_default_org], system SYSTEM 2 [user_schema]',
	'a transaction notifies once a scope, without what it took back');
notifies(
	q{
	BEGIN;
	SAVEPOINT a;
	SELECT set_instance_features('{"userSchema": true}');
	SAVEPOINT b;
	SELECT set_system_features('{"userSchema": true}');
	RELEASE b;
	ROLLBACK TO a;
	SELECT set_instance_features('{"oidcTokenExchange": true}');
	RELEASE a;
	COMMIT}, 'instance default 7 [oidc_token_exchange]',
	'what a released savepoint did goes with the savepoint around it');
notifies(
	q{
	DO $$
	BEGIN
		FOR i IN 1 .. 200 LOOP
			BEGIN
				PERFORM create_instance('aborted' || i);
				RAISE EXCEPTION 'no';
			EXCEPTION WHEN raise_exception THEN
			END;
		END LOOP;
		PERFORM set_instance_features('{"oidcTokenExchange": false}');
	END $$}, 'instance default 8 [oidc_token_exchange]',
	'scopes of aborted savepoints do not count');
notifies(
	q{
	SELECT revert_instance_features(7)}, 'instance default 9 [oidc_token_exchange]',
	'a revert is notified');
notifies(
	q{SELECT feature_service('DELETE', '/v2beta/features/instance')},
	'instance default 10 [login_default_org oidc_token_exchange user_schema]',
	'a change through the service is notified');

# Definitions.
notifies(
	q{SELECT define_feature('color', '"red"')},
	'system SYSTEM 2 [color]',
	'a definition is notified as a change of the system');
notifies(
	q{SELECT alter_feature('color', '"green"')},
	'system SYSTEM 2 [color]',
	'a change of a definition is notified');
notifies(
	q{SELECT set_feature_stage('color', 'stable')},
	'system SYSTEM 2 [color]',
	'another stage is notified');
notifies(
	q{
	BEGIN;
	SELECT apply_features('{"system": {"userSchema": false, "color": "red"},
		"instances": {"z": {"color": "red"}, "y": {"color": "red"}, "x": {}}}');
	SELECT apply_features('{"instances": {"z": {"color": "blue"}}}');
	COMMIT}, 'system SYSTEM 3 [color], instance x 0, instance y 1, instance z 2',
	'a document is notified once a scope, without features of what it creates');
notifies(q{SELECT apply_features('{"instances": {"z": {"color": "red"}}}', true)},
	'', 'a dry run is not notified');
notifies(
	q{SELECT drop_feature('color', true)},
	'system SYSTEM 4 [color], instance y 2 [color], instance z 3 [color]',
	'a drop is notified on all scopes that set the feature');

# Instances.
notifies(
	q{SELECT create_instance('a', 'alice')},
	'instance a 0',
	'the creation of an instance is notified without features');
notifies(
	q{SELECT set_instance_features('{"userSchema": true}', 'a')},
	'instance a 1 [user_schema]',
	'the first change of an instance is notified');
notifies(q{SELECT alter_instance_owner('bob', 'a'), alter_system_owner(current_user::regrole)},
	'', 'another owner is not notified');
notifies(
	q{SELECT set_instance_features('{"userSchema": false}', 'a'), purge_feature_events('infinity')},
	'instance a 2 [user_schema]',
	'a purge adds nothing to a notification');
is( $node->safe_psql(
		'postgres',
		q{SELECT set_instance_features('{"userSchema": true}', 'a');
			SELECT purge_feature_events('infinity')}
	  ) =~ /\n(\d+)$/
	  && $1,
	1,
	'a purge deletes an event');
$listener->query('SELECT 1');
notifies(
	q{SELECT set_instance_features('{"userSchema": false}', 'a')},
	'instance a 4 [user_schema]',
	'a change after a purge is notified');
notifies(q{SELECT purge_feature_events('infinity')}, '', 'a purge is not notified');
notifies(
	q{SELECT drop_instance('a')},
	'instance a 4',
	'a dropped instance is notified without features');
notifies(
	q{BEGIN; SELECT create_instance('a'); SELECT set_instance_features('{"userSchema": true}', 'a');
		SELECT drop_instance('a'); COMMIT},
	'instance a 1',
	'an instance that comes and goes in a transaction is notified once');
notifies(
	q{SELECT drop_instance('default')},
	'instance default 10',
	'dropping the instance "default" is notified');
notifies(
	q{SELECT create_instance('default')},
	'instance default 0',
	'creating the instance "default" again is notified');
notifies(
	q{SELECT create_instance('it''s "a" \ b');
		SELECT set_instance_features('{"userSchema": true}', 'it''s "a" \ b')},
	q{instance it's "a" \ b 0, instance it's "a" \ b 1 [user_schema]},
	'an id of odd characters is notified');

# Organizations and users: the payload names their instance, but no user, because
# any role may listen.
$node->safe_psql(
	'postgres',
	q{SELECT define_feature('beta', levels => '{system,instance,organization,user}');
		SELECT create_instance('i')});
$listener->query('SELECT 1');

# The payloads without their dates, as JSON.
sub payloads_are
{
	my ($sql, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @notified = notified($sql);
	delete $_->{changeDate} for @notified;
	is_deeply(\@notified, $expected, $name);
	return;
}
payloads_are(
	q{SELECT set_organization_features('{"beta": true}', 'o', 'i')},
	[
		{
			level         => 'organization',
			instance      => 'i',
			resourceOwner => 'o',
			sequence      => 1,
			features      => ['beta']
		}
	],
	'a change of an organization is notified with its instance');
payloads_are(
	q{SELECT set_user_features('{"beta": true}', 'u', 'i')},
	[ { level => 'user', instance => 'i', sequence => 1, features => ['beta'] } ],
	'a change of a user is notified without the id');
payloads_are(
	q{SELECT erase_user_features('u', 'i'); SELECT erase_organization_features('o', 'i')},
	[
		{ level => 'user',         instance => 'i', sequence => 1 },
		{ level => 'organization', instance => 'i', sequence => 1 }
	],
	'erasing is notified without an id');
payloads_are(q{SELECT erase_user_features('u', 'i')}, [], 'erasing nothing is not notified');
payloads_are(
	q{SELECT set_user_features('{"beta": true}', 'u')},
	[ { level => 'user', instance => 'default', sequence => 1, features => ['beta'] } ],
	'the row that the instance "default" gets for its first user is not notified');
$node->safe_psql('postgres',
	q{SELECT set_user_features('{"beta": true}', 'u' || n, 'i') FROM generate_series(1, 200) n});
$listener->query('SELECT 1');
payloads_are(
	q{SELECT drop_instance('i')},
	[ { level => 'instance', resourceOwner => 'i', sequence => 0 } ],
	'dropping an instance is notified once, with all below it');
payloads_are(
	q{SELECT create_instance('i'), set_user_features('{"beta": true}', 'u', 'i')},
	[ { level => 'instance', resourceOwner => 'i', sequence => 0 } ],
	'so is creating one and what is below it');
payloads_are(
	q{BEGIN; SELECT set_user_features('{"beta": true}', 'u' || n, 'i') FROM generate_series(1, 101) n; COMMIT},
	[ { level => 'all' } ],
	'changes of more than 100 users are notified as all');
$node->safe_psql(
	'postgres', q{BEGIN; SELECT drop_instance('default'); COMMIT;
		DELETE FROM instance_features.scope WHERE id = 'default'});
$listener->query('SELECT 1');
payloads_are(
	q{SELECT drop_instance('default')},
	[ { level => 'instance', resourceOwner => 'default', sequence => 0 } ],
	'dropping the instance "default" without a row is notified');
$node->safe_psql('postgres',
	q{SELECT create_instance('default'); SELECT drop_feature('beta', true)});
$listener->query('SELECT 1');

# Direct DML.
notifies(
	q{INSERT INTO instance_features.scope (level, id, sequence, change_date)
		VALUES ('instance', 'd', 0, '2024-03-27 10:05:49.896Z')},
	'instance d 0',
	'an INSERT of a scope is notified as its creation');
@payloads = notified(
	q{
	BEGIN;
	INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence, change_date)
		VALUES ('instance', 'd', 'user_schema', 'true', 1, '2024-03-27 10:05:50Z');
	INSERT INTO instance_features.event (level, scope_id, sequence, event_type, feature, value,
		editor, creation_date)
		VALUES ('instance', 'd', 1, 'feature.instance.user_schema.set', 'user_schema', 'true', 'me',
		'2024-03-27 10:05:50Z');
	UPDATE instance_features.scope SET sequence = 1, change_date = '2024-03-27 10:05:50Z'
		WHERE id = 'd';
	COMMIT});
is_deeply(
	\@payloads,
	[
		{
			level         => 'instance',
			resourceOwner => 'd',
			sequence      => 1,
			changeDate    => '2024-03-27T10:05:50Z',
			features      => ['user_schema']
		}
	],
	'a change by direct DML is notified as one of ours is');
@payloads = notified(q{UPDATE instance_features.setting SET value = 'false' WHERE scope_id = 'd'});
is_deeply(
	\@payloads,
	[
		{
			level         => 'instance',
			resourceOwner => 'd',
			sequence      => 1,
			changeDate    => '2024-03-27T10:05:50Z',
			features      => ['user_schema']
		}
	],
	'an UPDATE of a setting alone has the details of its scope');
notifies(
	q{DELETE FROM instance_features.setting WHERE scope_id = 'd'},
	'instance d 1 [user_schema]',
	'a DELETE of a setting is notified');
notifies(
	q{UPDATE instance_features.scope SET id = 'e' WHERE id = 'd'},
	'instance d 1, instance e 1',
	'a renamed scope is notified by both ids');
notifies(
	q{DELETE FROM instance_features.event WHERE scope_id = 'd';
		DELETE FROM instance_features.scope WHERE id = 'e'},
	'instance e 1',
	'a DELETE of a scope is notified, one of events is not');
notifies(
	q{INSERT INTO instance_features.setting (level, scope_id, feature, value, sequence, change_date)
		VALUES ('instance', 'nowhere', 'user_schema', 'true', 1, now())},
	'instance nowhere 0 [user_schema]',
	'a setting of no scope is notified');
notifies(
	q{DELETE FROM instance_features.setting WHERE scope_id = 'nowhere'},
	'instance nowhere 0 [user_schema]',
	'a deleted setting of no scope is notified');
notifies(
	q{INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
		VALUES ('dml', 'dml', 'boolean', 'true')},
	'system SYSTEM 4 [dml]',
	'an INSERT of a definition is notified');
notifies(
	q{UPDATE instance_features.feature SET key = 'dml2' WHERE key = 'dml'},
	'system SYSTEM 4 [dml dml2]',
	'a renamed definition is notified by both keys');
notifies(
	q{DELETE FROM instance_features.feature},
	'system SYSTEM 4 [dml2]',
	'a DELETE of a definition is notified');
notifies(q{BEGIN; UPDATE instance_features.scope SET sequence = sequence + 1; ROLLBACK},
	'', 'rolled back DML is not notified');
notifies('UPDATE instance_features.setting SET value = value WHERE false',
	'', 'DML of no row is not notified');

for my $table (qw(setting feature scope))
{
	notifies("TRUNCATE instance_features.$table",
		'all', "TRUNCATE of table $table is notified as one of everything");
}
notifies('TRUNCATE instance_features.event', '', 'TRUNCATE of table event is not notified');
notifies(
	q{BEGIN;
		TRUNCATE instance_features.scope, instance_features.setting, instance_features.event,
		instance_features.feature; SELECT set_instance_features('{"userSchema": true}'); COMMIT},
	'all',
	'a notification of everything includes a change in the same transaction');
notifies(
	q{
	BEGIN;
	SELECT set_instance_features('{"userSchema": false}');
	SAVEPOINT a;
	TRUNCATE instance_features.setting;
	ROLLBACK TO a;
	COMMIT}, 'instance default 2 [user_schema]',
	'a TRUNCATE that was rolled back does not make it everything');

# Many scopes.
notifies(
	q{SELECT count(create_instance('many' || n)) FROM generate_series(1, 100) n},
	join(', ', map { "instance many$_ 0" } 1 .. 100),
	'100 scopes are notified one by one');
notifies(
	q{SELECT count(set_instance_features('{"userSchema": true}', 'many' || n))
		FROM generate_series(1, 100) n},
	join(', ', map { "instance many$_ 1 [user_schema]" } 1 .. 100),
	'100 changed scopes are notified one by one');
notifies(q{SELECT count(create_instance('more' || n)) FROM generate_series(1, 101) n},
	'all', '101 scopes are notified as one of everything');
is_deeply(
	[
		notified(
			q{SELECT count(set_instance_features('{"userSchema": false}', 'more' || n))
				FROM generate_series(1, 101) n}
		)
	],
	[ { level => 'all' } ],
	'a notification of everything says only that');
notifies(
	q{UPDATE instance_features.scope SET sequence = sequence WHERE id ~ '^m'},
	'',
	'an UPDATE that leaves sequences as they are is not notified');
notifies(
	q{UPDATE instance_features.setting SET change_date = change_date WHERE scope_id ~ '^m'},
	'all',
	'direct DML of more than 100 scopes is notified as one of everything');
notifies(
	q{
	BEGIN;
	SELECT count(set_instance_features('{"loginDefaultOrg": true}', 'many' || n))
		FROM generate_series(1, 60) n;
	SAVEPOINT a;
	SELECT count(set_instance_features('{"loginDefaultOrg": true}', 'more' || n))
		FROM generate_series(1, 60) n;
	RELEASE a;
	COMMIT}, 'all', 'the scopes of a savepoint count, too');
notifies(
	q{
	BEGIN;
	SELECT count(set_instance_features('{"loginDefaultOrg": false}', 'many' || n))
		FROM generate_series(1, 2) n;
	SAVEPOINT a;
	SELECT count(set_instance_features('{"loginDefaultOrg": false}', 'more' || n))
		FROM generate_series(1, 101) n;
	ROLLBACK TO a;
	COMMIT}, 'instance many1 3 [login_default_org], instance many2 3 [login_default_org]',
	'a savepoint with too many scopes that was rolled back does not count');
$node->safe_psql(
	'postgres',
	q{DELETE FROM instance_features.scope WHERE id ~ '^(more|many)';
		DELETE FROM instance_features.setting WHERE scope_id ~ '^(more|many)';
		DELETE FROM instance_features.event WHERE scope_id ~ '^(more|many)'}
);
$listener->query('SELECT 1');

# 200 bytes that need escaping, and more features than a payload takes.
$node->safe_psql(
	'postgres', q{
	INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
	SELECT rpad('feature_' || n || '_', 60, 'x'), 'feature' || n, 'boolean', 'false'
		FROM generate_series(1, 300) n;
	SELECT create_instance(repeat(E'\x01', 200))});
$listener->query('SELECT 1');
@payloads = notified(
	q{SELECT set_instance_features((SELECT jsonb_object_agg('feature' || n, true)
		FROM generate_series(1, 300) n), repeat(E'\x01', 200))}
);
is($payloads[0]{resourceOwner}, "\x01" x 200, 'a payload that would be too long is sent');
ok(!exists $payloads[0]{features}, 'a payload that would be too long is sent without the features');
for my $count (100 .. 130)
{
	@payloads = notified(
		qq{
		SELECT set_instance_features((SELECT jsonb_object_agg('feature' || n, $count % 2 = 1)
			FROM generate_series(1, $count) n))}
	);
	is(scalar(@payloads), 1, "a change of $count features with long names is notified once");
}
$node->safe_psql(
	'postgres',
	'TRUNCATE instance_features.scope, instance_features.setting, instance_features.event,
		instance_features.feature'
);
$listener->query('SELECT 1');

# The setting, which is the superusers' to set.
notifies(
	q{SET instance_features.notify = off; SELECT set_instance_features('{"userSchema": true}')},
	'', 'the setting notify turns notifications off');
notifies(
	q{SET instance_features.notify = off; SELECT create_instance('bobs', 'bob');
		UPDATE instance_features.setting SET value = 'true'},
	'',
	'the setting notify turns notifications of direct DML off');
my $bob = Session->new($node, user => 'bob');
is( $bob->query(q{SELECT feature_enabled('user_schema'); SET instance_features.notify = off}),
	"t\nERROR:  permission denied to set parameter \"instance_features.notify\"",
	'only superusers set notify');
is($bob->query(q{SELECT (set_instance_features('{"userSchema": true}', 'bobs')).sequence}),
	'1', 'the owner of an instance changes it');
is( summary(payloads_of($listener->query('SELECT 1'))),
	'instance bobs 1 [user_schema]',
	'the change of one who tried to set notify is notified');
my $cold = Session->new($node, user => 'bob');
like(
	$cold->query(
		q{SET instance_features.notify = off;
			SELECT (set_instance_features('{"userSchema": false}', 'bobs')).sequence}
	),
	qr/^2\b/,
	'one who sets notify before the library is loaded changes the instance');
is( summary(payloads_of($listener->query('SELECT 1'))),
	'instance bobs 2 [user_schema]',
	'the change of one who has set notify before the library is loaded is notified');
$_->quit for $bob, $cold;

# PostgreSQL cannot notify for a prepared transaction.
my ($status, $out, $err) = $node->psql('postgres',
	q{BEGIN; SELECT set_instance_features('{"userSchema": null}'); PREPARE TRANSACTION 'a'});
is($status, 0, 'a change can be prepared');
like(
	$err,
	qr/WARNING:  feature changes of a prepared transaction are not notified/,
	'a prepared change warns that it is not notified');
notifies(q{COMMIT PREPARED 'a'}, '', 'a prepared change is not notified');
(undef, undef, $err) = $node->psql(
	'postgres',
	q{SET instance_features.notify = off;
		BEGIN; SELECT set_instance_features('{"userSchema": true}'); PREPARE TRANSACTION 'a';
		ROLLBACK PREPARED 'a'}
);
is($err, '', 'a prepared change warns of nothing when notifications are off');
(undef, undef, $err) = $node->psql('postgres',
	q{BEGIN; SELECT feature_enabled('user_schema'); PREPARE TRANSACTION 'a'; ROLLBACK PREPARED 'a'}
);
is($err, '', 'a prepared transaction that changed nothing warns of nothing');

# An apply worker of logical replication.
$node->safe_psql(
	'postgres',
	'CREATE PUBLICATION features FOR TABLE instance_features.scope, instance_features.setting,
		instance_features.event, instance_features.feature'
);
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
$subscriber->safe_psql('postgres', 'CREATE EXTENSION instance_features');
$subscriber->safe_psql(
	'postgres',
	sprintf(q{CREATE SUBSCRIPTION features CONNECTION $$%s$$ PUBLICATION features},
		$node->connstr('postgres')));
$subscriber->poll_query_until('postgres',
	q{SELECT count(*) = 4 FROM pg_subscription_rel WHERE srsubstate = 'r'})
  or die 'the tables were not copied';
my $remote = Session->new($subscriber);
$remote->query('LISTEN instance_features');

for my $case (
	[
		q{SELECT set_instance_features('{"userSchema": false, "loginDefaultOrg": true}', 'bobs')},
		'instance bobs 3 [login_default_org]',
		'a change is notified on a subscriber'
	],
	[
		q{SELECT reset_instance_features('bobs')},
		'instance bobs 4 [login_default_org user_schema]',
		'a reset is notified on a subscriber'
	],
	[
		q{SELECT define_feature('color', '"red"')},
		'system SYSTEM 0 [color]',
		'a definition is notified on a subscriber'
	],
	[ q{SELECT create_instance('c')}, 'instance c 0', 'a creation is notified on a subscriber' ],
	[ q{SELECT drop_instance('c')},   'instance c 0', 'a drop is notified on a subscriber' ],
	[
		q{UPDATE instance_features.scope SET sequence = sequence + 1 WHERE id = 'bobs'},
		'instance bobs 5',
		'direct DML is notified on a subscriber'
	],
	[ q{TRUNCATE instance_features.setting}, 'all', 'a TRUNCATE is notified on a subscriber' ])
{
	my ($sql, $expected, $name) = @$case;
	$node->safe_psql('postgres', $sql);
	$node->wait_for_catchup('features');
	is(summary(payloads_of($remote->query('SELECT 1'))), $expected, $name);
}
$remote->quit;
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION features');
$subscriber->stop;

# A notification queue that is nearly full costs notifications, never a change.
SKIP:
{
	skip 'filling the notification queue takes gigabytes before PostgreSQL 17', 4 if $major < 17;
	$listener->query('BEGIN; SELECT 1');
	$node->safe_psql(
		'postgres', q{
		DO $$
		BEGIN
			WHILE pg_notification_queue_usage() < 0.8 LOOP
				PERFORM pg_notify('other', repeat('x', 7000) || n) FROM generate_series(1, 5) n;
				COMMIT;
			END LOOP;
		END $$});
	($status, $out, $err) = $node->psql('postgres',
		q{SELECT (set_instance_features('{"userSchema": true}', 'bobs')).sequence});
	is("$status $out", '0 6', 'a change goes through when the notification queue is nearly full');
	like(
		$err,
		qr/^psql:\S+\ WARNING:\ \ feature\ changes\ are\ not\ notified
			\ because\ the\ notification\ queue\ is\ nearly\ full$/mx,
		'a nearly full notification queue warns');
	is(summary(payloads_of($listener->query('COMMIT; SELECT 1'))),
		'', 'a nearly full notification queue costs the notification');
	notifies(
		q{SELECT set_instance_features('{"userSchema": false}', 'bobs')},
		'instance bobs 7 [user_schema]',
		'changes are notified again when the notification queue has room');
}

$listener->quit;
$node->stop;
done_testing();
