# Open sessions on a standby and on a logical subscriber see a change as soon
# as it is replayed or applied.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 'logical');
$primary->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION instance_features');

# A streaming replica.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $reader  = Session->new($standby);
my $enabled = q{SELECT feature_enabled('user_schema')};
is($reader->query($enabled), 'f', 'a standby reads a feature');
my $transaction = Session->new($standby);
is($transaction->query("BEGIN ISOLATION LEVEL REPEATABLE READ; $enabled"),
	'f', 'a transaction in REPEATABLE READ on a standby reads a feature');

for my $value (qw(true false true))
{
	$primary->safe_psql('postgres', qq{SELECT set_instance_features('{"userSchema": $value}')});
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	is( $reader->query($enabled),
		substr($value, 0, 1),
		"an open session on a standby sees a change to $value");
	is( $transaction->query($enabled),
		substr($value, 0, 1),
		"a transaction in REPEATABLE READ on a standby sees a change to $value");
}
$primary->safe_psql('postgres',
	q{BEGIN; SELECT set_instance_features('{"userSchema": false}'); ROLLBACK});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($reader->query($enabled),
	't', 'an open session on a standby does not see a change that was rolled back');

# By every other means, too.
my $color   = q{SELECT feature_text('color')};
my $of_user = q{SELECT feature_enabled('beta', 'default', 'o', 'u')};
for my $case (
	[
		q{UPDATE instance_features.setting SET value = 'false'},
		$enabled, 'f', 'an open session on a standby sees direct DML'
	],
	[
		q{SELECT set_system_features('{"userSchema": true}'), reset_instance_features()},
		$enabled, 't', 'an open session on a standby sees a change of the system'
	],
	[
		q{BEGIN; SELECT set_system_features('{"userSchema": false}'); PREPARE TRANSACTION 'p'},
		$enabled, 't', 'an open session on a standby does not see a prepared change'
	],
	[ q{COMMIT PREPARED 'p'}, $enabled, 'f', 'an open session on a standby sees COMMIT PREPARED' ],
	[
		q{BEGIN; SELECT set_system_features('{"userSchema": true}'); PREPARE TRANSACTION 'p';
			ROLLBACK PREPARED 'p'},
		$enabled,
		'f',
		'an open session on a standby does not see what ROLLBACK PREPARED undid'
	],
	[
		q{SELECT set_system_features('{"userSchema": true}'); TRUNCATE instance_features.setting},
		$enabled, 'f', 'an open session on a standby sees a TRUNCATE'
	],
	[
		q{SELECT define_feature('color', '"red"')},
		$color, 'red', 'an open session on a standby sees a definition'
	],
	[
		q{SELECT alter_feature('color', '"green"')},
		$color, 'green', 'an open session on a standby sees a change of a definition'
	],
	[
		q{VACUUM FULL instance_features.setting; SELECT set_instance_features('{"color": "blue"}')},
		$color,
		'blue',
		'an open session on a standby sees a change after VACUUM FULL'
	],
	[
		q{SELECT define_feature('beta', levels => '{instance,organization,user}');
			SELECT set_user_features('{"beta": true}', 'u')},
		$of_user, 't',
		'an open session on a standby sees the first change of a user'
	],
	[
		q{SELECT set_user_features('{"beta": null}', 'u'),
			set_organization_features('{"beta": true}', 'o')},
		$of_user,
		't',
		'an open session on a standby sees the first change of an organization'
	],
	[
		q{SELECT set_user_features('{"beta": false}', 'u')},
		$of_user, 'f', 'an open session on a standby sees another change of a user'
	],
	[
		q{BEGIN; SELECT erase_user_features('u'); PREPARE TRANSACTION 'p'},
		$of_user, 'f', 'an open session on a standby does not see a prepared erasure'
	],
	[
		q{COMMIT PREPARED 'p'},
		$of_user, 't', 'an open session on a standby sees that a user was erased'
	],
	[
		q{UPDATE instance_features.setting SET value = 'false' WHERE level = 'organization'},
		$of_user, 'f', 'an open session on a standby sees direct DML below the instance'
	],
	[
		q{SELECT erase_organization_features('o'), set_user_features('{"beta": true}', 'u')},
		$of_user, 't', 'an open session on a standby sees that an organization was erased'
	],
	[
		q{SELECT drop_instance('default'), create_instance('default')},
		$of_user, 'f',
		'an open session on a standby sees that a user was dropped with its instance'
	],
	[
		q{DELETE FROM instance_features.event; DELETE FROM instance_features.scope;
			DELETE FROM instance_features.setting;
			SELECT set_instance_features('{"userSchema": true}'),
			set_instance_features('{"loginDefaultOrg": true}'),
			set_instance_features('{"loginDefaultOrg": null}')},
		$enabled,
		't',
		'an open session on a standby sees the tables filled anew'
	])
{
	my ($sql, $query, $expected, $name) = @$case;
	$primary->safe_psql('postgres', $sql);
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	is($reader->query($query), $expected, $name);
}
is( $reader->query(
		q{\set VERBOSITY sqlstate
	SELECT set_instance_features('{"userSchema": false}')}),
	'ERROR:  25006',
	'a standby refuses a write with 25006');
