package import Policy

/// The command line of gatehoused.
package struct Options: Sendable {
    package enum Firewall: String, Sendable {
        case enforce, observe, off

        /// The mode that it imposes on the policy.
        var mode: FirewallMode {
            self == .enforce ? .enforce : .observe
        }
    }

    /// nil: the policy's own mode holds.
    package var firewall: Firewall?
    package var state = "/var/lib/gatehouse"
    package var socket = "/run/gatehouse/admin.sock"
    /// The directory of what the next start of the machine is to find no more: the socket's own.
    var runtime: String { socket.lastIndex(of: "/").map { String(socket[..<$0]) } ?? "." }
    /// Where a second copy of the policy and the mark `enforced` are kept. nil: nowhere.
    package var rescue: String?
    package var user: String?
    package var logLevel = "info"
    /// Bytes of memory that the daemon and its roles go by; nil: those of the machine, or of its control group.
    package var memory: Int?
    /// The table is marked as the firewall role's own where the kernel can do that. For tests: without, it is as on the
    /// kernels that cannot.
    package var ownsTable = true

    package static let usage = """
        usage: gatehoused [--state DIR] [--socket PATH] [--rescue DIR] [--firewall enforce|observe|off]
                          [--user NAME] [--memory SIZE] [--log-level LEVEL]

          --state DIR      where the store is (default /var/lib/gatehouse)
          --socket PATH    where gatehousectl reaches the daemon (default /run/gatehouse/admin.sock)
          --rescue DIR     where a copy of the policy, without passwords, is kept for the day on which the store cannot be
                           read, and `enforced`, by which gatehouse-shut.service knows that there is a door to shut
          --firewall MODE  enforce: the kernel holds the ruleset; observe: it is only shown; off: no firewall role at all.
                           Without it the mode is the one that `gatehousectl firewall enforce|observe` set last.
          --user NAME      the user that the roles run as (default _gatehouse, if root starts the daemon)
          --memory SIZE    the memory that the proxies go by, like 512M or 2G, of which each has a quarter (default: what
                           the machine has, or what systemd gives the service)
          --log-level LEVEL  debug, info, notice, warning or error (default info)
          --help, --version

        Everything else is configured while it runs: see gatehousectl(8).
        """

    package enum Parsed: Sendable {
        case run(Options)
        case showUsage, showVersion
    }

    /// - Parameter arguments: without the program's name.
    package static func parse(_ arguments: [String]) throws(Refusal) -> Parsed {
        var options = Options()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            // `--name value` and `--name=value`.
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            func value() throws(Refusal) -> String {
                guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
                    throw Refusal("\(argument) needs a value; see `gatehoused --help`")
                }
                return value
            }
            switch parts.first {
            case "--help", "-h": return .showUsage
            case "--version": return .showVersion
            case "--state": options.state = try value()
            case "--socket": options.socket = try value()
            case "--rescue": options.rescue = try value()
            case "--user": options.user = try value()
            case "--firewall":
                let text = try value()
                guard let mode = Firewall(rawValue: text) else {
                    throw Refusal("--firewall \(text): the modes are enforce, observe and off")
                }
                options.firewall = mode
            case "--table-owner":
                let text = try value()
                guard text == "on" || text == "off" else { throw Refusal("--table-owner \(text): it is on or off") }
                options.ownsTable = text == "on"
            case "--memory":
                let text = try value()
                guard let bytes = bytes(text) else {
                    throw Refusal("--memory \(text): write a size from 64M on, like 512M or 2G")
                }
                options.memory = bytes
            case "--log-level":
                options.logLevel = try value()
                guard logLevels.contains(options.logLevel) else {
                    throw Refusal(
                        "--log-level \(options.logLevel): the levels are \(logLevels.joined(separator: ", "))")
                }
            default:
                throw Refusal("unknown argument \(argument); see `gatehoused --help`")
            }
        }
        return .run(options)
    }

    /// Mebibytes or gibibytes, as those who sell memory count.
    private static func bytes(_ text: String) -> Int? {
        let shift: Int
        switch text.last {
        case "M": shift = 20
        case "G": shift = 30
        default: return nil
        }
        guard let number = Int(text.dropLast()), (1...65536).contains(number) else { return nil }
        return number << shift >= 64 << 20 ? number << shift : nil
    }

    private static let logLevels = ["debug", "info", "notice", "warning", "error"]
}

/// Derives what is stored of a password. It takes long and runs on a thread of its own.
package typealias PasswordHasher = @Sendable (String) async throws(Refusal) -> String
