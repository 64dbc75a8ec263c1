# What happens when the library, the SQL objects or the server get another
# version: the library meets development version 1.2's objects; an update makes
# of 2.0 what a fresh installation of the next version is; and pg_upgrade, where
# another major version of PostgreSQL is installed.

use strict;
use warnings;

use File::Basename;
use File::Path;
use Installation;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $here = dirname(__FILE__);

# Development version 1.2's objects.

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', q{CREATE ROLE alice; CREATE EXTENSION instance_features});
$node->safe_psql(
	'postgres', q{
	DO $$
	DECLARE
		member record;
	BEGIN
		CREATE TEMP TABLE member AS
		SELECT i.type, i.identity
		FROM pg_depend d
		LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid,
		LATERAL pg_identify_object(d.classid, d.objid, 0) i
		WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension
			WHERE extname = 'instance_features') AND d.deptype = 'e'
			-- From PostgreSQL 17 on, arrays and rows are members, too.
			AND (t.oid IS NULL OR t.typelem = 0 AND (t.typrelid = 0
				OR (SELECT r.relkind = 'c' FROM pg_class r WHERE r.oid = t.typrelid)));
		FOR member IN SELECT * FROM member LOOP
			EXECUTE format('ALTER EXTENSION instance_features DROP %s %s', replace(member.type,
				'composite ', ''), member.identity);
		END LOOP;
		DROP SCHEMA instance_features CASCADE;
		FOR member IN SELECT * FROM member
			WHERE type IN ('function', 'type', 'composite type')
			AND identity NOT LIKE 'instance_features.%' ORDER BY type LOOP
			EXECUTE format('DROP %s IF EXISTS %s CASCADE', replace(member.type, 'composite ', ''),
				member.identity);
		END LOOP;
	END $$;
	UPDATE pg_extension SET extversion = '1.2', extconfig = NULL, extcondition = NULL
		WHERE extname = 'instance_features'}
);
$node->safe_psql('postgres', slurp_file("$here/data/version_1.2.sql"));
$node->safe_psql(
	'postgres', q{
	DO $$
	DECLARE
		member record;
	BEGIN
		FOR member IN
			SELECT i.type, i.identity, d.classid
			FROM (
				SELECT 'pg_namespace'::regclass AS classid, oid FROM pg_namespace
					WHERE nspname = 'instance_features'
				UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class
					WHERE relnamespace = 'instance_features'::regnamespace AND relkind = 'r'
				UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
					WHERE probin = '$libdir/instance_features'
				UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type
					WHERE typname ~ '^feature_') d,
			pg_identify_object(d.classid, d.oid, 0) i
		LOOP
			EXECUTE format('ALTER EXTENSION instance_features ADD %s %s', replace(member.type,
				'composite ', ''), member.identity);
		END LOOP;
	END $$});

# Every function of 1.2 by the names of its arguments.
my %arguments = (
	default_value     => q{'"red"'},
	cascade           => 'false',
	description       => q{'a color'},
	document          => q{'{"system": {"userSchema": true}}'},
	dry_run           => 'false',
	expected_sequence => '0',
	feature           => q{'user_schema'},
	features          => q{'{"userSchema": true}'},
	inheritance       => 'true',
	instance_id       => q{'default'},
	method            => q{'GET'},
	owner             => q{'alice'},
	path              => q{'/v2/features/instance'},
	stage             => q{'stable'});
my @functions = map { [ split /\|/ ] } split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT proname, coalesce(array_to_string(proargnames[1:pronargs], ' '), '')
	FROM pg_proc
	WHERE probin = '$libdir/instance_features' AND prorettype <> 'trigger'::regtype
	ORDER BY proname});
