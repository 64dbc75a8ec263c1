# A copy of a PostgreSQL installation, into which a test may install another build
# of the extension.
package Installation;

use strict;
use warnings;

use File::Basename;
use File::Path;

# Copy what the server needs of the installation under test.  Returns the copied
# pg_config, or undef and why it cannot be used.
sub copy
{
	my ($target_prefix) = @_;
	my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
	my %places;
	for my $place (qw(bindir pkglibdir sharedir))
	{
		chomp($places{$place} = `$pg_config --$place`);
	}
	my $prefix = $places{bindir};
	for my $place (values %places)
	{
		$prefix = dirname($prefix) while index("$place/", "$prefix/") != 0 && length $prefix > 1;
	}
	return (undef, 'the installation has no directory of its own') if length $prefix <= 1;
	for my $place (sort values %places)
	{
		my $target = $target_prefix . substr($place, length $prefix);
		next if -e $target;
		mkpath(dirname($target));
		system('cp', '-r', $place, $target) == 0 or return (undef, "$place cannot be copied");
	}
	my $copied = $target_prefix . substr($places{bindir}, length $prefix) . '/pg_config';
	for my $place (sort keys %places)
	{
		chomp(my $found = `'$copied' --$place 2>&1`);
		return (undef, "a copied pg_config says that $place is $found")
		  if $found ne $target_prefix . substr($places{$place}, length $prefix);
	}
	return ($copied, undef);
}

1;
