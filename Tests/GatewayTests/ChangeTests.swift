import Foundation
import Glibc
import Synchronization
import TestNetwork
import Testing

@Suite(
    "A change touches what it changes and nothing else", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"))
struct ChangeTests {
    @Test("Changes by the hundred while 500 tunnels carry data: none is dropped, and every byte is right")
    func manyChanges() throws {
        raiseDescriptorLimit()
        let home = try Home.ready()
        let origin = try echo(in: home)
        // Under a sanitizer 500 could not all have their turn within what an origin waits.
        let count = isSanitized ? 50 : 500
        let carriers = try Carriers(count) { try home.tunnel(ProxyKind.allCases[$0 % 2], origin.port) }
        let rounds = isThorough ? 125 : 25
        let changes = """
            set -e
            ctl() { "\(programs)gatehousectl" --socket "\(home.socket)" "$@"; }
            for round in $(seq \(rounds)); do
                echo "correct horse $round" | ctl user add alice --password-stdin
                rule=$(ctl rule add allow --to 10.0.0.0/8 | sed -n 's/^+ rule \\([0-9]*\\) .*/\\1/p')
                ctl listener add socks5 192.168.77.1:1090 --interface lan0
                ctl firewall open ssh --tcp 22 --interface lan0
                ctl firewall close ssh
                ctl listener remove 192.168.77.1:1090
                ctl rule remove "$rule"
                ctl user remove alice
            done
            """
        let before = try home.revisionNumber()
        let outcome = try home.gateway.attempt(["sh", "-c", changes], seconds: 600)
        #expect(outcome.status == 0, "\(outcome)\n\(home.daemon?.said ?? "")")
        #expect(try home.revisionNumber() == before + 8 * rounds)
        let ends = carriers.stop()
        #expect(ends.count == count)
        #expect(ends.compactMap(\.failure).map { "\($0)" } == [])
        #expect(ends.allSatisfy { $0.bytes > 10_000 }, "\(ends.map(\.bytes).min() ?? 0)")
        // The same tunnels still, and no other process behind them.
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        #expect(home.daemon?.said.contains("restarting it") == false)
    }

    @Test("a change that is refused leaves tunnels, ports and ruleset as they were, and is followed by one that is not")
    func refused() throws {
        let home = try Home.ready()
        let origin = try echo(in: home)
        let carriers = try Carriers(20) { try home.tunnel(ProxyKind.allCases[$0 % 2], origin.port) }
        let (ruleset, revision) = (try home.ruleset(), try home.revision())
        let taken = try Origin(in: home.gateway, Home.gatewayOnLAN, port: 1091) { _ in }
        let inputs: [(arguments: [String], reason: String)] = [
            (["listener", "add", "socks5", "192.168.77.1:1091", "--interface", "lan0"], "is taken"),
            (["listener", "add", "socks5", "192.168.99.1:1092"], "no interface holds 192.168.99.1"),
            (["listener", "add", "socks5", "192.168.77.1:1092", "--interface", "lan9"], "no interface lan9"),
            (["listener", "add", "http", "203.0.112.1:1092"], "--auth required"),
            (["listener", "add", "socks5", "192.168.77.1:1080"], "192.168.77.1:1080"),
            (["rule", "remove", "99"], "99"),
            (["user", "remove", "nobody-of-that-name"], "nobody-of-that-name"),
            (["firewall", "open", "ssh", "--tcp", "22", "--interface", "lan9"], "lan9"),
            (["revision", "rollback", "999"], "999"),
        ]
        for (arguments, reason) in inputs {
            let outcome = try home.gateway.attempt([programs + "gatehousectl", "--socket", home.socket] + arguments)
            #expect(outcome.status != 0, "\(arguments)")
            #expect(outcome.errors.contains(reason), "\(arguments): \(outcome)")
            #expect(try home.ruleset() == ruleset)
            #expect(try home.revision() == revision)
            for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        }
        #expect(carriers.stop().compactMap(\.failure).map { "\($0)" } == [])
        try home.ctl("listener", "add", "socks5", "192.168.77.1:1092", "--interface", "lan0")
        withExtendedLifetime(taken) {}
    }
}

extension Home {
    /// The number of the revision in force.
    func revisionNumber() throws -> Int {
        let status = try JSONSerialization.jsonObject(with: Data(try ctl("--json", "status").utf8)) as? [String: Any]
        guard let number = status?["revision"] as? Int else { throw Failure("no revision in \(status ?? [:])") }
        return number
    }
}

/// Tunnels to an echo, each with a thread that sends what no other sends and compares every byte that comes back.
final class Carriers: Sendable {
    struct End: Sendable {
        var bytes = 0
        var failure: (any Error)?
    }

    private struct State {
        var ends: [End] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    private let count: Int

    /// - Parameter open: opens a tunnel, which is busy from then on: an origin does not wait for ever.
    init(_ count: Int, open: (Int) throws -> Peer) throws {
        self.count = count
        for index in 0..<count {
            let tunnel = try open(index)
            Thread.detachNewThread { [self] in
                var end = End()
                var word = UInt64(index)
                do {
                    while state.withLock({ !$0.isStopping }) {
                        let bytes = (0..<2048).map { _ in
                            word = word &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                            return UInt8(word >> 56)
                        }
                        try tunnel.send(bytes)
                        guard try tunnel.receive(exactly: bytes.count) == bytes else {
                            throw Failure("tunnel \(index), after \(end.bytes) bytes: not what was sent")
                        }
                        end.bytes += bytes.count
                        usleep(300_000)
                    }
                } catch {
                    end.failure = error
                }
                state.withLock { [end] in $0.ends.append(end) }
            }
        }
    }

    /// Waits until the last of them has compared what it sent last.
    func stop() -> [End] {
        state.withLock { $0.isStopping = true }
        while state.withLock({ $0.ends.count < count }) { usleep(1000) }
        return state.withLock(\.ends)
    }
}
