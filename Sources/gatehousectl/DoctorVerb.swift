import Address
import Admin
import ArgumentParser
import Machine
import Policy

struct DoctorVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Look at everything that has to be right, and say what to do where it is not.",
        discussion: """
            One line for each thing: the daemon, the kernel, the interfaces and their zones, the route, the name servers, the \
            clock, the disk, the listeners. The name servers are asked, and the longest packet that gets through to the internet \
            is measured by echo requests to one of them that is there, or else to a name server of the root, unless --offline \
            says that nobody is to be asked.

            The exit status is 1 if something is bad, so that monitoring may call it.

            EXAMPLES:
              gatehousectl doctor
              gatehousectl doctor --offline --json
            """)

    @Flag(help: "Ask nobody on the network.")
    var offline = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private struct Diagnosis: Encodable {
        var findings: [Finding]
    }

    func run() throws {
        let reply = try Daemon(global).ask(Examine())
        var findings = reply.findings
        if !offline {
            let servers = reply.nameServers.compactMap { IPAddress($0) }
            findings += servers.map(Self.finding) + Self.paths(besides: servers)
        }
        if global.json {
            print(String(decoding: JSON.encode(Diagnosis(findings: findings), pretty: true), as: UTF8.self))
        } else {
            present(findings)
        }
        let bad = findings.filter { $0.grade == .bad }
        guard let first = bad.first else { return }
        throw Failure("\(first.subject): \(first.text)" + (bad.count > 1 ? ", and \(bad.count - 1) more" : ""))
    }

    private func present(_ findings: [Finding]) {
        let width = findings.map { printable($0.subject).count }.max() ?? 0
        for finding in findings {
            let (mark, style): (String, Output.Style) =
                switch finding.grade {
                case .good: ("ok", .good)
                case .doubtful: ("? ", .doubtful)
                case .bad: ("! ", .bad)
                }
            let subject = printable(finding.subject)
            let gap = String(repeating: " ", count: width - subject.count)
            print("\(Output.standard.styled(mark, style)) \(subject)\(gap)  \(printable(finding.text))")
            if let remedy = finding.remedy {
                print(String(repeating: " ", count: width + 5) + Output.standard.styled("→ \(printable(remedy))", .dim))
            }
        }
    }

    private static func finding(on server: IPAddress) -> Finding {
        let subject = "server \(server)"
        switch NameServerProbe.ask(server) {
        case .silent:
            return Finding(
                subject, .bad, "it does not answer within two seconds",
                remedy: "is the internet there at all? Another server: /etc/resolv.conf, or the network manager")
        case .unreachable(let why): return Finding(subject, .bad, "it cannot be asked: \(why)")
        case .answered(let milliseconds): return Finding(subject, .good, "answers in \(milliseconds) ms")
        }
    }

    // MARK: How long a packet may be

    /// Name servers of the root, each in many places of the world: those of RIPE NCC and ICANN. They answer echo requests.
    private static let roots: [IPAddress] = [
        "193.0.14.129", "199.7.83.42", "2001:7fd::1", "2001:500:9f::42",
    ].compactMap { IPAddress($0) }
    /// Of the name servers and of these: whoever asks for it waits.
    private static let mostAsked = 2

    /// How long a packet gets to the internet, for each IP version that has a way there.
    private static func paths(besides servers: [IPAddress]) -> [Finding] {
        let routes = (try? Route.defaults()) ?? []
        let near = ((try? Interface.all()) ?? []).flatMap(\.addresses).map(\.network)
        return [false, true].compactMap { isIPv6 in
            let ways = Set(routes.filter { $0.isIPv6 == isIPv6 }.flatMap(\.interfaces))
            guard !ways.isEmpty else { return nil }
            // The way to the router, or to what stands beside it, is only the first cable of the way to the internet.
            func isDistant(_ address: IPAddress) -> Bool {
                address.isIPv6 == isIPv6 && address.special == nil && !near.contains { $0.contains(address) }
                    && Route.interface(towards: address).map(ways.contains) == true
            }
            return path(
                by: isIPv6 ? "IPv6" : "IPv4",
                to: servers.filter(isDistant).prefix(mostAsked) + roots.filter(isDistant).prefix(mostAsked))
        }
    }

    private static func path(by version: String, to addresses: some Sequence<IPAddress>) -> Finding {
        let subject = "packets"
        var lost: Finding?
        var reason = "nobody there answers"
        for address in addresses {
            switch PathProbe.ask(address) {
            case .answered(let bytes):
                // Tunnels and PPPoE take some; what is below 1280 carries no IPv6 (RFC 8200 §5).
                return Finding(
                    subject, bytes >= 1280 ? .good : .doubtful,
                    "up to \(bytes) bytes get to the internet by \(version) (\(address) answers)",
                    remedy: bytes >= 1280 ? nil : "the line takes less than IPv6 needs: look at the modem's MTU")
            case .swallowed(let bytes):
                // One that does not care for long ones is no judge of the way.
                lost = Finding(
                    subject, .doubtful,
                    "those of \(bytes) bytes to the internet are lost by \(version), and nobody says why; short ones get there",
                    remedy: "connections may hang: look at the modem's MTU")
            case .unsendable(let why): reason = why
            case .silent: break
            }
        }
        return lost
            ?? Finding(
                subject, .doubtful,
                "how long one may be that gets to the internet by \(version) is not known: \(reason)")
    }
}
