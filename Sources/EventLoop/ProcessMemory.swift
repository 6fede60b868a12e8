import CLinux

/// How the process takes its memory from the kernel.
package enum ProcessMemory {
    /// From so many bytes on a block is the kernel's again as soon as it is freed: pieces of blobs are at least as
    /// large.
    private static let largeBytesMin: Int32 = 64 << 10

    /// Makes the limits on what is on its way limits on what the process holds. To be called once, early.
    ///
    /// By default glibc keeps freed blocks in a heap for each thread, and learns to keep ever larger ones; of pieces
    /// that one thread allocates and another frees, several times as many bytes stay behind as were ever in use.
    package static func returnLargeBlocks() {
        clinux_return_large_blocks(largeBytesMin)
    }
}
