# Running the examples of a page of the documentation one by one, on clusters that
# a test prepares.
package PageRun;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use Page;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;

our @EXPORT = qw(open_page example shell_ok sql_ok unused_examples slurp normalize $page_dir);

# Where shell examples run.
our $page_dir;

my @examples;

# Read the examples of a page.
sub open_page
{
	my ($file) = @_;
	my $page = slurp($file);
	@examples = examples($page);
	is(scalar @examples, scalar(() = $page =~ /^```(sh|sql)$/mg),
		"every example of $file is found");
	$page_dir = PostgreSQL::Test::Utils::tempdir;
	chmod 0755, $page_dir or die $!;
	return;
}

# The next example below a heading.
sub example
{
	my ($heading, $language) = @_;
	my ($example) = grep { $_->{heading} eq $heading && !$_->{used} } @examples
	  or die "no more examples below \"$heading\"";
	$example->{used} = 1;
	die "the next example below \"$heading\" is $example->{language}"
	  if $example->{language} ne $language;
	return $example;
}

# How many examples were not run.
sub unused_examples
{
	return scalar grep { !$_->{used} } @examples;
}

# Run the next shell example below a heading as a user of a cluster.  Returns
# what it printed.
sub shell_ok
{
	my ($heading, $node, $user, $name, %options) = @_;
	my $output = '';
	local %ENV =
	  (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGUSER => $user, LC_ALL => 'C');
	my $ok = IPC::Run::run([ 'bash', '-euo', 'pipefail', '-c', example($heading, 'sh')->{code} ],
		'>&', \$output, 'init', sub { chdir($options{directory} // $page_dir) or die });
	ok($ok, "$heading: $name") or diag($output);
	return $output;
}

# Run the next SQL example below a heading as a user of a database, and compare
# what it prints with what the page shows.
sub sql_ok
{
	my ($heading, $node, $dbname, $user, $name, %options) = @_;
	my $example = example($heading, 'sql');
	my $code    = $example->{code};
	$code =~ s/host=\w+\.example\.com dbname=\w+/$options{connection}/g if $options{connection};
	my $session = Session->new($node, dbname => $dbname, user => $user, args => '-Xq');
	is(normalize(run_statements($session, $code)), normalize($example->{output}),
		"$heading: $name");
	$session->quit;
	return;
}

1;
