/* A queue program as the C wrappers around qmail-queue are: a folder, a file, programs, qmail-queue.
 *
 * Called by  scripts/bench, to be compared with.
 * Ends       by becoming the queue program; 31 where clamdscan finds something, 71 for all else.
 * Careful    it does what such wrappers do and no more: one file in a folder of its own, no shell.
 *
 * wrapper FOLDER QUEUE CLAMD_CONF RIPMIME SPAMC_SOCKET      "" leaves RIPMIME or spamc out
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[4096], file[4200];

static void end(int code)
{
    DIR *all = opendir(folder);
    struct dirent *one;
    while (all && (one = readdir(all)))
        unlinkat(dirfd(all), one->d_name, 0);
    rmdir(folder);
    if (code)
        _exit(code);
}

static int run(char **program, int input)
{
    int status;
    const pid_t pid = vfork();
    if (pid == -1)
        end(71);
    if (pid == 0) {
        const int nothing = open("/dev/null", O_RDWR);
        if (dup2(input == -1 ? nothing : input, 0) == -1 || dup2(nothing, 1) == -1)
            _exit(120);
        execv(program[0], program);
        _exit(120);
    }
    if (waitpid(pid, &status, 0) == -1 || !WIFEXITED(status))
        return 120;
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    static char room[65536], config[4200];
    char *queue[] = {argc == 6 ? argv[2] : 0, 0};
    if (argc != 6)
        return 71;
    snprintf(folder, sizeof folder, "%s/%ld", argv[1], (long)getpid());
    snprintf(file, sizeof file, "%s/message", folder);
    snprintf(config, sizeof config, "--config-file=%s", argv[3]);
    if (mkdir(folder, 0755) == -1)
        return 71;
    const int to = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    for (ssize_t r; (r = read(0, room, sizeof room)) != 0;)
        if (r < 0 || to == -1 || write(to, room, (size_t)r) != r)
            end(71);
    if (*argv[4]) {
        char *ripmime[] = {argv[4], "-i", file, "-d", folder, 0};
        if (run(ripmime, -1))
            end(71);
    }
    char *clamdscan[] = {"/usr/bin/clamdscan", "--fdpass", "--no-summary", "--stdout", config,
                         *argv[4] ? folder : file, 0};
    const int found = run(clamdscan, -1);
    if (found)
        end(found == 1 ? 31 : 71);
    if (*argv[5]) {
        char *spamc[] = {"/usr/bin/spamc", "-c", "-U", argv[5], 0};
        lseek(to, 0, SEEK_SET);
        if (run(spamc, to) > 1)
            end(71);
    }
    if (dup2(to, 0) == -1 || lseek(0, 0, SEEK_SET) == -1)
        end(71);
    end(0);
    execv(queue[0], queue);
    return 71;
}
