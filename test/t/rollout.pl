# Roll-outs: the hash beside published values, the same split in every encoding,
# the C API, a subscriber, and the recipe that raises the percentage with pg_cron.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Page;
use Session;
use Test::More;

my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
my ($sharedir, $include, $cc, $version) =
  map { chomp; $_ } map { qx("$pg_config" $_) } qw(--sharedir --includedir-server --cc --version);
my ($major) = $version =~ /(\d+)/;
my $tmp = PostgreSQL::Test::Utils::tempdir;

# MurmurHash3_x86_32 of bytes in hexadecimal with a seed, as published for other
# implementations.
my @published = (
	[ '',                                                          '0',          '00000000' ],
	[ '',                                                          '1',          '514e28b7' ],
	[ '',                                                          '0xffffffff', '81f16f39' ],
	[ 'ffffffff',                                                  '0',          '76293b50' ],
	[ '21436587',                                                  '0',          'f55b516b' ],
	[ '21436587',                                                  '0x5082edee', '2362f9de' ],
	[ '214365',                                                    '0',          '7e4a8634' ],
	[ '2143',                                                      '0',          'a0f7b07a' ],
	[ '21',                                                        '0',          '72661cf4' ],
	[ '00000000',                                                  '0',          '2362f9de' ],
	[ '000000',                                                    '0',          '85f0b427' ],
	[ '0000',                                                      '0',          '30f4c306' ],
	[ '00',                                                        '0',          '514e28b7' ],
	[ unpack('H*', 'hello'),                                       '0',          '248bfa47' ],
	[ unpack('H*', 'aaaa'),                                        '0x9747b28c', '5a97808a' ],
	[ unpack('H*', 'Hello, world!'),                               '0x9747b28c', '24884cba' ],
	[ unpack('H*', 'The quick brown fox jumps over the lazy dog'), '0x9747b28c', '2fa826cd' ]);
my $calls = join '', map {
	my ($bytes, $seed) = @$_;
	sprintf qq{\tprintf("%%08x\\n", murmur3_x86_32("%s", %d, %s));\n}, $bytes =~ s/(..)/\\x$1/gr,
	  length($bytes) / 2, $seed;
} @published;
PostgreSQL::Test::Utils::append_to_file("$tmp/vectors.c", <<"C");
#include "postgres.h"
#include <stdio.h>
#undef printf
#include "base/murmur3.h"
int
main(void)
{
$calls	return 0;
}
C
for my $bits ('', '-m32')
{
	my @command = (
		split(' ', $cc), '-O2', $bits || (),         "-I$include",
		'-Isrc',         '-o',  "$tmp/vectors$bits", "$tmp/vectors.c",
		'src/base/murmur3.c');
	my ($output, $built) = ('');
	$built = IPC::Run::run(\@command, '>&', \$output);
	next if $bits && !$built;    # no libraries for that
	ok($built, 'the hash is built alone') or diag($output);
	is( qx("$tmp/vectors$bits"),
		join('', map { "$_->[2]\n" } @published),
		"the hash has the published values $bits");
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features; CREATE EXTENSION flag_user');

# The same users are in whatever the encoding is, also where it cannot say so.
my $split = q{SET client_encoding = UTF8;
	SELECT string_agg(instance_features.rollout_position('user_schema', id)::text, ' ')
	FROM unnest(array['größe', 'ñandú', 'x']) id};
my %expected = (UTF8 => $node->safe_psql('postgres', $split));
for my $encoding (qw(latin1 latin9 win1252))
{
	$node->safe_psql('postgres', "CREATE DATABASE $encoding ENCODING $encoding TEMPLATE template0");
	$node->safe_psql($encoding,  'CREATE EXTENSION instance_features');
	is($node->safe_psql($encoding, $split),
		$expected{UTF8}, "ids in $encoding are in a roll-out as in UTF8");
}
like($expected{UTF8}, qr/^8399 /, 'the position is that of the bytes in UTF8');
for my $encoding (qw(sql_ascii euc_tw))
{
	$node->safe_psql('postgres', "CREATE DATABASE $encoding ENCODING $encoding TEMPLATE template0");
	$node->safe_psql($encoding,  'CREATE EXTENSION instance_features');
	like(
		$node->safe_psql(
			$encoding, q{SELECT roll_out_instance_feature('user_schema', 100);
			SELECT feature_enabled('user_schema', 'default', NULL, id)
			FROM unnest(array[convert_from('\xa1ba', getdatabaseencoding()), 'x']) id}),
		qr/\(1,.*\)\nt\nt$/,
		"any id in $encoding can be in a roll-out");
}

# The C API, for whoever is the current user.
$node->safe_psql('postgres', q{SELECT roll_out_instance_feature('user_schema', 50)});
my $session = Session->new($node);
my @users   = 1 .. 20;
my $in      = $node->safe_psql('postgres',
	"SELECT instance_features.rollout_includes('user_schema', 50, id::text) FROM generate_series(1, 20) id"
);
like($in, qr/t/, 'somebody is in the roll-out');
like($in, qr/f/, 'somebody is not in the roll-out');
$session->query(q{SELECT flag_user_resolve('user_schema', NULL, false)});
is( join("\n",
		map { $session->query("SET instance_features.user_id = '$_'; SELECT flag_user_ask()") }
		  @users),
	$in,
	'a handle of the C API answers for the current user');
is( join(
		"\n",
		map {
			$session->query(
				"SET instance_features.user_id = '$_'; SELECT flag_user_enabled('user_schema', NULL, false)"
			)
		} @users),
	$in,
	'enabled() answers for the current user');
is($session->query(q{RESET instance_features.user_id; SELECT flag_user_ask()}),
	'f', 'a handle of the C API answers that nobody is not in the roll-out');
$session->query(q{SET instance_features.user_id = '1'});
my $first = $session->query('SELECT flag_user_ask()');
$node->safe_psql(
	'postgres',
	sprintf q{SELECT roll_out_instance_feature('user_schema', %d)},
	$first eq 't' ? 0 : 100);
is( $session->query('SELECT flag_user_ask()'),
	$first eq 't' ? 'f' : 't',
	'a handle of the C API sees another percentage');
$session->quit;

# A subscriber has the same users in.
$node->safe_psql('postgres',
	q{SELECT roll_out_instance_feature('user_schema', 33.33); CREATE PUBLICATION features FOR TABLES IN SCHEMA instance_features}
);
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$subscriber->start;
$subscriber->safe_psql(
	'postgres',
	sprintf q{CREATE EXTENSION instance_features;
		CREATE SUBSCRIPTION features CONNECTION $$%s$$ PUBLICATION features},
	$node->connstr('postgres'));
$subscriber->poll_query_until('postgres',
	q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel})
  or die 'the subscriber does not copy the tables';
