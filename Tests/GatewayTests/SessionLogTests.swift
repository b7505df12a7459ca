import CLinux
import Foundation
import Glibc
import TestNetwork
import Testing

/// `session log`, as the operator reads it, and what the journal gets of it.
@Suite("Why a session failed stays visible", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct SessionLogTests {
    @Test("`session log` tells time, client, target, verdict and reason; --denied and --client choose")
    func verb() throws {
        let home = try Home.ready()
        #expect(try home.ctl("session", "log").contains("Nobody has wanted anything yet."))
        let origin = try echo(in: home)
        try home.ctl("rule", "add", "deny", "--to", "203.0.112.99/32")
        let tunnel = try home.tunnel(.socks5, origin.port)
        let denied = try home.dial(.http)
        try denied.send(HTTP.connect("203.0.112.99", 80))
        #expect(try denied.receiveHead().hasPrefix("HTTP/1.1 403 "))
        let dead = try home.dial(.socks5)
        try dead.send([5, 1, 0] + SOCKS5.connect(Home.wanHost, 9))
        _ = try dead.receive(exactly: 12)
        let all = try home.ctl("session", "log")
        #expect(all.contains("\(Home.wanHost):\(origin.port)"))
        #expect(all.firstMatch(of: /192\.168\.77\.10:\d+ +\S+ +- +203\.0\.112\.10:\d+ +allowed/) != nil, "\(all)")
        #expect(
            all.firstMatch(of: /203\.0\.112\.99:80 +denied +203\.0\.112\.99 is not allowed: rule 1 denies it/) != nil,
            "\(all)")
        #expect(all.firstMatch(of: /203\.0\.112\.10:9 +failed +.*refused/) != nil, "\(all)")
        let some = try home.ctl("session", "log", "--denied")
        #expect(!some.contains("allowed ") && some.contains("rule 1 denies it"), "\(some)")
        #expect(try home.ctl("session", "log", "--client", "10.0.0.0/8").contains("Nobody"))
        let json = try JSONSerialization.jsonObject(
            with: Data(try home.ctl("--json", "session", "log", "--denied").utf8))
        let entries = (json as? [String: Any])?["entries"] as? [[String: Any]] ?? []
        #expect(entries.contains { $0["rule"] as? Int == 1 && $0["verdict"] as? String == "denied" }, "\(entries)")
        withExtendedLifetime(tunnel) {}
    }

    @Test(
        "The daemon's log says nothing of sessions until it is switched on, and then has a line with the fields of each"
    )
    func journal() throws {
        let home = try Home.ready()
        func ask() throws {
            let denied = try home.dial(.http)
            try denied.send(HTTP.connect("10.9.9.9", 80))
            #expect(try denied.receiveHead().hasPrefix("HTTP/1.1 403 "))
        }
        func said() -> String { home.daemon?.said ?? "" }
        try ask()
        #expect(!said().contains("10.9.9.9"))
        #expect(try home.ctl("session", "log", "--journal", "on").contains("session log journal"))
        try ask()
        #expect(eventually { said().contains("TARGET=10.9.9.9:80") })
        let line = try #require(said().split(separator: "\n").first { $0.contains("TARGET=10.9.9.9:80") })
        #expect(
            line.contains("CLIENT=192.168.77.10:") && line.contains("VERDICT=denied")
                && line.contains("REASON=10.9.9.9"))
        // It is a part of the policy: another daemon on the same state goes on with it.
        try home.stop()
        try home.start()
        try ask()
        #expect(eventually { said().contains("TARGET=10.9.9.9:80") })
        try home.ctl("session", "log", "--journal", "off")
        let count = said().components(separatedBy: "TARGET=").count
        try ask()
        #expect(said().components(separatedBy: "TARGET=").count == count)
    }

    @Test("journald gets an entry with fields of its own, by its own socket")
    func fields() throws {
        let home = try Home()
        let directory = home.directory + "/journal"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let journald = try Journald(at: directory + "/socket")
        home.journal = directory
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("session", "log", "--journal", "on")
        try home.ctl("rule", "add", "deny", "--to", "203.0.112.99/32")
        let denied = try home.dial(.http)
        try denied.send(HTTP.connect("203.0.112.99", 80))
        #expect(try denied.receiveHead().hasPrefix("HTTP/1.1 403 "))
        let entry = try journald.receive()
        let lines = Set(entry.split(separator: "\n").map(String.init))
        for line in ["TARGET=203.0.112.99:80", "VERDICT=denied", "RULE=1", "PRIORITY=5", "SYSLOG_IDENTIFIER=http"] {
            #expect(lines.contains(line), "\(entry)")
        }
        #expect(
            lines.contains { $0.hasPrefix("CLIENT=192.168.77.10:") }
                && lines.contains { $0.hasPrefix("MESSAGE=session denied") })
        #expect(lines.contains { $0.hasPrefix("REASON=203.0.112.99 is not allowed") })
    }

    /// The socket of journald, with nobody behind it but the test.
    private final class Journald {
        private let descriptor: Int32

        init(at path: String) throws {
            descriptor = Glibc.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard result == 0 else { throw Failure("bind \(path): \(String(cString: strerror(errno)))") }
            chmod(path, 0o666)
            var limit = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }

        deinit { close(descriptor) }

        func receive() throws -> String {
            var bytes = [UInt8](repeating: 0, count: 65536)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            guard count > 0 else { throw Failure("journald got nothing") }
            return String(decoding: bytes[..<count], as: UTF8.self)
        }
    }
}
