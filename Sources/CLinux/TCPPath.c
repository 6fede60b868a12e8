// The C library's own struct tcp_info ends before what the kernel tells of the path, and the kernel's cannot be
// included beside it.
#include "CLinux.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

int clinux_tcp_path(int socket, struct clinux_tcp_path *path) {
    struct tcp_info info;
    memset(&info, 0, sizeof info);
    socklen_t length = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return -errno;
    if (length < offsetof(struct tcp_info, tcpi_rwnd_limited) + sizeof info.tcpi_rwnd_limited) return -ENOSYS;
    path->acked = info.tcpi_bytes_acked;
    path->delivery_rate = info.tcpi_delivery_rate;
    path->sender_limited = info.tcpi_delivery_rate_app_limited;
    path->held_micros = info.tcpi_rwnd_limited;
    return 0;
}
