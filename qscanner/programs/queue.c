/* The program qmail runs as $QMAILQUEUE: message on fd 0, envelope on fd 1, exit code out.
 *
 * Called by  qmail-smtpd, qmail-inject, qmail-local, qmail-send: anything that links qmail.c.
 * Ends       by becoming the real qmail-queue, with the answer of qscannerd, or "later". Where the
 *            daemon is away it becomes qscanner-queue-python, which scans by itself.
 * Careful    it starts once for every message, so its start is the cost: no settings, no library.
 *            It does what programs/queue.py does, and one test suite runs against both.
 *            0 is only ever the daemon's word that a message is held or discarded.
 *
 * Source: qmail-queue(8) and qmail-queue.c of notqmail; codec/frames.py; unix(7), memfd_create(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger.h"
#include "visit.h"

#ifndef SPOOL_PATH
#define SPOOL_PATH "/var/spool/qscanner/tmp"
#endif
#ifndef WAIT_S
#define WAIT_S 90 /* for a word of the daemon; its own bound is shorter */
#endif
#ifndef GRACE_S
#define GRACE_S 5 /* for the answer, beyond the seconds that the daemon names */
#endif

/* outcomes.REPLIES: the endings, their exit codes, and the letter where a text goes with them. */
#define ENDINGS \
  ROW(ACCEPTED, 0, 0) ROW(HELD, 0, 0) ROW(DISCARDED, 0, 0) ROW(REJECTED, 31, 'D') \
  ROW(DEFERRED, 71, 'Z') ROW(ADDRESS_TOO_LONG, 11, 0) ROW(OUT_OF_MEMORY, 51, 0) \
  ROW(DEADLINE, 52, 0) ROW(DISK_FULL, 53, 0) ROW(CUT_SHORT, 54, 0) ROW(UNUSABLE, 55, 0) \
  ROW(BUG, 81, 0) ROW(BAD_ENVELOPE, 91, 0)
#define ROW(name, code, letter) name = code,
enum { ENDINGS };
#undef ROW
#define ROW(name, code, letter) {#name, code, letter},
static const struct ending { const char *name; int code; char letter; } endings[] = {
  ENDINGS {0, 0, 0}};

enum {
  MAX_ADDRESS_OCTETS = 1002,        /* qmail-queue.c: ADDR is 1003 with the NUL */
  IN_MEMORY_OCTETS = 1 << 20,       /* larger messages go to the spool folder */
  MEMORY_ONLY_OCTETS = 32 << 20,    /* where that cannot be written; and of an envelope */
  MAX_TEXT_OCTETS = 255,            /* on the reply channel: notqmail's qmail.c */
  LIFETIME_S = 86400,               /* qmail-queue.c: a day for a sender that dribbles */
};

static pid_t caller;
static int error_fd = -1; /* $ERROR_FD, where it is a pipe that we may write */
static unsigned proven;   /* bit n: fd n is such a pipe, for 2, 4 and 6 */
static struct { int number; struct sigaction was; } changed[] = {
  {.number = SIGALRM}, {.number = SIGPIPE}, {.number = SIGXFSZ}};

/* ---- leaving */

/* Tell the admin why, in one line of printable ASCII, and end. `error` is an errno or 0. */
static _Noreturn void fail(int code, const char *what, const char *which, int error)
{
  char line[512];
  int n = snprintf(line, sizeof line - 1, "qscanner: %s%s%s%s", what, which, error ? ": " : "",
                   error ? strerror(error) : "");
  if (n >= (int)sizeof line - 1) n = sizeof line - 2;
  for (int i = 0; i < n; ++i)
    if (line[i] < 32 || line[i] > 126) line[i] = '?';
  line[n++] = '\n';
  if (error_fd != 2 && write(2, line, (size_t)n) == -1) _exit(code); /* lost: changes nothing */
  _exit(code);
}

static void die_of_age(int number) { (void)number; _exit(DEADLINE); }

