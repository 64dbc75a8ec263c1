# The extension belongs to nobody who is not a superuser, whoever creates it, and
# yet the owner of a database dumps and restores it; and owners of instances
# survive dumps, other clusters, dropped roles and logical replication as the
# roles that they are, or as nobody.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my @encoding = (extra => [ '--encoding=UTF8', '--locale=C' ]);
my $source   = PostgreSQL::Test::Cluster->new('source');
$source->init(allows_streaming => 'logical', @encoding);
$source->start;
my $target = PostgreSQL::Test::Cluster->new('target');
$target->init(@encoding);
$target->append_conf('postgresql.conf', 'max_logical_replication_workers = 8');
$target->start;
my $dir = $source->basedir;
local $ENV{PGCLIENTENCODING} = 'UTF8';
my $superuser = $source->safe_psql('postgres', 'SELECT current_user');

sub as
{
	my ($user) = @_;
	return (extra_params => [ '-U', $user ]);
}

# Run statements as a user; the SQLSTATE of the first error, or what they print.
sub outcome
{
	my ($cluster, $database, $user, $sql) = @_;
	my ($status, $out, $err) =
	  $cluster->psql($database, "\\set VERBOSITY sqlstate\n$sql", as($user));
	return $err =~ /ERROR:  (\w+)/ ? $1 : $out;
}

# Databases of which each was given the extension by somebody else.  All belong
# to "dbo", who is no superuser.
for my $cluster ($source, $target)
{
	$cluster->safe_psql(
		'postgres', q{
		CREATE ROLE dbo LOGIN CREATEDB;
		CREATE ROLE "other o'wner" LOGIN CREATEDB;
		CREATE ROLE alice LOGIN});
}
$source->safe_psql(
	'postgres', q{
	CREATE ROLE maker LOGIN;
	CREATE ROLE former SUPERUSER LOGIN;
	CREATE ROLE passing LOGIN;
	CREATE ROLE bob LOGIN});
my %creators = (
	owner       => 'dbo',
	superuser   => $superuser,
	create_only => 'maker',
	demoted     => 'former',
	dropped     => 'passing');
for my $case (sort keys %creators)
{
	my $creator = $creators{$case};
	$source->safe_psql('postgres',
		qq{CREATE DATABASE $case OWNER dbo; GRANT CREATE ON DATABASE $case TO "$creator"});
	$source->safe_psql(
		$case,
		'CREATE SCHEMA features; CREATE EXTENSION instance_features SCHEMA features;
			GRANT USAGE ON SCHEMA features TO PUBLIC',
		as($creator));
}
$source->safe_psql('postgres', 'ALTER ROLE former NOSUPERUSER');
$source->safe_psql('dropped',  'REASSIGN OWNED BY passing TO dbo; DROP OWNED BY passing');
$source->safe_psql('postgres', 'DROP OWNED BY passing; DROP ROLE passing');

my $fill = q{
	SET search_path = features;
	SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": false}');
	SELECT set_system_features('{"oidcTokenExchange": true}');
	SELECT create_instance('a', 'alice');
	SELECT set_instance_features('{"userSchema": false}', 'a');
	SELECT define_feature('color', '"red"');
	SELECT alter_instance_owner('alice', 'a')};
my $contents = q{
	SELECT level, id, owner, sequence, change_date FROM instance_features.scope ORDER BY 1, 2;
	SELECT * FROM instance_features.setting ORDER BY 1, 2, 3, 4;
	SELECT * FROM instance_features.event ORDER BY 1, 2, 3, 4;
	SELECT * FROM instance_features.feature ORDER BY 1};
