# Owners go from one cluster into another by name, in dumps, binary copies and
# logical replication.  A role that does not exist there leaves nobody, whatever
# role has its OID, and so does a role that was dropped before.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @encoding = (extra => [ '--encoding=UTF8', '--locale=C' ]);
my $source   = PostgreSQL::Test::Cluster->new('source');
$source->init(allows_streaming => 'logical', @encoding);
$source->start;
my $target = PostgreSQL::Test::Cluster->new('target');
$target->init(@encoding);
$target->start;
my $dir = $source->basedir;
local $ENV{PGCLIENTENCODING} = 'UTF8';

# Both have roles "alice" and "it's ""b"" \"; only the source has "bob", and
# a role of the target has its OID; a role "gone" is dropped from the source.
# "müller" and "jörg" are made in databases of another encoding than those in
# which their names are met.
my $quoted = q{"it's ""b"" \\"};
$source->safe_psql('postgres', q{CREATE DATABASE latin1 ENCODING 'LATIN1' TEMPLATE template0});
$source->safe_psql('latin1',   q{CREATE ROLE U&"m\00fcller"});
my $muller =
  $source->safe_psql('latin1', q{SELECT oid FROM pg_roles WHERE rolname = U&'m\00fcller'});
$source->safe_psql(
	'postgres', qq{
	CREATE EXTENSION instance_features;
	CREATE ROLE bob;
	CREATE ROLE alice;
	CREATE ROLE gone;
	CREATE ROLE $quoted;
	CREATE ROLE U&"j\\00f6rg";
	CREATE TABLE owned (id text PRIMARY KEY, owner instance_features.scope_owner);
	INSERT INTO owned
		VALUES ('alice', 'alice'), ('bob', 'bob'), ('gone', 'gone'), ('jörg', '"jörg"'),
		('müller', $muller\::regrole), ('null', NULL), ('quoted', \$\$$quoted\$\$);
	DROP ROLE gone});
my $bob = $source->safe_psql('postgres', q{SELECT 'bob'::regrole::oid});
$target->safe_psql(
	'postgres', qq{
	CREATE ROLE alice;
	CREATE ROLE stranger;
	CREATE ROLE gone;
	CREATE ROLE $quoted;
	CREATE ROLE tenant LOGIN;
	SET allow_system_table_mods = on;
	UPDATE pg_authid SET oid = $bob WHERE rolname = 'stranger'});
is($target->safe_psql('postgres', "SELECT $bob\::regrole"),
	'stranger', 'a role of the target has the OID of a role of the source');
isnt(
	$target->safe_psql('postgres', q{SELECT 'alice'::regrole::oid}),
	$source->safe_psql('postgres', q{SELECT 'alice'::regrole::oid}),
	'the role "alice" of the target has another OID');

# The owners of a table, each with its role.
my $query    = q{SELECT id, owner, owner::regrole FROM owned ORDER BY id COLLATE "C"};
my @nobodies = (q{bob|?"bob"|}, q{gone|?"gone"|}, q{jörg|?"jörg"|}, q{müller|?"m"\\fc"ller"|});
my $owners   = join("\n", 'alice|alice|alice', @nobodies, 'null||', "quoted|$quoted|$quoted");

# The name of "müller" cannot be told here.
is( $source->safe_psql('postgres', q{SELECT id, owner FROM owned ORDER BY id COLLATE "C"}),
	join("\n",
		'alice|alice',           'bob|bob', 'gone|?"gone"', 'jörg|"jörg"',
		'müller|?"m"\\fc"ller"', 'null|',   "quoted|$quoted"),
	'the source tells its owners');
is($source->safe_psql('postgres', q{SELECT owner::regrole::oid FROM owned WHERE id = 'müller'}),
	$muller, 'a live owner whose name is invalid in the encoding of the database stays the owner');
is( $source->safe_psql(
		'latin1', q{
	CREATE EXTENSION instance_features;
	SELECT '?"m"\\fc"ller"'::instance_features.scope_owner,
		'MÜLLER'::instance_features.scope_owner}),
	'?"müller"|?"mÜller"',
	'what is invalid in one encoding is told where it is valid');