/* A dead reader or a file size limit shall be an error of write(), and never a signal. */
static void change_signals(void)
{
  struct sigaction change = {.sa_handler = die_of_age};
  sigset_t none;
  for (int i = 0; i < 3; ++i) {
    sigaction(changed[i].number, &change, &changed[i].was);
    change.sa_handler = SIG_IGN;
  }
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, 0);
}

/* Become another program, with the two files as its fd 0 and 1. `mark` is told our pid. */
static _Noreturn void become(const char *program, int message, int envelope, const char *mark)
{
  char *argv[] = {(char *)(uintptr_t)program, 0}, told[48];
  snprintf(told, sizeof told, "%ld:%ld", (long)getpid(), (long)caller);
  if (!strcmp(mark, "QSCANNER_PID")) *strchr(told, ':') = 0;
  if (setenv(mark, told, 1) == -1) fail(OUT_OF_MEMORY, "no memory for the environment", "", 0);
  if (getppid() != caller) /* its next try would deliver a second copy */
    fail(DEFERRED, "the program that called us is gone; the message was not queued", "", 0);
  if (dup2(message, 0) == -1 || dup2(envelope, 1) == -1) fail(UNUSABLE, "dup2", "", errno);
  for (int i = 0; i < 3; ++i) sigaction(changed[i].number, &changed[i].was, 0);
  /* Descriptors share their offset with every copy: rewound here, or qmail-queue would queue an
   * empty message and end 0. */
  if (lseek(0, 0, SEEK_SET) || lseek(1, 0, SEEK_SET)) fail(UNUSABLE, "lseek", "", errno);
  execv(program, argv);
  fail(UNUSABLE, "cannot become ", program, errno);
}

/* The daemon is away. */
static _Noreturn void scan_by_ourselves(int message, int envelope)
{
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
  if (n <= 0) fail(UNUSABLE, "qscannerd is away, and /proc/self/exe cannot be read", "", errno);
  path[n] = 0;
  strcpy(strrchr(path, '/') + 1, "qscanner-queue-python");
  become(path, message, envelope, "QSCANNER_AWAY");
}

/* ---- the reply channel (reply.py) */

static int is_pipe(int fd)
{
  struct stat st;
  int flags = fcntl(fd, F_GETFL);
  return flags != -1 && (flags & O_ACCMODE) != O_RDONLY && !fstat(fd, &st) && S_ISFIFO(st.st_mode);
}

/* Before anything is opened: a later pipe of our own must not be taken for a reply channel. */
static void prove(void)
{
  const char *named = getenv("ERROR_FD");
  if (named && *named && strlen(named) <= 7 && !named[strspn(named, "0123456789")] &&
      is_pipe(atoi(named)))
    error_fd = atoi(named);
  for (int fd = 2; fd <= 6; fd += 2)
    if (is_pipe(fd)) proven |= 1u << fd;
}

static int is_proven(int fd)
{
  return fd > 0 && (fd == error_fd || (fd < 8 && proven & 1u << fd));
}

/* Give the exit code that goes with a text on *fd, or 0: no channel by this setting. */
static int channel(const char *setting, int *fd)
{
  if (!strcmp(setting, "auto")) {
    if ((*fd = error_fd) != -1 && error_fd != 2) return 88;
    return is_proven(*fd = 6) || is_proven(*fd = 4) ? 82 : 0;
  }
  if (!is_proven(*fd = *setting - '0')) return 0;
  return !strcmp(setting + 1, ":82") ? 82 : !strcmp(setting + 1, ":88") ? 88 : 0;
}

/* ---- stage one: spool both descriptors (spool.py, codec/envelope.py) */

static _Noreturn void fail_to_write(void)
{
  int is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO ||
                errno == EROFS;
  fail(is_full ? DISK_FULL : DEFERRED, "cannot write the message to the spool", "", errno);
}

static int memory_file(void)
{
  int fd = memfd_create("qscanner", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd == -1) fail(DISK_FULL, "no memory file to be had", "", errno);
  return fd;
}

