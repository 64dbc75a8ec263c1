# The OpenFeature provider in clients/openfeature, by OpenFeature's server SDK.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use NodeTests;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
# The tests make a standby and a logical subscriber of it.
$node->init(allows_streaming => 'logical');
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE application LOGIN;
	CREATE EXTENSION instance_features;
	SELECT create_instance('acme'), create_instance('other');
	SELECT define_feature(key, value, levels => '{system,instance,organization,user}')
		FROM (VALUES ('title', '"title"'::jsonb), ('max_users', '1'), ('ratio', '0.5'),
			('theme', '{}'), ('hosts', '[]')) AS f (key, value)}
);
run_node_tests($node, 'clients/openfeature', PGUSER => 'application');
$node->stop;
done_testing();
