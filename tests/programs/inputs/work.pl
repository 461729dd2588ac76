# work.pl SIZE: hashes, sorting, regular expressions, closures, objects, string building.
use strict;
use warnings;

my $size = shift;
my $preload = $ENV{PRELOAD} // '';
open my $maps, '<', '/proc/self/maps' or die;
my $loaded = $preload eq '' || grep { / \Q$preload\E$/ } <$maps>;
print 'loaded ', ($loaded ? 'yes' : 'no'), "\n";

my %groups;
for my $i (0 .. $size) {
    my $key = sprintf '%x', $i * 2654435761 % ($size / 3 + 1);
    push @{ $groups{$key} }, { id => $i, text => 'x' x ($i % 40), list => [0 .. $i % 7] };
}
my $total = 0;
for my $key (sort keys %groups) {
    $total += length($_->{text}) + @{ $_->{list} } for @{ $groups{$key} };
}
print scalar(keys %groups), " $total\n";

my $text = join ' ', map { "user$_\@host" . ($_ % 97) . '.example.org' } 1 .. $size;
my $count = () = $text =~ /(\w+)@([\w.]+)/g;
(my $other = $text) =~ s/user(\d+)/'u' . $1 * 3/ge;
print "$count ", length($other), "\n";

my %words;
$words{$_}++ for map { lc } split /[@.\s]+/, $other;
my @top = (sort { $words{$b} <=> $words{$a} || $a cmp $b } keys %words)[0 .. 4];
print "@top\n";

my @subs = map { my $n = $_; sub { $n * shift } } 1 .. $size / 10;
my $sum = 0;
$sum = ($sum + $_->(3)) % 1000003 for @subs;
my $long = '';
$long .= chr(97 + $_ % 26) x 10 for 1 .. $size;
print "$sum ", length($long), ' ', unpack('%32C*', $long), "\n";

%groups = ();
my $pid = fork // die;
if (!$pid) {
    my @list = map { "$_" x 5 } 1 .. $size / 10;
    exit(@list == int($size / 10) ? 3 : 4);
}
waitpid $pid, 0;
print 'child ', $? >> 8, "\n";
