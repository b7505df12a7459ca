import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

@Suite("Limits hold across both proxies", .enabled(if: isRoot, "needs root: network namespaces"))
struct LimitTests {
    let home: Home

    init() throws { home = try Home.ready() }

    @Test("a client's sessions are counted over both relay processes, and one that is killed leaks none")
    func sessions() throws {
        try home.ctl("limit", "set", "client", "--sessions", "3")
        let origin = try echo(in: home)
        let first = try [home.tunnel(.socks5, origin.port), home.tunnel(.socks5, origin.port)]
        let other = try Stream(home.tunnel(.http, origin.port))
        try expectRefusals(origin.port)

        home.killsRoles = true
        let before = try #require(try home.processes()["socks5"]?.first)
        kill(before, SIGKILL)
        #expect(try eventually { try home.processes()["socks5"].map { !$0.isEmpty && $0 != [before] } ?? false })
        // The dead one's two are free again; that of the other process is not.
        let second = try [home.tunnel(.http, origin.port), home.tunnel(.socks5, origin.port)]
        try expectRefusals(origin.port)
        #expect(other.goesOn())

        try home.ctl("limit", "remove", "client")
        _ = try home.tunnel(.socks5, origin.port)
        withExtendedLifetime((first, second)) {}
    }

    private func expectRefusals(_ port: UInt16) throws {
        let refused = try home.dial(.socks5)
        try refused.send([5, 1, 0])
        #expect(try refused.receive(exactly: 2) == [5, 0])
        try refused.send(SOCKS5.connect(Home.wanHost, port))
        #expect(try SOCKS5.reply(from: refused).code == 2)
        let browser = try home.dial(.http)
        try browser.send(HTTP.connect(Home.wanHost, port))
        let answer = HTTP.parse(try browser.receiveHead())
        #expect(answer.status == 429 && answer.fields["retry-after"] == "1")
        let reader = try home.dial(.http)
        try reader.send("GET http://\(Home.wanHost):\(port)/ HTTP/1.1\r\nHost: \(Home.wanHost):\(port)\r\n\r\n")
        let plain = HTTP.parse(try reader.receiveHead())
        #expect(plain.status == 429 && plain.fields["connection"] == "close")
    }

    @Test("a client's bandwidth is one for both relay processes, tunnels and plain requests together")
    func bandwidth() throws {
        let flood = try Origin(in: home.wan, Home.wanHost) { peer in
            let block = [UInt8](repeating: 7, count: 1 << 16)
            while true { try peer.send(block) }
        }
        let site = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            let block = [UInt8](repeating: 7, count: 1 << 16)
            while true { try peer.send(block) }
        }
        let readers = try [home.tunnel(.socks5, flood.port), home.tunnel(.http, flood.port), home.dial(.http)]
        try readers[2].send(
            "GET http://\(Home.wanHost):\(site.port)/ HTTP/1.1\r\nHost: \(Home.wanHost):\(site.port)\r\n\r\n")
        let meter = readers.map(Meter.init)
        #expect(eventually { meter.allSatisfy { $0.count > 1_000_000 } })
        try home.ctl("limit", "set", "client", "--bandwidth", "2M")
        // What was under way in the kernels' buffers comes all the same.
        usleep(3_000_000)
        // 2M may be meant in units of 1000 or of 1024.
        func fits(_ rates: [Double]) -> Bool { (0.85 * 2_000_000..<1.15 * 2_097_152).contains(rates.reduce(0, +)) }
        // A machine that stands still moves bytes from one window to the next; two limits in place of one never fit.
        let rates = measure(atMost: 10, until: fits) {
            let (before, start) = (meter.map(\.count), ContinuousClock.now)
            usleep(3_000_000)
            let after = meter.map(\.count)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            return zip(before, after).map { Double($1 - $0) / seconds }
        }
        #expect(fits(rates) && rates.allSatisfy { $0 > 0 }, "\(rates) bytes/s")
    }
}

/// Reads and counts.
private final class Meter: @unchecked Sendable {
    private let lock = NSLock()
    private var total = 0

    init(_ peer: Peer) {
        Thread.detachNewThread { [self] in
            while let count = try? peer.receive().count, count > 0 { lock.withLock { total += count } }
        }
    }

    var count: Int { lock.withLock { total } }
}
