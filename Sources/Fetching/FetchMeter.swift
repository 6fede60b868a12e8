package import EventLoop

/// How far a fetch is, for whoever shows it.
@LoopActor
package final class FetchMeter {
    /// As far as it is known by now; an image's grows with each manifest that is read.
    package internal(set) var bytesTotal: Int64 = 0
    /// Those of an earlier attempt included.
    package internal(set) var bytesDone: Int64 = 0
    package internal(set) var bytesResumed: Int64 = 0
    package internal(set) var filesTotal = 0
    package internal(set) var filesDone = 0

    package nonisolated init() {}

    /// A file of an image, or the one file, will be fetched.
    package func expect(_ bytes: Int64) {
        filesTotal += 1
        bytesTotal += bytes
    }
}
