# The gateway in clients/gateway, with the service's own published clients.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use NodeTests;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
# A test makes a standby of it.
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', 'max_connections = 50');
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE alice; CREATE ROLE landlord; CREATE ROLE mallory;
	CREATE ROLE gateway LOGIN NOINHERIT IN ROLE alice, landlord;
	CREATE EXTENSION instance_features;
	SELECT alter_system_owner('landlord');
	SELECT create_instance('acme', 'alice'), create_instance('other', 'landlord');
	SELECT define_feature('improved_performance', '[]',
			allowed_values => '["IMPROVED_PERFORMANCE_ORG_BY_ID",
				"IMPROVED_PERFORMANCE_PROJECT_GRANT", "IMPROVED_PERFORMANCE_PROJECT",
				"IMPROVED_PERFORMANCE_USER_GRANT", "IMPROVED_PERFORMANCE_ORG_DOMAIN_VERIFIED"]'),
		define_feature('login_v2', '{"required": false}'),
		define_feature('debug_oidc_parent_error'), define_feature('permission_check_v2'),
		define_feature('dark_mode', levels => '{system,instance,organization,user}')}
);
run_node_tests($node, 'clients/gateway', PGUSER => 'gateway');
$node->stop;
done_testing();