my $enabled = q{SELECT string_agg(id::text, ' ') FROM generate_series(1, 1000) id
	WHERE feature_enabled('user_schema', 'default', NULL, id::text)};
is( $subscriber->safe_psql('postgres', $enabled),
	$node->safe_psql('postgres', $enabled),
	'a subscriber has the same users in a roll-out');
cmp_ok(length $node->safe_psql('postgres', $enabled), '>', 1000, 'these are many');
$subscriber->stop;

# The recipe with pg_cron.
if (!-e "$sharedir/extension/pg_cron.control" && $major > 18)
{
	note("there is no pg_cron for PostgreSQL $major");
	$node->stop;
	done_testing();
	exit;
}
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pg_cron'
cron.database_name = 'shop'
cron.use_background_workers = on});
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop',
	q{CREATE EXTENSION instance_features; SELECT count(create_instance('shop' || n)) FROM generate_series(1, 200) n}
);
$node->restart;
my ($begin, $watch_and_stop) = map { $_->{code} }
  grep { $_->{language} eq 'sh' && $_->{heading} =~ /^Roll out by percentage/ }
  examples(slurp('doc/recipes.md'));
my ($watch, $stop) = $watch_and_stop =~ /^(.*\n)(.*\n)$/;

# Run commands of the recipe, and return their output.
sub run_recipe
{
	my ($commands) = @_;
	local %ENV = (
		%ENV,
		PGHOST    => $node->host,
		PGPORT    => $node->port,
		PGOPTIONS => '-c client_min_messages=error');
	my $output = '';
	ok(IPC::Run::run([ 'bash', '-ec', $commands ], '>&', \$output), 'the recipe works')
	  or diag($output);
	return $output;
}
run_recipe($begin);
is( $node->safe_psql('shop', 'SELECT jobname, schedule, active FROM cron.job'),
	'express delivery|0 9 * * *|t',
	'pg_cron runs the job every morning');

# Morning comes every minute.
$node->safe_psql('shop', q{SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job});
ok( $node->poll_query_until(
		'shop',
		q{SELECT count(*) > 0 FROM cron.job_run_details WHERE status <> 'starting' AND status <> 'running'}
	),
	'pg_cron runs the job');
is( $node->safe_psql(
		'shop', q{SELECT cron.alter_job(jobid, schedule => '0 9 * * *') FROM cron.job;
		SELECT DISTINCT status FROM cron.job_run_details}),
	"\nsucceeded",
	'the job succeeds');
my $percentages =
  q{SELECT string_agg(percentage::text, ' ' ORDER BY sequence) FROM system_feature_history() WHERE feature = 'express_delivery'};
is($node->safe_psql('shop', $percentages), '1', 'the first morning rolls out to 1 per cent');

# The next mornings, now that pg_cron has shown that it runs the job.
my $job = $node->safe_psql('shop', 'SELECT command FROM cron.job');
$node->safe_psql('shop', $job);
is($node->safe_psql('shop', $percentages), '1 10', 'the second morning rolls out to 10 per cent');
my $reached = $node->safe_psql('shop',
	q{SELECT count(*) FROM instance_features.instance WHERE feature_enabled('express_delivery', instance_id)}
);
like(
	run_recipe($watch),
	qr/^ true  \|         10 \| +$reached$/m,
	'the recipe shows how many instances are reached');
$node->safe_psql('shop', $job) for 1 .. 3;
is($node->safe_psql('shop', $percentages), '1 10 50 100', 'the mornings end with 100 per cent');
is( $node->safe_psql(
		'shop',
		q{SELECT count(*) FROM instance_features.instance WHERE NOT feature_enabled('express_delivery', instance_id)}
	),
	'0',
	'all instances are reached');
run_recipe($stop);
is( $node->safe_psql(
		'shop',
		q{SELECT (SELECT count(*) FROM cron.job), count(*) FROM instance_features.instance WHERE feature_enabled('express_delivery', instance_id)}
	),
	'0|0',
	'one statement takes the job and the roll-out away');
is($node->safe_psql('shop', 'SELECT count(*) FROM check_instance_features()'),
	'0', 'the tables are consistent');

$node->stop;
done_testing();
