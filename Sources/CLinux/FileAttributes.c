#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/// Copies one attribute. One that the target's file system does not know is left out; a lost label is an error.
static int copy_attribute(int source, int target, const char *name) {
    ssize_t size = fgetxattr(source, name, NULL, 0);
    if (size < 0) return errno == ENODATA ? 0 : -errno;
    void *value = malloc(size > 0 ? (size_t)size : 1);
    if (value == NULL) return -ENOMEM;
    int result = 0;
    size = fgetxattr(source, name, value, (size_t)size);
    if (size < 0 || fsetxattr(target, name, value, (size_t)size, 0) < 0) {
        result = errno == ENOTSUP ? 0 : -errno;
    }
    free(value);
    return result;
}

int clinux_copy_attributes(int source, int target) {
    ssize_t size = flistxattr(source, NULL, 0);
    if (size < 0) return errno == ENOTSUP ? 0 : -errno;
    if (size == 0) return 0;
    char *names = malloc((size_t)size);
    if (names == NULL) return -ENOMEM;
    int result = 0;
    size = flistxattr(source, names, (size_t)size);
    if (size < 0) result = -errno;
    for (ssize_t at = 0; result == 0 && at < size; at += (ssize_t)strlen(names + at) + 1) {
        result = copy_attribute(source, target, names + at);
    }
    free(names);
    return result;
}
