import Foundation
import Glibc
import TestNetwork
import Testing

/// What correct means for the tunnels of both proxies; the numbers are those of the project's list.
@Suite("A tunnel is a TCP connection", .enabled(if: isRoot, "needs root: network namespaces"))
struct TunnelTests {
    let home: Home

    init() throws { home = try Home.ready() }

    @Test("1: a FIN travels on, and the other direction goes on", arguments: ProxyKind.allCases)
    func halfClose(kind: ProxyKind) throws {
        let counting = try Origin(in: home.wan, Home.wanHost) { peer in
            let request = try peer.receiveToEnd()
            try peer.send("\(request.count) bytes")
        }
        let client = try home.tunnel(kind, counting.port)
        try client.send([UInt8](repeating: 7, count: 70_000))
        client.finish()
        #expect(String(decoding: try client.receiveToEnd(), as: UTF8.self) == "70000 bytes")
    }

    @Test("1: the origin's FIN travels on as well, and the client may go on sending", arguments: ProxyKind.allCases)
    func halfCloseByOrigin(kind: ProxyKind) throws {
        let (received, hasEnded) = (Received(), DispatchSemaphore(value: 0))
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            try peer.send("bye")
            peer.finish()
            received.bytes = try peer.receiveToEnd()
            hasEnded.signal()
        }
        let client = try home.tunnel(kind, origin.port)
        #expect(try client.receiveToEnd() == Array("bye".utf8))
        try client.send("but I am not done")
        client.finish()
        #expect(hasEnded.wait(timeout: .now() + 10) == .success)
        #expect(received.bytes == Array("but I am not done".utf8))
    }

    @Test(
        "2: a reset by the origin reaches the client as a reset, after the data before it",
        arguments: ProxyKind.allCases)
    func resetByOrigin(kind: ProxyKind) throws {
        let mayReset = DispatchSemaphore(value: 0)
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            try peer.send([UInt8](repeating: 7, count: 300_000))
            mayReset.wait()
            peer.resetAtClose()
        }
        let client = try home.tunnel(kind, origin.port)
        #expect(try client.receive(exactly: 300_000).count == 300_000)
        mayReset.signal()
        let failure = #expect(throws: SocketFailure.self) { try client.receiveToEnd() }
        #expect(failure?.code == ECONNRESET)
    }

    @Test("2: a reset by the client reaches the origin as a reset", arguments: ProxyKind.allCases)
    func resetByClient(kind: ProxyKind) throws {
        let (received, hasEnded) = (Received(), DispatchSemaphore(value: 0))
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            do { _ = try peer.receiveToEnd() } catch let error as SocketFailure { received.code = error.code }
            hasEnded.signal()
        }
        do {
            let client = try home.tunnel(kind, origin.port)
            try client.send("half a message")
            client.resetAtClose()
        }
        #expect(hasEnded.wait(timeout: .now() + 10) == .success)
        #expect(received.code == ECONNRESET)
    }

    @Test("3: what follows the request in the same segment is the tunnel's", arguments: ProxyKind.allCases)
    func early(kind: ProxyKind) throws {
        let origin = try echo(in: home)
        let client = try home.dial(kind)
        switch kind {
        case .socks5:
            try client.send([5, 1, 0] + SOCKS5.connect(Home.wanHost, origin.port) + Array("early".utf8))
            #expect(try client.receive(exactly: 2) == [5, 0])
            #expect(try SOCKS5.reply(from: client).code == 0)
        case .http:
            try client.send(HTTP.connect(Home.wanHost, origin.port) + "early")
            #expect(try client.receiveHead().hasPrefix("HTTP/1.1 200 "))
        }
        #expect(try client.receive(exactly: 5) == Array("early".utf8))
    }

    @Test("4: all that one end sent reaches the other before the end does", arguments: ProxyKind.allCases)
    func complete(kind: ProxyKind) throws {
        let size = 30_000_000
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in try peer.send(content) }
        let client = try home.tunnel(kind, origin.port)
        #expect(try client.receiveToEnd() == content)
    }

    @Test("4: an upload that ends with the connection is complete too", arguments: ProxyKind.allCases)
    func upload(kind: ProxyKind) throws {
        let content = (0..<10_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let (received, hasEnded) = (Received(), DispatchSemaphore(value: 0))
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            received.bytes = try peer.receiveToEnd()
            hasEnded.signal()
        }
        try home.tunnel(kind, origin.port).send(content)
        #expect(hasEnded.wait(timeout: .now() + 20) == .success)
        #expect(received.bytes == content)
    }
}

/// What an origin's thread found; to be read once it has said that it is done.
private final class Received: @unchecked Sendable {
    var bytes: [UInt8] = []
    var code: CInt = 0
}
