# Every SQL example in the README does what it shows.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

open my $file, '<', 'README.md' or die "README.md: $!";
my $readme = do { local $/; <$file> };
close $file;

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

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
my $session = Session->new($node, args => '-Xq');
my $examples = 0;
while ($readme =~ /^```sql\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gms)
{
	my ($sql, $output) = ($1, $2 // '');
	my ($title) = $sql =~ /^(.{1,60})/;
	$examples++;
	# Both streams as they come, statement by statement.
	my $result = join "\n", map { $session->query($_) } split /(?<=;)\n(?=[A-Z])(?!BEGIN|END)/, $sql;
	is(normalize($result), normalize($output), $title);
}
cmp_ok($examples, '>', 10, 'there are examples');

# Every function of the extension is in the reference.
my @functions = split /\n/, $node->safe_psql('postgres', q{
	SELECT DISTINCT proname FROM pg_proc JOIN pg_depend ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
	WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'instance_features') AND pronamespace <> 'instance_features'::regnamespace});
like($readme, qr{^###.*`$_\(}m, "$_ is documented") for @functions;

$session->quit;
$node->stop;
done_testing();
