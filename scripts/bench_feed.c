/* Hands messages to a queue program again and again, as qmail.c does, and says what each cost.
 *
 * Called by  scripts/bench and scripts/soak: in C, so that the caller itself costs next to nothing.
 * Ends       0 when every run ended with the wanted code; 1, with a word on stderr, when one did not;
 *            111 where the system fails.
 * Careful    as qmail: the program is started before it is fed, the text pipe (fd 6) is read to its
 *            end before the wait, SIGPIPE is ignored. The CPU is that of the program and of all that
 *            it waited for; whom it only talked to (daemons) is counted elsewhere.
 *
 * feed WANTED[,WANTED...] RUNS[+FIRST] ABREAST MESSAGE[,MESSAGE...] ENVELOPE PROGRAM [ARGUMENT...]
 * prints a line for each run: wall ns, CPU us, exit code
 *
 * Run n, from FIRST on, takes message n of the list, which begins again at its end, and wants code
 * n of its own list. Eight @ in a message are the number of the run: no two are the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_FD = 6, DIGITS = 8, MAX_MESSAGES = 1000 };

static const char MARK[DIGITS + 1] = "@@@@@@@@";

/* `marks`: where the number goes. */
struct octets { char *at; size_t n, *marks, n_marks; };

static void fail(const char *what)
{
    perror(what);
    _exit(111);
}

static struct octets load(const char *path)
{
    struct octets all = {0, 0, 0, 0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1 || fstat(fd, &st) == -1 || !(all.at = malloc((size_t)st.st_size + 1)))
        fail(path);
    while (all.n < (size_t)st.st_size) {
        ssize_t r = read(fd, all.at + all.n, (size_t)st.st_size - all.n);
        if (r <= 0)
            fail(path);
        all.n += (size_t)r;
    }
    close(fd);
    return all;
}

static struct octets load_marked(const char *path)
{
    struct octets all = load(path);
    for (char *mark = all.at; (mark = memmem(mark, all.n - (size_t)(mark - all.at), MARK, DIGITS));
         mark += DIGITS) {
        all.marks = realloc(all.marks, (all.n_marks + 1) * sizeof *all.marks);
        if (!all.marks)
            fail(path);
        all.marks[all.n_marks++] = (size_t)(mark - all.at);
    }
    return all;
}

static void number(struct octets message, int run)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%0*d", DIGITS, run % 100000000);
    for (size_t n = 0; n < message.n_marks; ++n)
        memcpy(message.at + message.marks[n], digits, DIGITS);
}

/* Cuts a list at its commas; gives how many there are. */
static int split(char *list, char **items)
{
    int n = 0;
    for (char *item; (item = strsep(&list, ",")) && n < MAX_MESSAGES; ++n)
        items[n] = item;
    return n;
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long us(struct timeval t)
{
    return t.tv_sec * 1000000LL + t.tv_usec;
}

/* As substdio: after an error nothing more is written. */
static void feed(int fd, struct octets all)
{
    while (all.n) {
        ssize_t w = write(fd, all.at, all.n);
        if (w == -1 && errno == EINTR)
            continue;
        if (w <= 0)
            break;
        all.at += w;
        all.n -= (size_t)w;
    }
    close(fd);
}

static void become(char **program, int message, int envelope, int text)
{
    /* None of ours is 0, 1 or 6: main() has seen to it. */
    if (dup2(message, 0) == -1 || dup2(envelope, 1) == -1 || dup2(text, TEXT_FD) == -1)
        _exit(120);
    execv(program[0], program);
    _exit(120);
}

static int once(char **program, struct octets message, struct octets envelope)
{
    int m[2], e[2], t[2], status;
    char text[512];
    struct rusage used;
    const long long begun = now_ns();
    if (pipe2(m, O_CLOEXEC) == -1 || pipe2(e, O_CLOEXEC) == -1 || pipe2(t, O_CLOEXEC) == -1)
        fail("pipe");
    const pid_t pid = vfork();
    if (pid == -1)
        fail("vfork");
    if (pid == 0)
        become(program, m[0], e[0], t[1]);
    close(m[0]);
    close(e[0]);
    close(t[1]);
    feed(m[1], message);
    feed(e[1], envelope);
    while (read(t[0], text, sizeof text) > 0)
        ;
    close(t[0]);
    if (wait4(pid, &status, 0, &used) == -1)
        fail("wait4");
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    dprintf(3, "%lld %lld %d\n", now_ns() - begun, us(used.ru_utime) + us(used.ru_stime), code);
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fputs("feed WANTED RUNS ABREAST MESSAGE ENVELOPE PROGRAM [ARGUMENT...]\n", stderr);
        return 111;
    }
    static char *codes[MAX_MESSAGES], *paths[MAX_MESSAGES];
    static struct octets messages[MAX_MESSAGES];
    char *plus = strchr(argv[2], '+');
    const int first = plus ? atoi(plus + 1) : 0, last = first + atoi(argv[2]);
    const int abreast = atoi(argv[3]);
    const int n_codes = split(argv[1], codes), n_messages = split(argv[4], paths);
    for (int n = 0; n < n_messages; ++n)
        messages[n] = load_marked(paths[n]);
    const struct octets envelope = load(argv[5]);
    int status, is_wrong = 0;
    signal(SIGPIPE, SIG_IGN); /* as in qmail-smtpd; the program inherits it */
    /* Lines go to 3; 4 to 9 are taken, so that no pipe gets one of these numbers. */
    if (dup2(1, 3) == -1 || fcntl(3, F_SETFD, FD_CLOEXEC) == -1)
        fail("dup2");
    for (int fd = 4; fd < 10; ++fd)
        if (dup2(2, fd) == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
            fail("dup2");
    for (int n = 0; n < abreast; ++n) {
        const pid_t pid = fork();
        if (pid == -1)
            fail("fork");
        if (pid == 0) {
            for (int run = first + n; run < last; run += abreast) {
                const int wanted = atoi(codes[run % n_codes]);
                number(messages[run % n_messages], run);
                const int code = once(argv + 6, messages[run % n_messages], envelope);
                if (code != wanted) {
                    fprintf(stderr, "%s ended with %d, not %d\n", argv[6], code, wanted);
                    is_wrong = 1;
                }
            }
            _exit(is_wrong);
        }
    }
    while (wait(&status) != -1 || errno == EINTR)
        is_wrong |= status != 0;
    return is_wrong;
}
