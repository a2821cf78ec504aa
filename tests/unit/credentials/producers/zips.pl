# Writes the files two folders down as zips into the folder that is named, in the ways of IO::Compress::Zip.
use strict;
use warnings;
use IO::Compress::Zip qw(:all);

my ($into) = @ARGV;
my @files = sort glob("*/*");
my %ways = (
    "deflated"      => [],
    "minimal"       => [Minimal => 1],
    "stored-stream" => [Method => ZIP_CM_STORE, Stream => 1],
    "zip64-stream"  => [Zip64 => 1, Stream => 1],
);
for my $way (keys %ways) {
    zip \@files => "$into/$way.zip", @{ $ways{$way} } or die $ZipError;
}
