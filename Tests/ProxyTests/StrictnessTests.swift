import Foundation
import Glibc
import Synchronization
import Testing

/// Points 24 and 25 of what correct means for the proxies, by a second parser: a request that Gatehouse passes on is one request for it.
@Suite(.timeLimit(.minutes(5))) struct StrictnessTests {
    /// - Parameter pieces: how many each request comes in.
    @Test(arguments: [1, 3])
    func `24 and 25 A malformed request reaches no origin, and what does is one request for a second parser`(
        _ pieces: Int
    ) async throws {
        let gateway = try Gateway()
        let recorder = try Recorder()
        let authority = "127.0.0.1:\(recorder.port)"
        let hidden = "GET http://\(authority)/hidden HTTP/1.1\r\nHost: a\r\n\r\n"
        let requests = RequestCorpus(origin: authority).requests
        #expect(requests.count > 1000)
        var streams: [[UInt8]] = []
        var ends: [Int] = []
        for request in requests {
            let client = try await Peer.connect(to: gateway.http)
            let bytes = request.bytes + Array(hidden.utf8)
            for piece in 0..<pieces {
                let (start, end) = (bytes.count * piece / pieces, bytes.count * (piece + 1) / pieces)
                // The gateway may have refused the beginning, and be gone.
                try? await client.send(Array(bytes[start..<end]))
            }
            client.finish()
            _ = try await client.receiveAll()
            streams += try await recorder.takeStreams()
            ends.append(streams.count)
        }
        let readings = try SecondParser.read(streams)
        var start = 0
        for (request, end) in zip(requests, ends) {
            let got = zip(readings[start..<end], streams[start..<end])
            start = end
            let text = "\(String(decoding: request.bytes, as: UTF8.self).debugDescription): \(Array(got))"
            let whole = got.filter { !$0.0.requests.isEmpty }
            switch request.expectation {
            case .refused:
                // The head of content that is malformed further on may have got there, and not one whole request.
                #expect(whole.isEmpty, "\(text)")
            case .passed:
                // And what comes behind the request is the next one.
                // Content that is still to come may cost the client its connection.
                let count = isLast(request) ? 1 : 2
                #expect(whole.count == count || pieces > 1 && whole.count == 1, "\(text)")
            case .either: break
            }
            for (reading, _) in whole { #expect(reading.requests.count == 1 && !reading.hasRest, "\(text)") }
            if let (reading, _) = whole.first, request.expectation == .passed {
                #expect(reading.requests[0].target != "/hidden", "\(text)")
            }
        }
    }

    /// Where the head had CR LF, a chunk's line that ended in LF alone, and a folded trailer, were refused.
    @Test(arguments: [Int.max, 1, 5])
    func `38 Whatever chunks a server sends, two other parsers read one response in what is passed on`(
        _ pieces: Int
    ) async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let chunks: [(String, String)] = [
            ("5\r\nhello\r\n0\r\n\r\n", "hello"), ("5\nhello\n0\n\n", "hello"),
            ("5\r\nhello\n1\n!\n0\r\n\r\n", "hello!"), ("5\r\nhello\r\n1\n!\r\n0\n\r\n", "hello!"),
            ("5;a=b\nhello\n0\nX: y\n\n", "hello"), ("05  \nhello\n000\n\n", "hello"),
            ("5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n", "hello"), ("5\nhello\n0\nX: a\n b\n\n", "hello"),
            ("5\r\nhello\r\n0\r\nX: y\n\n", "hello"), ("0\n\n", ""), ("0\r\n\n", ""),
        ]
        var (streams, contents): ([[UInt8]], [String]) = ([], [])
        for (text, content) in chunks {
            for end in ["\r\n", "\n"] {
                let client = try await Peer.connect(to: gateway.http)
                try await client.send("GET http://127.0.0.1:\(origin.port)/ HTTP/1.1\r\nHost: a\r\n\r\n")
                let (server, _) = try await origin.accept()
                _ = try await server.receiveHead()
                let head = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", ""].joined(separator: end)
                var rest = Array((head + text).utf8)[...]
                while !rest.isEmpty {
                    try await server.send(Array(rest.prefix(pieces)))
                    rest = rest.dropFirst(pieces)
                }
                client.finish()
                streams.append(try await client.receiveAll().bytes)
                contents.append(content)
            }
        }
        for (index, reading) in try SecondParser.readResponses(streams).enumerated() {
            let text = String(decoding: streams[index], as: UTF8.self).debugDescription
            #expect(reading.h11 == contents[index] && reading.llhttp == contents[index], "\(reading): \(text)")
        }
    }

    @Test func `The other parsers tell one response from a part of one, from two and from none`() throws {
        let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        let wrong = [
            response + "x", response.replacing("hi\r\n", with: "hi\n"), String(response.dropLast(2)), "hello\r\n",
        ]
        let readings = try SecondParser.readResponses(([response] + wrong).map { Array($0.utf8) })
        #expect(readings[0] == ("hi", "hi"))
        for reading in readings.dropFirst() {
            #expect(reading.h11.hasPrefix("error") && reading.llhttp.hasPrefix("error"), "\(reading)")
        }
    }

    @Test func `The second parser tells one request from a part of one, from two and from none`() throws {
        let request = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
        let streams = [request, request + request, String(request.dropLast()), request + "GET", "GET /\r\n", ""]
        let readings = try SecondParser.read(streams.map { Array($0.utf8) })
        #expect(readings.map(\.requests.count) == [1, 2, 0, 1, 0, 0])
        #expect(readings.map(\.hasRest) == [false, false, true, true, true, false])
        #expect(readings[0].requests[0].target == "/a" && readings[0].requests[0].content == 2)
    }

    /// Whether nothing more is read behind the request, as it says itself.
    private func isLast(_ request: RequestCorpus.Request) -> Bool {
        let text = String(decoding: request.bytes, as: UTF8.self)
        return text.contains(" HTTP/1.0\r\n") || text.contains("close") && text.contains("\r\nConnection: ")
    }
}

