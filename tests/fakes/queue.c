/* The strict stand-in for qmail-queue(8): message on fd 0, envelope on fd 1, exit code out.
 *
 * Called by  whatever is under test, as its queue program; fakes/queue.py reads what it leaves.
 * Ends       0 only when N.mess and N.env are durable in $FAKE_QUEUE_DIR; else as qmail-queue.c:
 *            54 cut short, 91 bad letter, 11 address over 1002 octets, 53 write error,
 *            61 no usable folder, 52 after a minute.
 * Careful    plain read() from where the descriptors stand: a caller that forgets to rewind is seen.
 *            The envelope is read octet by octet in the order and with the ends of qmail-queue.c.
 *
 * N.proc     facts of the process, key=value, written at the start: one per start, queued or not.
 * N.mess     the message; N.env the envelope's octets up to its last NUL. N.env is linked last:
 *            where it is, the message is queued.
 *
 * Compiled with -DQUEUE_DIR='"/a/folder"' it queues there, as a set-uid program that asks nobody.
 *
 * FAKE_QUEUE_EXIT=N     ends with N after reading everything, queues nothing
 * FAKE_QUEUE_SIGNAL=N   kills itself with N after reading everything
 * FAKE_QUEUE_STALL=F    waits, before it reads, until file F appears (10 s at most, then 52)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef QUEUE_DIR
#define QUEUE_DIR getenv("FAKE_QUEUE_DIR")
#endif
#define ADDR 1003 /* qmail-queue.c: an address and its NUL */
#define DEATH_S 60
#define STALL_S 10

extern char **environ;

static int folder = -1;
static long number;
static char name_mess[64], name_env[64];

static void die(int code)
{
    if (folder != -1 && *name_mess) {
        unlinkat(folder, name_mess, 0);
        unlinkat(folder, name_env, 0);
    }
    _exit(code);
}

static void on_alarm(int sig)
{
    (void)sig;
    die(52);
}

/* ---- facts ---------------------------------------------------------------------------------- */

static void put_escaped(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; ++c) {
        if (*c == '\\' || *c < 32 || *c > 126)
            fprintf(out, "\\x%02x", *c);
        else
            fputc(*c, out);
    }
    fputc('\n', out);
}

static void put_descriptors(FILE *out)
{
    DIR *fds = opendir("/proc/self/fd");
    struct dirent *entry;
    if (!fds)
        return;
    while ((entry = readdir(fds))) {
        char target[PATH_MAX] = "";
        char *end;
        int fd = (int)strtol(entry->d_name, &end, 10);
        if (*end || end == entry->d_name || fd == dirfd(fds) || fd == folder || fd == fileno(out))
            continue;
        ssize_t length = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        fprintf(out, "fd.%d=", fd);
        put_escaped(out, target);
        fprintf(out, "cloexec.%d=%d\n", fd, (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    closedir(fds);
}

static void put_limit(FILE *out, const char *name, int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) == -1)
        return;
    fprintf(out, "rlimit.%s=%lld %lld\n", name,
            limit.rlim_cur == RLIM_INFINITY ? -1LL : (long long)limit.rlim_cur,
            limit.rlim_max == RLIM_INFINITY ? -1LL : (long long)limit.rlim_max);
}

static void put_status(FILE *out)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[512], key[64], value[256];
    if (!status)
        return;
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "%63[^:]: %255[^\n]", key, value) != 2)
            continue;
        if (!strcmp(key, "SigIgn") || !strcmp(key, "SigBlk") || !strcmp(key, "SigCgt") ||
            !strcmp(key, "NoNewPrivs") || !strcmp(key, "Seccomp"))
            fprintf(out, "%s=%s\n", key, value);
    }
    fclose(status);
}

