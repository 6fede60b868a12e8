#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/// With HAWKER_MOUNTS_OF=PID in the environment the process sees the files of that process instead of its own
/// container's: a pod so works on its node's files under the names that containerd uses, and runs the node's programs.
///
/// The kernel lets only a process of one thread change its mount namespace, and Swift's runtime starts threads before
/// any code of ours: hence a constructor. The program and its libraries are in memory by then.
__attribute__((constructor)) static void enter_mounts(void) {
    const char *pid = getenv("HAWKER_MOUNTS_OF");
    if (!pid || !*pid) return;
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/ns/mnt", pid);
    int file = strspn(pid, "0123456789") == strlen(pid) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0 && setns(file, CLONE_NEWNS) == 0) {
        close(file);
        // What this process starts sees those files anyway.
        unsetenv("HAWKER_MOUNTS_OF");
        return;
    }
    fprintf(stderr,
            "hawker: HAWKER_MOUNTS_OF=%s: %s; it names a process that can be seen from here, and needs root with"
            " CAP_SYS_ADMIN\n",
            pid, errno ? strerror(errno) : "not a number");
    _exit(EX_NOPERM);
}
