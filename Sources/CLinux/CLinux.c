#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

static _Thread_local bool is_loop_thread = false;

void clinux_set_thread_name(const char *name) {
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(pthread_self(), cut);
}

void clinux_mark_loop_thread(void) { is_loop_thread = true; }

bool clinux_on_loop_thread(void) { return is_loop_thread; }

void clinux_return_large_blocks(int bytes) {
    // A threshold that is set is one that malloc no longer raises by itself.
    mallopt(M_MMAP_THRESHOLD, bytes);
    mallopt(M_TRIM_THRESHOLD, 8 * bytes);
    mallopt(M_ARENA_MAX, 2);
}

/// Closes `file` and returns the error that was current before the close.
static int close_failed(int file) {
    int error = errno;
    close(file);
    return -error;
}

int clinux_listen_tcp(const struct sockaddr *address, socklen_t length, int backlog) {
    int file = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (file < 0) return -errno;
    int on = 1;
    if (setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) return close_failed(file);
    if (bind(file, address, length) < 0) return close_failed(file);
    if (listen(file, backlog) < 0) return close_failed(file);
    return file;
}

/// Fills `address`; -ENAMETOOLONG for a path that the kernel would cut, -EINVAL for an empty one.
static int unix_address(const char *path, struct sockaddr_un *address) {
    size_t length = strlen(path);
    if (length == 0) return -EINVAL;
    if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return 0;
}

int clinux_connect_unix(const char *path) {
    struct sockaddr_un address;
    int status = unix_address(path, &address);
    if (status < 0) return status;
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (file < 0) return -errno;
    if (connect(file, (const struct sockaddr *)&address, sizeof address) < 0) return close_failed(file);
    return file;
}

/// Removes a socket file whose listener is gone. Anything but such a file is left alone.
static int remove_stale_socket(const char *path) {
    struct stat info;
    if (lstat(path, &info) < 0) return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(info.st_mode)) return -EADDRINUSE;
    int probe = clinux_connect_unix(path);
    if (probe >= 0) close(probe);
    if (probe != -ECONNREFUSED) return -EADDRINUSE;
    if (unlink(path) < 0 && errno != ENOENT) return -errno;
    return 0;
}

int clinux_listen_unix(const char *path, mode_t mode, int backlog) {
    struct sockaddr_un address;
    int status = unix_address(path, &address);
    if (status < 0) return status;
    status = remove_stale_socket(path);
    if (status < 0) return status;
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (file < 0) return -errno;
    // bind makes the socket file with this mode less the umask, so it is never wider than asked; chmod then
    // adds what the umask took. Until listen, connecting is refused.
    if (fchmod(file, mode) < 0) return close_failed(file);
    if (bind(file, (const struct sockaddr *)&address, sizeof address) < 0) return close_failed(file);
    if (chmod(path, mode) < 0 || listen(file, backlog) < 0) {
        int error = errno;
        unlink(path);
        close(file);
        return -error;
    }
    return file;
}

int clinux_accept(int listener) {
    int file;
    do file = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (file < 0 && errno == EINTR);
    return file < 0 ? -errno : file;
}

int clinux_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -errno;
    *pid = credentials.pid;
    *uid = credentials.uid;
    *gid = credentials.gid;
    return 0;
}

void clinux_set_traffic_class(int socket, int code_point) {
    // The two lowest bits of the byte belong to congestion notification.
    int value = code_point << 2;
    // A socket of one family refuses the other's option; one of IPv6 with a mapped address needs both.
    setsockopt(socket, IPPROTO_IP, IP_TOS, &value, sizeof value);
    setsockopt(socket, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof value);
}

bool clinux_connected_to_itself(int socket) {
    struct sockaddr_storage here, there;
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    socklen_t here_length = sizeof here, there_length = sizeof there;
    if (getsockname(socket, (struct sockaddr *)&here, &here_length) < 0) return false;
    if (getpeername(socket, (struct sockaddr *)&there, &there_length) < 0) return false;
    return here_length == there_length && memcmp(&here, &there, here_length) == 0;
}

int clinux_set_receive_low_water(int socket, int bytes) {
    return setsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) < 0 ? -errno : 0;
}

int clinux_set_unsent_max(int socket, int bytes) {
    return setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes) < 0 ? -errno : 0;
}

int clinux_duplicate(int file) {
    int copy = fcntl(file, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

int64_t clinux_sendfile(int target, int source, int64_t offset, int64_t count) {
    ssize_t sent;
    do {
        off_t position = offset;
        sent = sendfile(target, source, &position, (size_t)count);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

bool clinux_is_cached(int file, int64_t offset) {
    char byte;
    struct iovec place = {&byte, 1};
    if (preadv2(file, &place, 1, offset, RWF_NOWAIT) == 1) return true;
    // tmpfs does not know the flag.
    return errno == EOPNOTSUPP && clinux_in_memory(file);
}

int clinux_rename_new(int source_folder, const char *source, int target_folder, const char *target) {
    return renameat2(source_folder, source, target_folder, target, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

int clinux_rename_exchange(int source_folder, const char *source, int target_folder, const char *target) {
    return renameat2(source_folder, source, target_folder, target, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

int clinux_sync_folder(const char *path) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return -errno;
    if (fsync(folder) < 0) return close_failed(folder);
    close(folder);
    return 0;
}

int clinux_sync_file_system(int file) { return syncfs(file) < 0 ? -errno : 0; }

static int allocate(int file, int mode, int64_t offset, int64_t count) {
    int status;
    do status = fallocate(file, mode, offset, count);
    while (status < 0 && errno == EINTR);
    return status < 0 ? -errno : 0;
}

int clinux_begin_writing(int file, int64_t offset, int64_t count) {
    return sync_file_range(file, offset, count, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : -errno;
}

bool clinux_in_memory(int file) {
    struct statfs volume;
    return fstatfs(file, &volume) == 0 && volume.f_type == TMPFS_MAGIC;
}

int clinux_reserve(int file, int64_t offset, int64_t count) { return allocate(file, 0, offset, count); }

int clinux_reserve_keeping_size(int file, int64_t offset, int64_t count) {
    return allocate(file, FALLOC_FL_KEEP_SIZE, offset, count);
}

int clinux_punch_hole(int file, int64_t offset, int64_t count) {
    return allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, count);
}

int clinux_open_beneath(int folder, const char *path, int flags, mode_t mode) {
    struct open_how how;
    memset(&how, 0, sizeof how);
    how.flags = (uint64_t)(flags | O_CLOEXEC);
    // openat2 refuses a mode without O_CREAT, where openat ignores it.
    how.mode = (flags & O_CREAT) ? mode : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    long file = syscall(SYS_openat2, folder, path, &how, sizeof how);
    return file < 0 ? -errno : (int)file;
}

int clinux_memory_file(void) {
    int file = memfd_create("hawker", MFD_CLOEXEC);
    return file < 0 ? -errno : file;
}

int clinux_has_writer(int file) {
    // Whoever opens the file while the lease lasts makes the kernel send a signal: one that is ignored by default.
    if (fcntl(file, F_SETSIG, SIGURG) < 0) return -errno;
    if (fcntl(file, F_SETLEASE, F_RDLCK) < 0) return errno == EAGAIN ? 1 : -errno;
    return fcntl(file, F_SETLEASE, F_UNLCK) < 0 ? -errno : 0;
}
