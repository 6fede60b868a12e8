// The door to libuv. Swift reads the plain functions itself; here is only what it cannot spell.

#ifndef CLIBUV_SHIM_H
#define CLIBUV_SHIM_H

#include <stdint.h>
#include <uv.h>

/// What `uv_read_start` gets for memory: the loop's one shared read buffer, kept in `loop->data`.
typedef struct {
    char *base;
    size_t bytes;
} hawker_read_buffer;

/// An alloc callback in C, so that the hot path does not cross into Swift twice per read. libuv reads and
/// reports before it asks for memory again, so that one buffer serves every stream of the loop.
static inline void hawker_lend_read_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)suggested;
    const hawker_read_buffer *shared = (const hawker_read_buffer *)handle->loop->data;
    buffer->base = shared->base;
    buffer->len = shared->bytes;
}

/// `uv_read_start` with that callback; a static inline function is no C function pointer to Swift.
static inline int hawker_read_start(uv_stream_t *stream, uv_read_cb on_read) {
    return uv_read_start(stream, hawker_lend_read_buffer, on_read);
}

#endif