static int seal(int fd) /* of no effect on a file in the spool folder */
{
  fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  return fd;
}

static void write_all(int fd, const char *octets, size_t n)
{
  while (n) {
    ssize_t written = write(fd, octets, n);
    if (written == -1 && errno == EINTR) continue;
    if (written == -1) fail_to_write();
    octets += written;
    n -= (size_t)written;
  }
}

static size_t read_some(int fd)
{
  ssize_t r;
  do r = read(fd, packet, MAX_PACKET_OCTETS);
  while (r == -1 && errno == EINTR);
  if (r == -1) fail(CUT_SHORT, "cannot read what the caller sends", "", errno);
  return (size_t)r;
}

static const char *spool_folder(void)
{
  const char *folder = getenv("QSCANNER_SPOOL");
  return folder && *folder ? folder : SPOOL_PATH;
}

/* Give a file without a name in the spool folder, -1 where that cannot be written. */
static int unlinked_file(void)
{
  char name[PATH_MAX];
  uint64_t any;
  int fd = open(spool_folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd != -1 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  if (getrandom(&any, sizeof any, 0) != sizeof any) return -1; /* no O_TMPFILE here */
  if (snprintf(name, sizeof name, "%s/.%ld.%016llx", spool_folder(), (long)getpid(),
               (unsigned long long)any) >= (int)sizeof name) return -1;
  fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd != -1) unlink(name);
  return fd;
}

/* Give the file that takes over from a memory file which has outgrown its room. */
static int move_out(int fd, off_t size)
{
  int file = unlinked_file();
  if (file == -1) return fd;
  for (off_t at = 0; at < size;) {
    ssize_t sent = sendfile(file, fd, &at, (size_t)(size - at));
    if (!sent) errno = EIO;
    if (sent <= 0 && errno != EINTR) fail_to_write();
  }
  close(fd);
  return file;
}

static int receive_message(void)
{
  int file = memory_file(), was;
  off_t size = 0, room = IN_MEMORY_OCTETS;
  for (size_t r; (r = read_some(0)); size += (off_t)r) {
    if (size + (off_t)r > room) {
      if (room != IN_MEMORY_OCTETS)
        fail(DISK_FULL, "the message outgrows memory, and no file can be had in ", spool_folder(),
             0);
      file = move_out(was = file, size);
      room = file == was ? MEMORY_ONLY_OCTETS : (off_t)1 << 62;
    }
    if (size + (off_t)r > IN_MEMORY_OCTETS && !claim(size + (off_t)r))
      fail(DISK_FULL, "the spool is full: [limits] spooled", "", 0);
    write_all(file, packet, r);
  }
  return seal(file);
}

/* F sender NUL, then letter, address and NUL each, then NUL: there we stop, as qmail-queue. */
static int receive_envelope(void)
{
  enum { FIRST, LETTER, ADDRESS } at = FIRST;
  int file = memory_file(), length = 0;
  for (size_t r, size = 0; (r = read_some(1)); size += r) {
    if (size + r > MEMORY_ONLY_OCTETS) fail(DISK_FULL, "the envelope is too large", "", 0);
    for (size_t i = 0; i < r; ++i) {
      char c = packet[i];
      if (at == ADDRESS && !c) {
        at = LETTER;
        length = 0;
      } else if (at == ADDRESS) {
        if (++length > MAX_ADDRESS_OCTETS)
          fail(ADDRESS_TOO_LONG, "an address of the envelope has more than 1002 octets", "", 0);
      } else if (at == LETTER && !c) {
        write_all(file, packet, i + 1);
        return seal(file);
      } else {
        if (at == FIRST ? c != 'F' : c < 'A' || c > 'Z')
          fail(BAD_ENVELOPE, "the envelope is not F, T and their like", "", 0);
        at = ADDRESS;
      }
    }
    write_all(file, packet, r);
  }
  fail(CUT_SHORT, "the envelope ended before its last NUL: the caller gave up", "", 0);
}

/* ---- stage two: ask the daemon */