like(
	$reader->query(
		q{\set VERBOSITY verbose
	SELECT reset_system_features()}),
	qr/^ERROR:  25006: cannot execute reset_system_features\(\) in a read-only transaction/,
	'a standby names the function that it refuses');
is( $reader->query(
		q{SELECT status
			FROM feature_service('PUT', '/v2/features/instance', '{"userSchema": false}')}
	),
	'500',
	'a standby answers a write through the service with 500');
is($reader->query(q{SELECT status FROM feature_service('GET', '/v2/features/instance')}),
	'200', 'a standby answers a read through the service');
for my $write (
	q{set_user_features('{"beta": true}', 'u')}, q{reset_organization_features('o')},
	q{erase_user_features('u')},                 q{erase_organization_features('o')})
{
	my ($function) = $write =~ /^(\w+)/;
	like(
		$reader->query("SELECT $write"),
		qr/^ERROR:  25006: cannot execute $function\(\) in a read-only transaction/,
		"a standby refuses $function() with 25006");
}
is( $reader->query(
		q{BEGIN; SELECT set_feature_context('default', 'o', 'u') IS NULL;
			SELECT current_setting('instance_features.user_id'),
				feature_enabled('beta'), (get_user_feature_details()).resource_owner; COMMIT;
			SHOW instance_features.user_id}
	),
	"f\nu|f|u\n",
	'a standby has a context');
$transaction->quit;
$primary->stop;
$standby->promote;
is($reader->query(q{SELECT (set_instance_features('{"userSchema": false}')).sequence}),
	'4', 'a promoted standby goes on with the next sequence');
is($reader->query($enabled), 'f', 'an open session on a promoted standby sees its own change');
$reader->quit;
$standby->stop;

# Logical replication.
my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
$publisher->safe_psql(
	'postgres', q{
	CREATE EXTENSION instance_features;
	CREATE PUBLICATION features FOR TABLE instance_features.scope, instance_features.setting,
		instance_features.event, instance_features.feature;
	SELECT define_feature('beta', levels => '{instance,organization,user}');
	SELECT set_user_features('{"beta": true}', 'copied')}
);
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
$subscriber->safe_psql('postgres', 'CREATE EXTENSION instance_features');
$subscriber->safe_psql(
	'postgres',
	sprintf(q{CREATE SUBSCRIPTION features CONNECTION $$%s$$ PUBLICATION features},
		$publisher->connstr('postgres')));
$subscriber->wait_for_subscription_sync($publisher, 'features')
  if $subscriber->can('wait_for_subscription_sync');
$reader = Session->new($subscriber);
is($reader->query($enabled), 'f', 'a subscriber reads a feature');
is( $reader->query(
		q{SELECT feature_enabled('beta', 'default', NULL, 'copied'),
			(get_user_feature_details('copied')).sequence}
	),
	't|1',
	'a subscriber has the users of the initial copy');

