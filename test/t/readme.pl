# Every SQL example in the documentation does what it shows.

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

sub slurp
{
	my ($name) = @_;
	open my $file, '<', $name or die "$name: $!";
	local $/;
	return <$file>;
}

# What differs from run to run, and the widths that follow from it.
sub normalize
{
	my ($text) = @_;
	$text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d/TIME/g;
	$text =~ s/-{2,}/--/g;
	$text =~ s/ +/ /g;
	$text =~ s/ ?\+?$//gm;
	$text =~ s/^ //gm;
	$text =~ s/\n+/\n/g;
	return $text =~ s/\A\s+|\s+\z//gr;
}

# The superuser that the examples show, whoever runs this.
local $ENV{PGUSER} = 'postgres';

# Each page has a cluster of its own, and starts from nothing but what it says.
my $node;
for my $page ('README.md', glob 'doc/*.md')
{
	my $text = slurp($page);
	next if $text !~ /^```sql$/m;
	$node->stop if $node;
	$node = PostgreSQL::Test::Cluster->new($page =~ s/\W/_/gr);
	$node->init(extra => ['--username=postgres']);
	$node->append_conf('postgresql.conf', 'wal_level = logical');
	$node->start;
	my $session = Session->new($node, args => '-Xq');
	while ($text =~ /^```sql\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gms)
	{
		my ($sql, $output) = ($1, $2 // '');
		my ($title) = $sql =~ /^(.{1,60})/;
		# Both streams as they come, statement by statement.
		my $result = join "\n", map { $session->query($_) } split /(?<=;)\n(?=[A-Z])(?!BEGIN|END|COMMIT|UNION)/, $sql;
		is(normalize($result), normalize($output), "$page: $title");
	}
	$session->quit;

	# What a page refers to is there.
	for my $link ($text =~ /\]\(([^)\s]*)\)/g)
	{
		next if $link =~ /^\w+:/;
		my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
		$file = $file eq '' ? $page : dirname($page) . "/$file";
		ok(-e $file, "$page: $link exists") or next;
		my %anchors = map { lc =~ s/[^\w\s-]//gr =~ s/ /-/gr => 1 } slurp($file) =~ /^#+ (.*)$/mg;
		ok($anchors{$anchor}, "$page: $link has its heading") if $anchor ne '';
	}
}
$node->stop;

$node = PostgreSQL::Test::Cluster->new('functions');
$node->init(extra => ['--username=postgres']);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION instance_features');
my $readme = slurp('README.md');
# Every function of the extension is in the reference.
my @functions = split /\n/, $node->safe_psql('postgres', q{
	SELECT DISTINCT proname FROM pg_proc JOIN pg_depend ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
	WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features') AND pronamespace <> 'instance_features'::regnamespace});
# Flags move from one database to another as the recipe says.
my ($move) = slurp('doc/recipes.md') =~ /^## Move flags.*?^```sh\n(.*?)^```/ms;
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE postgres") for qw(staging production);
$node->safe_psql('staging', q{SELECT set_system_features('{"userSchema": true}'), create_instance('it''s "a" $b'), set_instance_features('{"loginDefaultOrg": false}', 'it''s "a" $b')});
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
	my $output = '';
	ok(IPC::Run::run([ 'bash', '-ec', $move ], '>&', \$output, 'init', sub { chdir $node->basedir }), 'flags move between databases') or diag($output);
}
is($node->safe_psql('production', 'SELECT export_features()'), $node->safe_psql('staging', 'SELECT export_features()'), 'all of them');

like($readme, qr{^###.*`$_\(}m, "$_ is documented") for @functions;

$node->stop;
done_testing();
