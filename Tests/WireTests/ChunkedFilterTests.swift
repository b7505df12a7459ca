import Testing
import Wire

/// What a filter lets through of `input`, which comes in pieces of `size` bytes; and whether all of it was the content.
private func pass(
    _ input: [UInt8], pieces size: Int = .max, keepsCoding: Bool = true, isLenient: Bool = false
) throws -> (output: [UInt8], hasEnded: Bool, rest: [UInt8]) {
    var filter = ChunkedFilter(keepsCoding: keepsCoding, isLenient: isLenient)
    var (buffer, output): ([UInt8], [UInt8]) = ([], [])
    var next = 0
    while next < input.count, !filter.hasEnded {
        let end = min(input.count, next.addingReportingOverflow(size).overflow ? input.count : next + size)
        buffer += input[next..<end]
        next = end
        var span = buffer.mutableSpan
        let portion = try filter.take(&span)
        #expect(portion.kept <= portion.taken && portion.taken <= buffer.count)
        output += portion.passed(of: buffer)
        buffer.removeFirst(portion.taken)
    }
    return (output, filter.hasEnded, buffer + input[next...])
}

extension HTTPBody.Portion {
    fileprivate func passed(of buffer: [UInt8]) -> [UInt8] {
        guard let chunk else { return Array(buffer[..<kept]) }
        return buffer[..<chunk.start] + chunk.head + buffer[chunk.start..<kept] + chunk.tail
    }
}

private func pass(_ text: String, keepsCoding: Bool = true) throws -> String {
    String(decoding: try pass(bytes(text), keepsCoding: keepsCoding).output, as: UTF8.self)
}

@Suite struct ChunkedFilterTests {
    private let plain = "5\r\nhello\r\nA\r\n, world!!\n\r\n0\r\n\r\n"

    @Test func `Chunks pass as they came, and what follows is left alone`() throws {
        let (output, hasEnded, rest) = try pass(bytes(plain + "GET /"))
        #expect(output == bytes(plain) && hasEnded && rest == bytes("GET /"))
        #expect(try pass("0\r\n\r\n") == "0\r\n\r\n")
        #expect(try pass("000\r\n\r\n") == "000\r\n\r\n")
    }

    @Test func `For a client that does not know chunks the content is what comes out`() throws {
        #expect(try pass(plain, keepsCoding: false) == "hello, world!!\n")
        #expect(try pass("1;a=b\r\nx\r\n0\r\nX: y\r\n\r\n", keepsCoding: false) == "x")
    }

    @Test func `Extensions are taken out`() throws {
        #expect(try pass("5;a=b;c=\"d;e\"\r\nhello\r\n0 ; x\r\n\r\n") == "5\r\nhello\r\n0\r\n\r\n")
    }

