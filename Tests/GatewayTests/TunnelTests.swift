import Foundation
import Glibc
import TestNetwork
import Testing

/// How the bytes of a test travel: few are copied; a flood moves to splice(2).
enum Volume: CaseIterable, Sendable {
    case few, flood

    var bytes: [UInt8] {
        (0..<(self == .few ? 700 : 3_000_000)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
    }
}

/// What correct means for the tunnels of both proxies; the numbers are those of the project's list.
@Suite("A tunnel is a TCP connection", .enabled(if: isRoot, "needs root: network namespaces"))
struct TunnelTests {
    let home: Home

    init() throws { home = try Home.ready() }

    @Test(
        "1: a FIN travels on, and the other direction goes on", arguments: ProxyKind.allCases, Volume.allCases)
    func halfClose(kind: ProxyKind, volume: Volume) throws {
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            // All that came before the FIN goes back behind it.
            try peer.send(try peer.receiveToEnd())
        }
        let client = try home.tunnel(kind, origin.port)
        try client.send(volume.bytes)
        client.finish()
        #expect(try client.receiveToEnd() == volume.bytes)
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
        arguments: ProxyKind.allCases, Volume.allCases)
    func resetByOrigin(kind: ProxyKind, volume: Volume) throws {
        let mayReset = DispatchSemaphore(value: 0)
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            try peer.send(volume.bytes)
            mayReset.wait()
            peer.resetAtClose()
        }
        let client = try home.tunnel(kind, origin.port)
        #expect(try client.receive(exactly: volume.bytes.count) == volume.bytes)
        mayReset.signal()
        let failure = #expect(throws: SocketFailure.self) { try client.receiveToEnd() }
        #expect(failure?.code == ECONNRESET)
    }

    @Test(
        "2: a reset by the client reaches the origin as a reset", arguments: ProxyKind.allCases, Volume.allCases)
    func resetByClient(kind: ProxyKind, volume: Volume) throws {
        let (received, hasEnded) = (Received(), DispatchSemaphore(value: 0))
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receive(exactly: volume.bytes.count)
            try peer.send("all")
            do { _ = try peer.receiveToEnd() } catch let error as SocketFailure { received.code = error.code }
            hasEnded.signal()
        }
        do {
            let client = try home.tunnel(kind, origin.port)
            try client.send(volume.bytes)
            #expect(try client.receive(exactly: 3) == Array("all".utf8))
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

    /// A FIN that is not passed on leaves a connection in CLOSE_WAIT until the process ends.
    @Test("5: sessions that end in every way leave no connection behind", arguments: ProxyKind.allCases)
    func nothingLeft(kind: ProxyKind) throws {
        let origin = try echo(in: home)
        let role = try #require(try home.processes()[kind.rawValue]?.first)
        for round in 0..<200 {
            let client = round % 5 == 4 ? try home.dial(kind) : try home.tunnel(kind, origin.port)
            switch round % 5 {
            case 0: break
            case 1: client.finish()
            case 2: client.resetAtClose()
            case 3:
                try client.send("half")
                client.finish()
                _ = try client.receiveToEnd()
            default: try client.send([kind == .socks5 ? 5 : UInt8(ascii: "C")])
            }
        }
        #expect(
            try eventually {
                try home.gateway.run("ss", "-Htn", "state", "connected", "exclude", "time-wait", "exclude", "syn-sent")
                    == ""
            })
        #expect(try openDescriptors(of: role) < 100)
    }

    @Test("6: urgent data stays in the stream and does not break it", arguments: ProxyKind.allCases)
    func urgent(kind: ProxyKind) throws {
        let origin = try echo(in: home)
        let client = try home.tunnel(kind, origin.port)
        try client.send("before")
        try client.sendUrgent(UInt8(ascii: "!"))
        try client.send("after")
        #expect(try client.receive(exactly: 12) == Array("before!after".utf8))
    }

    /// Tunnels that end within half a minute need none, and are spared the system calls.
    @Test("6: both ends of a tunnel that has stood for a while have keep-alive")
    func keepAlive() throws {
        let origin = try echo(in: home)
        let tunnels = try ProxyKind.allCases.map { try home.tunnel($0, origin.port) }
        #expect(
            try eventually(within: .seconds(50)) {
                for tunnel in tunnels {
                    try tunnel.send("x")
                    _ = try tunnel.receive(exactly: 1)
                }
                // ss names one timer of a connection, and what is not acknowledged yet comes first.
                usleep(300_000)
                let connections = try home.gateway.run("ss", "-Htno", "state", "established")
                return connections.components(separatedBy: "timer:(keepalive,").count == 1 + 2 * tunnels.count
            })
    }
}

/// What an origin's thread found; to be read once it has said that it is done.
private final class Received: @unchecked Sendable {
    var bytes: [UInt8] = []
    var code: CInt = 0
}
