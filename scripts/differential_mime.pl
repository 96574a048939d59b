# What Perl's MIME::Parser takes out of messages: lines "FILE<TAB>FOLDER" on standard input; for each
# leaf FOLDER/N.content and FOLDER/N.name, and FILE on standard output when it begins with one.
#
# Called by  scripts/differential.py.
use strict;
use warnings;
use MIME::Parser;
$| = 1;
my $number;

sub leaf {
    my ($entity, $folder) = @_;
    $number++;
    my $name = $entity->head->recommended_filename;
    open(my $names, '>:utf8', "$folder/$number.name") or die;
    print $names $name if defined $name;
    close $names;
    my $body = $entity->bodyhandle or return;
    open(my $content, '>:raw', "$folder/$number.content") or die;
    print $content $body->as_string;
    close $content;
}

sub walk {
    my ($entity, $folder) = @_;
    my @parts = $entity->parts;
    if (@parts) { walk($_, $folder) for @parts }
    else { leaf($entity, $folder) }
}

while (my $line = <STDIN>) {
    chomp $line;
    my ($file, $folder) = split /\t/, $line;
    print "$file\n";
    $number = 0;
    eval {
        local $SIG{ALRM} = sub { die "too long\n" };
        alarm 10;
        my $parser = MIME::Parser->new;
        $parser->output_to_core(1);
        $parser->tmp_to_core(1);
        $parser->extract_uuencode(1);
        $parser->ignore_errors(1);
        walk($parser->parse_open($file), $folder);
        alarm 0;
    };
    alarm 0;
}
