# style.pl: read names of files from standard input, and print the lines that
# violate .editorconfig, and the names of SQL tests that are not sentences.

use strict;
use warnings;

my $faults = 0;

sub fault
{
	print "@_\n";
	$faults++;
}

# Convert the pattern of a section to a regular expression.
sub pattern
{
	my ($glob) = @_;
	my ($regex, $depth) = ('', 0);
	while ($glob =~ /\G(\*\*|\*|\?|\{|\}|,|.)/g)
	{
		my $token = $1;
		if    ($token eq '**')          { $regex .= '.*' }
		elsif ($token eq '*')           { $regex .= '[^/]*' }
		elsif ($token eq '?')           { $regex .= '[^/]' }
		elsif ($token eq '{')           { $regex .= '(?:'; $depth++ }
		elsif ($token eq '}')           { $regex .= ')';   $depth-- }
		elsif ($token eq ',' && $depth) { $regex .= '|' }
		else                            { $regex .= quotemeta $token }
	}
	return $glob =~ m{/} ? qr{^$regex$} : qr{(?:^|/)$regex$};
}

my @sections;
open my $config, '<', '.editorconfig' or die ".editorconfig: $!\n";
while (<$config>)
{
	next if /^\s*([#;]|$)/;
	if    (/^\[(.*)\]$/) { push @sections, { name => $1, pattern => pattern($1), set => {} } }
	elsif (/^(\w+)\s*=\s*(\S+)$/) { $sections[-1]{set}{$1} = $2 if @sections }
	else                          { fault(".editorconfig:$.: not understood") }
}

my $count = 0;
while (my $name = <STDIN>)
{
	chomp $name;
	$count++;
	my %style;
	for my $section (@sections)
	{
		next unless $name =~ $section->{pattern};
		$section->{used} = 1;
		%style = (%style, %{ $section->{set} });
	}
	look($name, \%style);
}
die "no file was named\n" unless $count;
fault(".editorconfig: no file is [$_->{name}]") for grep { !$_->{used} } @sections;

sub look
{
	my ($name, $style) = @_;
	my $is = sub { ($style->{ $_[0] } // 'unset') eq $_[1] };
	open my $handle, '<:raw', $name or die "$name: $!\n";
	my $text = do { local $/; <$handle> };
	return                          if $text eq '';
	fault("$name: it is not UTF-8") if $is->('charset', 'utf-8') && !utf8::decode(my $copy = $text);
	fault("$name: it has carriage returns") if $is->('end_of_line', 'lf') && $text =~ /\r/;
	fault("$name: the last line has no end")
	  if $is->('insert_final_newline', 'true') && $text !~ /\n\z/;

	look_at_test_names($name, $text) if $name =~ m{^expected/\w+\.out$};

	my ($here, $number, $before, %steps) = (undef, 0, 0);
	for my $line (split /\n/, $text)
	{
		$number++;
		my $at = "$name:$number:";
		fault("$at there is space at its end")
		  if $is->('trim_trailing_whitespace', 'true') && $line =~ /[ \t]$/;
		if (my $max = $style->{max_line_length})
		{
			my $width = 0;
			$width = $_ eq "\t" ? 4 * int($width / 4) + 4 : $width + 1 for split //, $line;
			# Messages are not split in C, so that they can be searched for.
			my $is_message = $name =~ /\.[ch]$/ && $line =~ /"/;
			fault("$at it has $width columns") if $max ne 'unset' && $width > $max && !$is_message;
		}
		# Input for another program follows that program's style.
		if (defined $here)
		{
			undef $here if $line =~ /^\s*$here$/;
			next;
		}
		$here = $1     if $name !~ /\.[ch]$|\.js$|\.sql$/ && $line =~ /<<-?\s*["']?([A-Z]\w*)["']?/;
		$here = '\}.*' if $name =~ /\.p[lm]$/             && $line =~ /\bqq?\{$/;
		my ($indent) = $line =~ /^(\s*)\S/ or next;
		fault("$at tabs indent it")   if $is->('indent_style', 'space') && $indent =~ /\t/;
		fault("$at spaces indent it") if $is->('indent_style', 'tab')   && $indent !~ /^\t* {0,3}$/;
		$steps{ length($indent) - $before }++ if length $indent > $before;
		$before = length $indent;
	}
	return unless $is->('indent_style', 'space') && ($style->{indent_size} // 'unset') ne 'unset';
	my ($step) = sort { $steps{$b} <=> $steps{$a} || $a <=> $b } keys %steps or return;
	fault("$name: it is indented by $step") if $steps{$step} >= 5 && $step != $style->{indent_size};
}

# The name of a test must make sense in a list of failures, without the line
# before it: it has three words or more, and does not begin by joining them to
# something else.
sub look_at_test_names
{
	my ($name, $text) = @_;
	my $joining = qr/also|and|but|neither|nor|or|so|that|then|unless|which|who|whose|yet/;
	while ($text =~ /^(?:not )?ok (\d+)(?: - (.*))?$/mg)
	{
		my ($test, $sentence) = ("$name: test $1:", $2 // '');
		fault("$test it has fewer than three words") if (() = $sentence =~ /\S+/g) < 3;
		fault("$test it begins with \"$1\"")         if $sentence =~ /^($joining)\b/i;
	}
}

print "$count files, $faults faults\n";
exit($faults ? 1 : 0);
