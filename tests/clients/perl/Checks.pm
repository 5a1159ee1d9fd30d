# What the checks of DBD::Pg share: their list, connecting, comparing, and running each in a
# process of its own, so that a crash or a hang is the failure of one check only.

package Checks;
use strict;
use warnings;
use utf8;
use Exporter 'import';
use DBI;
use JSON::PP ();

our @EXPORT = qw(check compute connected equal like one parts refused run);
my $DEADLINE_S = 30;
my (@checks, $uri, $compute);

# check("name", sub { ... }): fails by dying.
sub check { push @checks, [@_] }

# A query that ends only when it is cancelled.
sub compute { $compute }

# What the URI names, as keywords of libpq.
sub parts {
    my %parts;
    @parts{qw(user password host port dbname)} =
        $uri =~ m{^postgresql://([^:]+):([^@]+)@([^:/]+):(\d+)/(\w+)} or die "not a URI: $uri";
    return %parts;
}

# A connection that dies on errors and prints none; attributes may be given.
sub connected {
    my %parts = parts();
    my ($user, $password) = delete @parts{qw(user password)};
    my %attributes = (RaiseError => 1, PrintError => 0, AutoCommit => 1, @_);
    my $options = delete $attributes{options};
    $parts{options} = "'$options'" if defined $options;
    my $source = 'dbi:Pg:' . join ';', map { "$_=$parts{$_}" } sort keys %parts;
    $password = delete $attributes{password} if exists $attributes{password};
    return DBI->connect($source, $user, $password, \%attributes) || die DBI->errstr;
}

my $json = JSON::PP->new->canonical->allow_nonref;

sub equal {
    my ($got, $want, $what) = @_;
    my ($left, $right) = map { $json->encode(plain($_)) } $got, $want;
    die(($what // 'got') . ": $left, want $right\n") if $left ne $right;
}

sub like {
    my ($got, $pattern) = @_;
    die 'got ' . ($got // 'nothing') . ", want $pattern\n" if ($got // '') !~ $pattern;
}

# Numbers and strings that look alike are equal here: DBI gives both for one type.
sub plain {
    my ($value) = @_;
    return [map { plain($_) } @$value] if ref $value eq 'ARRAY';
    return {map { $_ => plain($value->{$_}) } keys %$value} if ref $value eq 'HASH';
    return defined $value ? "$value" : undef;
}

# The first column of the first row.
sub one {
    my ($dbh, $sql, @values) = @_;
    return ($dbh->selectrow_array($sql, undef, @values))[0];
}

# Dies unless the work fails with this SQLSTATE.
sub refused {
    my ($handle, $sqlstate, $work) = @_;
    my $done = eval { $work->(); 1 };
    my $error = $@;
    die "$sqlstate was expected, it worked\n" if $done;
    die "$sqlstate was expected: $error" if ref $handle && ($handle->state // '') ne $sqlstate;
    return $error;
}

sub run {
    ($uri, $compute, my @names) = @_;
    $| = 1;
    for my $each (@checks) {
        my ($name, $work) = @$each;
        next if @names && !grep { $_ eq $name } @names;
        my $why = outcome($work);
        print $json->encode({check => $name, ok => $why eq '' ? JSON::PP::true : JSON::PP::false,
            why => $why}), "\n";
    }
}

# Empty when the work succeeded, in a child; what it said otherwise.
sub outcome {
    my ($work) = @_;
    pipe(my $reader, my $writer) or die $!;
    my $child = fork // die $!;
    if (!$child) {
        close $reader;
        my $done = eval { $work->(); 1 };
        my $why = $done ? 'done' : "failed: $@";
        $why =~ s/\s+/ /g;
        utf8::encode($why) if utf8::is_utf8($why);
        print $writer substr($why, 0, 4000);
        close $writer;
        POSIX::_exit(0);
    }
    close $writer;
    my $said = '';
    eval {
        local $SIG{ALRM} = sub { die "late\n" };
        alarm $DEADLINE_S;
        $said = do { local $/; <$reader> } // '';
        alarm 0;
    };
    if ($@) {
        kill 'KILL', $child;
        $said = "no end after $DEADLINE_S s";
    }
    waitpid $child, 0;
    return '' if $said eq 'done';
    return $said || 'the process died with ' . ($? & 127 ? "signal ${\($? & 127)}" : "code $?");
}

1;
