import Foundation
import TestNetwork
import TestProcess
import Testing

/// The short form of scripts/siege: a home of 20 clients beside 64 attackers on one address, on the gateway's loopback.
@Suite(
    "A home does not notice 64 attackers", .serialized,
    .enabled(if: isRoot && !isSanitized, "needs root: network namespaces"))
struct SiegeTests {
    let home: Home

    init() throws { home = try Home() }

    private func household(_ kind: ProxyKind, _ port: Int, seconds: Int) throws -> (p99: Double, errors: Double) {
        let record = try home.gateway.run(
            programs + "gatehouse-load", "household", "--origin", "127.0.0.1:1234", "--way", kind.rawValue, "--proxy",
            "127.0.0.1:\(port)", "--user", "alice", "--password", "right password", "--seconds", "\(seconds)")
        func value(_ name: String) throws -> Double {
            let field = record.split(whereSeparator: { $0 == "\t" || $0 == "\n" }).first { $0.hasPrefix(name + "=") }
            guard let text = field?.dropFirst(name.count + 1), let value = Double(text) else { throw Failure(record) }
            return value
        }
        return (try value("p99"), try value("errors"))
    }

    @Test(
        "guessing, half-open, slow, greedy or asking for names that nobody knows",
        arguments: ProxyKind.allCases, ["guessing", "half-open", "slow", "unresolved", "greedy"])
    func siege(kind: ProxyKind, attack: String) throws {
        try home.start()
        try home.ctl("listener", "add", kind.rawValue, "127.0.0.1:1090", "--auth", "required")
        try home.ctl("rule", "add", "allow", "--to", "127.0.0.0/8")
        try home.ctl("user", "add", "alice", "--password-stdin", input: "right password\n")
        let server = try RunningProgram(
            [programs + "gatehouse-load", "origin", "--port", "1234"], in: home.gateway, log: home.directory + "/origin"
        )
        try home.gateway.run(programs + "gatehouse-load", "wait", "--proxy", "127.0.0.1:1234", "--seconds", "10")
        let quiet = try household(kind, 1090, seconds: 2)
        // Nobody's name server answers in these namespaces: 203.0.112.10 has none.
        let attackers = try RunningProgram(
            [
                "nice", "-n", "19", programs + "gatehouse-load", "attack", attack, "--origin", "127.0.0.1:1234",
                "--way",
                kind.rawValue, "--proxy", "127.0.0.1:1090", "--user", "alice", "--password", "right password",
                "--seconds", "30",
            ], in: home.gateway, log: home.directory + "/attack")
        var busy = (p99: Double.infinity, errors: 0.0)
        // A machine that stands still for a moment is no attack's doing.
        for _ in 0..<5 where busy.p99 > 5 * quiet.p99 + 0.5 {
            busy = try household(kind, 1090, seconds: 2)
            #expect(busy.errors == 0)
        }
        #expect(attackers.isRunning)
        #expect(busy.p99 <= 5 * quiet.p99 + 0.5, "\(busy.p99) s instead of \(quiet.p99) s")
        withExtendedLifetime((server, attackers)) {}
    }
}
