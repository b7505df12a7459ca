/// Requests, malformed in every way that is known to have made two parsers disagree, and such as are odd and legal.
struct RequestCorpus {
    enum Expectation {
        /// It reaches no origin.
        case refused
        /// It reaches one, whole.
        case passed
        /// Either; what reaches an origin has one reading.
        case either
    }

    struct Request {
        let bytes: [UInt8]
        let expectation: Expectation
    }

    private(set) var requests: [Request] = []
    /// Host and port of the origin.
    private let authority: String

    init(origin authority: String) {
        self.authority = authority
        addLineEnds()
        addRequestLines()
        addTargets()
        addFields()
        addHosts()
        addLengths()
        addCodings()
        addChunks()
        addConnectionOptions()
    }

    /// `~` stands for a byte that is not to be UTF-8: the next two characters, in hexadecimal.
    private mutating func add(_ expectation: Expectation, _ text: String) {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "~"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        requests.append(Request(bytes: bytes, expectation: expectation))
    }

    private func escaped(_ byte: Int) -> String { "~" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    private var line: String { "POST http://\(authority)/ HTTP/1.1\r\n" }

    private mutating func addLineEnds() {
        let lines = ["POST http://\(authority)/ HTTP/1.1", "Host: a", "X: y", "Content-Length: 2", ""]
        for end in [
            "\n", "\r", "\r\r\n", "\n\r", "\r\n\n", "\u{b}", "\u{c}", "~85", "\u{85}", "\u{2028}", "\0\r\n", "\r\0\n",
        ] {
            for odd in lines.indices {
                let text = lines.indices.map { lines[$0] + ($0 == odd ? end : "\r\n") }.joined()
                // An empty line more ends the head, and begins the content; at the end of a value Latin-1's NEL is a byte like others,
                // and takes the end of its line with it.
                add(
                    end == "\r\n\n" && odd == 4 ? .either : end.contains("8") || end >= "\u{80}" ? .either : .refused,
                    text + "hi")
            }
        }
        add(.passed, "\r\n" + line + "Host: a\r\n\r\n")
        add(.refused, "\r\n\r\n" + line + "Host: a\r\n\r\n")
        add(.refused, "\n" + line + "Host: a\r\n\r\n")
    }

    private mutating func addRequestLines() {
        let target = "http://\(authority)/"
        for method in ["GET", "get", "M-SEARCH", "QUERY", "PROPFIND", "X!#$%&'*+.^_`|9"] {
            add(.passed, "\(method) \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
        }
        for byte in 0..<256 where !(33...126).contains(byte) || "\"(),/:;<=>?@[\\]{}".utf8.contains(UInt8(byte)) {
            add(.refused, "G\(escaped(byte))T \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
        }
        for version in ["HTTP/1.2", "HTTP/1.9"] { add(.passed, "GET \(target) \(version)\r\nHost: a\r\n\r\n") }
        for version in [
            "HTTP/0.9", "HTTP/2.0", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/1.10", "HTTP/01.1", "HTTP/1.1.", "http/1.1",
            "HTTP /1.1",
            "HTTP/1.1 x", "HTTPS/1.1", "ICY/1.1", "HTTP/-1.1", "HTTP/1,1", "HTTP/\u{661}.1", "", "1.1",
        ] { add(.refused, "GET \(target) \(version)\r\nHost: a\r\n\r\n") }
        for (before, between, behind) in [
            (" ", " ", ""), ("\t", " ", ""), ("", "  ", ""), ("", "\t", ""), ("", " ", " "), ("", " ", "\t"),
            ("", "\u{b}", ""),
            ("", "\u{a0}", ""), ("\u{feff}", " ", ""), ("", "", ""),
        ] {
            add(
                .refused,
                "\(before)GET \(target) HTTP/1.1\(behind)\r\nHost: a\r\n\r\n".replacing(" http", with: "\(between)http")
            )
        }
        add(.refused, "GET \(target)\r\n\r\n")
        add(.refused, "GET \(target)\r\nHost: a\r\n\r\n")
    }

    private mutating func addTargets() {
        for byte in 0..<256 {
            let text = "GET http://\(authority)/a\(escaped(byte))b HTTP/1.1\r\nHost: a\r\n\r\n"
            // What no target may have is percent-encoded; `#` would begin a fragment.
            add((33...126).contains(byte) && byte != 35 || byte >= 128 ? .passed : .refused, text)
        }
        for byte in 0..<256 where !UInt8(byte).mayStandInName && byte != 47 && byte != 63 {
            add(.refused, "GET http://a\(escaped(byte))b.\(authority)/ HTTP/1.1\r\nHost: a\r\n\r\n")
        }
        for target in [
            "http:/\(authority)/", "http:\(authority)/", "//\(authority)/", "\(authority)/", "http:\\\\\(authority)\\",
            "**", "*",
            "http://\(authority)@b.invalid/", "http://b.invalid\\@\(authority)/", "http://\(authority)#@b.invalid/",
            "http://", "http:///",
            "http://:80/", "http://\(authority)0000/", "http://\(authority)/ HTTP/1.1 ", "ftp://\(authority)/",
            "file:///etc/passwd",
            "https://\(authority)/", "wss://\(authority)/", "http://[::1/", "http://::1/", "http://127.0.0.1:+80/",
        ] { add(.refused, "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n") }
        for target in [
            "HTTP://\(authority)/", "hTtP://\(authority)?", "ws://\(authority)/", "http://\(authority)",
            "http://\(authority)//x/../y",
        ] {
            add(.passed, "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
        }
        add(.refused, "GET http://u:p@\(authority)/ HTTP/1.1\r\nHost: a\r\n\r\n")
        add(.passed, "GET http://u:p@\(authority)/ HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dTpw\r\n\r\n")
        add(.passed, "GET http://b.invalid@\(authority)/ HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dTpw\r\n\r\n")
    }

    private mutating func addFields() {
        for byte in 0..<256 where !(33...126).contains(byte) || "\"(),/;<=>?@[\\]{}".utf8.contains(UInt8(byte)) {
            add(.refused, line + "Host: a\r\nX\(escaped(byte))Y: z\r\n\r\n")
            add(.refused, line + "Host: a\r\nContent-Length\(escaped(byte)): 2\r\n\r\nhi")
            add(.refused, line + "Host: a\r\n\(escaped(byte))Content-Length: 2\r\n\r\nhi")
        }
        for byte in 0..<256 {
            let isText = byte >= 32 && byte != 127 || byte == 9
            add(isText ? .passed : .refused, line + "Host: a\r\nX: y\(escaped(byte))z\r\n\r\n")
        }
        for text in [
            "X: y\r\n z", "X: y\r\n\tz", "X: y\r\n ", "X:\r\n Content-Length: 2", " X: y", "\tX: y", ": y", "X", "X y",
            "\"X\": y",
            "X\r\n: y", "X: y\0", "X: y\r z", "X: y\n z",
        ] { add(.refused, line + "Host: a\r\n\(text)\r\n\r\n") }
        add(.refused, line + " Host: a\r\n\r\n")
        for text in [
            "X:", "X: ", "X:y", "X: \t y \t", "X: \"a\\\"b\"", "X: a\r\nX: b", "x-x_x.x: 1", "Content_Length: 9",
            "Expect: x",
        ] {
            add(.passed, line + "Host: a\r\n\(text)\r\n\r\n")
        }
    }

    private mutating func addHosts() {
        for host in [
            "a b", "a\r\nHost: a", "a\r\nhost: b", "a/b", "u@a", "a:x", "a:1:2", "[::1", "::1", "a\\b", "http://a",
            "a#b", "a?b", "\"a\"",
            "a\u{fc}",
        ] { add(.refused, line + "Host: \(host)\r\n\r\n") }
        add(.either, line + "Host: a,b\r\n\r\n")
        add(.refused, line + "\r\n")
        add(.refused, line + "X-Host: a\r\n\r\n")
        for host in ["", "a", "b.invalid:99", "[::1]:5", "a:", "127.0.0.1"] {
            add(.passed, line + "Host: \(host)\r\n\r\n")
        }
        add(.passed, "POST http://\(authority)/ HTTP/1.0\r\n\r\n")
    }

    private mutating func addLengths() {
        for length in ["2", "02", "002 ", "2, 2", "2\r\nContent-Length: 2"] {
            add(.passed, line + "Host: a\r\nContent-Length: \(length)\r\n\r\nhi")
        }
        for length in [
            "+2", "-2", "0x2", "2.0", "2e0", "2;", "2,", ",2", "2, 3", "3, 2", "2 2", "two", "", " ", "\"2\"",
            "2\r\nContent-Length: 3",
            "3\r\nContent-Length: 2", "\u{662}", "2_0", "2\u{b}", "\u{c}2", "99999999999999999999",
            "18446744073709551618",
            "9223372036854775809", "4294967298\r\nContent-Length: 2", "2\r\nContent-length: 0",
            "0\r\nCONTENT-LENGTH: 2", "2\0", "2~a0",
        ] { add(.refused, line + "Host: a\r\nContent-Length: \(length)\r\n\r\nhi") }
    }

    private mutating func addCodings() {
        let chunks = "2\r\nhi\r\n0\r\n\r\n"
        for coding in ["chunked", "Chunked", "CHUNKED", "\tchunked \t"] {
            add(.passed, line + "Host: a\r\nTransfer-Encoding: \(coding)\r\n\r\n\(chunks)")
        }
        for coding in [
            "", "identity", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked",
            "chunked\r\nTransfer-Encoding: chunked", "chunked, identity",
            "identity, chunked", "chunked\r\nTransfer-Encoding: identity", "identity\r\nTransfer-Encoding: chunked",
            "chunked;q=1", "chunked ;x",
            "\"chunked\"", "'chunked'", "xchunked", "chunkedx", "chunke", "chunked,", ",chunked", "chunked\u{b}",
            "\u{b}chunked", "\u{c}chunked",
            "chunked\0", "\0chunked", "~a0chunked", "chunked~a0", "c\u{17f}hunked", "\u{212a}chunked", "chunked\r\n x",
            "\r\n chunked",
            "chunked\n", "\nchunked", "chunk ed", "x, y, chunked",
        ] { add(.refused, line + "Host: a\r\nTransfer-Encoding: \(coding)\r\n\r\n\(chunks)") }
        for name in [
            "Transfer-Encoding ", "Transfer-Encoding\t", " Transfer-Encoding", "Transfer Encoding",
            "Transfer-Encoding\u{b}", "Transfer-Encoding\0",
        ] {
            add(.refused, line + "Host: a\r\n\(name): chunked\r\n\r\n\(chunks)")
        }
        for (length, coding) in [
            ("2", "chunked"), ("12", "chunked"), ("0", "chunked"), ("2", "identity"), ("x", "chunked"),
        ] {
            let (one, other) = ("Content-Length: \(length)\r\n", "Transfer-Encoding: \(coding)\r\n")
            for fields in [one + other, other + one, one + "X: y\r\n" + other] {
                add(.refused, line + "Host: a\r\n\(fields)\r\n\(chunks)")
            }
        }
        add(.refused, "POST http://\(authority)/ HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)")
        add(
            .refused,
            "POST http://\(authority)/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n\(chunks)")
    }

    private mutating func addChunks() {
        func chunked(_ content: String) -> String { line + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n" + content }
        for content in [
            "0\r\n\r\n", "000\r\n\r\n", "2\r\nhi\r\n0\r\n\r\n", "2;a=b\r\nhi\r\n0;x\r\n\r\n",
            "2 ;a=\"b;c\"\r\nhi\r\n0\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n0\r\n\r\n", "0\r\nX: y\r\n\r\n",
            "0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n", "1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
            "2\r\n\r\n\r\n0\r\n\r\n",
        ] { add(.passed, chunked(content)) }
        for content in [
            "2\nhi\r\n0\r\n\r\n", "2\r\nhi\n0\r\n\r\n", "2\r\nhi0\r\n\r\n", "2\r\nhix\r\n0\r\n\r\n",
            "3\r\nhi\r\n0\r\n\r\n", "1\r\nhi\r\n0\r\n\r\n",
            "2 \r\nhi\r\n0\r\n\r\n", " 2\r\nhi\r\n0\r\n\r\n", "2\t\r\nhi\r\n0\r\n\r\n", "0x2\r\nhi\r\n0\r\n\r\n",
            "+2\r\nhi\r\n0\r\n\r\n", "-2\r\nhi\r\n0\r\n\r\n",
            "2,\r\nhi\r\n0\r\n\r\n", "2.0\r\nhi\r\n0\r\n\r\n", "2 2\r\nhi\r\n0\r\n\r\n", "\r\n2\r\nhi\r\n0\r\n\r\n",
            "g\r\nhi\r\n0\r\n\r\n", "2\rhi\r\n0\r\n\r\n",
            "10000000000000002\r\nhi\r\n0\r\n\r\n", "fffffffffffffffe\r\nhi\r\n0\r\n\r\n",
            "00000000000000000000000000000002\r\nhi\r\n0\r\n\r\n",
            "2;a\nb\r\nhi\r\n0\r\n\r\n", "2;a\rb\r\nhi\r\n0\r\n\r\n", "2;\0\r\nhi\r\n0\r\n\r\n", "2\r\nhi\r\n0\n\n",
            "2\r\nhi\r\n0\r\n\n", "2\r\nhi\r\n0\r\nX : y\r\n\r\n",
            "2\r\nhi\r\n0\r\nX: y\r\n z\r\n\r\n", "2\r\nhi\r\n0\r\nX: y\n\r\n", "2\r\nhi\r\n0\r\nX\r\n\r\n",
            "2\r\nhi\r\n0\r\nX: \0\r\n\r\n", "2\r\nhi\r\n;\r\n\r\n",
            "2_\r\nhi\r\n0\r\n\r\n", "\u{662}\r\nhi\r\n0\r\n\r\n", "2\u{b}\r\nhi\r\n0\r\n\r\n",
            "2\0\r\nhi\r\n0\r\n\r\n",
        ] {
            // What came before the mistake is on its way; the request is never whole.
            add(.refused, chunked(content))
        }
    }

    private mutating func addConnectionOptions() {
        for option in [
            "Content-Length", "Host", "Transfer-Encoding, close", "X", "close, x", "keep-alive, Upgrade", "Connection",
            "Content-Length,Host", "", ",,",
        ] {
            add(.passed, line + "Host: a\r\nConnection: \(option)\r\nX: y\r\nContent-Length: 2\r\n\r\nhi")
            add(
                .passed,
                line + "Host: a\r\nConnection: \(option)\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        }
        add(.refused, line + "Host: a\r\nConnection: " + String(repeating: "x,", count: 40) + "\r\n\r\n")
        add(
            .passed,
            line
                + "Host: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
        )
        for fields in [
            "Via: 1.1 x", "TE: trailers, chunked", "Trailer: Content-Length", "Proxy-Connection: close",
            "Keep-Alive: 5",
        ] {
            add(.passed, line + "Host: a\r\n\(fields)\r\nContent-Length: 2\r\n\r\nhi")
        }
    }
}

extension UInt8 {
    /// Letters, digits, and what else a name has in the field.
    fileprivate var mayStandInName: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
