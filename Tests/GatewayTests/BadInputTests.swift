import Foundation
import Glibc
import TestNetwork
import Testing

@Suite(
    "Bad input is a clear error, changes nothing and ends no process", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"))
struct BadInputTests {
    @Test("on the command line")
    func commands() throws {
        let home = try Home.ready()
        let (ruleset, revision, processes) = (try home.ruleset(), try home.revision(), try home.processes())
        let inputs: [(arguments: [String], hint: String)] = [
            (["listener", "add", "socks5", "300.1.2.3:1080"], "300.1.2.3:1080"),
            (["listener", "add", "socks5", "192.168.77.1"], "192.168.77.1"),
            (["listener", "add", "socks5", "192.168.77.1:99999"], "99999"),
            (["listener", "add", "gopher", "192.168.77.1:70"], "gopher"),
            (["listener", "add", "socks5", "192.168.77.1:1080"], "192.168.77.1:1080"),
            (["listener", "add", "socks5", "192.168.99.1:1080"], "192.168.99.1"),
            (["listener", "add", "socks5", "192.168.77.1:1082", "--interface", "eth9"], "eth9"),
            (["listener", "add", "socks5", "203.0.112.1:1082"], "--auth required"),
            (["listener", "remove", "192.168.77.1:4444"], "192.168.77.1:4444"),
            (["setup", "--lan", "eth9"], "eth9"),
            (["setup", "--lan", "lan0", "--wan", "lan0"], "lan0"),
            (["rule", "add", "allow", "--to", "10.0.0.1/8"], "10.0.0.1/8"),
            (["rule", "remove", "77"], "77"),
            (["user", "remove", "nobody-of-that-name"], "nobody-of-that-name"),
            (["firewall", "close", "nothing-of-that-name"], "nothing-of-that-name"),
            (["revision", "rollback", "4711"], "4711"),
        ]
        for (arguments, hint) in inputs {
            let outcome = try home.gateway.attempt([programs + "gatehousectl", "--socket", home.socket] + arguments)
            #expect(outcome.status != 0, "\(arguments)")
            #expect(outcome.errors.contains(hint), "\(arguments): \(outcome)")
        }
        #expect(try home.ruleset() == ruleset)
        #expect(try home.revision() == revision)
        #expect(try home.processes() == processes)
    }

    @Test("at the proxies: torn, garbled and endless")
    func clients() throws {
        let home = try Home.ready()
        let processes = try home.processes()
        let inputs: [[UInt8]] = [
            [], [5], [5, 2], [5, 2, 0], [5, 0], [4, 1, 0, 80, 1, 2, 3, 4, 0], [0x16, 3, 1, 2, 0],
            Array("GET / HTTP/1.1\r\n\r\n".utf8), Array("CONNECT".utf8), Array("\r\n\r\n\r\n".utf8),
            Array("C\0NNECT".utf8),
            [5, 1, 0, 5, 1, 0, 3, 255], [UInt8](repeating: 0xff, count: 1 << 20),
            [UInt8](repeating: 10, count: 1 << 20),
        ]
        for kind in ProxyKind.allCases {
            for input in inputs {
                let client = try home.dial(kind)
                // It may be cut off before all is sent.
                try? client.send(input)
                client.finish()
                _ = try? client.receiveToEnd()
            }
            try expectEcho(home, kind)
        }
        #expect(try home.processes() == processes)
    }

    @Test("at the admin socket: garbage costs its sender the connection and nobody else anything")
    func admin() throws {
        let home = try Home.ready()
        let (revision, processes) = (try home.revision(), try home.processes())
        let bystander = try AdminConnection(home.socket)
        let frames: [[UInt8]] = [
            Array("not JSON\0".utf8), [0xff, 0xfe, 0], Array("{\"method\":7}\0".utf8), Array("[]\0".utf8),
            [UInt8](repeating: UInt8(ascii: "{"), count: 8 << 20),
        ]
        for (index, frame) in frames.enumerated() {
            let sender = try AdminConnection(home.socket)
            sender.send(frame)
            #expect(sender.isClosed(), "frame \(index)")
        }
        bystander.send(Array("{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}\0".utf8))
        #expect(bystander.receive().lowercased().contains("gatehouse"))
        #expect(try home.revision() == revision)
        #expect(try home.processes() == processes)
    }
}

/// A client of the admin socket without manners.
private final class AdminConnection {
    private let descriptor: CInt

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Failure("connect to \(path): \(String(cString: strerror(errno)))") }
        var limit = timeval(tv_sec: 15, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// As much as the daemon takes.
    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }

    func receive() -> String {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    }

    /// The daemon closes it, whatever it says before.
    func isClosed() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { return true }
            if count < 0 { return errno == ECONNRESET }
        }
    }
}
