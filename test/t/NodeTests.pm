# Run the tests of a client in clients/ against a cluster, each of them a test of
# ours.
package NodeTests;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(run_node_tests);

# %env is added to the environment, which says where the cluster is.
sub run_node_tests
{
	my ($node, $directory, %env) = @_;
	local %ENV = (
		%ENV,
		PGHOST     => $node->host,
		PGPORT     => $node->port,
		PGDATABASE => 'postgres',
		PGDATA     => $node->data_dir,
		PG_BINDIR  => $node->config_data('--bindir'),
		ADMIN_USER => $node->safe_psql('postgres', 'SELECT current_user'),
		%env);
	if (!-d "$directory/node_modules")
	{
		diag("\"npm ci\" in $directory installs what its tests need");
		fail("$directory/node_modules exists");
		return;
	}
	for my $file (sort glob "$directory/test/*.test.js")
	{
		my ($out, $err) = ('', '');
		my $passed = eval {
			IPC::Run::run([ 'node', '--test-reporter=tap', $file ],
				'>', \$out, '2>', \$err, IPC::Run::timeout($ENV{PG_TEST_TIMEOUT_DEFAULT} // 180));
		};
		my $count = 0;
		for my $part (split /^(?=# Subtest: )/m, $out)
		{
			next unless $part =~ /^(not )?ok \d+ - (.*)/m;
			$count++;
			ok(!$1, $2) or diag($part);
		}
		ok($passed && $count > 0, "$file passes") or diag($out, $err);
	}
	return;
}

1;
