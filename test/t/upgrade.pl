# ALTER EXTENSION UPDATE makes of an older version what a fresh installation
# is; until then the new library works with the older SQL objects.  And
# pg_upgrade, where another major version of PostgreSQL is installed.

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

# All that a version consists of, in words.
my $objects = q{
	SELECT concat_ws(' | ', i.type, i.identity, obj_description(m.objid, m.classid::regclass::name),
		CASE m.classid
			WHEN 'pg_proc'::regclass THEN (SELECT concat_ws(' ', provolatile, proparallel, proisstrict, prorows, proacl::text, md5(pg_get_functiondef(oid))) FROM pg_proc WHERE oid = m.objid)
			WHEN 'pg_class'::regclass THEN (SELECT concat_ws(' ', relkind, relacl::text, reloptions::text,
				(SELECT string_agg(concat_ws(' ', attname, atttypid::regtype, attnotnull, attcollation::regcollation, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)), ', ' ORDER BY attnum)
					FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = pg_class.oid AND attnum > 0),
				(SELECT string_agg(pg_get_constraintdef(oid), ', ' ORDER BY conname) FROM pg_constraint WHERE conrelid = pg_class.oid),
				(SELECT string_agg(pg_get_triggerdef(oid) || tgenabled::text, ', ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = pg_class.oid),
				(SELECT string_agg(pg_get_indexdef(indexrelid), ', ' ORDER BY indexrelid) FROM pg_index WHERE indrelid = pg_class.oid)) FROM pg_class WHERE oid = m.objid)
			WHEN 'pg_type'::regclass THEN (SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = m.objid)
		END)
	FROM pg_depend m, pg_identify_object(m.classid, m.objid, 0) i
	WHERE m.refclassid = 'pg_extension'::regclass AND m.deptype = 'e' AND m.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features')
	ORDER BY 1};
my $contents = q{
	SELECT level, id, owner, sequence, change_date, creation_date FROM instance_features.scope ORDER BY 1, 2;
	SELECT * FROM instance_features.setting ORDER BY 1, 2, 3;
	SELECT * FROM instance_features.event ORDER BY 1, 2, 3;
	SELECT key, json_name, value_type, default_value, description, builtin FROM instance_features.feature ORDER BY 1};
my $data = q{
	SELECT set_instance_features('{"userSchema": true, "loginDefaultOrg": false}');
	SELECT create_instance('a', 'alice');
	SELECT set_instance_features('{"oidcTokenExchange": true}', 'a');
	SELECT set_system_features('{"userSchema": true}')};

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE alice; CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION instance_features');
my ($current) = $node->safe_psql('fresh', q{SELECT extversion FROM pg_extension WHERE extname = 'instance_features'});

for my $version (split /\n/, $node->safe_psql('fresh', qq{SELECT version FROM pg_available_extension_versions WHERE name = 'instance_features' AND version <> '$current'}))
{
	my $db = "from_$version" =~ tr/./_/r;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "CREATE EXTENSION instance_features VERSION '$version'");
	my $session = Session->new($node, dbname => $db);
	$session->query($data);
	is($session->query(q{SELECT feature_enabled('user_schema', 'a'), (set_instance_features('{"loginDefaultOrg": false}')).sequence, status FROM feature_service('GET', '/v2/features/instance')}),
		't|2|200', "$version: the new library works with the older objects");
	is($session->query(q{SET ROLE alice; SELECT (reset_instance_features('a')).sequence; RESET ROLE}), '2', "$version: also for an instance's owner");
	my $before = $node->safe_psql($db, $contents);
	$node->safe_psql($db, 'ALTER EXTENSION instance_features UPDATE');
	is($node->safe_psql($db, $objects), $node->safe_psql('fresh', $objects), "$version: updated, it is what a fresh $current is");
	is($node->safe_psql($db, $contents), $before, "$version: with all of its data");
	is($session->query(q{SELECT feature_enabled('user_schema'), (set_instance_features('{"userSchema": false}')).sequence, feature_enabled('user_schema')}), 't|3|f', "$version: an open session goes on");
	is($session->query('SELECT count(*) FROM check_instance_features()'), '0', "$version: and has what is new");
	$session->quit;
	$node->safe_psql('postgres', "DROP DATABASE $db");
}
$node->stop;

# pg_upgrade from each older major version of which there are programs.
my ($new_bindir) = $ENV{PG_CONFIG} ? dirname($ENV{PG_CONFIG}) : '';
my ($new_major) = `pg_config --version` =~ /PostgreSQL (\d+)/;
for my $old_bindir (sort glob '/usr/lib/postgresql/*/bin')
{
	my ($old_major) = $old_bindir =~ m{/(\d+)/bin$};
	next if $old_major >= $new_major || !-x "$old_bindir/initdb";
	SKIP: {
		skip "instance_features is not installed for PostgreSQL $old_major", 5
		  unless glob "/usr/share/postgresql/$old_major/extension/instance_features.control";
		my $old = PostgreSQL::Test::Cluster->new("old$old_major", install_path => dirname($old_bindir));
		$old->init(extra => [ '--locale=C', '--encoding=UTF8' ]);
		$old->start;
		$old->safe_psql('postgres', 'CREATE ROLE alice; CREATE EXTENSION instance_features');
		$old->safe_psql('postgres', $data);
		my $before = $old->safe_psql('postgres', $contents);
		$old->stop;
		my $new = PostgreSQL::Test::Cluster->new("new$old_major");
		my @checksums = $new_major >= 18 ? ('--no-data-checksums') : ();
		$new->init(extra => [ '--locale=C', '--encoding=UTF8', @checksums ]);
		chdir $new->basedir;
		command_ok([ 'pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old_bindir, '-B', $new_bindir, '-s', $new->host, '-p', $old->port, '-P', $new->port ],
			"pg_upgrade from $old_major to $new_major");
		$new->start;
		is($new->safe_psql('postgres', $contents), $before, "$old_major: everything is there");
		is($new->safe_psql('postgres', q{SELECT feature_enabled('user_schema', 'a'), (set_instance_features('{"userSchema": false}', 'a')).sequence}), 't|2', "$old_major: it counts on");
		is($new->safe_psql('postgres', q{SET ROLE alice; SELECT (reset_instance_features('a')).sequence}), '3', "$old_major: and has its owners");
		is($new->safe_psql('postgres', 'SELECT count(*) FROM check_instance_features()'), '0', "$old_major: and is consistent");
		$new->stop;
	}
}

done_testing();