my $owners_of_members = q{
	SELECT DISTINCT o.owner::regrole
	FROM pg_depend d
	JOIN (
		SELECT 'pg_namespace'::regclass AS classid, oid, nspowner AS owner FROM pg_namespace
		UNION ALL SELECT 'pg_class'::regclass, oid, relowner FROM pg_class
		UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc
		UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type
		UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
		UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner FROM pg_opclass
		UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner FROM pg_opfamily) o
		ON o.classid = d.classid AND o.oid = d.objid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features')};

# Restore a dump of the source into a new database of the target, by a role that
# owns it, and say how that went.
my $restored = 0;

sub restore
{
	my ($file, $owner, @restore) = @_;
	my ($out, $err) = ('', '');
	my $database = 'restored' . ++$restored;
	$target->safe_psql('postgres', qq{CREATE DATABASE $database TEMPLATE template0 OWNER "$owner"});
	my @to = ('-d', $target->connstr($database) . " user='" . ($owner =~ s/'/\\'/gr) . "'");
	IPC::Run::run([ @restore, @to, $restore[0] eq 'psql' ? '-f' : (), $file ],
		'>', \$out, '2>', \$err);
	return ($database, $err);
}

sub dump_as
{
	my ($database, $user, $file, @options) = @_;
	my ($out, $err) = ('', '');
	my $done = IPC::Run::run(
		[ 'pg_dump', @options, '-f', $file, '-d', $source->connstr($database) . " user=$user" ],
		'>', \$out, '2>', \$err);
	return $done ? $err : "pg_dump fails: $err";
}

my @psql = qw(psql -Xq -o /dev/null -v ON_ERROR_STOP=1);
for my $case (sort keys %creators)
{
	is($source->safe_psql($case, $owners_of_members),
		$superuser, "$case: all members belong to the bootstrap superuser");
	my $creator = $case eq 'dropped' ? 'bob' : $creators{$case};
	is(outcome($source, $case, $creator, 'ALTER TABLE instance_features.scope ADD x int'),
		'42501', "$case: who created the extension cannot alter its tables")
	  unless $case eq 'superuser';
	is(outcome($source, $case, 'dbo', 'ALTER TABLE instance_features.scope ADD x int'),
		'42501', "$case: the owner of the database cannot alter the tables");
	$source->safe_psql($case, $fill, as('dbo'));
	my $expected = $source->safe_psql($case, $contents, as('dbo'));
	like($expected, qr/^instance\|a\|alice\|1\|/m,
		"$case: the owner of the database reads the tables");

	for my $dumper ('dbo', $superuser)
	{
		is(dump_as($case, $dumper, "$dir/$case.sql", '--no-owner'),
			'', "$case: $dumper dumps the database");
		is(dump_as($case, $dumper, "$dir/$case.custom", '-Fc'),
			'', "$case: $dumper dumps the database as an archive");
		for my $restorer ('dbo', q{other o'wner})
		{
			# Each dumps and restores both, if not in each combination.
			my @how = (
				[ 'a script', "$dir/$case.sql", @psql ],
				[
					'an archive', "$dir/$case.custom", 'pg_restore', '--no-owner',
					'--exit-on-error'
				]);
			for my $how ($how[ ($dumper eq 'dbo') == ($restorer eq 'dbo') ])
			{
				my ($kind, $file, @restore) = @$how;
				my ($database, $err) = restore($file, $restorer, @restore);
				is($err, '', "$case: $restorer restores $kind of $dumper without an error");
				is($target->safe_psql($database, $contents, as($restorer)),
					$expected, "$case: $restorer restores everything of $kind of $dumper");
				is($target->safe_psql($database, $owners_of_members),
					$superuser,
					"$case: the bootstrap superuser owns the members that $restorer restored");
				is( outcome(
						$target,
						$database,
						'alice',
						q{SELECT (features.set_instance_features('{"userSchema": true}',
							'a')).sequence}
					),
					'2',
					"$case: the owner of an instance changes it in what $restorer restored");
				is( outcome(
						$target, $database, $restorer,
						q{SELECT (features.set_system_features('{"userSchema": true}')).sequence}),
					'2',
					"$case: $restorer owns the system of what they restored");
				is( $target->safe_psql(
						$database, 'SELECT * FROM features.check_instance_features()'),
					'',
					"$case: what $restorer restored is consistent");
				$target->safe_psql('postgres', "DROP DATABASE $database");
			}
		}
	}
}

# Parts of a database.
my $expected = $source->safe_psql('owner', $contents);
is(dump_as('owner', 'dbo', "$dir/data.sql", '--data-only'),
	'', 'the owner of the database dumps its data');
$target->safe_psql('postgres', 'CREATE DATABASE data_only OWNER dbo');
$target->safe_psql('data_only',
	'CREATE SCHEMA features; CREATE EXTENSION instance_features SCHEMA features',
	as('dbo'));
my $reader = Session->new($target, dbname => 'data_only', user => 'dbo');
is($reader->query(q{SELECT features.feature_enabled('user_schema')}),
	'f', 'a session reads before a data-only restore');
command_ok([ @psql, '-d', $target->connstr('data_only') . ' user=dbo', '-f', "$dir/data.sql" ],
	'the owner of a database restores data only');
is($target->safe_psql('data_only', $contents), $expected, 'a data-only restore carries everything');
is($reader->query(q{SELECT features.feature_enabled('user_schema')}),
	't', 'an open session sees what a data-only restore brought');
is( outcome(
		$target, 'data_only',
		'dbo',   q{SELECT (features.set_instance_features('{"userSchema": false}')).sequence}),
	'3',
	'writing goes on after a data-only restore');
is( $reader->query(
		'TRUNCATE instance_features.scope, instance_features.setting, instance_features.event,
			instance_features.feature'
	),
	'',
	'the owner of a database truncates the tables');

# --disable-triggers, which leaves our triggers enabled, but no longer ALWAYS.
is(dump_as('owner', $superuser, "$dir/disabled.sql", '--data-only', '--disable-triggers'),
	'', 'a superuser dumps data to be restored without triggers');
is($reader->query(q{SELECT features.feature_enabled('user_schema')}),
	'f', 'a session reads before a restore without triggers');
command_ok([ @psql, '-d', $target->connstr('data_only'), '-f', "$dir/disabled.sql" ],
	'a superuser restores data without triggers');
is($target->safe_psql('data_only', $contents),
	$expected, 'a restore without triggers carries everything');
like($reader->query(q{SELECT features.feature_enabled('user_schema')}),
	qr/^t\b/, 'an open session sees what a restore without triggers brought');
like(
	$target->safe_psql(
		'data_only', 'SELECT problem, detail FROM features.check_instance_features()'),
	qr/^(?:trigger missing or not ALWAYS\|.*\n?)+\z/,
	'check_instance_features() tells that triggers are no longer ALWAYS');
$target->safe_psql(
	'data_only',
	q{SET session_replication_role = replica;
		UPDATE instance_features.setting SET value = 'false' WHERE feature = 'user_schema'}
);
like($reader->query(q{SELECT features.feature_enabled('user_schema')}),
	qr/^f\b/, 'a session sees what an apply worker changes while triggers are not ALWAYS');
$reader->quit;

# A schema is not an extension: this is PostgreSQL's rule, and there is a way.
is(dump_as('owner', 'dbo', "$dir/schema.sql", '-n', 'instance_features'),
	'', 'pg_dump -n instance_features runs');
unlike(slurp_file("$dir/schema.sql"), qr/COPY/, 'pg_dump -n instance_features dumps no data');
is(dump_as('owner', 'dbo', "$dir/extension.sql", '-e', 'instance_features', '-n', 'features'),
	'', 'pg_dump -e instance_features runs');
my ($database, $err) = restore("$dir/extension.sql", $superuser, @psql);
is($err, '', 'what pg_dump -e instance_features dumps is restored without an error');
is($target->safe_psql($database, $contents),
	$expected, 'pg_dump -e instance_features carries everything');
is(dump_as('owner', 'dbo', "$dir/tables.sql", '--data-only', '-t', 'instance_features.*'),
	'', 'pg_dump -t instance_features.* runs');
$target->safe_psql(
	'data_only',
	'TRUNCATE instance_features.scope, instance_features.setting, instance_features.event,
		instance_features.feature'
);
command_ok([ @psql, '-d', $target->connstr('data_only') . ' user=dbo', '-f', "$dir/tables.sql" ],
	'what pg_dump -t instance_features.* dumps is restored');
is($target->safe_psql('data_only', $contents),
	$expected, 'pg_dump -t instance_features.* carries everything');

# Owners in another cluster.  "gone" is dropped before the dump, "onlysource" is
# missing on the target; roles of the target have the OIDs of both.
$source->safe_psql(
	'postgres', q{
	CREATE DATABASE owners OWNER dbo;
	CREATE ROLE gone;
	CREATE ROLE onlysource});
$source->safe_psql(
	'owners', q{
	CREATE EXTENSION instance_features;
	SELECT create_instance('alices', 'alice'), create_instance('gones', 'gone'),
		create_instance('onlys', 'onlysource');
	SELECT set_instance_features('{"userSchema": true}', i)
		FROM unnest('{alices,gones,onlys}'::text[]) i;
	SELECT set_system_features('{"loginDefaultOrg": true}')});
my ($gone, $onlysource) = split /\|/,
  $source->safe_psql('postgres', q{SELECT 'gone'::regrole::oid, 'onlysource'::regrole::oid});
$source->safe_psql('postgres', 'DROP ROLE gone');
$target->safe_psql(
	'postgres', qq{
	CREATE ROLE stranger LOGIN;
	CREATE ROLE stranger2 LOGIN;
	SET allow_system_table_mods = on;
	UPDATE pg_authid SET oid = $gone WHERE rolname = 'stranger';
	UPDATE pg_authid SET oid = $onlysource WHERE rolname = 'stranger2'});
is($target->safe_psql('postgres', "SELECT $gone\::regrole, $onlysource\::regrole"),
	'stranger|stranger2', 'roles of the target have the OIDs of roles of the source');

# What is left of their owners, and who has which rights.
sub check_owners
{
	my ($database, $where) = @_;
	is( $target->safe_psql(
			$database,
			q{SELECT id, owner, owner::regrole FROM instance_features.scope WHERE id ~ 's$'
				ORDER BY 1}
		),
		qq{alices|alice|alice\ngones|?"gone"|\nonlys|?"onlysource"|},
		"$where: owners are bound by name or nobody");
	is( $target->safe_psql(
			$database, q{SELECT problem, scope_id, detail FROM check_instance_features()}),
		qq{owner without role|gones|The role that was named "gone" is gone.\n}
		  . q{owner without role|onlys|The role that was named "onlysource" is gone.},
		"$where: check_instance_features() names the missing roles");
	is( $target->safe_psql(
			$database,
			q{SELECT feature_enabled('user_schema', 'onlys'),
				feature_enabled('login_default_org', 'gones')}
		),
		't|t',
		"$where: the settings of instances without owner are in force");

	# Reading the history takes the right to change.
	my $may = sub {
		my ($user, $id) = @_;
		return outcome($target, $database, $user,
			"SELECT count(*) FROM instance_feature_history('$id')");
	};
	is($may->('alice',    'alices'), '1', "$where: the role of the same name owns its instance");
	is($may->('stranger', 'gones'),
		'42501', "$where: a role with the OID of a dropped one owns nothing");
	is($may->('stranger2', 'onlys'),
		'42501', "$where: a role with the OID of a missing one owns nothing");
	$target->safe_psql('postgres', 'CREATE ROLE gone LOGIN; CREATE ROLE onlysource LOGIN');
	is($may->('gone',       'gones'), '42501', "$where: a namesake of a dropped role owns nothing");
	is($may->('onlysource', 'onlys'), '42501', "$where: a namesake of a missing role owns nothing");
	is($target->safe_psql($database, q{SELECT count(*) FROM check_instance_features()}),
		'2', "$where: check_instance_features() is not deceived by namesakes");
	return $may;
}

is(dump_as('owners', 'dbo', "$dir/owners.sql"), '', 'a database with dropped owners is dumped');
($database, $err) = restore("$dir/owners.sql", $superuser, @psql);
is($err, '', 'a dump with missing owners is restored without an error');
my $may = check_owners($database, 'restored');
is( outcome(
		$target,      $database,
		'onlysource', q{SELECT set_instance_features('{"userSchema": false}', 'onlys')}),
	'42501',
	'a namesake changes nothing');
is( outcome(
		$target, $database, 'onlysource', q{SELECT alter_instance_owner('onlysource', 'onlys')}),
	'42501',
	'a namesake does not bind an instance to themselves');
$target->safe_psql($database,
	q{SELECT alter_instance_owner('onlysource', 'onlys'), alter_instance_owner('alice', 'gones')});
is($may->('onlysource', 'onlys'),
	'1', 'alter_instance_owner() binds an instance to a role of the old name');
is($may->('alice', 'gones'), '1', 'alter_instance_owner() binds an instance to another role');
is($target->safe_psql($database, 'SELECT count(*) FROM check_instance_features()'),
	'0', 'check_instance_features() is content when all owners are bound again');
is( outcome(
		$target,
		$database,
		$superuser,
		q{ALTER ROLE onlysource RENAME TO renamed; SELECT owner FROM instance_features.scope
			WHERE id = 'onlys'}
	),
	'renamed',
	'a renamed role keeps its instance');
is($may->('renamed', 'onlys'), '1', 'a renamed role may change its instance');
$target->safe_psql('postgres', 'DROP DATABASE ' . $database);
$target->safe_psql('postgres', 'DROP ROLE gone; DROP ROLE renamed');

# The same by logical replication.
$source->safe_psql(
	'owners',
	'CREATE PUBLICATION features FOR TABLE instance_features.scope, instance_features.setting,
		instance_features.event, instance_features.feature'
);
for my $how (qw(text binary))
{
	my $binary = $how eq 'binary' ? 'true' : 'false';
	$target->safe_psql('postgres', "CREATE DATABASE as_$how OWNER dbo");
	$target->safe_psql(
		"as_$how",
		sprintf(
			q{
		CREATE EXTENSION instance_features;
		CREATE SUBSCRIPTION as_%s CONNECTION $$%s$$ PUBLICATION features WITH (binary = %s)}, $how,
			$source->connstr('owners'), $binary));
	$target->poll_query_until("as_$how",
		q{SELECT count(*) = 4 FROM pg_subscription_rel WHERE srsubstate = 'r'})
	  or die "$how was not copied";
	check_owners("as_$how", "copied as $how");
	$target->safe_psql('postgres', 'DROP ROLE gone; DROP ROLE onlysource');

	# Rows that are changed after the first copy.
	$source->safe_psql(
		'owners',
		q{SELECT set_instance_features('{"userSchema": false}', i)
			FROM unnest('{alices,gones,onlys}'::text[]) i}
	);
	$source->wait_for_catchup("as_$how");
	is( $target->safe_psql(
			"as_$how",
			q{SELECT string_agg(id || ' ' || owner::text || ' ' || sequence, ', ' ORDER BY id)
				FROM instance_features.scope WHERE id ~ 's$'}
		),
		q{alices alice 2, gones ?"gone" 2, onlys ?"onlysource" 2},
		"changed as $how: owners are bound by name or nobody");
	is( outcome(
			$target,     "as_$how",
			'stranger2', q{SELECT count(*) FROM instance_feature_history('onlys')}),
		'42501',
		"changed as $how: a role with the OID of a missing one owns nothing");
	is( outcome(
			$target, "as_$how",
			'alice', q{SELECT count(*) FROM instance_feature_history('alices')}),
		'2',
		"changed as $how: the role of the same name owns its instance");
	$source->safe_psql(
		'owners',
		q{SELECT reset_instance_features(i) FROM unnest('{alices,gones,onlys}'::text[]) i;
			SELECT revert_instance_features(1, i) FROM unnest('{alices,gones,onlys}'::text[]) i;
			SELECT purge_feature_events('infinity')}
	);
	$source->safe_psql(
		'owners',
		q{SELECT drop_instance(i) FROM unnest('{alices,gones,onlys}'::text[]) i;
			SELECT create_instance('alices', 'alice'), create_instance('onlys', 'onlysource');
			SELECT set_instance_features('{"userSchema": true}', 'alices'),
			set_instance_features('{"userSchema": true}', 'onlys');
			CREATE ROLE gone; SELECT create_instance('gones', 'gone');
			SELECT set_instance_features('{"userSchema": true}', 'gones'); DROP ROLE gone}
	);
	$source->wait_for_catchup("as_$how");
	is($target->safe_psql("as_$how", 'SELECT count(*) FROM check_instance_features()'),
		'2', "changed as $how: a subscriber has a consistent history");
	$target->safe_psql("as_$how", "DROP SUBSCRIPTION as_$how");
}

# Settings and events without a scope, as a failed restore leaves them.
$source->safe_psql('postgres', 'CREATE DATABASE failed OWNER dbo');
$source->safe_psql(
	'failed', q{
	CREATE EXTENSION instance_features;
	SELECT create_instance('settings'), create_instance('events');
	SELECT set_instance_features('{"userSchema": true}', 'settings'),
		set_instance_features('{"userSchema": true}', 'events');
	SELECT set_instance_features('{"userSchema": true}'),
		set_system_features('{"loginDefaultOrg": true}');
	DELETE FROM instance_features.event WHERE scope_id = 'settings';
	DELETE FROM instance_features.setting WHERE scope_id = 'events';
	DELETE FROM instance_features.scope}, as($superuser));
for my $case (
	[ 'settings', q{create_instance('settings')} ],
	[ 'events',   q{create_instance('events')} ],
	[ 'default',  q{set_instance_features('{"userSchema": true}')} ],
	[ 'SYSTEM',   q{set_system_features('{"userSchema": true}')} ])
{
	my ($id, $call) = @$case;
	my (undef, undef, $message) =
	  $source->psql('failed', "\\set VERBOSITY verbose\nSELECT $call", as('dbo'));
	like(
		$message,
		qr/ERROR:\ \ 55000:\ .*\ has\ settings,\ events\ or\ scopes\ below\ it,
			\ but\ no\ row\ in\ table\ "instance_features\.scope"/x,
		"$id: what a failed restore left is refused");
	my ($clear, $other) =
	  $message =~ /HINT:.*\ use\ (DELETE\ FROM\ instance_features\.setting\ WHERE\ [^,]*),
		\ the\ same\ for\ (instance_features\.event)/x;
	ok($clear, "$id: the hint says how to clear what a failed restore left");
	$source->safe_psql('failed', "$clear; " . $clear =~ s/instance_features\.setting/$other/r,
		as('dbo'));
	isnt(outcome($source, 'failed', 'dbo', "SELECT $call"),
		'55000', "$id: what the hint says helps");
}
is( $source->safe_psql(
		'failed',
		q{SELECT feature_enabled('user_schema', 'settings'), feature_enabled('login_default_org')}),
	't|f',
	'nothing of what a failed restore left comes into force');
is($source->safe_psql('failed', 'SELECT * FROM check_instance_features()'),
	'', 'a cleared restore is consistent');

# What SECURITY.md does not promise.
$source->safe_psql('postgres', 'CREATE DATABASE schemas OWNER dbo');
$source->safe_psql('schemas',
	'CREATE SCHEMA theirs AUTHORIZATION alice; CREATE EXTENSION instance_features SCHEMA theirs');
is(outcome($source, 'schemas', 'alice', 'DROP EXTENSION instance_features'),
	'42501', 'the owner of the target schema may not drop the extension by itself');
is(outcome($source, 'schemas', 'alice', 'DROP SCHEMA theirs'),
	'2BP01', 'the owner of the target schema may not drop the schema without CASCADE');
is(outcome($source, 'schemas', 'alice', 'DROP SCHEMA theirs CASCADE'),
	'', 'the owner of the target schema may drop the schema with CASCADE');
is( $source->safe_psql(
		'schemas',
		q{SELECT count(*) FROM pg_namespace WHERE nspname IN ('theirs', 'instance_features')}),
	'0',
	'the extension and its tables go with the target schema');
$source->safe_psql('schemas', 'DROP EXTENSION plpgsql');
is(outcome($source, 'schemas', $superuser, 'CREATE EXTENSION instance_features'),
	'42704', 'CREATE EXTENSION needs plpgsql');
$source->safe_psql('schemas',
	'CREATE EXTENSION plpgsql; CREATE EXTENSION instance_features; DROP EXTENSION plpgsql');
is( outcome(
		$source,
		'schemas',
		'dbo',
		q{SELECT (set_instance_features('{"userSchema": true}')).sequence,
			feature_enabled('user_schema')}
	),
	'1|t',
	'the extension works without plpgsql once it is created');
is($source->safe_psql('schemas', 'SELECT count(*) FROM check_instance_features()'),
	'0', 'the extension is consistent without plpgsql');

$target->stop;
$source->stop;
done_testing();