# Restore a dump into a new database of the target, and see its owners.
sub restore_ok
{
	my ($name, $dump, $user, @restore) = @_;
	my ($stdout, $stderr) = ('', '');
	my $database = $name =~ s/\W+/_/gr;
	$target->safe_psql('postgres', qq{CREATE DATABASE $database TEMPLATE template0 OWNER $user});
	command_ok([ 'pg_dump', @$dump, '-f', "$dir/$database.dump", $source->connstr('postgres') ],
		"$name: pg_dump runs");
	ok( IPC::Run::run(
			[
				@restore, '-d',
				$target->connstr($database) . " user=$user",
				$restore[0] eq 'psql' ? '-f' : (),
				"$dir/$database.dump"
			],
			'>',
			\$stdout,
			'2>',
			\$stderr),
		"$name: the dump can be restored");
	unlike($stderr, qr/ERROR/, "$name: the restore prints no error");
	is($target->safe_psql($database, $query),
		$owners, "$name: the owners are bound by name or nobody");
	return;
}

my $superuser = $target->safe_psql('postgres', 'SELECT quote_ident(current_user)');
my @psql      = qw(psql -Xq -v ON_ERROR_STOP=1);
restore_ok('plain',              [],                          $superuser, @psql);
restore_ok('inserts',            ['--inserts'],               $superuser, @psql);
restore_ok('all quoted',         ['--quote-all-identifiers'], $superuser, @psql);
restore_ok('archive',            ['-Fc'],                     $superuser, 'pg_restore');
restore_ok('not by a superuser', ['-Fc'], 'tenant', 'pg_restore', '--no-owner', '--no-comments');

# A namesake made later, and a dump of what was restored.
$target->safe_psql('plain', q{CREATE ROLE bob});
is($target->safe_psql('plain', $query), $owners, 'a role made after a restore gets nothing');
command_ok([ 'pg_dump', '-f', "$dir/again.dump", $target->connstr('plain') ],
	'pg_dump of what was restored runs');
$target->safe_psql('postgres', 'CREATE DATABASE again TEMPLATE template0');
command_ok([ @psql, '-f', "$dir/again.dump", '-d', $target->connstr('again') ],
	'the dump of what was restored can be restored');
is($target->safe_psql('again', $query),
	$owners, 'a role made after a restore gets nothing from its dump');
$target->safe_psql('postgres', 'DROP ROLE bob');

# A binary copy.
$source->safe_psql('postgres', "COPY owned TO '$dir/binary' (FORMAT binary)");
$target->safe_psql('archive',  "TRUNCATE owned; COPY owned FROM '$dir/binary' (FORMAT binary)");
is($target->safe_psql('archive', $query), $owners, 'a binary copy binds owners by name or nobody');
for my $case (
	[ q{'\\x610062'},                         '22P02', 'a null byte' ],
	[ q{'\\x00'},                             '22P02', 'only a null byte' ],
	[ q{''},                                  '22P02', 'an empty text' ],
	[ q{'alice bob'},                         '22P02', 'two names' ],
	[ q{'"alice'},                            '22P02', 'a quote that does not end' ],
	[ q{convert_to(repeat('ü', 32), 'UTF8')}, '22P02', 'a name of 64 bytes' ],
	[ q{'\\xfc'},                             '22021', 'an invalid byte' ])
{
	my ($bytes, $sqlstate, $name)   = @$case;
	my (undef,  undef,     $stderr) = $target->psql(
		'archive', qq{
		\\set VERBOSITY sqlstate
		COPY (SELECT 'bad', ($bytes)::bytea) TO '$dir/bad' (FORMAT binary);
		COPY owned FROM '$dir/bad' (FORMAT binary)}, on_error_stop => 0);
	like($stderr, qr/ERROR:  \Q$sqlstate\E/, "$name in a binary copy is $sqlstate");
}

# Logical replication.  A subscriber in another encoding has "jörg".
$source->safe_psql(
	'postgres', q{
	CREATE TABLE identified (id text, owner instance_features.scope_owner, value int);
	ALTER TABLE identified REPLICA IDENTITY FULL;
	INSERT INTO identified SELECT id, owner, 1 FROM owned;
	CREATE PUBLICATION owners FOR TABLE owned, identified});
