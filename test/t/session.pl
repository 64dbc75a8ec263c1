# What a session keeps, and what it must not: across DROP and CREATE EXTENSION,
# databases, DISCARD ALL, encodings, and roles that are no superusers.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features; CREATE DATABASE other');
my $enabled = q{SELECT feature_enabled('user_schema')};

# DROP and CREATE in the same session and in another.
my $reader = Session->new($node);
$reader->query(q{SELECT set_instance_features('{"userSchema": true}')});
is($reader->query($enabled), 't', 'a session reads a feature that it has set');
$reader->query(qq{PREPARE p AS $enabled});
is($reader->query('EXECUTE p'),
	't', 'a prepared statement reads a feature that its session has set');
$reader->query('DROP EXTENSION instance_features');
like(
	$reader->query($enabled),
	qr/^ERROR:  function feature_enabled\(unknown\) does not exist/,
	'a session has no function to call after DROP EXTENSION');
$reader->query('CREATE EXTENSION instance_features');
is($reader->query($enabled), 'f', 'a session reads the extension that it has created again');
is($reader->query('EXECUTE p'),
	'f', 'a prepared statement reads the extension that was created again');
is($reader->query(q{SELECT (set_instance_features('{"userSchema": true}')).sequence}),
	'1', 'a session writes to the extension that it has created again');
$node->safe_psql('postgres',
	'DROP EXTENSION instance_features; CREATE EXTENSION instance_features');
is($reader->query($enabled),
	'f', 'a session reads the extension that another session has created again');
$node->safe_psql('postgres', q{SELECT set_instance_features('{"userSchema": true}')});
is($reader->query($enabled),
	't', 'a session sees a change by another after the extension was created again');
$node->safe_psql('postgres', q{SELECT reset_instance_features()});
is($reader->query($enabled),
	'f', 'a session sees a second change by another after the extension was created again');
is($reader->query(q{SELECT (set_instance_features('{"userSchema": true}')).sequence}),
	'3', 'a session writes after others to the extension that was created again');
is( $reader->query(
		qq{BEGIN; DROP EXTENSION instance_features; CREATE EXTENSION instance_features; $enabled;
			ROLLBACK; $enabled}
	),
	"f\nt",
	'a session reads the old extension after DROP and CREATE EXTENSION were rolled back');

# Parallel workers have the context of the session.
$reader->query(
	q{
	SELECT FROM define_feature('beta', levels => '{organization,user}');
	SELECT FROM set_user_features('{"beta": true}', 'u');
	SELECT FROM set_organization_features('{"beta": true}', 'o');
	CREATE TABLE rows AS SELECT n FROM generate_series(1, 1000) n;
	ALTER TABLE rows SET (parallel_workers = 2);
	SET parallel_setup_cost = 0;
	SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0;
	SET parallel_leader_participation = off});

# Arguments that are null in every row, but not a constant.
my $null  = 'CASE WHEN n < 0 THEN \'x\' END';
my $count = sub { return "SELECT count(*) FROM rows WHERE feature_enabled('beta', @_)" };
like(
	$reader->query('EXPLAIN (ANALYZE) ' . $count->($null)),
	qr/Workers Launched: 2.*Parallel Seq Scan.*Filter: feature_enabled/s,
	'features are read in parallel workers');
