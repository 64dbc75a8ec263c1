# rooms.pl DIRECTORY: the output of script/check rooms for a directory of
# sources and their object files.

use strict;
use warnings;

use File::Find;

my $max_lines = 460;
my ($src) = @ARGV;
my @faults;

sub slurp
{
	my ($name) = @_;
	open my $handle, '<', $name or die "$name: $!\n";
	local $/;
	return <$handle>;
}

# Return the folder of a source file, "." for files in the directory itself.
sub folder
{
	my ($file) = @_;
	return $file =~ m{^(.*)/} ? $1 : '.';
}

# The floor of each folder; 1 is the lowest.
my %floor;
my @lines = -e "$src/FLOORS" ? map { s/#.*//r } split /\n/, slurp("$src/FLOORS") : '.';
@lines = reverse grep { /\S/ } @lines;
for my $i (0 .. $#lines)
{
	$floor{$_} = $i + 1 for split ' ', $lines[$i];
}

my @files;
find({ no_chdir => 1, wanted => sub { push @files, s{^\Q$src\E/}{}r if /\.[ch]$/ } }, $src);
@files = sort @files;
my %seen = map { folder($_) => 1 } @files;
push @faults, "$_/ is not in FLOORS"                for grep { !$floor{$_} } sort keys %seen;
push @faults, "FLOORS names $_, which has no files" for grep { !$seen{$_} } sort keys %floor;
$floor{$_} //= 0 for keys %seen;

# Lines.
my %lines = map { $_ => slurp("$src/$_") =~ tr/\n// } @files;
push @faults, "$_ has $lines{$_} lines" for grep { $lines{$_} > $max_lines } @files;

# Symbols, with the files that define and use them.
my @sources = grep { /\.c$/ } @files;
my (%definer, %needed);
for my $file (@sources)
{
	my $object = "$src/$file" =~ s/\.c$/.o/r;
	die "$object is missing\n" unless -e $object;
	for (split /\n/, `nm -g $object`)
	{
		my ($type, $symbol) = /(\S) (\S+)$/ or next;
		if   ($type eq 'U') { $needed{$file}{$symbol} = 1 }
		else                { $definer{$symbol}       = $file }
	}
}
my %uses;
for my $file (@sources)
{
	for my $symbol (sort keys %{ $needed{$file} })
	{
		my $definer = $definer{$symbol} or next;
		push @{ $uses{$file}{$definer} }, $symbol if $definer ne $file;
	}
}
die "no file uses another: nm said nothing\n" unless %uses;

# An arrow from one file to another is a fault if it leads to a different folder
# that is not below.
sub misdirection
{
	my ($from, $to) = map { folder($_) } @_;
	return '' if $from eq $to || $floor{$from} > $floor{$to};
	return $floor{$from} < $floor{$to} ? 'up' : 'sideways';
}

my ($arrows, %misdirected) = (0, up => 0, sideways => 0);
for my $file (@sources)
{
	for my $used (sort keys %{ $uses{$file} })
	{
		$arrows++;
		my $direction = misdirection($file, $used) or next;
		$misdirected{$direction}++;
		push @faults, "$file uses $used, an arrow $direction: @{ $uses{$file}{$used} }";
	}
}

# Headers are included by their names alone, or with their folder.
my %header;
for my $file (grep { /\.h$/ } @files)
{
	push @faults, "$file and $header{$_} have one name"
	  for grep { $header{$_} } $file =~ m{([^/]+)$};
	$header{$_} = $file for $file, $file =~ m{([^/]+)$};
}
my %included;
for my $file (@files)
{
	for my $name (slurp("$src/$file") =~ /^#\s*include "([^"]+)"/mg)
	{
		my $included = $header{$name} or next;
		$included{$file}{$included} = 1 if $included ne $file;
		my $direction = misdirection($file, $included) or next;
		push @faults, "$file includes $included, an arrow $direction";
	}
}

# Headers that include functions besides types are reported, but not faults.
my %has_functions =
  map { $_ => 1 } grep { /\.h$/ && slurp("$src/$_") =~ /^extern [^;]*\(/m } @files;
my @broad = grep { $has_functions{ (split)[2] } } map {
	my $file = $_;
	map { "$file includes $_" } sort keys %{ $included{$file} // {} }
} grep { /\.h$/ } @files;

# Groups of files in which every file reaches all others (Tarjan).
sub cycles
{
	my ($edges) = @_;
	my (%index, %low, %on_stack, @stack, @cycles, $visit);
	my $count = 0;
	$visit = sub {
		my ($file) = @_;
		$index{$file} = $low{$file} = ++$count;
		push @stack, $file;
		$on_stack{$file} = 1;
		for my $next (sort keys %{ $edges->{$file} // {} })
		{
			$visit->($next) unless $index{$next};
			$low{$file} = $low{$next} if $on_stack{$next} && $low{$next} < $low{$file};
		}
		return if $low{$file} != $index{$file};
		my @group;
		do { push @group, pop @stack; delete $on_stack{ $group[-1] } } until $group[-1] eq $file;
		push @cycles, [ sort @group ] if @group > 1;
	};
	$visit->($_) for grep { !$index{$_} } sort keys %$edges;
	return @cycles;
}
my @cycles = cycles(\%uses);
for my $cycle (@cycles)
{
	my %in = map { $_ => 1 } @$cycle;
	push @faults, "files that use each other: @$cycle";
	for my $file (@$cycle)
	{
		push @faults, "    $file uses $_: @{ $uses{$file}{$_} }"
		  for grep { $in{$_} } sort keys %{ $uses{$file} };
	}
}
push @faults, "headers that include each other: @$_" for cycles(\%included);

printf "%-5s  %-30s %5s  %s\n", 'floor', 'file', 'lines', 'uses, with the number of symbols';
for my $file (sort { $floor{ folder($b) } <=> $floor{ folder($a) } || $a cmp $b } @sources)
{
	printf "%5d  %-30s %5d  %s\n", $floor{ folder($file) }, $file, $lines{$file},
	  join ', ',
	  map { sprintf '%s %d', $_, scalar @{ $uses{$file}{$_} } } sort keys %{ $uses{$file} // {} };
}
printf "\n%d files, %d arrows: %d up, %d sideways, %d cycles\n", scalar @sources, $arrows,
  $misdirected{up}, $misdirected{sideways}, scalar @cycles;
print scalar @broad, " times a header includes one that declares functions\n",
  map { "    $_\n" } @broad;
print "$_\n" for @faults;
exit(@faults ? 1 : 0);