cmp_ok(scalar(@functions), '>', 30, 'there are functions of version 1.2');
# The SQLSTATE, and all that the hint has to name.
sub refuses_version_1
{
	my ($answer, $name) = @_;
	my ($hint) = $answer =~ /^HINT:  (.*)/m;
	my $named  = join ' ', grep { index($hint // '', $_) >= 0 } 'export_features()',
	  'DROP EXTENSION', 'CREATE EXTENSION', 'apply_features()';
	is(($answer =~ /ERROR:  (\w+)/ ? $1 : 'none') . " $named",
		'55000 export_features() DROP EXTENSION CREATE EXTENSION apply_features()', $name)
	  or diag($answer);
	return;
}
for my $function (@functions)
{
	my ($name, $names) = @$function;
	my $call = "SELECT * FROM $name("
	  . join(', ', map { $arguments{$_} // 'NULL' } split / /, $names // '') . ')';
	$call =~ s/NULL/'2000-01-01'/ if $name =~ /_at$|^purge/;
	$call =~ s/NULL/1/            if $name =~ /^revert/;
	my $session = Session->new($node);
	my $answer  = $session->query("\\set VERBOSITY verbose\n$call");
	if ($name eq 'instance_features_version')
	{
		like($answer, qr/^2\.\d+$/, "$name() tells the version of the library under 1.2's objects");
	}
	elsif ($name eq 'instance_features_stats')
	{
		like($answer, qr/^0\|0\|/, "$name() tells of an empty cache under 1.2's objects");
	}
	else
	{
		refuses_version_1($answer, "$name() refuses 1.2's objects with a hint");
	}
	$session->quit;
}
for my $change (
	q{INSERT INTO instance_features.setting
		VALUES ('system', 'SYSTEM', 'user_schema', 'true', 1, now())},
	'DELETE FROM instance_features.feature',
	'TRUNCATE instance_features.scope')
{
	my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$change");
	refuses_version_1($error, 'direct DML refuses 1.2\'s objects: ' . ($change =~ /^(\w+)/)[0]);
}

# What the hint says.
$node->safe_psql('postgres',
	'DROP EXTENSION instance_features; CREATE EXTENSION instance_features');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM apply_features('{"system": {"userSchema": true},
			"instances": {"a": {"userSchema": false}}}')}
	),
	'3',
	'a document that version 1.2 exported can be applied after DROP and CREATE EXTENSION');
is( $node->safe_psql(
		'postgres', q{SELECT feature_enabled('user_schema'), feature_enabled('user_schema', 'a')}),
	't|f',
	'the settings that version 1.2 exported are in force again');

$node->stop;

# The next version.

# All that a version consists of, in words.
my $objects = q{
	WITH member AS (
		SELECT d.classid, d.objid, i.type, i.identity
		FROM pg_depend d, pg_identify_object(d.classid, d.objid, 0) i
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features'))
	SELECT concat_ws(' | ', m.type || ' ' || m.identity, obj_description(m.objid,
		m.classid::regclass::name),
		CASE m.classid
			WHEN 'pg_namespace'::regclass THEN (SELECT concat_ws(' ', nspowner::regrole, nspacl)
				FROM pg_namespace WHERE oid = m.objid)
			WHEN 'pg_proc'::regclass THEN (SELECT concat_ws(' ', proowner::regrole, provolatile,
				proparallel, proisstrict, prorows, prosupport, proacl, pg_get_functiondef(oid))
				FROM pg_proc WHERE oid = m.objid)
			WHEN 'pg_class'::regclass THEN (SELECT concat_ws(' ', relowner::regrole, relkind,
				relacl, reloptions, pg_get_viewdef(oid),
				(SELECT string_agg(concat_ws(' ', attname, atttypid::regtype, attnotnull,
					attcollation::regcollation, attacl, pg_get_expr(adbin, adrelid),
					col_description(attrelid, attnum)), ', ' ORDER BY attnum)
					FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
						WHERE attrelid = pg_class.oid AND attnum > 0),
				(SELECT string_agg(concat_ws(' ', conname, pg_get_constraintdef(oid),
					obj_description(oid, 'pg_constraint')), ', ' ORDER BY conname)
					FROM pg_constraint WHERE conrelid = pg_class.oid),
				(SELECT string_agg(concat_ws(' ', pg_get_triggerdef(oid), tgenabled,
					obj_description(oid, 'pg_trigger')), ', ' ORDER BY tgname) FROM pg_trigger
					WHERE tgrelid = pg_class.oid),
				(SELECT string_agg(pg_get_indexdef(indexrelid),
					', ' ORDER BY indexrelid::regclass::text) FROM pg_index
					WHERE indrelid = pg_class.oid),
				(SELECT string_agg(condition, ' ')
					FROM pg_extension, unnest(extconfig, extcondition) c(relation, condition)
					WHERE relation = pg_class.oid)) FROM pg_class WHERE oid = m.objid)
			WHEN 'pg_type'::regclass THEN (SELECT concat_ws(' ', typowner::regrole, typacl, typlen,
				typalign, typstorage, typinput, typoutput, typreceive, typsend,
				(SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum
					WHERE enumtypid = m.objid),
				(SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum)
					FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0)) FROM pg_type
					WHERE oid = m.objid)
			WHEN 'pg_operator'::regclass THEN (SELECT concat_ws(' ', oprowner::regrole, oprcode,
				oprrest, oprjoin, oprcom::regoperator, oprnegate::regoperator, oprcanmerge,
				oprcanhash) FROM pg_operator WHERE oid = m.objid)
			WHEN 'pg_opclass'::regclass THEN (SELECT concat_ws(' ', opcowner::regrole, opcdefault,
				opcintype::regtype) FROM pg_opclass WHERE oid = m.objid)
			WHEN 'pg_opfamily'::regclass THEN (SELECT concat_ws(' ', opfowner::regrole,
				(SELECT string_agg(amopstrategy || ' ' || amopopr::regoperator,
					', ' ORDER BY amopstrategy) FROM pg_amop WHERE amopfamily = m.objid),
				(SELECT string_agg(amprocnum || ' ' || amproc::regprocedure,
					', ' ORDER BY amprocnum) FROM pg_amproc WHERE amprocfamily = m.objid))
					FROM pg_opfamily WHERE oid = m.objid)
			WHEN 'pg_cast'::regclass THEN (SELECT concat_ws(' ', castfunc::regprocedure,
				castcontext, castmethod) FROM pg_cast WHERE oid = m.objid)
			ELSE 'this test does not know what to compare of ' || m.classid::regclass
		END,
		(SELECT string_agg(concat_ws(' ', objsubid, privtype, initprivs), ', ' ORDER BY objsubid)
			FROM pg_init_privs WHERE classoid = m.classid AND objoid = m.objid))
	FROM member m};
my $contents = q{
	SELECT * FROM instance_features.scope ORDER BY 1, 2, 3;
	SELECT * FROM instance_features.setting ORDER BY 1, 2, 3, 4;
	SELECT * FROM instance_features.event ORDER BY 1, 2, 3, 4;
	SELECT * FROM instance_features.feature ORDER BY 1};
my $data = q{
	SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": false}');
	SELECT create_instance('a', 'alice');
	SELECT set_instance_features('{"oidcTokenExchange": true}', 'a');
	SELECT set_system_features('{"userSchema": true}');
	SELECT define_feature('color', '"red"')};

# They are the same in two databases of a cluster.
sub same_objects
{
	my ($cluster, $got, $expected, $name) = @_;
	my @objects;
	for my $db ($got, $expected)
	{
		my @words = split /\x1e/,
		  $cluster->safe_psql($db, $objects, extra_params => [ '-R', "\x1e" ]);
		push @objects, { map { /^(.*?) \| (.*)/s ? ($1 => $2) : ($_ => '') } @words };
	}
	cmp_ok(scalar(keys %{ $objects[0] }), '>', 80, "$name: there are objects to compare");
	is_deeply($objects[0], $objects[1], $name);
	return;
}

# Sources of the next version: the present ones, its two scripts, the control
# file.  Returns both versions.
sub make_next_version
{
	my ($directory) = @_;
	mkpath("$directory/sql");
	system('cp', '-r', 'Makefile', 'src', 'include', $directory) == 0 or die;
	unlink glob "$directory/src/*/*.o $directory/src/*/*.bc";
	my $control = slurp_file('instance_features.control');
	my ($current) = $control =~ /^default_version = '(.*)'/m;
	my ($major, $minor) = split /\./, $current;
	my $next = $major . '.' . ($minor + 1);
	system('cp', glob('sql/*.sql'), "$directory/sql") == 0 or die;
	$control =~ s/^default_version = .*/default_version = '$next'/m;
	append_to_file("$directory/instance_features.control", $control);

	my $update = slurp_file("$here/data/next_version.sql");
	append_to_file("$directory/sql/instance_features--$current--$next.sql", $update);
	my ($new) = $update =~ /^-- What is new\n(.*?)^-- Privileges/ms or die;
	my $whole = slurp_file("sql/instance_features--$current.sql");
	$whole =~ s/^(--\n-- Privileges\.)/$new$1/m or die;
	append_to_file("$directory/sql/instance_features--$next.sql", $whole);
	return ($current, $next);
}

my $tmp = PostgreSQL::Test::Utils::tempdir;
my ($copied_pg_config, $reason) = Installation::copy("$tmp/installation");
SKIP:
{
	skip "the installation of PostgreSQL cannot be copied: $reason", 1 unless $copied_pg_config;
	my ($current, $next) = make_next_version("$tmp/source");
	my @make = ('make', '-s', '-C', "$tmp/source", 'with_llvm=no', 'COPT=-Werror');
	delete local @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
	command_ok([ @make, 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config') ], "version $next builds");
	command_ok(
		[ @make, "PG_CONFIG=$copied_pg_config", 'install' ],
		"version $next is installed into a copy of PostgreSQL");

	my $updated =
	  PostgreSQL::Test::Cluster->new('next', install_path => dirname(dirname($copied_pg_config)));
	$updated->init;
	$updated->start;
	my $bootstrap = $updated->safe_psql('postgres', 'SELECT current_user');
	$updated->safe_psql(
		'postgres', q{
		CREATE ROLE alice;
		CREATE ROLE tenant LOGIN;
		CREATE ROLE "another dba" SUPERUSER LOGIN});

	# One database: who owns it, who creates the extension and who updates it.
	my %cases = (
		bootstrap => [ $bootstrap, $bootstrap,    $bootstrap ],
		superuser => [ $bootstrap, 'another dba', 'another dba' ],
		tenant    => [ 'tenant',   'tenant',      'tenant' ],
		mixed     => [ 'tenant',   'another dba', $bootstrap ],);
	for my $case (sort keys %cases)
	{
		my ($owner, $creator, $updater) = @{ $cases{$case} };
		$updated->safe_psql('postgres', qq{CREATE DATABASE $_ OWNER "$owner"})
		  for "fresh_$case", "old_$case";
		my @as = (extra_params => [ '-U', $creator ]);
		$updated->safe_psql("fresh_$case", 'CREATE EXTENSION instance_features', @as);
		is( $updated->safe_psql(
				"fresh_$case",
				q{SELECT extversion FROM pg_extension WHERE extname = 'instance_features'}),
			$next,
			"$case: CREATE EXTENSION makes $next");
		$updated->safe_psql("old_$case", "CREATE EXTENSION instance_features VERSION '$current'",
			@as);
		isnt(
			$updated->safe_psql("old_$case",   $objects),
			$updated->safe_psql("fresh_$case", $objects),
			"$case: $current differs from $next");
		my $session = Session->new($updated, dbname => "old_$case");
		$session->query($data);
		is( $session->query(
				q{SELECT feature_enabled('user_schema', 'a'),
					(set_instance_features('{"loginDefaultOrg": false}')).sequence}
			),
			't|2',
			"$case: the next library works with the objects of $current");
		my $before = $updated->safe_psql("old_$case", $contents);
		$updated->safe_psql(
			"old_$case",
			'ALTER EXTENSION instance_features UPDATE',
			extra_params => [ '-U', $updater ]);
		same_objects($updated, "old_$case", "fresh_$case",
			"$case: an updated $current is what a fresh $next is, object by object");
		is($updated->safe_psql("old_$case", $contents),
			$before, "$case: an update keeps the contents of all tables");
		is( $session->query(
				q{SELECT feature_enabled('user_schema'),
					(set_instance_features('{"userSchema": false}')).sequence,
					feature_enabled('user_schema')}
			),
			't|3|f',
			"$case: an open session goes on after an update");
		is( $session->query(
				q{SELECT feature_count('experimental') = (SELECT count(*)
					FROM instance_features.definition WHERE stage = 'experimental')}),
			't',
			"$case: an open session has what is new");
		is($session->query('SELECT count(*) FROM check_instance_features()'),
			'0', "$case: an update leaves nothing to complain about");
		$session->quit;
	}

	# Whoever creates the extension, its objects are the same but for their names'
	# place, here the schema "public".
	same_objects($updated, "fresh_$_", 'fresh_bootstrap',
		"$_: the objects are those of the bootstrap superuser")
	  for qw(superuser tenant mixed);

	# A function under the coming name, of the database's owner, and made a member.
	my $squat = q{CREATE FUNCTION feature_count(stage feature_stage DEFAULT 'stable') RETURNS bigint
			LANGUAGE sql AS 'SELECT 7'};
	$updated->safe_psql('postgres', 'CREATE DATABASE squatted OWNER tenant');
	my @tenant = (extra_params => [ '-U', 'tenant' ]);
	$updated->safe_psql('squatted', "CREATE EXTENSION instance_features VERSION '$current'",
		@tenant);
	my $sqlstate_of_update = sub {
		my (undef, undef, $error) = $updated->psql('squatted',
			"\\set VERBOSITY verbose\nALTER EXTENSION instance_features UPDATE", @_);
		return $error =~ /ERROR:  (\w+): (.*)/ ? "$1 $2" : $error;
	};
	$updated->safe_psql('postgres', 'ALTER DATABASE squatted OWNER TO tenant');
	$updated->safe_psql('squatted', 'GRANT CREATE ON SCHEMA public TO tenant');
	$updated->safe_psql('squatted', $squat, @tenant);
	like(
		$sqlstate_of_update->(),
		qr/^42723 function "feature_count" already exists/,
		'an update refuses to take over a function under a coming name');
	$updated->safe_psql('squatted',
		'ALTER EXTENSION instance_features ADD FUNCTION feature_count(feature_stage)', @tenant);
	like(
		$updated->safe_psql('squatted', 'SELECT problem, detail FROM check_instance_features()'),
		qr/^member not owned by the bootstrap superuser\|.*feature_count.* belongs to tenant/,
		'check_instance_features() tells of a member that somebody added');
	is( $sqlstate_of_update->(),
		'55000 extension "instance_features" has members that are not its own',
		'an update by a superuser refuses a member that somebody added');
	is( $sqlstate_of_update->(@tenant),
		'55000 extension "instance_features" has members that are not its own',
		'an update by the one who added a member refuses it');
	$updated->safe_psql(
		'squatted',
		'ALTER EXTENSION instance_features DROP FUNCTION feature_count(feature_stage);
			DROP FUNCTION feature_count(feature_stage)',
		@tenant);
	is($sqlstate_of_update->(@tenant), '', 'an update goes through when the member is gone');
	same_objects($updated, 'squatted', 'fresh_tenant',
		'an update that was refused before makes what a fresh installation is');
	$updated->stop;
}

# Versions from which the installed one updates, of which 2.0 has none.
{
	my $installed = PostgreSQL::Test::Cluster->new('installed');
	$installed->init;
	$installed->start;
	$installed->safe_psql('postgres', 'CREATE ROLE alice; CREATE DATABASE fresh');
	$installed->safe_psql('fresh',    'CREATE EXTENSION instance_features');
	is( $installed->safe_psql(
			'postgres',
			q{SELECT count(*) FROM pg_extension_update_paths('instance_features')
				WHERE path IS NOT NULL AND source ~ '^1\.'}
		),
		'0',
		'nothing updates from version 1');
	for my $version (
		split /\n/,
		$installed->safe_psql(
			'fresh',
			q{SELECT version FROM pg_available_extension_versions
				WHERE name = 'instance_features' AND version <> (SELECT extversion FROM pg_extension
				WHERE extname = 'instance_features')}
		))
	{
		my $db = "from_$version" =~ tr/./_/r;
		$installed->safe_psql('postgres', "CREATE DATABASE $db");
		$installed->safe_psql($db, "CREATE EXTENSION instance_features VERSION '$version'; $data");
		my $before = $installed->safe_psql($db, $contents);
		$installed->safe_psql($db, 'ALTER EXTENSION instance_features UPDATE');
		same_objects($installed, $db, 'fresh',
			"$version: an update makes what a fresh installation is");
		is($installed->safe_psql($db, $contents),
			$before, "$version: an update keeps the contents of all tables");
	}
	$installed->stop;
}

# pg_upgrade from each older major version of which there are programs.
my ($new_bindir) = $ENV{PG_CONFIG} ? dirname($ENV{PG_CONFIG}) : '';
my ($new_major)  = `pg_config --version` =~ /PostgreSQL (\d+)/;
for my $old_bindir (sort glob '/usr/lib/postgresql/*/bin')
{
	my ($old_major) = $old_bindir =~ m{/(\d+)/bin$};
	next if $old_major >= $new_major || !-x "$old_bindir/initdb";
  SKIP:
	{
		skip "instance_features is not installed for PostgreSQL $old_major", 5
		  unless glob "/usr/share/postgresql/$old_major/extension/instance_features.control";
		my $old =
		  PostgreSQL::Test::Cluster->new("old$old_major", install_path => dirname($old_bindir));
		$old->init(extra => [ '--locale=C', '--encoding=UTF8' ]);
		$old->start;
		$old->safe_psql('postgres', 'CREATE ROLE alice; CREATE EXTENSION instance_features');
		$old->safe_psql('postgres', $data);
		my $before = $old->safe_psql('postgres', $contents);
		$old->stop;
		my $new       = PostgreSQL::Test::Cluster->new("new$old_major");
		my @checksums = $new_major >= 18 ? ('--no-data-checksums') : ();
		$new->init(extra => [ '--locale=C', '--encoding=UTF8', @checksums ]);
		chdir $new->basedir;
		command_ok(
			[
				'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b',
				$old_bindir,  '-B', $new_bindir,    '-s', $new->host,     '-p',
				$old->port,   '-P', $new->port
			],
			"pg_upgrade from $old_major to $new_major");
		$new->start;
		is($new->safe_psql('postgres', $contents),
			$before, "$old_major: pg_upgrade keeps the contents of all tables");
		is( $new->safe_psql(
				'postgres',
				q{SELECT feature_enabled('user_schema', 'a'),
					(set_instance_features('{"userSchema": false}', 'a')).sequence}
			),
			't|2',
			"$old_major: the sequence of an instance goes on after pg_upgrade");
		is( $new->safe_psql(
				'postgres', q{SET ROLE alice; SELECT (reset_instance_features('a')).sequence}),
			'3',
			"$old_major: the owner of an instance changes it after pg_upgrade");
		is($new->safe_psql('postgres', 'SELECT count(*) FROM check_instance_features()'),
			'0', "$old_major: the tables are consistent after pg_upgrade");
		$new->stop;
	}
}

done_testing();
