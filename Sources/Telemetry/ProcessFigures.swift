import Glibc

/// What Linux says of this process, as every Prometheus client library tells it.
package enum ProcessFigures {
    /// Reads `/proc/self`; a figure that cannot be read is left out.
    package static func families() -> [MetricFamily] {
        var families: [MetricFamily] = []
        func add(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double?) {
            if let value { families.append(MetricFamily(name, kind, help, value)) }
        }
        add("process_cpu_seconds_total", .counter, "User and system CPU time.", cpuSeconds())
        let fields = statFields()
        let ticks = fields.value(at: 21).map { $0 / Double(max(1, sysconf(Int32(_SC_CLK_TCK)))) }
        add(
            "process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.",
            ticks.map { seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME) + $0 })
        add("process_virtual_memory_bytes", .gauge, "Address space.", fields.value(at: 22))
        let page = Double(sysconf(Int32(_SC_PAGESIZE)))
        add("process_resident_memory_bytes", .gauge, "Memory held.", fields.value(at: 23).map { $0 * page })
        add("process_open_fds", .gauge, "Open file descriptors.", openDescriptors())
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            add("process_max_fds", .gauge, "Most file descriptors there may be.", Double(limit.rlim_cur))
        }
        return families
    }

    private static func cpuSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    /// proc(5): the fields of `stat` from the first; the second, the name in parentheses, may hold spaces.
    private static func statFields() -> [Substring] {
        let text = read("/proc/self/stat")
        guard let end = text.lastIndex(of: ")") else { return [] }
        return ["", ""] + text[text.index(after: end)...].split(separator: " ")
    }

    /// Boot time is counted here and not read: a sandboxed service does not see `/proc/stat`.
    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func openDescriptors() -> Double? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = -3.0  // `.`, `..` and this one.
        while Glibc.readdir(folder) != nil { count += 1 }
        return count
    }

    private static func read(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }
}

extension [Substring] {
    fileprivate func value(at index: Int) -> Double? { indices.contains(index) ? Double(self[index]) : nil }
}
