/* Records what processes do to the files below a folder: writes with their bytes, and what is synchronised when.
   Built and preloaded by test_power.py; each record is one append to the file POWER_LOG. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, name)

static void record(char what, const char *path, const char *other, int64_t offset, const void *data, uint64_t size) {
    const char *root = getenv("POWER_ROOT"), *log = getenv("POWER_LOG");
    if (!root || !log || strncmp(path, root, strlen(root)) != 0 || strstr(path, " (deleted)")) return;
    static int (*real_open)(const char *, int, ...);
    static int (*real_close)(int);
    if (!real_open) real_open = dlsym(RTLD_NEXT, "open"), real_close = dlsym(RTLD_NEXT, "close");
    int kept = errno, fd = real_open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) abort();
    uint32_t first = strlen(path), second = strlen(other);
    char head[25];
    head[0] = what;
    memcpy(head + 1, &first, 4), memcpy(head + 5, &second, 4), memcpy(head + 9, &offset, 8), memcpy(head + 17, &size, 8);
    struct iovec parts[4] = {{head, 25}, {(void *)path, first}, {(void *)other, second}, {(void *)data, data ? size : 0}};
    static ssize_t (*real_writev)(int, const struct iovec *, int);
    if (!real_writev) real_writev = dlsym(RTLD_NEXT, "writev");
    if (real_writev(fd, parts, 4) != (ssize_t)(25 + first + second + (data ? size : 0))) abort();
    real_close(fd);
    errno = kept;
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static void full(int folder, const char *name, char *path) {
    char base[PATH_MAX] = "";
    if (name[0] == '/') { snprintf(path, PATH_MAX, "%s", name); return; }
    if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) base[0] = 0; }
    else path_of(folder, base);
    snprintf(path, PATH_MAX, "%.2000s/%.2000s", base, name);
}

static void opened(int fd, int flags) {
    char path[PATH_MAX];
    if (fd < 0 || !(flags & (O_CREAT | O_TRUNC)) || !path_of(fd, path)) return;
    if (flags & O_CREAT) record('c', path, "", 0, NULL, 0);
    if (flags & O_TRUNC) record('t', path, "", 0, NULL, 0);
}

#define OPEN(symbol) \
    int symbol(const char *name, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        REAL(int, #symbol, const char *, int, ...); \
        int fd = real(name, flags, mode); opened(fd, flags); return fd; }
#define OPENAT(symbol) \
    int symbol(int folder, const char *name, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        REAL(int, #symbol, int, const char *, int, ...); \
        int fd = real(folder, name, flags, mode); opened(fd, flags); return fd; }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

static void wrote(int fd, int64_t offset, const void *data, ssize_t size) {
    char path[PATH_MAX];
    if (size > 0 && path_of(fd, path)) record('w', path, "", offset, data, size);
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    ssize_t done = real(fd, data, size);
    if (done > 0) { int kept = errno; off_t end = lseek(fd, 0, SEEK_CUR); errno = kept; if (end >= 0) wrote(fd, end - done, data, done); }
    return done;
}

#define PWRITE(symbol, type) \
    ssize_t symbol(int fd, const void *data, size_t size, type offset) { \
        REAL(ssize_t, #symbol, int, const void *, size_t, type); \
        ssize_t done = real(fd, data, size, offset); wrote(fd, offset, data, done); return done; }
PWRITE(pwrite, off_t) PWRITE(pwrite64, off64_t)

#define TRUNCATE(symbol, type) \
    int symbol(int fd, type length) { \
        REAL(int, #symbol, int, type); char path[PATH_MAX]; \
        int done = real(fd, length); if (done == 0 && path_of(fd, path)) record('t', path, "", length, NULL, 0); return done; }
TRUNCATE(ftruncate, off_t) TRUNCATE(ftruncate64, off64_t)

#define SYNC(symbol) \
    int symbol(int fd) { \
        REAL(int, #symbol, int); char path[PATH_MAX]; \
        int done = real(fd); if (done == 0 && path_of(fd, path)) record('s', path, "", 0, NULL, 0); return done; }
SYNC(fsync) SYNC(fdatasync)

static int renamed(int done, int from, const char *old, int to, const char *new) {
    char first[PATH_MAX], second[PATH_MAX];
    if (done == 0) { full(from, old, first); full(to, new, second); record('r', first, second, 0, NULL, 0); }
    return done;
}
int rename(const char *old, const char *new) {
    REAL(int, "rename", const char *, const char *);
    return renamed(real(old, new), AT_FDCWD, old, AT_FDCWD, new);
}
int renameat(int from, const char *old, int to, const char *new) {
    REAL(int, "renameat", int, const char *, int, const char *);
    return renamed(real(from, old, to, new), from, old, to, new);
}

static int gone(int done, int folder, const char *name) {
    char path[PATH_MAX];
    if (done == 0) { full(folder, name, path); record('u', path, "", 0, NULL, 0); }
    return done;
}
int unlink(const char *name) { REAL(int, "unlink", const char *); return gone(real(name), AT_FDCWD, name); }
int rmdir(const char *name) { REAL(int, "rmdir", const char *); return gone(real(name), AT_FDCWD, name); }
int unlinkat(int folder, const char *name, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    return gone(real(folder, name, flags), folder, name);
}

static int made(int done, int folder, const char *name) {
    char path[PATH_MAX];
    if (done == 0) { full(folder, name, path); record('d', path, "", 0, NULL, 0); }
    return done;
}
int mkdir(const char *name, mode_t mode) { REAL(int, "mkdir", const char *, mode_t); return made(real(name, mode), AT_FDCWD, name); }
int mkdirat(int folder, const char *name, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    return made(real(folder, name, mode), folder, name);
}
