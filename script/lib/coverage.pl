# coverage.pl PERCENT FILE...: print how many lines of instrumented C files were
# executed, and which were not; fail if they are less than PERCENT.

use strict;
use warnings;

my ($minimum,    @files) = @ARGV;
my ($lines,      $run)   = (0, 0);
my (%line_count, %run_count, @missed);

for my $file (sort @files)
{
	my $object = $file =~ s/\.c$/.o/r;
	my ($ours, $function) = (0, '');
	my ($first, $last, $where);
	my $flush = sub {
		push @missed, sprintf '%s:%s  %s', $file, $first == $last ? $first : "$first-$last", $where
		  if $first;
		undef $first;
	};
	open my $gcov, '-|', 'gcov', '--stdout', '--object-file', $object, $file or die "gcov: $!\n";
	while (<$gcov>)
	{
		my ($count, $number, $code) = /^\s*([^:]+):\s*(\d+):(.*)/ or next;
		$ours = $1 eq $file if $number == 0 && $code =~ /^Source:(.*)/;
		next               if !$ours || $number == 0;
		$function = "$1()" if $code =~ /^([A-Za-z_]\w*)\(/;
		next               if $count eq '-';
		$line_count{$file}++;
		if ($count =~ /^[#=]/)
		{
			$flush->() if $first && $where ne $function;
			($first, $where) = ($number, $function) unless $first;
			$last = $number;
		}
		else
		{
			$run_count{$file}++;
			$flush->();
		}
	}
	close $gcov or die "gcov failed for $file\n";
	$flush->();
	die "nothing is known of $file\n" unless $line_count{$file};
	$run_count{$file} //= 0;
	$lines += $line_count{$file};
	$run   += $run_count{$file};
}

print "lines that no test reaches:\n", map { "    $_\n" } @missed;
printf "\n%-32s %6s %6s %7s\n", 'file', 'lines', 'run', '%';
printf "%-32s %6d %6d %7.1f\n", $_, $line_count{$_}, $run_count{$_},
  100 * $run_count{$_} / $line_count{$_}
  for sort keys %line_count;
printf "%-32s %6d %6d %7.1f\n", 'all', $lines, $run, 100 * $run / $lines;
if (100 * $run / $lines < $minimum)
{
	print "less than $minimum % of the lines are run\n";
	exit 1;
}
