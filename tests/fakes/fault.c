/* Fails, or kills the process at, the k-th operation: a library for LD_PRELOAD.
 *
 * Called by  tests/crash, around the real qscanner-queue.
 * State      $FAULT_STATE: a file that every process of one run shares (struct state).
 * Careful    counting begins with the first read of fd 0, so that the start of the interpreter is
 *            left alone, and only in interpreters and in the client in C (a dynamic build of
 *            it): the queue program behind the exec is not ours.
 *            Operations of several threads are counted in the order in which they come.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FAIL = 1, KILL = 2 };

struct state {
  atomic_int armed;
  atomic_int count;
  int at;      /* the operation to hit, counted from 1; 0: only count */
  int what;    /* FAIL or KILL */
  int error;   /* errno of FAIL */
  int reads;   /* 1: read-only opens, reads and mappings count as well */
  atomic_int hits;
  char name[32];
};

static struct state *state;

__attribute__((constructor)) static void begin(void)
{
  char exe[512];
  const char *path = getenv("FAULT_STATE");
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (!path || n < 0) return;
  exe[n] = 0;
  if (!strstr(exe, "python") && !strstr(exe, "/qscanner-queue")) return;
  int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  int fd = real_open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) _exit(99);
  void *at = mmap(0, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at == MAP_FAILED) _exit(99);
  state = at;
}

static int hit(const char *name)
{
  if (!state || !atomic_load(&state->armed)) return 0;
  if (atomic_fetch_add(&state->count, 1) + 1 != state->at) return 0;
  atomic_fetch_add(&state->hits, 1);
  strncpy(state->name, name, sizeof state->name - 1);
  if (state->what == KILL) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
  errno = state->error;
  return 1;
}

static int hit_read(const char *name)
{
  return state && state->reads ? hit(name) : 0;
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

ssize_t read(int fd, void *buf, size_t n)
{
  REAL(ssize_t, read, int, void *, size_t);
  if (state && fd == 0 && !atomic_load(&state->armed)) atomic_store(&state->armed, 1);
  if (fd <= 1 ? hit("read") : hit_read("read-file")) return -1;
  return real(fd, buf, n);
}

static int opening(int flags)
{
  int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
  return writes ? hit("open") : hit_read("open-to-read");
}

#define OPENS(name) \
  int name(const char *path, int flags, ...) \
  { \
    va_list rest; mode_t mode; \
    va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); \
    REAL(int, name, const char *, int, ...); \
    return opening(flags) ? -1 : real(path, flags, mode); \
  }
OPENS(open)
OPENS(open64)

#define OPENSAT(name) \
  int name(int dir, const char *path, int flags, ...) \
  { \
    va_list rest; mode_t mode; \
    va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); \
    REAL(int, name, int, const char *, int, ...); \
    return opening(flags) ? -1 : real(dir, path, flags, mode); \
  }
OPENSAT(openat)
OPENSAT(openat64)

#define FAILS(type, name, params, args) \
  type name params { REAL(type, name, params); return hit(#name) ? -1 : real args; }
#undef REAL
#define REAL(type, name, params) \
  static type (*real) params; \
  if (!real) real = (type (*) params)dlsym(RTLD_NEXT, #name)

FAILS(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
FAILS(int, fsync, (int fd), (fd))
FAILS(int, fdatasync, (int fd), (fd))
FAILS(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at))
FAILS(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off64_t at), (fd, buf, n, at))
FAILS(int, ftruncate, (int fd, off_t n), (fd, n))
FAILS(int, ftruncate64, (int fd, off64_t n), (fd, n))
FAILS(int, rename, (const char *from, const char *to), (from, to))
FAILS(int, link, (const char *from, const char *to), (from, to))
FAILS(int, unlink, (const char *path), (path))
FAILS(int, memfd_create, (const char *name, unsigned flags), (name, flags))
FAILS(ssize_t, sendfile, (int out, int in, off_t *at, size_t n), (out, in, at, n))
FAILS(ssize_t, sendfile64, (int out, int in, off64_t *at, size_t n), (out, in, at, n))
FAILS(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
FAILS(int, socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds))
FAILS(int, connect, (int fd, const struct sockaddr *to, socklen_t n), (fd, to, n))
FAILS(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))
FAILS(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
FAILS(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags))
FAILS(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
FAILS(pid_t, fork, (void), ())
FAILS(int, execve, (const char *path, char *const *argv, char *const *env), (path, argv, env))
FAILS(int, execv, (const char *path, char *const *argv), (path, argv))
FAILS(int, poll, (struct pollfd *fds, nfds_t n, int timeout), (fds, n, timeout))
FAILS(int, dup2, (int from, int to), (from, to))
FAILS(int, dup3, (int from, int to, int flags), (from, to, flags))

/* The interpreter seeks in every file that it loads; ours are on fd 0 and 1. */
#define SEEKS(type, name) \
  type name(int fd, type at, int whence) \
  { \
    REAL(type, name, (int, type, int)); \
    return (fd <= 1 ? hit("lseek") : hit_read("lseek-file")) ? -1 : real(fd, at, whence); \
  }
SEEKS(off_t, lseek)
SEEKS(off64_t, lseek64)
FAILS(int, flock, (int fd, int how), (fd, how))

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t from)
{
  static void *(*real)(void *, size_t, int, int, int, off64_t);
  if (!real) real = (void *(*)(void *, size_t, int, int, int, off64_t))dlsym(RTLD_NEXT, "mmap64");
  if (fd >= 0 && hit_read("mmap")) return MAP_FAILED;
  return real(at, n, prot, flags, fd, from);
}
