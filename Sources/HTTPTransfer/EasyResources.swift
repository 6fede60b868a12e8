import CCurl
import EventLoop
import Glibc

/// A libcurl easy handle and the memory it points into, which libcurl does not copy; freed by `free()`, once.
struct EasyResources {
    let easy: UnsafeMutableRawPointer
    private let headers: UnsafeMutablePointer<curl_slist>?
    private let body: UnsafeMutableRawPointer?
    private let errorBuffer: UnsafeMutablePointer<CChar>

    /// Configures everything of the request but its callbacks; `nil` when the request cannot be expressed.
    init?(_ request: TransferRequest) {
        guard let easy = curl_easy_init() else { return nil }
        self.easy = easy
        errorBuffer = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorBuffer.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        body = request.body.map { bytes in
            // libcurl takes a null body for "ask the read callback", so an empty one needs an address too.
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, bytes.count))
            copy.initialize(repeating: 0, count: max(1, bytes.count))
            bytes.withUnsafeBufferPointer { source in
                if let start = source.baseAddress { copy.update(from: start, count: source.count) }
            }
            return UnsafeMutableRawPointer(copy)
        }
        let list = Self.headerList(request)
        headers = list.flatMap { $0 }
        guard list != nil, configure(request) else {
            free()
            return nil
        }
    }

    var errorText: String { String(cString: errorBuffer) }

    func free() {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headers)
        body?.deallocate()
        errorBuffer.deallocate()
    }

    private func configure(_ request: TransferRequest) -> Bool {
        var codes: [CURLcode] = [
            hawker_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorBuffer),
            hawker_curl_set_string(easy, CURLOPT_URL, request.url.text),
            hawker_curl_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https"),
            hawker_curl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0),
            hawker_curl_set_long(easy, CURLOPT_NOSIGNAL, 1),
            hawker_curl_set_long(easy, CURLOPT_PATH_AS_IS, 1),
            hawker_curl_set_long(easy, CURLOPT_HTTP_CONTENT_DECODING, request.decodesBody ? 1 : 0),
            hawker_curl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1),
            hawker_curl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2),
            hawker_curl_set_long(easy, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
            hawker_curl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1),
            hawker_curl_set_long(easy, CURLOPT_BUFFERSIZE, 128 << 10),
            hawker_curl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Int(clamping: request.timeouts.connect)),
            hawker_curl_set_list(easy, CURLOPT_HTTPHEADER, headers),
            // Set also when there is none: libcurl would take one from the environment, for some hosts.
            hawker_curl_set_string(easy, CURLOPT_PROXY, request.proxy?.text ?? ""),
            hawker_curl_set_string(easy, CURLOPT_NOPROXY, ""),
            hawker_curl_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1),
        ]
        if let caFile = request.caFile {
            codes.append(hawker_curl_set_string(easy, CURLOPT_CAINFO, caFile))
        } else {
            // With a CApath libcurl parses the system's authorities again for every connection instead of
            // caching.
            codes.append(hawker_curl_set_string(easy, CURLOPT_CAPATH, nil))
        }
        if let path = request.unixSocket {
            codes.append(hawker_curl_set_string(easy, CURLOPT_UNIX_SOCKET_PATH, path))
        }
        if let client = request.clientCertificate {
            codes.append(hawker_curl_set_string(easy, CURLOPT_SSLCERT, client.certificateFile))
            codes.append(hawker_curl_set_string(easy, CURLOPT_SSLKEY, client.keyFile))
        }
        if let total = request.timeouts.total {
            codes.append(hawker_curl_set_long(easy, CURLOPT_TIMEOUT_MS, Int(clamping: total)))
        }
        if request.decodesBody {
            // libcurl decodes only if this is set; a header of the request overrides what it would offer.
            codes.append(hawker_curl_set_string(easy, CURLOPT_ACCEPT_ENCODING, ""))
        }
        codes += versionCodes(request) + methodCodes(request)
        return codes.allSatisfy { $0 == CURLE_OK }
    }

    private func versionCodes(_ request: TransferRequest) -> [CURLcode] {
        switch request.version {
        case .http1: return [hawker_curl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))]
        case .http2PriorKnowledge:
            // libcurl before 8.0 fails the second request on such a connection (curl/curl#10634), so each
            // gets its own.
            return [
                hawker_curl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)),
                hawker_curl_set_long(easy, CURLOPT_FRESH_CONNECT, 1),
                hawker_curl_set_long(easy, CURLOPT_FORBID_REUSE, 1),
            ]
        }
    }

    private func methodCodes(_ request: TransferRequest) -> [CURLcode] {
        switch request.method {
        case .get: return []
        case .head: return [hawker_curl_set_long(easy, CURLOPT_NOBODY, 1)]
        case .post, .put, .patch:
            return [
                hawker_curl_set_long(easy, CURLOPT_POST, 1),
                hawker_curl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body?.count ?? 0)),
                hawker_curl_set_pointer(
                    easy,
                    CURLOPT_POSTFIELDS,
                    body ?? UnsafeMutableRawPointer(errorBuffer)
                ),
                hawker_curl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method.rawValue),
            ]
        }
    }

    /// `.some(nil)` for no headers, `nil` when a header cannot be sent.
    private static func headerList(_ request: TransferRequest) -> UnsafeMutablePointer<curl_slist>?? {
        var list: UnsafeMutablePointer<curl_slist>?
        // Waiting for "100 Continue" would cost a second with servers that do not know it.
        var lines = ["Expect:"]
        for (name, value) in request.headers {
            let isSafe = !name.isEmpty && !(name + value).utf8.contains { $0 == 13 || $0 == 10 || $0 == 0 }
            guard isSafe, !name.utf8.contains(UInt8(ascii: ":")) else { return nil }
            lines.append(value.isEmpty ? name + ";" : name + ": " + value)
        }
        for line in lines {
            guard let longer = curl_slist_append(list, line) else {
                curl_slist_free_all(list)
                return nil
            }
            list = longer
        }
        return .some(list)
    }
}

