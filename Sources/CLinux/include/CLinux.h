// Linux calls that Swift cannot reach: they need _GNU_SOURCE, a raw system call, a variadic prototype or a
// sockaddr cast. A function that can fail returns a negative errno value then.

#ifndef CLINUX_H
#define CLINUX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// Threads

/// Names the calling thread; the kernel keeps 15 bytes, longer names are cut.
void clinux_set_thread_name(const char *name);

/// Marks the calling thread, for its whole life, as the event loop's.
void clinux_mark_loop_thread(void);

/// Whether the calling thread is the one marked.
bool clinux_on_loop_thread(void);

// Memory

/// From now on blocks of `bytes` or more are mapped by themselves and unmapped when they are freed, and all threads
/// share two heaps for the others.
void clinux_return_large_blocks(int bytes);

// Sockets

/// A non-blocking, close-on-exec TCP listener with SO_REUSEADDR.
int clinux_listen_tcp(const struct sockaddr *address, socklen_t length, int backlog);

/// A non-blocking Unix listener whose file has exactly `mode` before the first connection is possible.
/// A socket file that no one listens on is replaced; anything else at `path` is -EADDRINUSE.
int clinux_listen_unix(const char *path, mode_t mode, int backlog);

/// A connected, non-blocking Unix stream socket. Never waits: a full backlog is -EAGAIN.
int clinux_connect_unix(const char *path);

/// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC.
int clinux_accept(int listener);

/// SO_PEERCRED: who connected, as the kernel recorded it at connect time.
int clinux_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid);

/// SO_RCVLOWAT: below so many bytes the socket does not become readable, unless the other side sends no more or the
/// kernel runs out of room for it.
int clinux_set_receive_low_water(int socket, int bytes);

/// TCP_NOTSENT_LOWAT: with more unsent bytes than that a TCP socket takes no others and is not writable.
int clinux_set_unsent_max(int socket, int bytes);

/// What the kernel saw of the path that a TCP socket sends over, since it was connected.
struct clinux_tcp_path {
    /// Bytes that the other side acknowledged.
    uint64_t acked;
    /// Bytes a second as last measured from acknowledgements, the kernel's estimate of what the path carries: while the
    /// sender had nothing more to send, only a higher measure replaces it. 0 before the first.
    uint64_t delivery_rate;
    /// The sender had nothing more to send when that was measured.
    bool sender_limited;
    /// Microseconds for which data waited for the other side to read what it has.
    uint64_t held_micros;
};

/// TCP_INFO. -ENOSYS from a kernel that does not say all of it (before 4.10).
int clinux_tcp_path(int socket, struct clinux_tcp_path *path);

/// Sets the code point (DSCP, 0 to 63) of what a TCP socket sends, for IPv4 and IPv6.
void clinux_set_traffic_class(int socket, int code_point);

/// Whether a TCP socket is connected to itself, which a connect to a free port of the ephemeral range can do.
bool clinux_connected_to_itself(int socket);

// Service manager

/// Sends `text` to a service manager's socket as one datagram (sd_notify(3)). `path` begins with `/`, or with `@` for
/// an abstract name. Without `waits` a full queue is -EAGAIN.
int clinux_notify(const char *path, const char *text, bool waits);

/// Makes a descriptor that this process was started with non-blocking and close-on-exec; -ENOTSOCK for anything but a
/// listening TCP socket.
int clinux_adopt_listener(int file);

// Files

/// A close-on-exec duplicate.
int clinux_duplicate(int file);

/// sendfile(2) from an explicit offset; the file's own position does not move.
int64_t clinux_sendfile(int target, int source, int64_t offset, int64_t count);

/// Whether the byte at `offset` can be read without waiting for a disk; false where the file system cannot tell.
bool clinux_is_cached(int file, int64_t offset);

/// renameat2 with RENAME_NOREPLACE: -EEXIST instead of replacing.
int clinux_rename_new(int source_folder, const char *source, int target_folder, const char *target);

/// renameat2 with RENAME_EXCHANGE.
int clinux_rename_exchange(int source_folder, const char *source, int target_folder, const char *target);

/// Copies all extended attributes, security labels and access lists among them.
int clinux_copy_attributes(int source, int target);

/// A close-on-exec file that exists only in memory.
int clinux_memory_file(void);

/// Whether somebody else holds `file`, opened for reading only, open for writing: 1 or 0, or a negative errno value
/// where the file system cannot tell.
int clinux_has_writer(int file);

/// Opens the folder `path`, fsyncs it and closes it.
int clinux_sync_folder(const char *path);

/// syncfs(2) of the file system that holds `file`.
int clinux_sync_file_system(int file);

/// Has the kernel begin to write these bytes of the file to the disk (sync_file_range, SYNC_FILE_RANGE_WRITE).
int clinux_begin_writing(int file, int64_t offset, int64_t count);

/// Whether the file is on tmpfs.
bool clinux_in_memory(int file);

/// Reserves blocks (fallocate with mode 0); the file grows to offset + count.
int clinux_reserve(int file, int64_t offset, int64_t count);

/// Reserves blocks behind the end without growing the file (FALLOC_FL_KEEP_SIZE).
int clinux_reserve_keeping_size(int file, int64_t offset, int64_t count);

/// Gives blocks back (FALLOC_FL_PUNCH_HOLE); the file's length stays.
int clinux_punch_hole(int file, int64_t offset, int64_t count);

/// openat2 that stays beneath `folder` and follows no symbolic link; always close-on-exec.
int clinux_open_beneath(int folder, const char *path, int flags, mode_t mode);

#endif
