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
	SELECT define_feature('title', '"title"'), define_feature('max_users', '1'),
		define_feature('ratio', '0.5'), define_feature('theme', '{}'),
		define_feature('hosts', '[]')}
);
run_node_tests($node, 'clients/openfeature', PGUSER => 'application');
$node->stop;
done_testing();