/// An origin that keeps what it gets, and answers it at once, whatever it is.
private final class Recorder: Sendable {
    /// Shared with the threads that read.
    private final class Record: Sendable {
        /// In the order in which connections came; nil: the connection has not ended.
        let streams = Mutex<[[UInt8]?]>([])
    }

    private static let mark = Array("mark".utf8)
    private static let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)

    private let origin: Origin
    private let record: Record

    var port: UInt16 { origin.port }

    init() throws {
        let (origin, record) = (try Origin(), Record())
        (self.origin, self.record) = (origin, record)
        let descriptor = dup(origin.descriptor)
        Thread.detachNewThread {
            while true {
                let accepted = accept(descriptor, nil, nil)
                if accepted < 0, errno == EAGAIN || errno == EINTR { continue }
                guard accepted >= 0 else { break }
                let index = record.streams.withLock {
                    $0.append(nil)
                    return $0.count - 1
                }
                Thread.detachNewThread {
                    let stream = Self.read(accepted)
                    record.streams.withLock { $0[index] = stream }
                }
            }
            close(descriptor)
        }
    }

    deinit {
        shutdown(origin.descriptor, Int32(SHUT_RDWR))
    }

    private static func read(_ descriptor: Int32) -> [UInt8] {
        defer { close(descriptor) }
        _ = send(descriptor, answer, answer.count, Int32(MSG_NOSIGNAL))
        var stream: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return stream }
            stream += buffer[..<count]
        }
    }

    /// What the connections that have come by now brought until their end.
    func takeStreams() async throws -> [[UInt8]] {
        // Connections are accepted in order: when this one is over, all before it have come.
        let marker = try await Peer.connect(to: port)
        try await marker.send(Self.mark)
        marker.finish()
        _ = try await marker.receiveAll()
        while true {
            let streams = record.streams.withLock { streams -> [[UInt8]]? in
                let ended = streams.compactMap(\.self)
                guard ended.count == streams.count, ended.last == Self.mark else { return nil }
                streams = []
                return ended.dropLast()
            }
            if let streams { return streams }
            try await Task.sleep(for: .microseconds(200))
        }
    }
}