for my $case (
	[ 'no context',      '',                                                        0 ],
	[ 'a user',          q{SET LOCAL instance_features.user_id = 'u';},             1 ],
	[ 'an organization', q{SET LOCAL instance_features.organization_id = 'o';},     1 ],
	[ 'another user',    q{SELECT FROM set_feature_context('default', NULL, 'v');}, 0 ],
	[
		'a user with a new value', q{SELECT FROM set_user_features('{"beta": true}', 'v');
		SELECT FROM set_feature_context('default', NULL, 'v');}, 1
	])
{
	my ($what, $sql, $enabled) = @$case;
	my @counts = map { $reader->query("BEGIN; $sql" . $count->($_) . '; ROLLBACK') =~ s/^\n+//r }
	  ($null, "$null, 'o'", "'default'::text || $null");
	is( "@counts",
		$enabled ? '1000 1000 1000' : '0 1000 0',
		"parallel workers have the context of $what");
}
is( $reader->query(
			"BEGIN; SET LOCAL instance_features.user_id = 'u'; "
		  . $count->("CASE WHEN n > 0 THEN 'default' END")
		  . '; ROLLBACK'),
	'0',
	'parallel workers have no current user where the instance is named');
$reader->query('DROP TABLE rows; RESET ALL');

# A library without its extension.
$node->safe_psql(
	'other', q{
	CREATE FUNCTION enabled(text, text DEFAULT NULL, text DEFAULT NULL, text DEFAULT NULL,
		boolean DEFAULT NULL) RETURNS boolean AS '$libdir/instance_features',
		'feature_enabled' LANGUAGE C STABLE}
);
my $other         = Session->new($node, dbname => 'other');
my $not_installed = join "\n",
  'ERROR:  extension "instance_features" is not installed in this database',
  'HINT:  Use CREATE EXTENSION to install it.';
is($other->query(q{SELECT enabled('user_schema')}),
	$not_installed, 'the library says that the extension is not installed');
is( $other->query(
		q{CREATE SCHEMA instance_features;
			CREATE TABLE instance_features.scope (); SELECT enabled('user_schema')}
	),
	$not_installed,
	'the library does not mistake a schema and a table of its name for the extension');
$other->query('DROP SCHEMA instance_features CASCADE; CREATE EXTENSION instance_features');
is($other->query(q{SELECT enabled('user_schema')}),
	'f', 'the library works once the extension is created');

# Two databases.
$node->safe_psql('other', q{SELECT set_system_features('{"userSchema": true}')});
is($reader->query(q{SELECT (get_system_feature_details()).sequence}),
	'0', 'a change in one database leaves the system of another as it was');
is($other->query($enabled), 't', 'the sessions of a database see the change of its system');

# DISCARD ALL and RESET ALL.
$reader->query(q{SELECT create_instance('a'); SET instance_features.instance_id = 'a'});
is($reader->query($enabled), 'f', 'a session reads another current instance that it has set');
is($reader->query("DISCARD ALL; $enabled"), 't', 'DISCARD ALL goes back to the default instance');
is( $reader->query(
		"BEGIN; SET LOCAL instance_features.instance_id = 'a'; $enabled; COMMIT; $enabled"),
	"f\nt",
	'the end of a transaction with SET LOCAL goes back to the instance before');

# The setting for a database or a role.
$node->safe_psql(
	'postgres',
	q{ALTER DATABASE postgres SET instance_features.instance_id = 'a'; CREATE ROLE tenant LOGIN;
		ALTER ROLE tenant SET instance_features.instance_id = 'b';
		SELECT create_instance('b', 'tenant')}
);
is($node->safe_psql('postgres', $enabled), 'f', 'a database can have its own current instance');
is( $node->safe_psql(
		'postgres',
		q{SELECT (set_instance_features('{"loginDefaultOrg": true}')).resource_owner},
		extra_params => [ '-U', 'tenant' ]),
	'b',
	'a role can have its own current instance');
is( $node->safe_psql(
		'postgres',
		'SHOW instance_features.instance_id',
		extra_params => [ '-U', 'tenant' ]),
	'b',
	'the current instance of a role is shown before the library is loaded');
$node->safe_psql('postgres', q{ALTER DATABASE postgres RESET instance_features.instance_id});

# An id that cannot be, set before the library is loaded.
for my $level (qw(instance organization user))
{
	local $ENV{PGOPTIONS} = "-c instance_features.${level}_id=" . 'x' x 201;
	my (undef, undef, $stderr) = $node->psql('postgres', $enabled);
	like(
		$stderr,
		qr/ERROR:  $level id is too long/,
		"an overlong current $level that was set before the library is loaded is an error");
}

# The library loaded in advance, by each way.
for my $how (qw(session_preload_libraries shared_preload_libraries))
{
	$node->append_conf('postgresql.conf',
		"$how = 'instance_features'\ninstance_features.instance_id = 'a'");
	$node->restart;
	is($node->safe_psql('postgres', "SHOW instance_features.instance_id; $enabled"),
		"a\nf", "a session reads the configured instance with $how");
	$node->append_conf('postgresql.conf', "$how = ''");
}
$node->append_conf('postgresql.conf', "instance_features.instance_id = 'default'");
$node->restart;
$_ = Session->new($node) for $reader;
my ($status, $out, $err) =
  $node->psql('postgres', q{LOAD 'instance_features'; SET instance_features.typo = 1});
like(
	$err,
	qr/invalid configuration parameter name "instance_features.typo"/,
	'a misspelt setting of ours is an error');

# Created by the owner of a database, in a schema of theirs.
$node->safe_psql('postgres', q{CREATE ROLE dba LOGIN; CREATE DATABASE mine OWNER dba});
my $dba = Session->new($node, dbname => 'mine', user => 'dba');
is( $dba->query(
		q{CREATE SCHEMA "My Features"; CREATE EXTENSION instance_features SCHEMA "My Features";
			SET search_path = "My Features"}
	),
	'',
	'the owner of a database can create the extension');
is( $dba->query(
		q{SELECT (set_instance_features('{"userSchema": true}')).sequence,
			(set_system_features('{"userSchema": true}')).sequence}
	),
	'1|1',
	'the owner of a database who created the extension owns the system and the default instance');
is($dba->query('SELECT count(*) FROM instance_features.event'),
	'2', 'the owner of a database who created the extension reads its tables');
my $tenant    = Session->new($node, dbname => 'mine', user => 'tenant');
my $superuser = Session->new($node, dbname => 'mine');
my $read      = q{SELECT "My Features".feature_enabled('user_schema', 'default')};
like(
	$tenant->query($read),
	qr/^ERROR:  permission denied for schema My Features/,
	'the schema of the extension narrows who reads');
is($dba->query('GRANT USAGE ON SCHEMA "My Features" TO PUBLIC'),
	'', 'the owner of the schema of the extension opens it to all');
is( $dba->query('REVOKE EXECUTE ON FUNCTION feature_enabled FROM PUBLIC'),
	'WARNING:  no privileges could be revoked for "feature_enabled"',
	'the owner of the database cannot revoke EXECUTE');
is($tenant->query($read), 't', 'whoever may use the schema of the extension may read features');
$superuser->query('REVOKE EXECUTE ON FUNCTION "My Features".feature_enabled FROM PUBLIC');
like(
	$tenant->query($read),
	qr/^ERROR:  permission denied for function feature_enabled/,
	'a superuser narrows who reads with REVOKE');
is($dba->query('SELECT create_instance($$b$$, $$tenant$$) IS NOT NULL'),
	't', 'the owner of the system creates an instance for another role');
is( $tenant->query(
		q{SELECT ("My Features".set_instance_features('{"userSchema": true}')).sequence}),
	'1',
	'the owner of an instance changes it');

# Nobody but superusers puts triggers on the tables; these run with the rights
# of whoever changes a feature, who is the same role after it.
$dba->query(
	q{CREATE FUNCTION grab() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN ALTER ROLE dba SUPERUSER;
		RETURN NULL; END$$}
);
my $trigger = 'CREATE TRIGGER grab AFTER INSERT ON instance_features.event FOR EACH ROW
		EXECUTE FUNCTION "My Features".grab()';
like(
	$dba->query($trigger),
	qr/^ERROR:  permission denied for table event/,
	'the owner of the database cannot put a trigger on the tables');
is($superuser->query($trigger), '', 'a superuser can put a trigger on the tables');
like(
	$tenant->query(q{SELECT "My Features".set_instance_features('{"userSchema": false}')}),
	qr/^ERROR:  (permission denied|must be superuser)/,
	'a trigger has no more rights than the tenant that fires it');
like(
	$dba->query(q{SELECT "My Features".set_instance_features('{"userSchema": false}')}),
	qr/^ERROR:  (permission denied|must be superuser)/,
	'a trigger has no more rights than the owner of the database that fires it');
$dba->query(
	q{CREATE OR REPLACE FUNCTION grab() RETURNS trigger
		LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE '% of %', current_user, session_user; RETURN NULL;
		END$$}
);
is( $tenant->query(
		q{SELECT ("My Features".set_instance_features('{"userSchema": false}')).sequence}),
	"2\nNOTICE:  tenant of tenant",
	'a trigger runs as the tenant that fires it');
is( $dba->query(q{SELECT (set_instance_features('{"userSchema": false}')).sequence}),
	"2\nNOTICE:  dba of dba",
	'a trigger runs as the owner of the database that fires it');
is($tenant->query('SELECT current_user, session_user'),
	'tenant|tenant', 'a change leaves the current role as it was');
is($dba->query('DROP EXTENSION instance_features'),
	'', 'the owner of the database can drop the extension');
$_->quit for $dba, $tenant, $superuser;

# A deprecated feature warns once a session.
$node->safe_psql('postgres', 'CREATE DATABASE deprecated');
my $setter = Session->new($node, dbname => 'deprecated');
$setter->query(
	q{CREATE EXTENSION instance_features;
		SELECT define_feature('old_one'), define_feature('older_one');
		SELECT set_feature_stage('old_one', 'deprecated'),
		set_feature_stage('older_one', 'deprecated')}
);
is( $setter->query(
		q{SELECT (set_instance_features('{"oldOne": null, "userSchema": true}')).sequence}),
	'1',
	'unsetting a deprecated feature does not warn');
is( $setter->query(q{SELECT (set_instance_features('{"oldOne": true}')).sequence}),
	"2\nWARNING:  feature \"old_one\" is deprecated",
	'setting a deprecated feature warns');
is($setter->query(q{SELECT (set_instance_features('{"oldOne": false}')).sequence}),
	'3', 'setting a deprecated feature again does not warn in the same session');
is( $setter->query(
		q{SELECT status
			FROM feature_service('PUT', '/v2/features/instance',
			'{"olderOne": true, "oldOne": true}')}
	),
	"200\nWARNING:  feature \"older_one\" is deprecated",
	'setting another deprecated feature warns through the service too');
is( $setter->query(
		q{\set VERBOSITY sqlstate
	\c
	SELECT (revert_instance_features(2)).sequence}) =~ s/^You are.*\n//r,
	"6\nWARNING:  01P01",
	'setting a deprecated feature warns with SQLSTATE 01P01 in another session');
is($setter->query('SELECT count(*) FROM check_instance_features()'),
	'0', 'the tables are consistent after deprecated features were set');
$setter->quit;

# Databases of other encodings.
for my $encoding (qw(LATIN1 EUC_JP SQL_ASCII))
{
	my $db = lc $encoding;
	$node->safe_psql('postgres',
		"CREATE DATABASE $db ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	my $session = Session->new($node, dbname => $db);
	$session->query(q{SET client_encoding = 'SQL_ASCII'}) if $encoding eq 'SQL_ASCII';
	$session->query('CREATE EXTENSION instance_features; LISTEN instance_features');
	my $id = $encoding eq 'EUC_JP' ? "\xe6\x97\xa5\xe6\x9c\xac" : "M\xc3\xbcller";
	$session->query(q{SET client_encoding = 'UTF8'}) if $encoding ne 'SQL_ASCII';
	like(
		$session->query(qq{SELECT (create_instance('$id')).resource_owner}),
		qr/^$id\n.*"resourceOwner": "$id"/,
		"$encoding: an instance with other letters in its id is created and notified");
	like(
		$session->query(qq{SELECT (set_instance_features('{"userSchema": true}', '$id')).sequence}),
		qr/^1\n.*"resourceOwner": "$id"/,
		"$encoding: a change of an instance with other letters in its id is notified");
	like(
		$session->query(qq{SELECT set_instance_features('{"$id": true}')}),
		qr/^ERROR:  unknown feature "$id"/,
		"$encoding: an error names an unknown feature of other letters");
	is( $session->query(
			qq{SET instance_features.instance_id = '$id'; SELECT feature_enabled('user_schema')}),
		't',
		"$encoding: an id of other letters can be the current instance");
	is( $session->query(q{SELECT status FROM feature_service('GET', '/v2/features/%ff')}),
		$encoding eq 'EUC_JP' ? '400' : '404',
		"$encoding: a path with a byte above 127 is answered as the encoding demands");
	is( $session->query(
			q{SELECT body->'details'->>'resourceOwner'
				FROM feature_service('GET', '/v2/features/instance')}
		),
		$id,
		"$encoding: the service answers with an id of other letters");
	$session->quit;
}

$_->quit for $reader, $other;
$node->stop;
done_testing();
