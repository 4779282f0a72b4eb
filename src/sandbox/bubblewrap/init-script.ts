/**
 * The first process inside every sandbox, in Perl because that is what nearly every Linux has, starts in two
 * milliseconds and can make any system call: it puts the program's files in place, starts each stage (compiling,
 * running) under its limits and another user, reaps every process, measures, and reports over a pipe. When it ends,
 * the kernel ends everything in its process namespace.
 *
 * It trusts nothing that the program can reach: it opens no file of the program's once one has run, it cannot be
 * traced or read by it, and as first process of its namespace it cannot be killed or stopped from within.
 *
 * Descriptors: 3 what to do, 4 what happened, 5 and 6 output and errors of compilers. What to do comes as records, a
 * line `name length` and so many bytes; fields within are separated by NUL.
 *   mount  path, size in bytes, number of files      remounts a tmpfs with those limits
 *   file   path, contents                            in the program's folder
 *   stage  see `Stage` in session.ts
 *   go                                               the end of the list
 *   next                                             begin the next stage
 * What happened, a line each: `ready`, `next STAGE` (waits for the word to begin it), `begin STAGE`, `end STAGE STATUS CPU-MICROSECONDS PEAK-BYTES LIMIT`,
 * `failed REASON`.
 */
export const initScript = String.raw`
use strict; no warnings;
my %nr = do { my $m = (split /\0/, $ARGV[0])[0]; $m eq 'x64'
  ? (close => 3, mount => 165, prctl => 157, wait4 => 61, setitimer => 38, prlimit => 302, setsid => 112, capset => 126,
     setresuid => 117, setresgid => 119, setgroups => 116)
  : (close => 57, mount => 40, prctl => 167, wait4 => 260, setitimer => 103, prlimit => 261, setsid => 157, capset => 91,
     setresuid => 147, setresgid => 149, setgroups => 159) };
my ($machine, $uid, $home) = @ARGV;
$0 = 'init';
open(my $in, '<&=', 3) or exit 70;
open(my $out, '>&=', 4) or exit 70;
open(my $cout, '>&=', 5) or exit 70;
open(my $cerr, '>&=', 6) or exit 70;
fcntl($_, 2, 1) for ($in, $out, $cout, $cerr);
sub say_ { syswrite($out, "$_[0]\n") }
sub fail { say_("failed $_[0]: $!"); exit 70 }
syscall($nr{prctl}, 4, 0, 0, 0, 0) == 0 or fail('prctl');
# Whatever the host process had inherited without knowing; close_range(2), or one by one before Linux 5.9.
syscall(436, 7, 0xffffffff, 0) == 0 or do { syscall($nr{close}, $_) for 7 .. 65535 };
say_('ready');

my $buffer = '';
my @stages; my $seccomp = ''; my @made;
sub take {
  my $n = shift;
  while (length($buffer) < $n) { sysread($in, $buffer, 1 << 16, length $buffer) or exit 0 }
  return substr($buffer, 0, $n, '');
}
sub record {
  my $line = '';
  for (;;) { my $c = take(1); last if $c eq "\n"; $line .= $c }
  my ($name, $length) = split / /, $line;
  return ($name, take($length));
}
my %folders;
sub folder {
  my $path = shift;
  return if $folders{$path}++;
  if ($path =~ m{^(.+)/[^/]+$}) { folder($1) if length($1) > length($home) }
  return if $path eq $home;
  mkdir($path, 0755) or fail('mkdir');
  push @made, $path;
}
for (;;) {
  my ($name, $data) = record();
  if ($name eq 'mount') {
    my ($path, $size, $inodes) = split /\0/, $data;
    my $options = "size=$size,nr_inodes=$inodes";
    # MS_REMOUNT, MS_NOSUID, MS_NODEV
    my $type = 'tmpfs';
    syscall($nr{mount}, $type, $path, $type, 32 | 2 | 4, $options) == 0 or fail("remount $path");
  } elsif ($name eq 'seccomp') { $seccomp = $data }
  elsif ($name eq 'file') {
    my $at = index($data, "\0");
    my $path = "$home/" . substr($data, 0, $at);
    $path =~ m{^(.+)/[^/]+$} and folder($1);
    open(my $file, '>:raw', $path) or fail('open');
    print $file substr($data, $at + 1) or fail('write');
    close($file) or fail('write');
    push @made, $path;
  } elsif ($name eq 'stage') { push @stages, [split /\0/, $data, -1] }
  elsif ($name eq 'go') { last }
  else { fail("record $name") }
}
# Only now: what is not ours is closed to us, without the capabilities of root.
if ($uid) { chown($uid, $uid, @made) == @made or fail('chown') }
# Keep SETUID, SETGID and KILL (when the program is to be another user), nothing when it is not.
my $keep = $uid ? (1 << 5 | 1 << 6 | 1 << 7) : 0;
# PR_CAPBSET_DROP; refused, harmlessly, where we have no such right, or there is no such capability.
syscall($nr{prctl}, 24, $_, 0, 0, 0) for 0 .. 63;
my $header = pack('L l', 0x20080522, 0);
my $set = pack('L6', $keep, $keep, 0, 0, 0, 0);
syscall($nr{capset}, $header, $set) == 0 or fail('capset');

sub reap {
  my ($flags, $total) = @_;
  my ($status, $usage) = (pack('l', 0), "\0" x 144);
  my $pid = syscall($nr{wait4}, -1, $status, $flags, $usage);
  return ($pid) if $pid <= 0;
  my ($us, $uu, $ss, $su, $rss) = unpack('q5', $usage);
  $total->{cpu} += ($us + $ss) * 1e6 + $uu + $su;
  $total->{peak} = $rss * 1024 if $rss * 1024 > $total->{peak};
  return ($pid, unpack('l', $status));
}
# What is in use now, by all processes but this one: microseconds, bytes.
sub look {
  my ($cpu, $bytes) = (0, 0);
  opendir(my $all, '/proc') or return (0, 0);
  for my $pid (readdir $all) {
    next unless $pid =~ /^\d+$/ && $pid != 1;
    my $text = '';
    open(my $file, '<', "/proc/$pid/stat") or next;
    sysread($file, $text, 4096);
    $text =~ s/^.*\) //s;
    my @field = split / /, $text;
    $cpu += ($field[11] + $field[12] + $field[13] + $field[14]) * 10000;
    open($file, '<', "/proc/$pid/statm") or next;
    sysread($file, $text, 4096);
    @field = split / /, $text;
    $bytes += ($field[1] - $field[2]) * 4096 if $field[1] > $field[2];
  }
  return ($cpu, $bytes);
}
$SIG{ALRM} = sub { };
$SIG{PIPE} = 'IGNORE';
for my $stage (@stages) {
  my ($name, $wall, $cpu, $memory, $address, $file, $processes, $words, @rest) = @$stage;
  my @environment = splice(@rest, 0, $words);
  # The host sets the limits of the second in the meantime.
  if ($stage != $stages[0]) { say_("next $name"); my ($word) = record(); $word eq 'next' or fail($word) }
  say_("begin $name");
  my $child = fork();
  defined $child or fail('fork');
  if ($child == 0) {
    if ($name ne 'run') {
      open(STDIN, '<', '/dev/null');
      open(STDOUT, '>&', $cout); open(STDERR, '>&', $cerr);
    }
    $SIG{$_} = 'DEFAULT' for qw(ALRM PIPE);
    my $seconds = int(($cpu + 999) / 1000);
    # Resources: CPU 0, FSIZE 1, STACK 3, CORE 4, NPROC 6, NOFILE 7, MEMLOCK 8, AS 9, MSGQUEUE 12
    my %limit = (0 => [$seconds, $seconds + 1], 1 => [$file, $file], 4 => [0, 0], 6 => [$processes, $processes],
      7 => [256, 256], 8 => [1 << 16, 1 << 16], 12 => [0, 0]);
    $limit{9} = [$address, $address] if $address;
    for (keys %limit) {
      my $pair = pack('Q2', @{$limit{$_}});
      syscall($nr{prlimit}, 0, $_ + 0, $pair, 0) == 0 or do { print STDERR "limit $_: $!\n"; exit 126 };
    }
    if (open(my $score, '>', '/proc/self/oom_score_adj')) { syswrite($score, '1000') }
    syscall($nr{setsid});
    chdir($home);
    if ($uid) {
      syscall($nr{setgroups}, 0, 0) == 0 or exit 126;
      syscall($nr{setresgid}, $uid + 0, $uid + 0, $uid + 0) == 0 or exit 126;
      syscall($nr{setresuid}, $uid + 0, $uid + 0, $uid + 0) == 0 or exit 126;
    }
    %ENV = map { /^([^=]*)=(.*)$/s } @environment;
    if (length $seccomp) {
      my $program = pack('S x6 P', length($seccomp) / 8, $seccomp);
      # PR_SET_SECCOMP, SECCOMP_MODE_FILTER; no new privileges is set already.
      syscall($nr{prctl}, 22, 2, $program, 0, 0) == 0 or do { print STDERR "seccomp: $!\n"; exit 126 };
    }
    exec { $rest[0] } @rest;
    print STDERR "$rest[0]: $!\n";
    exit 127;
  }
  my %total = (cpu => 0, peak => 0);
  my ($status, $limit) = (-1, '-');
  # Every 20 ms, first after 5.
  my $timer = pack('q4', 0, 20000, 0, 5000);
  syscall($nr{setitimer}, 0, $timer, 0);
  for (;;) {
    my ($pid, $code) = reap(0, \%total);
    if ($pid == $child) { $status = $code; last }
    next if $pid > 0;
    my ($used, $bytes) = look();
    $total{now} = $bytes if $bytes > ($total{now} // 0);
    if ($bytes > $memory) { $limit = 'memory'; kill('KILL', -1) }
    elsif ($total{cpu} + $used > $cpu * 1000) { $limit = 'cpu'; kill('KILL', -1) }
  }
  $timer = pack('q4', 0, 0, 0, 0);
  syscall($nr{setitimer}, 0, $timer, 0);
  kill('KILL', -1);
  for (;;) { my ($pid) = reap(0, \%total); last if $pid < 0 && !$!{EINTR} }
  my $peak = ($total{now} // 0) > $total{peak} ? $total{now} : $total{peak};
  say_("end $name $status $total{cpu} $peak $limit");
  last if $status != 0;
}
exit 0;
`;
