import Address
import CLinux
import Glibc
import Machine
import Policy
import Reactor
import Testing

@testable import Supervisor

private let loopback = IPAddress.v4(0x7f00_0001)

/// A port that nobody had a moment ago.
private func freePort() throws -> UInt16 {
    try ListeningSocket.address(of: ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))).port
}

/// Whether somebody listens there.
private func answers(_ port: UInt16) -> Bool {
    let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(client) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

@Suite("The listening sockets that the supervisor keeps")
struct ListenerSocketsTests {
    @Test("A listener has a socket from the moment that it is opened, and none any more when it is dropped")
    func life() throws {
        let listener = Listener(kind: .socks5, endpoint: Endpoint(address: loopback, port: try freePort()))
        var sockets = ListenerSockets()
        #expect(sockets.open([listener]).isEmpty)
        #expect(answers(listener.endpoint.port))
        // A relay has a copy. The port is to be shut all the same.
        let copy = try #require(sockets[listener]).socket.duplicate()
        sockets.keep(only: [])
        #expect(sockets[listener] == nil)
        #expect(!answers(listener.endpoint.port))
        #expect(sockets.open([listener]).isEmpty, "the copy must not stand in the way of the next")
        #expect(answers(listener.endpoint.port))
        _ = consume copy
    }

    @Test("A listener that changes its kind keeps its socket; one that is there is not opened twice")
    func kept() throws {
        var listener = Listener(kind: .socks5, endpoint: Endpoint(address: loopback, port: try freePort()))
        var sockets = ListenerSockets()
        #expect(sockets.open([listener]).isEmpty)
        let entry = try #require(sockets[listener])
        listener.kind = .http
        listener.authentication = .required
        #expect(sockets.open([listener]).isEmpty)
        sockets.keep(only: [listener])
        #expect(sockets[listener] === entry)
    }

    @Test("A port that is taken: who has it is said, by address and not by port alone")
    func taken() throws {
        let socket = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
        let port = try ListeningSocket.address(of: socket).port
        var sockets = ListenerSockets()
        let failed = sockets.open([Listener(kind: .http, endpoint: Endpoint(address: loopback, port: port))])
        #expect(failed.count == 1)
        #expect(failed.first?.reason.description.contains("(pid \(getpid()))") == true, "\(failed)")
        #expect(PortHolder.find(Endpoint(address: .v4(0), port: port))?.contains("\(getpid())") == true)
        #expect(PortHolder.find(Endpoint(address: .v4(0x7f00_0002), port: port)) == nil)
        #expect(PortHolder.find(Endpoint(address: .v6(1), port: port)) == nil)
    }

    /// That one has the same port is no reason to send the operator after it.
    @Test("A listener of ours on another address is not taken for the one in the way")
    func takenElsewhere() throws {
        let own = Listener(kind: .http, endpoint: Endpoint(address: loopback, port: try freePort()))
        var sockets = ListenerSockets()
        #expect(sockets.open([own]).isEmpty)
        let other = IPAddress.v4(0x7f00_0002)
        let foreign = try ListeningSocket.tcp(.v4(0x7f00_0002, port: own.endpoint.port))
        let new = Listener(kind: .http, endpoint: Endpoint(address: other, port: own.endpoint.port))
        #expect(sockets.open([new]).first?.reason.description.contains("is taken: ") == true)
        let everywhere = Listener(kind: .http, endpoint: Endpoint(address: .v4(0), port: own.endpoint.port))
        #expect(sockets.open([everywhere]).first?.reason.description.contains("overlaps with a listener") == true)
        _ = consume foreign
    }

    @Test("Whoever listens on every IPv6 address is in the way of each")
    func takenByAll() throws {
        let socket = try ListeningSocket.tcp(.v6(0, port: 0))
        let port = try ListeningSocket.address(of: socket).port
        #expect(PortHolder.find(Endpoint(address: .v6(1), port: port))?.contains("\(getpid())") == true)
    }

    @Test("An address that nobody has and an interface that is not there are told apart")
    func absent() {
        let nowhere = Listener(kind: .http, endpoint: Endpoint(address: .v4(0xc000_0201), port: 1080))
        let unplugged = Listener(
            kind: .http, endpoint: Endpoint(address: loopback, port: 1080), interface: "nosuch0")
        var sockets = ListenerSockets()
        let reasons = sockets.open([nowhere, unplugged]).map(\.reason.description)
        #expect(reasons.count == 2)
        #expect(reasons.first?.contains("192.0.2.1") == true)
        #expect(reasons.last?.contains("nosuch0") == true)
    }

    @Test("An account that was given back is the last one to be given out again")
    func accounts() throws {
        let listeners = try (0..<3).map { _ in
            Listener(kind: .socks5, endpoint: Endpoint(address: loopback, port: try freePort()))
        }
        var sockets = ListenerSockets()
        #expect(sockets.open([listeners[0], listeners[1]]).isEmpty)
        let former = try #require(sockets[listeners[0]]).account
        sockets.keep(only: [listeners[1]])
        #expect(sockets.open([listeners[2]]).isEmpty)
        let accounts = [
            former, try #require(sockets[listeners[1]]).account, try #require(sockets[listeners[2]]).account,
        ]
        #expect(Set(accounts).count == 3)
    }
}

@Suite("The machine's interfaces")
struct SurroundingsTests {
    @Test("The loopback interface is seen, with its address and prefix")
    func loopbackInterface() throws {
        let lo = try #require(try Surroundings.current().interfaces.first { $0.name == "lo" })
        #expect(lo.addresses.contains(.init(address: loopback, prefix: 8)))
    }
}
