/* How the queue program in C talks to qscannerd: packets of fields that each end in NUL.
 *
 * Called by  queue.c, the only one that includes it.
 * Ends       always with a value that tells how it went.
 * Careful    nothing here may block without a deadline, and no signal may cut it short. A packet
 *            arrives whole or not at all (SOCK_SEQPACKET); descriptors travel beside it.
 *
 * Source: codec/frames.py and visit.py, which do the same; unix(7).
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef SOCKET_PATH
#define SOCKET_PATH "/run/qscanner/qscannerd.sock"
#endif

enum { MAX_PACKET_OCTETS = 1 << 16, MAX_FIELDS = 6 };

/* client.py decides by these: told first, should the environment be larger than a packet. */
static const char *const TOLD_FIRST[] = {
  "TCPREMOTEIP", "TCPREMOTEHOST", "TCPREMOTEINFO", "RELAYCLIENT", "SMTPAUTHUSER",
  "SMTP_AUTH_USER", "AUTHUSER", "QMAILAUTHENTICATED", "DTLINE", "RPLINE", 0};

extern char **environ;
static char packet[MAX_PACKET_OCTETS + 1];

static int64_t now_ms(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int is_ready(int fd, short event, int64_t until_ms)
{
  for (;;) {
    struct pollfd one = {.fd = fd, .events = event};
    int64_t left = until_ms - now_ms();
    int n = poll(&one, 1, left > INT_MAX ? INT_MAX : left > 0 ? (int)left : 0);
    if (n >= 0 || errno != EINTR) return n > 0;
  }
}

/* Give a connection, -1 where nobody listens, -2 where the backlog stays full to the deadline. */
static int connect_daemon(int64_t until_ms)
{
  const char *path = getenv("QSCANNER_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (!path || !*path) path = SOCKET_PATH;
  if (fd == -1 || strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  while (connect(fd, (struct sockaddr *)&address, sizeof address) == -1) {
    if (errno != EAGAIN && errno != EINTR) return -1;
    if (now_ms() > until_ms) return -2;
    poll(0, 0, 10); /* connect() itself would wait for ever */
  }
  return fd;
}

union two_fds { char octets[CMSG_SPACE(2 * sizeof(int))]; struct cmsghdr align; };

/* Send n octets of the packet, with two descriptors where `fds` is given; say whether it went. */
static int say(int daemon, size_t n, const int *fds, int64_t until_ms)
{
  union two_fds control = {{0}};
  struct iovec io = {packet, n};
  struct msghdr out = {.msg_iov = &io, .msg_iovlen = 1};
  ssize_t sent;
  if (fds) {
    out.msg_control = control.octets;
    out.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&out);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
  }
  do {
    if (!is_ready(daemon, POLLOUT, until_ms)) return 0;
    sent = sendmsg(daemon, &out, MSG_NOSIGNAL);
  } while (sent == -1 && (errno == EINTR || errno == EAGAIN));
  return sent == (ssize_t)n;
}

/* Receive a packet of fields that each end in NUL. Give how many fields there are, at most six;
 * 0 where the daemon closed or said something else; -1 after the deadline. */
static int hear(int daemon, int64_t until_ms, const char *field[MAX_FIELDS], int fds[2])
{
  union two_fds control;
  struct iovec io = {packet, MAX_PACKET_OCTETS};
  struct msghdr in = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.octets};
  int count = 0;
  ssize_t n;
  fds[0] = fds[1] = -1;
  do {
    if (!is_ready(daemon, POLLIN, until_ms)) return -1;
    in.msg_controllen = sizeof control;
    n = recvmsg(daemon, &in, MSG_CMSG_CLOEXEC);
  } while (n == -1 && (errno == EINTR || errno == EAGAIN));
  if (n <= 0 || in.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || packet[n - 1]) return 0;
  struct cmsghdr *c = CMSG_FIRSTHDR(&in);
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
      c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
    memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
  for (char *at = packet; at < packet + n; at += strlen(at) + 1) {
    if (count == MAX_FIELDS) return 0;
    field[count++] = at;
  }
  return count;
}

static size_t put(size_t at, const char *text)
{
  size_t n = strlen(text) + 1;
  if (n > MAX_PACKET_OCTETS - at) return at; /* what does not fit is not told */
  memcpy(packet + at, text, n);
  return at + n;
}

static int is_told_first(const char *entry)
{
  for (const char *const *name = TOLD_FIRST; *name; ++name)
    if (!strncmp(entry, *name, strlen(*name)) && entry[strlen(*name)] == '=') return 1;
  return 0;
}

static size_t hello(void)
{
  const char *ip = getenv("TCPREMOTEIP");
  return put(put(0, "qscanner hello 1"), ip && strlen(ip) < 64 ? ip : "");
}

static size_t question(void)
{
  char pid[24];
  snprintf(pid, sizeof pid, "%ld", (long)getpid());
  size_t n = put(put(0, "qscanner question 1"), pid);
  for (int is_first = 1; is_first >= 0; --is_first)
    for (char **entry = environ; *entry; ++entry)
      if (is_told_first(*entry) == is_first) n = put(n, *entry);
  return n;
}
