/* How many octets lie in the spool in all: one octet of a file is locked for each MiB.
 *
 * Called by  queue.c, before it writes more than 1 MiB.
 * Ends       with whether there is room; where there is no ledger, there always is.
 * Careful    what is claimed is held by the open file, until we end or become another program.
 *
 * Source: ledger.py, which does the same and says why; fcntl(2), open file description locks.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SOCKET_PATH
#define SOCKET_PATH "/run/qscanner/qscannerd.sock"
#endif

enum { UNIT_OCTETS = 1 << 20, STRIDE = 61 };

/* Give the ledger, -1 where there is none, and of how many octets it is. */
static int open_ledger(off_t *units)
{
  const char *path = getenv("QSCANNER_SOCKET");
  char name[PATH_MAX];
  struct stat st;
  int fd;
  if (!path || !*path) path = SOCKET_PATH;
  if (snprintf(name, sizeof name, "%s.spooled", path) >= (int)sizeof name) return -1;
  fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || !st.st_size) return -1;
  *units = st.st_size;
  return fd;
}

/* Claim what is missing to `size` octets; say whether that is to be had. */
static int claim(off_t size)
{
  static int fd = -2;
  static off_t units, tried, claimed;
  if (fd == -2) fd = open_ledger(&units);
  while (fd != -1 && claimed * UNIT_OCTETS < size) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (tried == units) {
      futimens(fd, 0); /* the daemon sees that somebody was sent away */
      return 0;
    }
    lock.l_start = ((off_t)getpid() * STRIDE + tried++) % units;
    claimed += fcntl(fd, F_OFD_SETLK, &lock) != -1;
  }
  return 1;
}
