import TOMLEdit

/// Certificates beside, not in, a `hosts.toml`.
extension HostsPlan {
    /// Certificates laid out as Docker has them.
    ///
    /// Containerd stops looking at them once a hosts.toml exists.
    func certificates(in directory: String) throws(Refusal) -> [TOMLEntry] {
        let names: [String]
        do throws(FileFault) {
            names = try tree.names(in: directory).get()
        } catch {
            throw Refusal(Finding(.broken, .unreadable, file: directory, "\(directory) \(error.sentence)"))
        }
        let authorities = names.filter { $0.hasSuffix(".crt") }
        let pairs = names.filter { $0.hasSuffix(".cert") }.compactMap { certificate -> [String]? in
            let key = certificate.dropLast(4) + "key"
            return names.contains(String(key)) ? [certificate, String(key)] : nil
        }
        var entries: [TOMLEntry] = []
        if !authorities.isEmpty { entries.append(TOMLEntry("ca", .strings(authorities))) }
        if !pairs.isEmpty {
            let node = TOMLNode.array(pairs.map { .array($0.map { .string($0) }) })
            let text = pairs.map { "[" + $0.map { "\"\($0)\"" }.joined(separator: ", ") + "]" }.joined(
                separator: ", "
            )
            entries.append(TOMLEntry("client", .raw(Array("[\(text)]".utf8), meaning: node)))
        }
        return entries
    }
}
