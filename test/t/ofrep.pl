# What OpenFeature's remote evaluation protocol is answered on a standby, and
# when the server cannot answer.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', 'log_min_messages = log');
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION instance_features');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $flags = '/ofrep/v1/evaluate/flags';
my $flag  = "$flags/user_schema";

# The query of a request, and of its answer in short.
sub request
{
	my ($path, $headers) = @_;
	$headers //= '{}';
	return "SELECT status, body FROM feature_service('POST', '$path', NULL, '$headers')";
}
my $value = request($flag)  =~ s/status, body/status, body->'value'/r;
my $etag  = request($flags) =~ s/status, body/headers->>'etag'/r;

# A standby answers, also in a transaction of its own.
my $reader = Session->new($standby);
is($reader->query($value), '200|false', 'a standby evaluates a flag');
my $before    = $reader->query($etag);
my $condition = sprintf '{"if-none-match": "%s"}', $before =~ s/"/\\"/gr;
is($reader->query(request($flags, $condition)), '304|', 'a standby compares entity tags');
is($primary->safe_psql('postgres', $etag),
	$before, 'a standby and its primary have the same entity tag');
is($reader->query("BEGIN READ ONLY; $value; COMMIT"),
	'200|false', 'a standby evaluates a flag in a transaction');
$primary->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": true}')});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is($reader->query($value), '200|true', 'a standby evaluates a flag that has changed');
isnt($reader->query($etag), $before, 'a standby has another entity tag after a change');
is( $reader->query(
		q{SELECT status FROM feature_service('PUT', '/v2/features/instance', '{"userSchema": false}')}
	),
	'500',
	'a standby does not change a feature');
$reader->quit;
$standby->stop;

# A table that is locked.
my $locker = Session->new($primary);
$locker->query('BEGIN; LOCK TABLE instance_features.feature');
my %body = (
	$flag => '{"key": "user_schema", "metadata": {}, "errorCode": "GENERAL", "errorDetails": "%s"}',
	$flags => '{"metadata": {}, "errorCode": "GENERAL", "errorDetails": "%s"}');
for my $path ($flag, $flags)
{
	is( $primary->safe_psql('postgres', q{SET lock_timeout = '100ms'; } . request($path)),
		'503|' . sprintf($body{$path}, 'canceling statement due to lock timeout'),
		"a locked table is answered with 503 by $path");
}
$locker->query('ROLLBACK');
$locker->quit;

# A table that cannot be read.
my $file = $primary->data_dir . '/'
  . $primary->safe_psql('postgres', q{SELECT pg_relation_filepath('instance_features.setting')});
$primary->stop;
open my $table, '+<', $file or die "cannot open $file: $!";
print $table 'garbage' x 1000;
close $table;
$primary->start;
for my $path ($flag, $flags)
{
	is( $primary->safe_psql('postgres', request($path)),
		'500|' . sprintf($body{$path}, 'internal error'),
		"a table that cannot be read is answered with 500 by $path");
}
like(
	slurp_file($primary->logfile),
	qr/LOG:  feature_service\(\) failed with SQLSTATE XX001: invalid page/,
	'the log has what could not be read');

$primary->stop;
done_testing();
