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
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION instance_features');

# A streaming replica.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $reader = Session->new($standby);
my $enabled = q{SELECT feature_enabled('user_schema')};
is($reader->query($enabled), 'f', 'a standby reads');
my $transaction = Session->new($standby);
is($transaction->query("BEGIN ISOLATION LEVEL REPEATABLE READ; $enabled"), 'f', 'also in REPEATABLE READ');
for my $value (qw(true false true))
{
	$primary->safe_psql('postgres', qq{SELECT set_instance_features('{"userSchema": $value}')});
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	is($reader->query($enabled), substr($value, 0, 1), "an open session sees $value");
	is($transaction->query($enabled), substr($value, 0, 1), 'so does one in REPEATABLE READ');
}
$primary->safe_psql('postgres', q{BEGIN; SELECT set_instance_features('{"userSchema": false}'); ROLLBACK});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($reader->query($enabled), 't', 'not what was rolled back');
is($reader->query(q{\set VERBOSITY sqlstate
	SELECT set_instance_features('{"userSchema": false}')}), 'ERROR:  25006', 'a write is refused with 25006');
like($reader->query(q{\set VERBOSITY verbose
	SELECT reset_system_features()}), qr/^ERROR:  25006: cannot execute reset_system_features\(\) in a read-only transaction/, 'by its name');
is($reader->query(q{SELECT status FROM feature_service('PUT', '/v2/features/instance', '{"userSchema": false}')}), '500', 'and through the service with 500');
is($reader->query(q{SELECT status FROM feature_service('GET', '/v2/features/instance')}), '200', 'which reads');
$transaction->quit;
$primary->stop;
$standby->promote;
is($reader->query(q{SELECT (set_instance_features('{"userSchema": false}')).sequence}), '4', 'after promotion writing goes on with the next sequence');
is($reader->query($enabled), 'f', 'and is seen');
$reader->quit;
$standby->stop;

# Logical replication.
my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
$publisher->safe_psql('postgres', q{
	CREATE EXTENSION instance_features;
	CREATE PUBLICATION features FOR TABLE instance_features.scope, instance_features.setting, instance_features.event});
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
$subscriber->safe_psql('postgres', 'CREATE EXTENSION instance_features');
$subscriber->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION features CONNECTION $$%s$$ PUBLICATION features}, $publisher->connstr('postgres')));
$subscriber->wait_for_subscription_sync($publisher, 'features') if $subscriber->can('wait_for_subscription_sync');
$reader = Session->new($subscriber);
is($reader->query($enabled), 'f', 'a subscriber reads');
for my $value (qw(true false true))
{
	$publisher->safe_psql('postgres', qq{SELECT set_instance_features('{"userSchema": $value}')});
	$publisher->wait_for_catchup('features');
	is($reader->query($enabled), substr($value, 0, 1), "its open session sees $value");
}
is($reader->query('SELECT (get_instance_feature_details()).sequence, count(*) FROM instance_feature_history()'), '3|3', 'with its events');
$publisher->safe_psql('postgres', 'SELECT reset_instance_features()');
$publisher->wait_for_catchup('features');
is($reader->query($enabled), 'f', 'a reset');
$reader->quit;
$subscriber->stop;
$publisher->stop;
done_testing();