extension EasyResources {
    /// Points libcurl's callbacks at the transfer, which must outlive the handle.
    @LoopActor func attach(_ transfer: Transfer) {
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        _ = hawker_curl_set_writer(easy, CURLOPT_HEADERFUNCTION, headerCallback)
        _ = hawker_curl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        _ = hawker_curl_set_writer(easy, CURLOPT_WRITEFUNCTION, bodyCallback)
        _ = hawker_curl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        _ = hawker_curl_set_open_socket(easy, openSocketCallback)
        _ = hawker_curl_set_pointer(easy, CURLOPT_OPENSOCKETDATA, context)
        _ = hawker_curl_set_before_request(easy, beforeRequestCallback)
        _ = hawker_curl_set_pointer(easy, CURLOPT_PREREQDATA, context)
    }
}

private func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer? {
    context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
}

private let headerCallback: curl_write_callback = { bytes, size, count, context in
    guard let transfer = transfer(context) else { return 0 }
    // Read on this thread before the closure returns; only its isolation is unknown to the compiler.
    nonisolated(unsafe) let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
    return Loop.assumeIsolated { transfer.didReceiveHeaderLine(line) } ? size * count : 0
}

private let bodyCallback: curl_write_callback = { bytes, size, count, context in
    guard let transfer = transfer(context) else { return 0 }
    guard size * count > 0 else { return 0 }
    // As in `headerCallback`.
    nonisolated(unsafe) let body = UnsafeRawBufferPointer(start: bytes, count: size * count)
    switch Loop.assumeIsolated({ transfer.didReceiveBody(body) }) {
    case .taken: return size * count
    case .hold: return hawker_curl_write_pause
    case .abort: return 0
    }
}

private let openSocketCallback: curl_opensocket_callback = { context, _, address in
    guard let transfer = transfer(context), let address else { return hawker_curl_socket_bad }
    let family = address.pointee.family
    let target = addressClass(family, UnsafeRawPointer(address).advanced(by: addressOffset))
    guard Loop.assumeIsolated({ transfer.willOpenSocket(target) }) else { return hawker_curl_socket_bad }
    let kind = address.pointee.socktype | CInt(SOCK_CLOEXEC.rawValue)
    return socket(family, kind, address.pointee.protocol)
}

private let addressOffset = MemoryLayout<curl_sockaddr>.offset(of: \.addr) ?? 0

/// `nil` for anything that is not an IP address.
private func addressClass(_ family: CInt, _ address: UnsafeRawPointer) -> AddressClass? {
    switch family {
    case AF_INET:
        let value = address.loadUnaligned(as: sockaddr_in.self).sin_addr
        return AddressClass(bytes: withUnsafeBytes(of: value, Array.init))
    case AF_INET6:
        let value = address.loadUnaligned(as: sockaddr_in6.self).sin6_addr
        return AddressClass(bytes: withUnsafeBytes(of: value, Array.init))
    default: return nil
    }
}

private let beforeRequestCallback: curl_prereq_callback = { context, remote, _, _, _ in
    guard let transfer = transfer(context) else { return CInt(CURL_PREREQFUNC_ABORT) }
    let address = remote.flatMap { AddressClass(text: String(cString: $0)) }
    let goesOn = Loop.assumeIsolated { transfer.willSendRequest(address) }
    return CInt(goesOn ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT)
}