for my $value (qw(true false true))
{
	$publisher->safe_psql('postgres', qq{SELECT set_instance_features('{"userSchema": $value}')});
	$publisher->wait_for_catchup('features');
	is( $reader->query($enabled),
		substr($value, 0, 1),
		"an open session on a subscriber sees a change to $value");
}
is( $reader->query(
		'SELECT (get_instance_feature_details()).sequence, count(*) FROM instance_feature_history()'
	),
	'3|3',
	'a subscriber has the details and the events of its publisher');
$publisher->safe_psql('postgres', 'SELECT reset_instance_features()');
$publisher->wait_for_catchup('features');
is($reader->query($enabled), 'f', 'an open session on a subscriber sees a reset');

# Organizations and users, and who changed them.
for my $case (
	[ q{set_user_features('{"beta": true}', 'u')},  't', 'the first change of a user' ],
	[ q{set_user_features('{"beta": false}', 'u')}, 'f', 'another change of a user' ],
	[
		q{set_organization_features('{"beta": true}', 'o')}, 'f',
		'a change that the user overrides'
	],
	[ q{erase_user_features('u')},                 't', 'that a user was erased' ],
	[ q{reset_organization_features('o')},         'f', 'a reset of an organization' ],
	[ q{set_user_features('{"beta": true}', 'u')}, 't', 'a user of an erased id' ],
	[
		q{alter_feature('beta', levels => '{instance,user}'), erase_organization_features('o')},
		't', 'that a feature has lost a level'
	])
{
	my ($write, $expected, $what) = @$case;
	$publisher->safe_psql('postgres',
		"SET instance_features.actor = 'ann'; SET instance_features.reason = '$what'; SELECT $write"
	);
	$publisher->wait_for_catchup('features');
	is($reader->query($of_user), $expected, "an open session on a subscriber sees $what");
}
is( $reader->query(
		q{SELECT sequence, event_type, actor, reason FROM user_feature_history('u');
			SELECT count(*) FROM organization_feature_history('o');
			SELECT count(*) FROM check_instance_features()}
	),
	"1|feature.user.beta.set|ann|a user of an erased id\n0\n0",
	'a subscriber has the events of the last user of an id, and none of who was erased');

# Triggers that are not ALWAYS, as a restore with --disable-triggers leaves them:
# an apply worker fires none of them, and sessions remember nothing.
my $warning = qr/WARNING:\ \ features\ are\ not\ cached\ because
	\ triggers\ of\ extension\ "instance_features"\ are\ missing\ or\ disabled/x;
for my $state ('ENABLE TRIGGER ALL', 'DISABLE TRIGGER ALL', 'DISABLE TRIGGER track_end')
{
	my $session = Session->new($subscriber);
	is($session->query($enabled), 'f', "$state: a session has read while triggers were ALWAYS");
	$subscriber->safe_psql('postgres', join ';',
		map { "ALTER TABLE instance_features.$_ $state" } qw(scope setting feature));
	$publisher->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": true}')});
	$publisher->wait_for_catchup('features');
	like($session->query($enabled),
		qr/^t\n$warning/, "$state: an open session sees a change, and warns");
	$publisher->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": false}')});
	$publisher->wait_for_catchup('features');
	is($session->query($enabled),
		'f', "$state: an open session sees another change, and does not warn again");
	like(
		$session->query(q{SELECT DISTINCT problem FROM check_instance_features()}),
		qr/^trigger missing or not ALWAYS$/,
		"$state: check_instance_features() tells of the triggers");
	$subscriber->safe_psql(
		'postgres',
		join ';',
		map {
			my $table = $_;
			map { "ALTER TABLE instance_features.$table ENABLE ALWAYS TRIGGER $_" }
			  qw(track_begin track_end track_truncate_begin track_truncate_end)
		} qw(scope setting feature));
	$session->query($enabled);
	$publisher->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": true}')});
	$publisher->wait_for_catchup('features');
	is($session->query($enabled),
		't', "$state: an open session sees a change after the triggers are ALWAYS again");
	$publisher->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": false}')});
	$publisher->wait_for_catchup('features');
	is($session->query('SELECT count(*) FROM check_instance_features()'),
		'0', "$state: a subscriber with its triggers is consistent");
	$session->quit;
}
$reader->quit;
$subscriber->stop;
$publisher->stop;
done_testing();