static void put_facts(FILE *out, int argc, char **argv, unsigned alarm_s, const long long offset[2])
{
    char cwd[PATH_MAX];
    mode_t mask = umask(0);
    umask(mask);
    fprintf(out, "argc=%d\nargv0=", argc);
    put_escaped(out, argc ? argv[0] : "");
    fputs("cwd=", out);
    put_escaped(out, getcwd(cwd, sizeof cwd) ? cwd : "");
    fprintf(out, "pid=%ld\nppid=%ld\nuid=%ld\neuid=%ld\ngid=%ld\numask=%03o\nalarm=%u\n",
            (long)getpid(), (long)getppid(), (long)getuid(), (long)geteuid(), (long)getgid(),
            (unsigned)mask, alarm_s);
    for (int fd = 0; fd < 2; ++fd) {
        struct stat st;
        fprintf(out, "offset.%d=%lld\n", fd, offset[fd]); /* -1: a pipe, or closed */
        if (fstat(fd, &st) == 0)
            fprintf(out, "mode.%d=%o\nsize.%d=%lld\n", fd, st.st_mode & S_IFMT, fd,
                    (long long)st.st_size);
        fprintf(out, "nonblock.%d=%d\n", fd, (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    }
    put_limit(out, "AS", RLIMIT_AS);
    put_limit(out, "NOFILE", RLIMIT_NOFILE);
    put_limit(out, "FSIZE", RLIMIT_FSIZE);
    put_limit(out, "CORE", RLIMIT_CORE);
    put_limit(out, "DATA", RLIMIT_DATA);
    put_limit(out, "NPROC", RLIMIT_NPROC);
    put_limit(out, "CPU", RLIMIT_CPU);
    put_status(out);
    put_descriptors(out);
    for (char **entry = environ; *entry; ++entry) {
        fputs("env.", out);
        put_escaped(out, *entry);
    }
}

/* ---- the folder ----------------------------------------------------------------------------- */

static int create(char *name, size_t room, const char *suffix)
{
    snprintf(name, room, "%ld.%s", number, suffix);
    return openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

/* The first free number becomes ours by creating its N.proc. */
static void claim(int argc, char **argv, unsigned alarm_s, const long long offset[2])
{
    char name[64];
    int fd;
    FILE *out;
    for (number = 1; (fd = create(name, sizeof name, "proc")) == -1; ++number)
        if (errno != EEXIST)
            die(61);
    out = fdopen(fd, "w");
    if (!out)
        die(51);
    put_facts(out, argc, argv, alarm_s, offset);
    if (fclose(out) == EOF)
        die(53);
}

static void write_all(int fd, const char *octets, size_t length)
{
    while (length) {
        ssize_t done = write(fd, octets, length);
        if (done == -1) {
            if (errno == EINTR)
                continue;
            die(53);
        }
        octets += done;
        length -= (size_t)done;
    }
}

static void finish(int fd)
{
    if (fsync(fd) == -1 || close(fd) == -1)
        die(53);
}

static void publish(char *temporary, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, "%ld.%s", number, suffix);
    if (renameat(folder, temporary, folder, name) == -1)
        die(53);
    snprintf(temporary, sizeof name_mess, "%s", name);
    if (fsync(folder) == -1)
        die(53);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void copy_message(int to)
{
    char buffer[65536];
    for (;;) {
        ssize_t got = read(0, buffer, sizeof buffer);
        if (got == -1 && errno == EINTR)
            continue;
        if (got == -1)
            die(54);
        if (got == 0)
            return;
        write_all(to, buffer, (size_t)got);
    }
}

static char in[65536], kept[65536];
static size_t in_at, in_length, kept_length;

static char next(int to)
{
    if (in_at == in_length) {
        ssize_t got;
        while ((got = read(1, in, sizeof in)) == -1 && errno == EINTR)
            ;
        if (got < 1)
            die(54);
        in_at = 0;
        in_length = (size_t)got;
    }
    if (kept_length == sizeof kept) {
        write_all(to, kept, kept_length);
        kept_length = 0;
    }
    return kept[kept_length++] = in[in_at++];
}

static void copy_address(int to)
{
    for (int length = 0; length < ADDR; ++length)
        if (!next(to))
            return;
    die(11);
}

static void copy_envelope(int to)
{
    char letter;
    if (next(to) != 'F')
        die(91);
    copy_address(to);
    while ((letter = next(to))) {
        if (letter != 'T')
            die(91);
        copy_address(to);
    }
    write_all(to, kept, kept_length);
}

/* ---- the run -------------------------------------------------------------------------------- */

static void stall(const char *file)
{
    for (int tries = 0; tries < STALL_S * 100; ++tries) {
        if (access(file, F_OK) == 0)
            return;
        usleep(10000);
    }
    die(52);
}

int main(int argc, char **argv)
{
    const long long offset[2] = {lseek(0, 0, SEEK_CUR), lseek(1, 0, SEEK_CUR)};
    const unsigned alarm_s = alarm(0);
    const char *dir = QUEUE_DIR, *code = getenv("FAKE_QUEUE_EXIT"),
               *sig = getenv("FAKE_QUEUE_SIGNAL"), *file = getenv("FAKE_QUEUE_STALL");
    int mess, env;

    if (!dir || (folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
        die(61);
    claim(argc, argv, alarm_s, offset);
    umask(022);
    signal(SIGALRM, on_alarm);
    signal(SIGPIPE, SIG_IGN);
    alarm(DEATH_S);
    if (file)
        stall(file);

    mess = create(name_mess, sizeof name_mess, "mess.tmp");
    if (mess == -1)
        die(63);
    copy_message(mess);
    env = create(name_env, sizeof name_env, "env.tmp");
    if (env == -1)
        die(65);
    copy_envelope(env);

    if (sig && *sig) {
        signal(atoi(sig), SIG_DFL);
        raise(atoi(sig));
    }
    if (code && *code)
        die(atoi(code));
    finish(mess);
    finish(env);
    publish(name_mess, "mess");
    publish(name_env, "env");
    _exit(0);
}