/* Give the seconds of a go, -1 where it is none. */
static int seconds(const char *text)
{
  size_t n = strlen(text);
  return n && n <= 5 && strspn(text, "0123456789") == n ? atoi(text) : -1;
}

static int is_file(int fd)
{
  struct stat st;
  return fd != -1 && !fstat(fd, &st) && S_ISREG(st.st_mode);
}

/* Do what an answer says: kind, ending, exit code, text, reply channel, queue program. */
static _Noreturn void obey(const char *field[MAX_FIELDS], const int fds[2], int is_asked)
{
  const struct ending *row = endings;
  size_t n = strlen(field[3]);
  int fd, code;
  while (row->name && strcmp(row->name, field[1])) ++row;
  if (!row->name || atoi(field[2]) != row->code || (!row->code && !is_asked))
    fail(DEFERRED, "qscannerd said what it must not say: ", field[1], 0);
  if (!strcmp(row->name, "ACCEPTED")) {
    if (!is_file(fds[0]) || !is_file(fds[1]))
      fail(DEFERRED, "qscannerd accepted the message without handing it over", "", 0);
    become(field[5], fds[0], fds[1], "QSCANNER_PID");
  }
  if (n > MAX_TEXT_OCTETS) n = MAX_TEXT_OCTETS;
  if (n && *field[3] == row->letter && (code = channel(field[4], &fd)) &&
      write(fd, field[3], n) == (ssize_t)n) _exit(code);
  _exit(row->code);
}

static _Noreturn void ask(int message, int envelope)
{
  const char *field[MAX_FIELDS];
  int fds[2], files[2] = {message, envelope}, fields, within_s;
  int64_t until_ms = now_ms() + WAIT_S * 1000;
  int daemon = connect_daemon(until_ms);

  if (daemon == -2) fail(DEFERRED, "qscannerd has too many callers", "", 0);
  if (daemon == -1 || !say(daemon, hello(), 0, until_ms)) scan_by_ourselves(message, envelope);
  fields = hear(daemon, until_ms, field, fds);
  if (fields == -1) fail(DEFERRED, "qscannerd did not answer", "", 0);
  if (fields == 6 && !strcmp(field[0], "qscanner answer 1")) obey(field, fds, 0);
  if (fields != 2 || strcmp(field[0], "qscanner go 1") || (within_s = seconds(field[1])) == -1)
    scan_by_ourselves(message, envelope);

  /* From here on it may have our message: whatever goes wrong is "later", never a second scan. */
  until_ms = now_ms() + ((int64_t)within_s + GRACE_S) * 1000;
  if (!say(daemon, question(), files, until_ms))
    fail(DEFERRED, "qscannerd does not take the message", "", errno);
  fields = hear(daemon, until_ms, field, fds);
  if (fields == -1) fail(DEADLINE, "qscannerd did not answer in the time that it named", "", 0);
  if (fields != 6 || strcmp(field[0], "qscanner answer 1"))
    fail(DEFERRED, "qscannerd went away with the question, or answered rubbish", "", 0);
  obey(field, fds, 1);
}

int main(void)
{
  const char *mark = getenv("QSCANNER_PID");
  char pid[24];
  int message, envelope;

  caller = getppid();
  prove();
  /* Else a file of ours would get a low number, and a complaint could land in the message. */
  if (fcntl(0, F_GETFD) == -1 || fcntl(1, F_GETFD) == -1) _exit(CUT_SHORT);
  if (fcntl(2, F_GETFD) == -1 && open("/dev/null", O_WRONLY) != 2) _exit(BUG);
  snprintf(pid, sizeof pid, "%ld", (long)getpid());
  if (mark && !strcmp(mark, pid))
    fail(UNUSABLE, "queue.program leads back to qscanner-queue: set it to qmail-queue", "", 0);
  change_signals();
  alarm(LIFETIME_S);
  message = receive_message();
  envelope = receive_envelope();
  alarm(0);
  ask(message, envelope);
}
