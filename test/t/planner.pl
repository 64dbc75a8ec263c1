# Index conditions of feature_enabled() where more than one process takes part:
# changes by other sessions, rows that change while a statement waits, parallel
# workers that plan, and standbys.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$primary->start;
$primary->safe_psql(
	'postgres', q{
	CREATE EXTENSION instance_features;
	CREATE ROLE stranger LOGIN;
	SELECT count(create_instance('t' || n)) FROM generate_series(1, 400) n;
	SELECT set_instance_features('{"userSchema": true}', 't7');
	CREATE TABLE item (id integer PRIMARY KEY, tenant text NOT NULL, n integer NOT NULL DEFAULT 0);
	INSERT INTO item SELECT n, 't' || 1 + n % 400 FROM generate_series(1, 2000) n;
	CREATE INDEX ON item (tenant);
	GRANT SELECT, UPDATE ON item TO stranger;
	ANALYZE item});

my $tenants = q{SELECT string_agg(DISTINCT tenant, ' ' ORDER BY tenant) FROM item
	WHERE feature_enabled('user_schema', tenant)};
my $prepare = qq{SET plan_cache_mode = force_generic_plan; PREPARE tenants AS $tenants};

# Change features on the primary.
sub set
{
	my ($id, $value) = @_;
	$primary->safe_psql('postgres',
		qq{SELECT set_instance_features('{"userSchema": $value}', '$id')});
	return;
}

# Check that a session's generic plan has its index condition, and its rows.
sub is_right
{
	my ($session, $rows, $name) = @_;
	like(
		$session->query('EXPLAIN EXECUTE tenants'),
		qr/Index Cond: .*enabled_instances/,
		"$name: the plan");
	is($session->query('EXECUTE tenants'), $rows, "$name: the rows");
	return;
}

# Changes by another session.
my $session = Session->new($primary, user => 'stranger');
$session->query($prepare);
is_right($session, 't7', 'a generic plan');
set('t8', 'true');
is_right($session, 't7 t8', 'a generic plan after another session has switched a feature on');
set('t7', 'null');
is_right($session, 't8', 'a generic plan after another session has switched a feature off');
$session->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
is_right($session, 't8', 'a transaction in REPEATABLE READ');
set('t9', 'true');
is_right($session, 't8 t9',
	'a transaction in REPEATABLE READ after another session has switched a feature on');
$session->query('COMMIT');
$primary->safe_psql('postgres',
	q{BEGIN; SELECT set_instance_features('{"userSchema": false}', 't9'); PREPARE TRANSACTION 'p'});
is_right($session, 't8 t9', 'a prepared transaction that is not committed');
$primary->safe_psql('postgres', q{COMMIT PREPARED 'p'});
is_right($session, 't8', 'a prepared transaction that is committed');

# A row that changes while an UPDATE waits for it is checked again.
my $writer = Session->new($primary);
$writer->query(q{BEGIN; UPDATE item SET n = 1, tenant = 't10' WHERE tenant = 't8' AND id < 500});
$writer->query(q{UPDATE item SET n = 1 WHERE tenant = 't8'});
$session->send(q{UPDATE item SET n = n + 10 WHERE feature_enabled('user_schema', tenant)});
$primary->poll_query_until('postgres',
	q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'});
$writer->query('COMMIT');
is($session->wait, '', 'an UPDATE waits for another');
is( $session->query(
		q{SELECT count(*), count(*) FILTER (WHERE (n = 11) = (tenant = 't8')) FROM item WHERE n > 0}
	),
	'5|5',
	'an UPDATE that waited changes the rows that still are of an instance that has the feature on');

# Parallel workers plan and execute queries, which are those of a function.
my $parallel = $primary->safe_psql('postgres',
	q{SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});
$primary->safe_psql(
	'postgres', qq{
	CREATE FUNCTION tenants() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS \$\$
	BEGIN
		RETURN ($tenants);
	END \$\$});
is($primary->safe_psql('postgres', "SET $parallel = on; SELECT tenants()"),
	't8', 'a parallel worker plans and executes a query with an index condition');
$primary->safe_psql('postgres', 'ALTER TABLE instance_features.event RENAME TO gone');
my (undef, undef, $error) = $primary->psql('postgres', "SET $parallel = on; SELECT tenants()");
like(
	$error,
	qr/table "instance_features.event" .* does not exist.*parallel worker/s,
	'a parallel worker that plans with a table missing fails when it executes');
$primary->safe_psql('postgres', 'ALTER TABLE instance_features.gone RENAME TO event');

# A standby.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $reader = Session->new($standby, user => 'stranger');
$reader->query($prepare);
is_right($reader, 't8', 'a generic plan on a standby');
set('t11', 'true');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is_right($reader, 't11 t8', 'a generic plan on a standby after a change');
$primary->safe_psql('postgres', q{SELECT set_system_features('{"userSchema": true}')});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
is( $reader->query('EXECUTE tenants'),
	$standby->safe_psql(
		'postgres', q{SET enable_indexscan = off; SET enable_bitmapscan = off; } . $tenants),
	'a generic plan on a standby has all rows after the feature was switched on for all');
unlike($reader->query("EXPLAIN $tenants"),
	qr/enabled_instances/, 'a new plan on a standby does not list all instances');

$_->quit for $session, $writer, $reader;
done_testing();
