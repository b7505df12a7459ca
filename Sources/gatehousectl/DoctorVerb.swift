import Address
import Admin
import ArgumentParser
import Machine

struct DoctorVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Look at everything that has to be right, and say what to do where it is not.",
        discussion: """
            One line for each thing: the daemon, the kernel, the interfaces and their zones, the route, the name servers, the \
            clock, the disk, the listeners. The name servers are asked, and the longest packet that gets through to them is \
            measured, unless --offline says that nobody is to be asked.

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
        if !offline { findings += reply.nameServers.compactMap { IPAddress($0) }.flatMap(Self.findings) }
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

    /// What a name server answers, and how long a packet to it may be.
    private static func findings(on server: IPAddress) -> [Finding] {
        let subject = "server \(server)"
        switch NameServerProbe.ask(server) {
        case .silent:
            return [
                Finding(
                    subject, .bad, "it does not answer within two seconds",
                    remedy: "is the internet there at all? Another server: /etc/resolv.conf, or the network manager")
            ]
        case .unreachable(let why): return [Finding(subject, .bad, "it cannot be asked: \(why)")]
        case .answered(let milliseconds, let longest):
            var findings = [Finding(subject, .good, "answers in \(milliseconds) ms")]
            if let longest {
                // Tunnels and PPPoE take some; what is below 1280 carries no IPv6 (RFC 8200 §5).
                findings.append(
                    Finding(
                        "packets", longest >= 1280 ? .good : .doubtful,
                        "up to \(longest) bytes get to \(server)",
                        remedy: longest >= 1280
                            ? nil : "the line takes less than IPv6 needs: look at the modem's MTU"))
            }
            return findings
        }
    }
}