    @Test func `Trailers pass, but for those that say how the message was to be read`() throws {
        let trailers = [
            "Content-Length: 5", "Transfer-Encoding: chunked", "Host: b", "Connection: x", "Trailer: x", "TE: x",
            "Proxy-Authorization: x", "Proxy-Anything: x", "Set-Cookie: x", "Content-Type: x", "If-Match: x",
            "authorization: x", "Cache-Control: x", "Keep-Alive: x", "Upgrade: x",
        ]
        #expect(
            try pass("0\r\nX-Sum: abc\r\n" + trailers.joined(separator: "\r\n") + "\r\nGrpc-Status: 0\r\n\r\n")
                == "0\r\nX-Sum: abc\r\nGrpc-Status: 0\r\n\r\n")
    }

    @Test(arguments: [
        "g\r\n", "\r\n", " 5\r\nhello\r\n", "5 \r\nhello\r\n", "+5\r\nhello\r\n", "-5\r\nhello\r\n", "0x5\r\nhello\r\n",
        "5\nhello\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "5\rhello\r\n",
        "ffffffffffffffff\r\n", "10000000000000000\r\n", "0000000000000000005\r\nhello\r\n", "5;a\nb\r\nhello\r\n",
        "5;a\u{0}\r\nhello\r\n", "5;\r\r\nhello\r\n", "5,3\r\nhello\r\n", "0\r\nno colon\r\n\r\n", "0\r\nX : y\r\n\r\n",
        "0\r\n folded\r\n\r\n", "0\r\nX: y\n\r\n", "0\r\nX: \u{0}\r\n\r\n", "0\r\n: y\r\n\r\n",
    ])
    func `Anything but the grammar is refused`(_ text: String) {
        #expect(throws: HTTPError.self) { try pass(text) }
        #expect(throws: HTTPError.self) { try pass(bytes(text), pieces: 1) }
    }

    @Test(arguments: [
        ("5   \r\nhello\r\n0\t\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("00000000000000000005\r\nhello\r\n000\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("05 ; x=y\r\nhello\r\n0 \r\nX: y\r\n\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
    ])
    func `38 A response's sizes come out in one form`(_ text: String, _ passed: String) throws {
        for size in [.max, 1, 3] {
            let (output, hasEnded, _) = try pass(bytes(text), pieces: size, isLenient: true)
            #expect(String(decoding: output, as: UTF8.self) == passed && hasEnded)
        }
    }

    @Test func `38 Where the coding is not kept, a response's lines may end in LF`() throws {
        for size in [.max, 1, 3] {
            let (output, hasEnded, rest) = try pass(
                bytes("5;x\nhello\n1\r\n!\n0\nX: y\n\nrest"), pieces: size, keepsCoding: false, isLenient: true)
            #expect(output == bytes("hello!") && hasEnded && rest == bytes("rest"))
        }
    }

    /// The proxy answered 502, or cut the content short, where the head had CR LF and the chunks did not.
    @Test(arguments: [
        ("5\nhello\n0\n\n", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n1\n!\n0\n\n", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "hello!"),
        ("5\r\nhello\n3\nabc\n0\r\n\r\n", "5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n", "helloabc"),
        ("5\r\nhello\r\n0\n\n", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("0\r\nX: y\n\n", "0\r\n\r\n", ""), ("0\r\nX: y\r\n\n", "0\r\nX: y\r\n\r\n", ""),
        ("5;x=y\nhello\n0\nX: y\n Z: folded\n\n", "5\r\nhello\r\n0\r\n\r\n", "hello"),
    ])
    func `38 Lines that end in LF alone come out in chunks made anew`(
        _ text: String, _ passed: String, _ content: String
    ) throws {
        for size in [.max, 1, 2, 3, 7] {
            let (output, hasEnded, rest) = try pass(bytes(text + "HTTP/1.1"), pieces: size, isLenient: true)
            #expect(hasEnded && rest == bytes("HTTP/1.1"))
            if size == .max { #expect(String(decoding: output, as: UTF8.self) == passed) }
            // However it came, it is the same content for a strict reader.
            let again = try pass(output, keepsCoding: false)
            #expect(String(decoding: again.output, as: UTF8.self) == content && again.hasEnded && again.rest == [])
        }
    }

    @Test(arguments: [
        ("0\r\nX: a\r\n b\r\n\r\n", "0\r\nX: a   b\r\n\r\n"),
        ("0\r\nX: a\r\n\tb\r\n c\r\nY: z\r\n\r\n", "0\r\nX: a  \tb   c\r\nY: z\r\n\r\n"),
        ("0\r\nX: a\n b\r\n\r\n", "0\r\nX: a  b\r\n\r\n"),
        ("0\r\nContent-Length: 5\r\n 6\r\nX: y\r\n\r\n", "0\r\nX: y\r\n\r\n"),
    ])
    func `38 A trailer of a response that is folded comes out as one line`(_ text: String, _ passed: String) throws {
        for size in [.max, 1, 2, 5] {
            let (output, hasEnded, rest) = try pass(bytes(text + "rest"), pieces: size, isLenient: true)
            #expect(
                String(decoding: output, as: UTF8.self) == passed && hasEnded
                    && String(decoding: rest, as: UTF8.self) == "rest")
        }
        #expect(throws: HTTPError.self) { try pass(text) }
    }

    @Test(arguments: [
        "g\r\n", "\r\n", " 5\r\nhello\r\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n", "5 0\r\nhello\r\n", "5\nhelloo\n",
        "5\rhello\r\n", "5\r\nhello0\r\n\r\n", "ffffffffffffffff\r\n", "5 \u{0}\r\nhello\r\n", "5,3\r\nhello\r\n",
        "0\r\n folded\r\n\r\n", "0\r\nno colon\r\n\r\n", "5\n\nhello\n", "5\nhello\n\n0\n\n",
        "0\r\nX: a\r\n b\u{0}\r\n\r\n",
    ])
    func `38 What can be read in two ways is refused in a response, too`(_ text: String) {
        for size in [.max, 1] {
            #expect(throws: HTTPError.self) { try pass(bytes(text), pieces: size, isLenient: true) }
        }
    }

    @Test func `Sizes, extensions and trailers are bounded`() throws {
        let long = String(repeating: "a", count: 300)
        #expect(throws: HTTPError.self) { try pass("5;" + long) }
        #expect(throws: HTTPError.self) { try pass("0\r\n" + String(repeating: "X: \(long)\r\n", count: 30)) }
        #expect(throws: HTTPError.self) { try pass("0\r\n" + String(repeating: "X: y\r\n", count: 65)) }
        #expect(throws: HTTPError.self) { try pass("0\r\nX: " + String(repeating: long, count: 30)) }
        for size in [.max, 1000] {
            let folded = bytes("0\r\nX: y\r\n" + String(repeating: " \(long)\r\n", count: 30))
            #expect(throws: HTTPError.self) { try pass(folded, pieces: size, isLenient: true) }
        }
        #expect(try pass("fffffffffffffff\r\nabc") == "fffffffffffffff\r\nabc")
    }

    @Test func `However it is cut, what comes out is the same`() throws {
        var noise = Noise(state: 24)
        let pieces = [
            "5\r\nhello\r\n", "1;x=y\r\na\r\n", "0\r\n", "\r\n", "X: y\r\n", "Content-Length: 3\r\n", "a", "\r", "\n",
            "5",
            "3\r\nabc\r\n", ";", " ", "\u{0}",
        ]
        for _ in 0..<5000 {
            var input: [UInt8] = []
            for _ in 0..<Int.random(in: 0...9, using: &noise) { input += bytes(pieces.randomElement(using: &noise)!) }
            for keepsCoding in [true, false] {
                let whole = try? pass(input, keepsCoding: keepsCoding)
                for size in [1, 2, 5] {
                    let torn = try? pass(input, pieces: size, keepsCoding: keepsCoding)
                    #expect(torn?.output == whole?.output && torn?.hasEnded == whole?.hasEnded, "\(input)")
                }
            }
        }
    }
}
