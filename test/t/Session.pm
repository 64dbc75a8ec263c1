# A psql session that stays open between queries.
package Session;

use strict;
use warnings;

use IPC::Run;

# Connect to a database of a PostgreSQL::Test::Cluster.  %options: dbname,
# connstr (instead of the node's), user,
# args (of psql).
sub new
{
	my ($class, $node, %options) = @_;
	my $connstr = $options{connstr} // $node->connstr($options{dbname} // 'postgres');
	$connstr .= " user=$options{user}" if $options{user};
	my $self = bless { in => '', out => '', err => '', count => 0 }, $class;
	$self->{harness} = IPC::Run::start([ 'psql', $options{args} // '-XqAt', '-d', $connstr ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		$self->{timer} = IPC::Run::timer(180));
	return $self;
}

# Send statements without waiting for their result.
sub send
{
	my ($self, $sql) = @_;
	my $marker = '--end-' . ++$self->{count} . '--';
	$self->{in} .= "$sql\n;\n\\echo $marker\n\\warn $marker\n";
	$self->{harness}->pump_nb;
	return $marker;
}

# Wait for the result of what was sent last: what it printed, errors included.
sub wait
{
	my ($self) = @_;
	my $marker = "--end-$self->{count}--\n";
	$self->{timer}->start(180);
	while (index($self->{out}, $marker) < 0 || index($self->{err}, $marker) < 0)
	{
		die "session did not answer: $self->{out} $self->{err}"
		  if $self->{timer}->is_expired || !$self->{harness}->pumpable;
		$self->{harness}->pump;
	}
	my $result = $self->{out} . $self->{err};
	$self->{out} = $self->{err} = '';
	$result =~ s/--end-\d+--\n//g;
	chomp $result;
	return $result;
}

sub query
{
	my ($self, $sql) = @_;
	$self->send($sql);
	return $self->wait;
}

sub quit
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	eval { $self->{harness}->finish };
	return;
}

1;
