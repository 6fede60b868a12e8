#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

int clinux_notify(const char *path, const char *text, bool waits) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length < 2 || (path[0] != '/' && path[0] != '@')) return -EAFNOSUPPORT;
    if (length > sizeof address.sun_path) return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    // An abstract name begins with NUL, and has no NUL at its end.
    if (path[0] == '@') address.sun_path[0] = 0;
    int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (file < 0) return -errno;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    int flags = MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT);
    ssize_t sent = sendto(file, text, strlen(text), flags, (const struct sockaddr *)&address, size);
    int error = errno;
    close(file);
    return sent < 0 ? -error : 0;
}

int clinux_adopt_listener(int file) {
    int listens = 0, protocol = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0) return -errno;
    size = sizeof protocol;
    if (getsockopt(file, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0) return -errno;
    if (!listens || protocol != IPPROTO_TCP) return -ENOTSOCK;
    int flags = fcntl(file, F_GETFL);
    if (flags < 0 || fcntl(file, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    if (fcntl(file, F_SETFD, FD_CLOEXEC) < 0) return -errno;
    return 0;
}
