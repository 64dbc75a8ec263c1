# What feature_service() answers, and what it tells only to the server's log.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
log_min_messages = warning
log_error_verbosity = default
log_statement = none
log_min_error_statement = panic
});
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION instance_features;
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		RAISE EXCEPTION 'disk is full' USING ERRCODE = '53100', DETAIL = 'no block is free',
			HINT = 'delete a file';
	END $$;
	CREATE TRIGGER refuse AFTER INSERT ON instance_features.setting
		FOR EACH ROW WHEN (NEW.feature = 'user_schema') EXECUTE FUNCTION refuse()});

my $put = q{SELECT status, body->>'message' }
  . q{FROM feature_service('PUT', '/v2/features/instance', '{"%s": true}')};

# Run a query with psql, and get its output, its messages and what it logs.
sub run
{
	my ($query) = @_;
	my $offset = -s $node->logfile;
	my ($out, $err);

	$node->psql('postgres', $query, stdout => \$out, stderr => \$err);
	return ($out, $err, substr(slurp_file($node->logfile), $offset));
}

# An error that is not the caller's fault.
my ($out, $err, $log) = run('SET client_min_messages = debug1; ' . sprintf($put, 'userSchema'));
is($out, '500|internal error', 'the answer to an internal error says no more');
unlike($err, qr/disk|block|53100|refuse/,
	'the client sees nothing of an internal error, whatever it asks to see');
like(
	$log,
	qr/LOG:  feature_service\(\) failed with SQLSTATE 53100: disk is full$/m,
	'the log has the SQLSTATE and the message of an internal error');
like($log, qr/DETAIL:  no block is free$/m, 'the log has the detail of an internal error');
like($log, qr/HINT:  delete a file$/m,      'the log has the hint of an internal error');
like(
	$log,
	qr/CONTEXT:  PL\/pgSQL function refuse\(\) line 3 at RAISE$/m,
	'the log has the context of an internal error');
my @messages = $log =~ /disk is full/g;
is(scalar(@messages), 1, 'the log has an internal error once');

# The context is that of the error and of the call, each line once.
(undef, undef, $log) = run(
	q{DO $do$ BEGIN PERFORM feature_service('PUT', '/v2/features/instance', '{"userSchema": true}');
		END $do$}
);
like(
	$log,
	qr/CONTEXT:  PL\/pgSQL function refuse\(\) line 3 at RAISE\n/,
	'the log has the context of the error in a nested call');
my @callers = $log =~ /PL\/pgSQL function inline_code_block line 1 at PERFORM/g;
is(scalar(@callers), 1, 'the log has the context of the call once');

# The session goes on as before.
($out, $err) = run(sprintf($put, 'userSchema') . q{; DO $$ BEGIN RAISE EXCEPTION 'seen'; END $$});
like(
	$err,
	qr/^psql:<stdin>:1: ERROR:  seen\nCONTEXT:  PL\/pgSQL function inline_code_block/,
	'an error after an internal one has its context');

# A caller's mistake.
($out, $err, $log) = run(sprintf($put, 'userShema'));
is($out, '400|unknown feature "userShema"', 'a mistake of the caller is told to the caller');
is($log, '',                                'a mistake of the caller is not logged');

# A lock that is not to be had.
my $writer = Session->new($node);
$writer->query(q{BEGIN; SELECT set_instance_features('{"loginDefaultOrg": false}')});
($out, $err, $log) = run(
	q{SET lock_timeout = '100ms';
		SELECT status, body->>'code', body->>'message', body->'details'->0->>'id'
	FROM feature_service('PUT', '/v2/features/instance', '{"loginDefaultOrg": true}')});
is( $out,
	'503|14|canceling statement due to lock timeout|55P03',
	'a lock timeout is answered with 503');
$writer->query('ROLLBACK');
is((run(sprintf($put, 'loginDefaultOrg')))[0],
	'200|', 'the same request is carried out when the lock is free');

$writer->quit if $writer->can('quit');
$node->stop;
done_testing();
