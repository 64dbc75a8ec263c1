# Listeners learn of each committed change, once a scope and transaction.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features');

my $listener = Session->new($node);
$listener->query('LISTEN instance_features');

# The payloads that the listener was notified of by what the statements did.
sub notified
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	my @payloads;
	my $output = $listener->query('SELECT 1');
	push @payloads, decode_json($1)
	  while $output =~ /notification "instance_features" with payload "(.*)" received/g;
	return @payloads;
}

my @payloads = notified(q{SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": true}')});
is(@payloads, 1, 'a change is notified once');
like($payloads[0]{changeDate}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}(\d{3})?)?Z$/, 'with its time');
delete $payloads[0]{changeDate};
is_deeply(\@payloads, [ { level => 'instance', resourceOwner => 'default', sequence => 2, features => [ 'login_default_org', 'user_schema' ] } ],
	'with level, resource owner, sequence and features');

is_deeply([ map { $_->{level} . $_->{sequence} } notified(q{SELECT set_system_features('{"userSchema": true}')}) ], ['system1'], 'a change of the system');
is_deeply([ map { $_->{features} } notified(q{SELECT reset_instance_features()}) ], [ [ 'login_default_org', 'user_schema' ] ], 'a reset names what it removed');
is_deeply([ notified(q{SELECT reset_instance_features()}) ], [], 'no change is not notified');
is_deeply([ notified(q{SELECT set_instance_features('{"x": true}')}) ], [], 'nor is an error');
is_deeply([ notified(q{BEGIN; SELECT set_instance_features('{"userSchema": true}'); ROLLBACK}) ], [], 'nor what was rolled back');
is_deeply([ map { [ $_->{level}, $_->{sequence}, $_->{features} ] } notified(q{
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
	COMMIT}) ],
	[ [ 'instance', 6, [ 'user_schema', 'login_default_org' ] ], [ 'system', 2, ['user_schema'] ] ],
	'a transaction notifies once a scope, without what it took back');
my $summary = sub { [ map { [ $_->{level}, $_->{resourceOwner}, $_->{sequence}, $_->{features} ] } @_ ] };
is_deeply($summary->(notified(q{SELECT define_feature('color', '"red"')})), [ [ 'system', 'SYSTEM', 2, ['color'] ] ], 'a definition is notified as a change of the system');
is_deeply($summary->(notified(q{SELECT alter_feature('color', '"green"')})), [ [ 'system', 'SYSTEM', 2, ['color'] ] ], 'so is its change');
is_deeply($summary->(notified(q{SELECT set_feature_stage('color', 'stable')})), [ [ 'system', 'SYSTEM', 2, ['color'] ] ], 'or another stage');
is_deeply($summary->(notified(q{
	BEGIN;
	SELECT apply_features('{"system": {"userSchema": false, "color": "red"}, "instances": {"z": {"color": "red"}, "y": {"color": "red"}, "x": {}}}');
	SELECT apply_features('{"instances": {"z": {"color": "blue"}}}');
	COMMIT})), [ [ 'system', 'SYSTEM', 3, ['color'] ], [ 'instance', 'x', 0, undef ], [ 'instance', 'y', 1, undef ], [ 'instance', 'z', 2, undef ] ], 'a document is notified once a scope, without features of what it creates');
is_deeply($summary->(notified(q{SELECT drop_feature('color', true)})), [ [ 'system', 'SYSTEM', 4, ['color'] ], [ 'instance', 'y', 2, ['color'] ], [ 'instance', 'z', 3, ['color'] ] ], 'a drop on all scopes that set the feature');
is_deeply([ notified(q{SET instance_features.notify = off; SELECT set_instance_features('{"userSchema": true}')}) ], [], 'the setting notify turns it off');
is_deeply([ map { [ $_->{resourceOwner}, $_->{sequence}, $_->{features} ] } notified(q{SELECT create_instance('it''s "a" \ b'); SELECT set_instance_features('{"userSchema": true}', 'it''s "a" \ b')}) ],
	[ [ q{it's "a" \ b}, 0, undef ], [ q{it's "a" \ b}, 1, ['user_schema'] ] ], 'an id of odd characters is notified when it is created and set');
is_deeply([ map { [ $_->{resourceOwner}, $_->{features} ] } notified(q{SELECT drop_instance('it''s "a" \ b')}) ],
	[ [ q{it's "a" \ b}, undef ] ], 'a dropped instance has no features to name');

# 200 bytes that need escaping, and more features than a payload takes.
$node->safe_psql('postgres', q{
	INSERT INTO instance_features.feature (key, json_name, value_type, default_value)
	SELECT rpad('feature_' || n || '_', 60, 'x'), 'feature' || n, 'boolean', 'false' FROM generate_series(1, 300) n;
	SELECT create_instance(repeat(E'\x01', 200))});
$listener->query('SELECT 1');
@payloads = notified(q{SELECT set_instance_features((SELECT jsonb_object_agg('feature' || n, true) FROM generate_series(1, 300) n), repeat(E'\x01', 200))});
is($payloads[0]{resourceOwner}, "\x01" x 200, 'a payload that would be too long is sent');
ok(!exists $payloads[0]{features}, 'without the features');

# PostgreSQL cannot notify for a prepared transaction.
my ($status, $out, $err) = $node->psql('postgres', q{BEGIN; SELECT set_instance_features('{"userSchema": null}'); PREPARE TRANSACTION 'a'});
is($status, 0, 'a change can be prepared');
like($err, qr/WARNING:  feature changes of a prepared transaction are not notified/, 'with a warning');
is_deeply([ notified(q{COMMIT PREPARED 'a'}) ], [], 'that it is not notified');

# Writers of a prepared transaction's instance wait for it.
$node->safe_psql('postgres', q{BEGIN; SELECT set_instance_features('{"loginDefaultOrg": null}'); PREPARE TRANSACTION 'b'});
my $writer = Session->new($node);
$writer->send(q{SELECT (set_instance_features('{"loginDefaultOrg": false}')).sequence});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^SELECT .set_inst'}), 'a writer waits for a prepared transaction');
$node->safe_psql('postgres', q{COMMIT PREPARED 'b'});
is($writer->wait, '10', 'and then goes on with the next sequence');
is($writer->query('SELECT count(*), max(sequence) FROM instance_feature_history()'), '10|10', 'without a gap');

$_->quit for $listener, $writer;
$node->stop;
done_testing();
