import Foundation
import Glibc
import Synchronization
import TestNetwork
import Testing

/// nmap looks at all of a gateway from the internet, again and again, whatever becomes of the gateway meanwhile.
@Suite("Seen from the internet", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct ScanTests {
    @Test(
        "all TCP ports and 1 000 UDP ports, IPv4 and IPv6, are shut while it restarts, reloads, crashes and has a trial"
    )
    func shut() throws {
        let home = try Home()
        home.killsRoles = true
        home.manager = try ServiceManager(in: home.directory)
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("zone", "set", "home", "--serve", "--no-trial")
        try home.meetDevice()
        // To somebody who is banned everything is shut.
        try home.ctl("ban", "set", "--scans", "off", "--floods", "off")
        let siege = try Siege(of: home)
        // What can be seen is seen: nothing that is shut proves anything otherwise.
        try home.ctl("firewall", "open", "proof", "--tcp", "8080", "--udp", "8080", "--from", "internet")
        for kind in Scan.Kind.all {
            #expect(try Scan.ports(kind, from: home.wan, "8080").map(\.number) == [8080], "\(kind)")
        }
        try home.ctl("firewall", "close", "proof", "--no-trial")

        let scans = Scan.Kind.all.map { Scan($0, from: home.wan) }
        let events: [(name: String, happens: () throws -> Void)] = [
            ("nothing", {}),
            (
                "a restart",
                {
                    home.daemon?.signal(SIGURG)
                    home.daemon?.signal(SIGTERM)
                    #expect(home.daemon?.ended() == 0)
                    try home.start()
                }
            ),
            ("a reload", { home.daemon?.signal(SIGHUP) }),
            (
                "a firewall role that is killed",
                {
                    kill(try #require(try home.processes()["firewall"]?.first), SIGKILL)
                    #expect(try eventually { try home.processes()["firewall"]?.count == 1 })
                }
            ),
            (
                "a crash of everything",
                {
                    for process in try home.processes().values.joined() { kill(process, SIGKILL) }
                    try home.stop()
                    home.manager?.drop()
                    try home.start()
                }
            ),
            (
                "a trial that is reverted",
                {
                    try home.ctl("firewall", "open", "lab", "--tcp", "2222", "--trial", "60")
                    try home.ctl("revert")
                }
            ),
            (
                "a trial whose time is over",
                {
                    let revision = try home.revisionNumber()
                    try home.ctl("firewall", "open", "lab", "--tcp", "2222", "--trial", "1")
                    #expect(
                        try eventually {
                            try home.ctl("--json", "revision", "list").contains("reverted")
                                && home.revisionNumber() > revision
                        })
                }
            ),
        ]
        for event in events {
            try event.happens()
            // At full length each is seen from its beginning to its end by a scan of its own.
            guard isThorough else { continue }
            let counts = scans.map(\.count)
            #expect(
                eventually(within: .seconds(120)) { zip(scans, counts).allSatisfy { $0.count > $1 + 1 } },
                "\(event.name)")
        }
        #expect(eventually(within: .seconds(60)) { scans.allSatisfy { $0.count > 0 } })
        for scan in scans {
            let found = scan.end()
            #expect(found.isEmpty && scan.failure == nil, "\(scan.kind): \(found) \(scan.failure ?? "")")
        }
        for (way, prober) in siege.probers {
            // They saw the proof.
            #expect(prober.end().answered.count > 0, "\(way)")
        }
    }
}

/// One kind of scan, begun again as soon as it has ended.
private final class Scan: Sendable {
    struct Kind: CustomStringConvertible {
        var isIPv6: Bool
        var isUDP: Bool

        static let all = [false, true].flatMap { six in [false, true].map { Kind(isIPv6: six, isUDP: $0) } }

        var description: String { "\(isUDP ? "UDP" : "TCP") over \(isIPv6 ? "IPv6" : "IPv4")" }
    }

    /// A port that answered, whatever it said: a packet came in.
    struct Port: Hashable {
        var number: Int
        var state: Substring
    }

    private struct Seen {
        var count = 0
        var ports: Set<Port> = []
        var failure: String?
        var isEnding = false
    }

    let kind: Kind
    private let seen = Mutex(Seen())
    private let done = DispatchSemaphore(value: 0)

    init(_ kind: Kind, from namespace: Namespace) {
        self.kind = kind
        Thread.detachNewThread { [self] in
            while !seen.withLock({ $0.isEnding }) {
                do {
                    let ports = try Self.ports(kind, from: namespace, kind.isUDP ? "1-1000,8080" : "-")
                    seen.withLock {
                        $0.ports.formUnion(ports)
                        $0.count += 1
                    }
                } catch {
                    seen.withLock { ($0.failure, $0.isEnding) = ("\(error)", true) }
                }
            }
            done.signal()
        }
    }

    /// How many scans have ended.
    var count: Int { seen.withLock { $0.count } }
    var failure: String? { seen.withLock { $0.failure } }

    func end() -> Set<Port> {
        seen.withLock { $0.isEnding = true }
        done.wait()
        return seen.withLock { $0.ports }
    }

    static func ports(_ kind: Kind, from namespace: Namespace, _ ports: String) throws -> [Port] {
        let outcome = try namespace.attempt(
            ["nmap", "-n", "-Pn", "-oG", "-", "-p\(ports)", "--min-rate", "10000", "--max-retries", "0"]
                + (kind.isUDP ? ["-sU"] : ["-sS"])
                + (kind.isIPv6 ? ["-6", Home.gatewayOnWAN6] : [Home.gatewayOnWAN]))
        guard outcome.status == 0, outcome.output.contains("1 host up") else { throw Failure("\(outcome)") }
        return outcome.output.matches(of: /(\d+)\/(open|closed|unfiltered)\//).map {
            Port(number: Int($0.1) ?? 0, state: $0.2)
        }
        // A DHCP client's answers belong to no connection (CORRECTNESS 50), so they are let in whether or not there is one.
        .filter { !(kind.isUDP && $0.number == 68 && $0.state == "closed") }
    }
}
