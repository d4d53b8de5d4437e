/* A disk that takes its time, to be preloaded: for the file whose path stands in SLOW_DISK nothing is cached, so
 * that the kernel refuses whoever will not wait, and each read of who waits takes SLOW_DISK_MILLISECONDS; or, if
 * SLOW_DISK_PIPES is given, "TOLD HELD", says so by a byte into the pipe TOLD and waits for the end of the pipe
 * HELD. The program's first thread, its loop's, is not to wait: it is aborted. (SLOW_DISK_ANYBODY: it may.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_slow(int fd) {
    const char *path = getenv("SLOW_DISK");
    struct stat slow, one;
    return path != NULL && stat(path, &slow) == 0 && fstat(fd, &one) == 0 && slow.st_ino == one.st_ino &&
           slow.st_dev == one.st_dev;
}

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

static void take_time(void) {
    const char *pipes = getenv("SLOW_DISK_PIPES"), *milliseconds = getenv("SLOW_DISK_MILLISECONDS");
    int told, held;
    if (getenv("SLOW_DISK_ANYBODY") == NULL && REAL(syscall, SYS_gettid) == getpid()) {
        fputs("slow_disk: the first thread would wait for a disk\n", stderr);
        abort();
    }
    if (pipes != NULL && sscanf(pipes, "%d %d", &told, &held) == 2) {
        struct pollfd end = {.fd = held, .events = 0};
        if (write(told, "", 1) < 0) {
            abort();
        }
        while (poll(&end, 1, -1) < 0 && errno == EINTR) {
        }
    } else if (milliseconds != NULL) {
        long wait = atol(milliseconds);
        struct timespec time = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
        while (nanosleep(&time, &time) < 0 && errno == EINTR) {
        }
    }
}

ssize_t read(int fd, void *room, size_t count) {
    if (is_slow(fd)) {
        take_time();
    }
    return REAL(read, fd, room, count);
}

ssize_t pread(int fd, void *room, size_t count, off_t offset) {
    if (is_slow(fd)) {
        take_time();
    }
    return REAL(pread, fd, room, count, offset);
}

ssize_t pread64(int fd, void *room, size_t count, off64_t offset) {
    if (is_slow(fd)) {
        take_time();
    }
    return REAL(pread64, fd, room, count, offset);
}

/* All arguments of a system call are words, and so they are passed on. */
long syscall(long number, ...) {
    __builtin_va_list list;
    long words[6];
    __builtin_va_start(list, number);
    for (int n = 0; n < 6; n++) {
        words[n] = __builtin_va_arg(list, long);
    }
    __builtin_va_end(list);
    if (number == SYS_preadv2 && is_slow((int)words[0])) {
        errno = EAGAIN;
        return -1;
    }
    return REAL(syscall, number, words[0], words[1], words[2], words[3], words[4], words[5]);
}
