import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// What is killed in the middle of something leaves the whole of it, or nothing.
@Suite("Killed at any moment of a change", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct KillTests {
    private static let count = isThorough ? 1000 : 16

    /// Who is killed.
    private enum Victim: CaseIterable {
        case supervisor, everybody, firewall, relay, names
    }

    @Test("the store, the kernel, the sockets, the leases and the bans are those of one whole revision afterwards")
    func wholeRevision() throws {
        let street = try Street(firewall: "enforce")
        let home = street.home
        home.killsRoles = true
        try home.meetDevice()
        try home.ctl("device", "name", "192.168.77.10", "tv")
        let lease = try #require(try street.ask("udhcpc")?["ip"])
        let base = try commands(home)
        var revision = try home.revisionNumber()
        var held = base
        var generator = SystemRandomNumberGenerator()
        var (kept, made) = (0, 0)
        // How long a change takes.
        let usual = try measure { _ = try home.ctl("import", "-", "--no-trial", input: base.joined(separator: "\n")) }
        for round in 0..<Self.count {
            // One thing of each kind, each with the round's number in it.
            let wanted = (base + Self.things(round)).sorted()
            let file = home.directory + "/change"
            try (base + Self.things(round)).joined(separator: "\n").write(
                toFile: file, atomically: false, encoding: .utf8)
            let victim = Victim.allCases[round % Victim.allCases.count]
            let processes = try home.processes()
            let pids: [pid_t] =
                switch victim {
                case .supervisor: processes["supervisor"] ?? []
                case .everybody: Array(processes.values.joined())
                case .firewall: processes["firewall"] ?? []
                case .relay: processes["socks5"] ?? []
                case .names: processes["names"] ?? []
                }
            #expect(!pids.isEmpty, "\(processes)")
            let change = try RunningProgram(
                [programs + "gatehousectl", "--socket", home.socket, "import", file, "--no-trial"], in: home.gateway,
                log: home.directory + "/said")
            // No revision has it, so it is whole by itself: one comes, and the one of the round before goes.
            let ban = try RunningProgram(
                [programs + "gatehousectl", "--socket", home.socket, "ban", "add", Self.source(round)],
                in: home.gateway, log: home.directory + "/banned")
            let pardon = try RunningProgram(
                [programs + "gatehousectl", "--socket", home.socket, "ban", "remove", Self.source(round - 1)],
                in: home.gateway, log: home.directory + "/pardoned")
            let delay = Duration.nanoseconds(
                Int64.random(in: 0...Int64(1.2 * (usual / .nanoseconds(1))), using: &generator))
            usleep(useconds_t(delay / .microseconds(1)))
            for pid in pids { kill(pid, SIGKILL) }
            let (status, isBanned, isPardoned) = (change.ended(), ban.ended() == 0, pardon.ended() == 0)
            let what = "round \(round): \(victim) was killed after \(delay), the change ended with \(status ?? -1)"
            if victim == .supervisor || victim == .everybody {
                try home.stop()
                try home.start()
            }
            guard try eventually(within: .seconds(20), { try flaw(home) == nil }) else {
                Issue.record("\(what): \(try flaw(home) ?? "")\n\(try home.ctl("status"))")
                return
            }
            let (now, number) = (try commands(home), try home.revisionNumber())
            let isMade = now.sorted() == wanted
            #expect(isMade || now.sorted() == held.sorted(), "\(what): \(Set(now).symmetricDifference(wanted))")
            #expect(number == revision + (isMade ? 1 : 0), "\(what): \(revision), then \(number)")
            // Who was told that it is made finds it made.
            if status == 0 { #expect(isMade, "\(what)") }
            let banned = try bans(home).list
            if isBanned { #expect(banned.contains(Self.source(round)), "\(what): \(banned)") }
            if isPardoned { #expect(!banned.contains(Self.source(round - 1)), "\(what): \(banned)") }
            let leases = try String(contentsOfFile: home.state + "/dnsmasq.leases", encoding: .utf8)
            #expect(leases.contains(" \(lease) "), "\(what): \(leases)")
            (held, revision) = (now, number)
            if isMade { made += 1 } else { kept += 1 }
        }
        print("killed \(Self.count) times: \(made) changes were made, \(kept) were not")
        #expect(made > Self.count / 10 && kept > Self.count / 10, "\(made) made, \(kept) not")
        #expect(try street.ask("udhcpc")?["ip"] == lease)
    }

    private static func things(_ round: Int) -> [String] {
        [
            "gatehousectl listener add socks5 192.168.77.1:\(20000 + round) --interface lan0",
            "gatehousectl firewall open work --tcp \(30000 + round) --from home",
            "gatehousectl rule add deny --to 198.18.\(round % 250).0/24 --port \(40000 + round)",
            "gatehousectl forward add door tcp \(50000 + round) to tv",
        ]
    }

    private static func source(_ round: Int) -> String { "100.64.\((round + 1) / 250).\((round + 1) % 250 + 1)" }

    /// Who is banned, by the gateway's word and by the kernel's.
    private func bans(_ home: Home) throws -> (list: Set<String>, kernel: Set<String>) {
        func sources(_ text: String) -> Set<String> {
            Set(text.matches(of: /100\.64\.\d+\.\d+/).map { String($0.output) })
        }
        return (
            sources(try home.ctl("ban", "list")),
            sources(try home.gateway.run("nft", "list", "set", "inet", "gatehouse", "bans_ipv4"))
        )
    }

    private func measure(_ body: () throws -> Void) rethrows -> Duration {
        let start = ContinuousClock().now
        try body()
        return ContinuousClock().now - start
    }

    /// The configuration, as the commands that make it.
    private func commands(_ home: Home) throws -> [String] {
        try home.ctl("export", "--with-secrets").split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
    }

    /// What differs: the kernel holds other rules than the configuration's, or others listen than its listeners. nil: nothing.
    private func flaw(_ home: Home) throws -> String? {
        func lines(_ text: String) -> Set<String> {
            Set(
                text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                    .filter { !$0.hasPrefix("#") && !$0.isEmpty && !$0.hasPrefix("elements = { 100.64.") })
        }
        let answer = try home.attempt("firewall", "show")
        guard answer.status == 0 else { return answer.errors }
        let (kernel, shown) = (lines(try home.ruleset()), lines(answer.output))
        guard kernel == shown else { return "the kernel's rules: \(kernel.symmetricDifference(shown))" }
        struct Listing: Decodable {
            struct Listener: Decodable { var endpoint: String }
            var listeners: [Listener]
        }
        let text = try home.ctl("--json", "listener", "list")
        let told = Set(try JSONDecoder().decode(Listing.self, from: Data(text.utf8)).listeners.map(\.endpoint))
        let sockets = Set(
            try home.gateway.run("ss", "-Hltn").split(separator: "\n").compactMap { line in
                line.split(separator: " ", omittingEmptySubsequences: true).dropFirst(3).first
                    .map { String($0).replacing(/%\w+/, with: "") }
            })
        // For names: of the gateway's own making, because the zone is served.
        let policy = told.union(sockets.filter { $0.hasSuffix(":53") })
        guard sockets == policy, policy.count == told.count + 3 else {
            return "those who listen: \(sockets.symmetricDifference(policy))"
        }
        let bans = try bans(home)
        guard bans.list == bans.kernel else { return "bans: \(bans.list.symmetricDifference(bans.kernel))" }
        let roles = try home.processes()
        return ["socks5", "http", "names", "firewall"].allSatisfy { roles[$0]?.count == 1 } ? nil : "\(roles)"
    }
}
