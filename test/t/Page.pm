# The pages of the documentation and the examples on them.
package Page;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(slurp examples normalize run_statements);

sub slurp
{
	my ($name) = @_;
	open my $file, '<', $name or die "$name: $!";
	local $/;
	return <$file>;
}

# The examples of a page, in order: the heading above each, its language ("sql"
# or "sh"), its code, and the output shown below it.
sub examples
{
	my ($text) = @_;
	my ($heading, @examples) = ('');
	while ($text =~
		/^#+ ([^\n]*)\n|^```(sql|sh)\n(.*?)^```\n(?:```text\n(.*?)^```\n)?|^```.*?^```$/gms)
	{
		if (defined $1)
		{
			$heading = $1;
		}
		elsif (defined $2)
		{
			push @examples, { heading => $heading, language => $2, code => $3, output => $4 // '' };
		}
	}
	return @examples;
}

# An output without what differs from run to run, and the widths that follow
# from it.
sub normalize
{
	my ($text) = @_;
	$text        =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d/TIME/g;
	$text        =~ s/-{2,}/--/g;
	$text        =~ s/ +/ /g;
	$text        =~ s/ ?\+?$//gm;
	$text        =~ s/^ //gm;
	$text        =~ s/\n+/\n/g;
	return $text =~ s/\A\s+|\s+\z//gr;
}

# Run the statements of an example in a Session, and return their output:
# both streams as they come, statement by statement.
sub run_statements
{
	my ($session, $sql) = @_;
	return join "\n", map { $session->query($_) }
	  split /(?<=;)\n(?=[A-Z])(?!BEGIN|END|COMMIT|UNION)/, $sql;
}

1;
