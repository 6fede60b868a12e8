/// Requests that two readers could cut or take differently.
///
/// None may be served, and nothing behind one may run.
///
/// `\r\n` ends the lines unless a line's own end is the point. A well-formed request follows each on the
/// wire.
package enum SmugglingTable {
    package static let start = "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n"

    package static let all: [String] = framing + lines + requestLines + names + bytes

    private static let framing = [
        start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: xchunked\r\n\r\n",
        start + "Transfer-Encoding: chunked, identity\r\n\r\n",
        start + "Transfer-Encoding: identity\r\n\r\n",
        start + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
        start + "Transfer-Encoding: \"chunked\"\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        start + "transfer-encoding: CHUNKED\r\n\r\n0;x=\ny\r\n\r\n",
        start + "Transfer-Encoding: chunked\r\n\r\n2;\n\nxx\r\n0\r\n\r\n",
        start + "Transfer-Encoding:\r\n\r\n",
        start + "Content-Length: 5\r\n\r\nGET /",
        start + "Content-Length: 1\r\n\r\n",
        start + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
        start + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        start + "Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
        start + "Content-Length: 0, 0\r\n\r\n",
        start + "Content-Length: 0, 5\r\n\r\n",
        start + "Content-Length: +5\r\n\r\n",
        start + "Content-Length: +0\r\n\r\n",
        start + "Content-Length: -1\r\n\r\n",
        start + "Content-Length: 0x0\r\n\r\n",
        start + "Content-Length: 00\r\n\r\n",
        start + "Content-Length: 5 0\r\n\r\n",
        start + "Content-Length: 0_0\r\n\r\n",
        start + "Content-Length:\r\n\r\n",
        start + "Content-Length: 18446744073709551616\r\n\r\n",
        start + "Content-Length: 4294967296\r\n\r\n",
        start + "Expect: 100-continue\r\n\r\n",
    ]

    private static let lines = [
        start + "X: a\r\n b\r\n\r\n",
        start + "X: a\r\n\tb\r\n\r\n",
        start + " X: a\r\n\r\n",
        start + "Content-Length: \r\n 5\r\n\r\n",
        start + "X: a\n\r\n",
        start + "X: a\n\n",
        start + "X: a\r\r\n\r\n",
        start + "X: a\rContent-Length: 5\r\n\r\n",
        start + "X: a\r\n\r",
        start + "X: a\r\n\rY: b\r\n\r\n",
        "GET /v2/ HTTP/1.1\nHost: localhost\n\n",
        "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\n",
        "\r\n" + start + "\r\n",
        "\n" + start + "\r\n",
        " " + start + "\r\n",
    ]

    private static let requestLines = [
        "GET  /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/  HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/ HTTP/1.1 \r\nHost: localhost\r\n\r\n",
        "GET\t/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/ x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/#x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET https://evil.example/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "CONNECT /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/\r\n\r\n",
        "GET /v2/\r\nHost: localhost\r\n\r\n",
        "GET /v2/ HTTP/0.9\r\nHost: localhost\r\n\r\n",
        "GET /v2/ HTTP/1.2\r\nHost: localhost\r\n\r\n",
        "GET /v2/ HTTP/2.0\r\nHost: localhost\r\n\r\n",
        "GET /v2/ HTTP/1.10\r\nHost: localhost\r\n\r\n",
        "GET /v2/ HTTP/01.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/ HTTP/1\r\nHost: localhost\r\n\r\n",
        "GET /v2/ http/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/ ICE/1.1\r\nHost: localhost\r\n\r\n",
        "get /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GETT /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/1.1 200 OK\r\nHost: localhost\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n",
    ]

    private static let names = [
        start + "Content-Length : 0\r\n\r\n",
        start + "Transfer-Encoding : chunked\r\n\r\n",
        start + "X Y: a\r\n\r\n",
        start + "X\tY: a\r\n\r\n",
        start + ": a\r\n\r\n",
        start + "X\r\n\r\n",
        start + "X(Y): a\r\n\r\n",
        start + "X\u{e9}: a\r\n\r\n",
    ]

    private static let bytes = [
        start + "X: a\u{0}b\r\n\r\n",
        start + "X: \u{0}\r\n\r\n",
        start + "X\u{0}: a\r\n\r\n",
        "GET /v2/\u{0} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/\u{1} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v2/\u{e9} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        start + "X: a\u{b}b\r\n\r\n",
        start + "X: a\u{c}\r\n\r\n",
        start + "X: a\u{7f}b\r\n\r\n",
        start + "X: \u{85}\r\n\r\n",
    ]
}