$target->safe_psql(
	'postgres', q{
	CREATE DATABASE as_text TEMPLATE template0;
	CREATE DATABASE as_binary TEMPLATE template0;
	CREATE DATABASE as_latin1 ENCODING 'LATIN1' TEMPLATE template0});
$target->safe_psql('as_latin1', q{CREATE ROLE U&"j\00f6rg"});
for my $database (qw(as_text as_binary as_latin1))
{
	my $binary = $database eq 'as_text' ? 'false' : 'true';
	$target->safe_psql(
		$database,
		sprintf(
			q{
		CREATE EXTENSION instance_features;
		CREATE TABLE owned (id text PRIMARY KEY, owner instance_features.scope_owner);
		CREATE TABLE identified (id text, owner instance_features.scope_owner, value int);
		ALTER TABLE identified REPLICA IDENTITY FULL;
		CREATE SUBSCRIPTION %s CONNECTION $$%s$$ PUBLICATION owners WITH (binary = %s)}, $database,
			$source->connstr('postgres'), $binary));
}
(my $latin1_owners = $owners) =~ s/\?"jörg"\|/"jörg"|"jörg"/;
$latin1_owners =~ s/"m"\\fc"ller"/"müller"/;
for my $database (qw(as_text as_binary as_latin1))
{
	$target->poll_query_until($database,
		q{SELECT count(*) = 2 FROM pg_subscription_rel WHERE srsubstate = 'r'})
	  or die "$database was not copied";
	is( $target->safe_psql($database, $query),
		$database eq 'as_latin1' ? $latin1_owners : $owners,
		"$database: the first copy binds owners by name or nobody");
}
$source->safe_psql(
	'postgres', qq{
	DELETE FROM owned WHERE id = 'null';
	UPDATE owned SET owner = 'bob' WHERE id = 'alice';
	UPDATE owned SET owner = 'alice' WHERE id = 'gone';
	UPDATE owned SET owner = '"jörg"' WHERE id = 'jörg';
	INSERT INTO owned VALUES ('new', 'bob'), ('nobody', '?"alice"'), ('other', $muller\::regrole);
	UPDATE identified SET value = value + 1;
	DELETE FROM identified WHERE id = 'bob'});
for my $database (qw(as_text as_binary as_latin1))
{
	$source->wait_for_catchup($database);
	my ($jorg, $mu) =
	  $database eq 'as_latin1' ? (q{"jörg"|"jörg"}, 'müller') : (q{?"jörg"|}, 'm"\\fc"ller');
	is( $target->safe_psql($database, $query),
		join("\n",
			'alice|?"bob"|',    'bob|?"bob"|',      'gone|alice|alice',
			"jörg|$jorg",       qq{müller|?"$mu"|}, 'new|?"bob"|',
			'nobody|?"alice"|', qq{other|?"$mu"|},  "quoted|$quoted|$quoted"),
		"$database: a change binds owners by name or nobody");
	is( $target->safe_psql(
			$database,
			q{SELECT string_agg(concat_ws(' ', id, value), ', ' ORDER BY id COLLATE "C")
				FROM identified}
		),
		'alice 2, gone 2, jörg 2, müller 2, null 2, quoted 2',
		"$database: rows without a key are found by their owners");
}

# A dropped role is nobody on the subscriber too, whatever comes then.
$target->safe_psql('postgres', q{DROP ROLE alice; CREATE ROLE bob});
is( $target->safe_psql(
		'as_binary', q{SELECT owner FROM owned WHERE id IN ('gone', 'new') ORDER BY id}),
	qq{?"alice"\n?"bob"},
	'neither a dropped role nor a later one owns what was replicated');
$target->safe_psql($_, "DROP SUBSCRIPTION $_") for qw(as_text as_binary as_latin1);

# A dropped role whose name is invalid in the encoding of the database.
$source->safe_psql('latin1', q{DROP ROLE U&"m\00fcller"});
is( $source->safe_psql('postgres', q{SELECT owner, owner::regrole FROM owned WHERE id = 'müller'}),
	'?"m"\\fc"ller"|',
	'a dropped role with an invalid name is nobody');

$target->stop;
$source->stop;
done_testing();
