# What a transaction costs the others: one invalidation message, however many
# scopes it changes.  And what a connection that has not loaded the library yet
# makes of a current instance that cannot be one.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features');

my ($writer, $reader) = map { Session->new($node) } 1 .. 2;
my $invalidations = 'SELECT invalidations FROM instance_features_stats()';
my $enabled       = q{SELECT feature_enabled('user_schema')};

# How many invalidations the reader meets while the writer runs a statement.
sub invalidations_of
{
	my ($sql) = @_;
	$reader->query($enabled);
	my $before = $reader->query($invalidations);
	is($writer->query($sql), '', "a statement of the writer succeeds: $sql");
	$reader->query($enabled);
	return $reader->query($invalidations) - $before;
}

is($reader->query($enabled), 'f', 'a session has read a feature');
my @statements = (
	'creating 5,000 instances' =>
	  q{DO $$BEGIN PERFORM create_instance('i' || n) FROM generate_series(1, 5000) n; END$$},
	'setting a feature on 2,000 instances, each by a command of its own' =>
	  q{DO $$BEGIN FOR n IN 1 .. 2000 LOOP
		PERFORM set_instance_features('{"userSchema": true}', 'i' || n); END LOOP; END$$},
	'the same after a subtransaction that was rolled back' => q{DO $$BEGIN
		BEGIN
			PERFORM set_instance_features('{"userSchema": false}', 'i1');
			RAISE 'undo';
		EXCEPTION WHEN raise_exception THEN
		END;
		FOR n IN 1 .. 500 LOOP
			PERFORM set_instance_features('{"userSchema": null}', 'i' || n);
		END LOOP; END$$},
	'updating all rows of the scopes' =>
	  q{UPDATE instance_features.scope SET creation_date = creation_date},
	'copying 3,000 settings' => q{INSERT INTO instance_features.setting
		SELECT 'instance', '', 'i' || n, 'oidc_token_exchange', 'true', NULL, 1, now()
		FROM generate_series(2001, 5000) n});
while (my ($what, $sql) = splice @statements, 0, 2)
{
	my $count = invalidations_of($sql);
	ok($count >= 1 && $count <= 2, "$what costs another session one or two invalidations")
	  or diag "$count";
}
is( invalidations_of(
		q{DO $$BEGIN
		PERFORM set_instance_features('{"userSchema": true}', 'i1');
		RAISE 'undo';
	EXCEPTION WHEN raise_exception THEN
	END$$}),
	0,
	'a change that was rolled back costs another session nothing');
is(invalidations_of('CREATE SEQUENCE s; DROP SEQUENCE s'),
	0, 'a sequence of the user costs a session nothing');

# A bad current instance is an error when it is used, never another instance.
$node->safe_psql(
	'postgres', q{
	CREATE ROLE cold LOGIN SUPERUSER;
	ALTER ROLE cold SET instance_features.instance_id = '';
	CREATE FUNCTION enabled_in_bad() RETURNS boolean LANGUAGE sql
		SET instance_features.instance_id = '' AS $$SELECT feature_enabled('user_schema')$$});
my $long     = 'x' x 201;
my %settings = (
	'SET'          => q{SET instance_features.instance_id = '%s'; %s},
	'SET LOCAL'    => q{BEGIN; SET LOCAL instance_features.instance_id = '%s'; %s},
	'set_config()' => q{SELECT set_config('instance_features.instance_id', '%s', false) \g /dev/null
		%s});
my $set = q{SELECT set_instance_features('{"userSchema": true}')};
for my $warm (
	'', q{SELECT instance_features_version() \g /dev/null
})
{
	my $connection = $warm ? 'a warm connection' : 'a cold connection';
	for my $how (sort keys %settings)
	{
		for my $id ('', $long)
		{
			my (undef, undef, $error) = $node->psql('postgres',
				"\\set VERBOSITY sqlstate\n$warm" . sprintf($settings{$how}, $id, $set));
			like(
				$error,
				qr/ERROR:  22023/,
				"an id of " . length($id) . " bytes by $how is refused on $connection");
			unlike($error, qr/WARNING/, "$how of a refused id does not warn on $connection");
		}
	}
	my (undef, undef, $error) =
	  $node->psql('postgres', "\\set VERBOSITY sqlstate\n${warm}SELECT enabled_in_bad()");
	like($error, qr/ERROR:  22023/, "an empty id by the function's SET is refused on $connection");
	(undef, undef, $error) = $node->psql(
		'postgres',
		"\\set VERBOSITY sqlstate\n$warm$set",
		extra_params => [ '-U', 'cold' ]);
	like($error, qr/ERROR:  22023/, "an empty id by ALTER ROLE is refused on $connection");
}
is($node->safe_psql('postgres', q{SELECT sequence FROM get_instance_feature_details('default')}),
	0, 'no change went to the instance "default" instead');

$_->quit for $writer, $reader;
$node->stop;
done_testing();
