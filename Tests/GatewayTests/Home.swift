import Foundation
import Glibc
import TestNetwork
import Testing

/// A LAN host, a gateway and a WAN host, each in a network namespace of its own, and the daemon on the gateway.
///
///     lan eth0 192.168.77.10 ── lan0 192.168.77.1  gateway  203.0.112.1 wan0 ── eth0 203.0.112.10 wan
///              fd77::10              fd77::1       2001:db9:113::1              2001:db9:113::10
///
/// Nothing of it outlives the object: the namespaces have no names, and the daemon is killed.
final class Home: @unchecked Sendable {
    let lan: Namespace
    let gateway: Namespace
    let wan: Namespace
    /// State, socket, log.
    let directory: String
    private(set) var daemon: RunningProgram?
    /// To be set by a test that ends a role itself.
    var killsRoles = false
    /// Capabilities that the daemon lacks, though root starts it, as setpriv(1) names them.
    var lacking: [String] = []
    /// Whether the table is marked as the gateway's own, where the kernel knows that; false: as on Linux 6.1.
    var ownsTable = true
    /// Whether the gateway has an /etc of its own instead of two files of it.
    private var hasOwnEtc = false
    /// What starts the daemon, and keeps what it hands over. nil: nobody.
    var manager: ServiceManager?
    /// What the daemon is started with beside this process's own environment.
    var environment: [String: String] = [:]
    /// What the daemon and its roles may open, if it is to be less than usual.
    var descriptorLimit: Int?
    /// A directory with a socket that is to be journald's: the daemon's log is the journal then.
    var journal: String?
    /// What the daemon is told of the machine's memory, if it is not to look by itself.
    var memory: String?
    /// Whether the daemon sees the control groups of version 2, as it does under systemd.
    var hasControlGroups = false
    /// The directory that is the gateway's /run, in which other programs tell what they do. nil: this machine's.
    var run: String?

    static let gatewayOnLAN = "192.168.77.1"
    static let gatewayOnWAN = "203.0.112.1"
    static let gatewayOnWAN6 = "2001:db9:113::1"
    static let wanHost = "203.0.112.10"
    static let wanHost6 = "2001:db9:113::10"

    init() throws {
        (lan, gateway, wan) = (try Namespace(), try Namespace(), try Namespace())
        directory = NSTemporaryDirectory() + "gatehouse-home-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try lan.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 type veth peer name lan0 netns \(gateway.path)
                link set eth0 up
                address add 192.168.77.10/24 dev eth0
                address add fd77::10/64 dev eth0 nodad
                route add default via 192.168.77.1
                """)
        try wan.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 type veth peer name wan0 netns \(gateway.path)
                link set eth0 up
                address add 203.0.112.10/24 dev eth0
                address add 203.0.112.11/24 dev eth0
                address add 2001:db9:113::10/64 dev eth0 nodad
                route add default via 203.0.112.1
                """)
        // 198.51.101.0/24 is unreachable by the gateway's own word; to 192.0.3.0/24 there is no route at all.
        try gateway.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link set lan0 up
                link set wan0 up
                address add 192.168.77.1/24 dev lan0
                address add fd77::1/64 dev lan0 nodad
                address add 203.0.112.1/24 dev wan0
                address add 2001:db9:113::1/64 dev wan0 nodad
                route add unreachable 198.51.101.0/24
                """)
    }

    deinit {
        // A role that died was restarted, and the test may not have noticed.
        if !killsRoles, let said = daemon?.said, said.contains("restarting it") {
            Issue.record("a role died:\n\(said)")
        }
        // Of a build with a sanitizer: what it found in the daemon or in a role.
        if let said = daemon?.said, said.contains("Sanitizer: ") { Issue.record("a sanitizer found:\n\(said)") }
        daemon = nil
        try? FileManager.default.removeItem(atPath: directory)
    }

    // MARK: The daemon

    /// Ends the daemon; `start` makes another one on the same state. Its roles have to be gone by then, for they hold its
    /// listeners as well.
    func stop() throws {
        let all = try processes().values.joined()
        daemon = nil
        guard eventually({ all.allSatisfy { kill($0, 0) != 0 } }) else { throw Failure("a role goes on") }
    }

    var socket: String { directory + "/admin.sock" }
    var state: String { directory + "/state" }

    /// What is kept for a start without the store: a directory on the root file system, so to speak.
    var rescue: String { directory + "/rescue" }

    /// - Parameter firewall: nil: as the policy has it, and with copies of the policy.
    func command(firewall: String? = "enforce", state: String? = nil, socket: String? = nil) -> [String] {
        // The roles' user is any that exists here; the names that the gateway knows are in its own hosts file.
        // Each program of the chain takes the place of the one before: their process is the daemon's.
        let limit = "export LISTEN_PID=$$; " + (descriptorLimit.map { "ulimit -n \($0); " } ?? "")
        let files = "mount --bind \(directory)/hosts /etc/hosts; mount --bind \(directory)/resolv.conf /etc/resolv.conf"
        let journald = journal.map {
            "mkdir -p /run/systemd/journal; mount --bind \($0) /run/systemd/journal; "
                + "export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2); "
        }
        let running = run.map { "mount --rbind \($0) /run; " } ?? ""
        let groups = hasControlGroups ? "mount -t cgroup2 none /sys/fs/cgroup; " : ""
        let setup = limit + running + groups + (journald ?? "") + (hasOwnEtc ? "mount --bind \(etc) /etc" : files)
        let bounds = lacking.map { "-" + $0 }.joined(separator: ",")
        return (lacking.isEmpty ? [] : ["setpriv", "--bounding-set", bounds, "--"]) + [
            "unshare", "--mount", "sh", "-c", setup + "; exec \"$@\"", "-", programs + "gatehoused",
            "--state", state ?? self.state, "--socket", socket ?? self.socket, "--user", "nobody",
            "--table-owner", ownsTable ? "on" : "off",
        ] + (memory.map { ["--memory", $0] } ?? []) + (firewall.map { ["--firewall", $0] } ?? ["--rescue", rescue])
    }

    /// Starts the daemon and waits until it answers and its roles do their work.
    ///
    /// - Parameter isHindered: something keeps the roles from running; it answers all the same.
    func start(firewall: String? = "enforce", isHindered: Bool = false) throws {
        try FileManager.default.createDirectory(
            atPath: state, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        if !hasOwnEtc {
            try "127.0.0.1 localhost\n\(Self.wanHost) origin.example\n".write(
                toFile: directory + "/hosts", atomically: true, encoding: .utf8)
            try "nameserver \(Self.wanHost)\noptions timeout:1 attempts:1\n".write(
                toFile: directory + "/resolv.conf", atomically: true, encoding: .utf8)
        }
        let program = try RunningProgram(
            command(firewall: firewall), in: gateway, log: directory + "/log-\(UUID().uuidString)",
            environment: environment.merging(manager?.environment ?? [:]) { $1 },
            descriptors: manager?.items.map(\.descriptor) ?? [])
        daemon = program
        let isUp = try eventually(within: .seconds(30)) {
            if !program.isRunning { throw Failure("gatehoused ended at once:\n\(program.said)") }
            return try isHindered ? attempt("status").status == 0 : areRolesRunning()
        }
        guard isUp else { throw Failure("gatehoused does not answer:\n\(program.said)") }
    }

    /// The gateway's /etc, if it has one of its own.
    var etc: String { directory + "/etc" }

    /// Gives the gateway an /etc of its own, which a test may change while the daemon runs; hosts and resolv.conf are for the
    /// test to write.
    func makeOwnEtc() throws {
        hasOwnEtc = true
        try FileManager.default.createDirectory(atPath: etc, withIntermediateDirectories: true)
        for name in ["passwd", "group", "nsswitch.conf", "services", "ld.so.cache"] {
            try? FileManager.default.copyItem(atPath: "/etc/" + name, toPath: etc + "/" + name)
        }
    }

    /// Replaces a file of that /etc, or removes it: nil.
    func write(_ text: String?, _ name: String) throws {
        if let text {
            try text.write(toFile: etc + "/" + name, atomically: true, encoding: .utf8)
        } else {
            try? FileManager.default.removeItem(atPath: etc + "/" + name)
        }
    }

    private func areRolesRunning() throws -> Bool {
        let outcome = try attempt("--json", "status")
        guard outcome.status == 0 else { return false }
        let status = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        let states = (status?["roles"] as? [[String: Any]] ?? []).map { $0["state"] as? String }
        return !states.isEmpty && states.allSatisfy { $0 == "running" }
    }

    /// A gateway as `setup` makes it.
    static func ready(ownsTable: Bool = true) throws -> Home {
        let home = try Home()
        home.ownsTable = ownsTable
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.meetDevice()
        return home
    }

    /// The LAN host shows itself, so that the kernel's rules tell it apart from now on and stay as they are.
    func meetDevice() throws {
        let link = try lan.run("ip", "-br", "link", "show", "eth0").split(
            separator: " ", omittingEmptySubsequences: true)
        guard link.count > 2 else { throw Failure("\(link)") }
        let card = String(link[2])
        try lan.run("ping", "-c", "1", "-W", "2", Self.gatewayOnLAN)
        guard try eventually({ try ruleset().contains(card) }) else {
            throw Failure("\(card) is not known:\n\(try ruleset())")
        }
        // A card is known by its first packet, which may be one of IPv6's; the address may be found a census later.
        guard try eventually({ try ctl("device", "list").contains("192.168.77.10") }) else {
            throw Failure("192.168.77.10 is nobody's:\n\(try ctl("device", "list"))")
        }
    }

    /// gatehousectl, of which it is to be seen how it ends.
    func attempt(_ arguments: String..., input: String? = nil) throws -> Outcome {
        try attempt(arguments, input: input)
    }

    func attempt(_ arguments: [String], input: String? = nil) throws -> Outcome {
        try gateway.attempt([programs + "gatehousectl", "--socket", socket] + arguments, input: input)
    }

    /// gatehousectl, which is to succeed.
    @discardableResult
    func ctl(_ arguments: String..., input: String? = nil) throws -> String { try ctl(arguments, input: input) }

    /// The many clients of a test come from one address, which has a limit for what a household does.
    func liftClientLimit() throws {
        try ctl(
            "limit", "set", "client", "--sessions", "none", "--rate", "none", "--handshakes", "none", "--lookups",
            "none", "--questions", "none")
    }

    @discardableResult
    func ctl(_ arguments: [String], input: String? = nil) throws -> String {
        let command = [programs + "gatehousectl", "--socket", socket] + arguments
        let outcome = try gateway.attempt(command, input: input)
        guard outcome.status == 0 else {
            throw Failure("gatehousectl \(arguments.joined(separator: " ")): \(outcome)\n\(daemon?.said ?? "")")
        }
        return outcome.output
    }

    /// What the kernel holds, by nft's word; nothing if there is no table. The values of counters and the table's owner are
    /// left out, and chains and maps are in the order of their names: where one stands among the others means nothing.
    func ruleset() throws -> String {
        guard let text = try gateway.tableListing() else { return "" }
        let lines = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard lines.count == 2, let end = lines[1].range(of: "}\n", options: .backwards) else { return text }
        let blocks = lines[1][..<end.lowerBound].components(separatedBy: "\n\n").map { block in
            block.hasSuffix("\n") ? String(block.dropLast()) : block
        }
        return "\(lines[0])\n\(blocks.sorted().joined(separator: "\n\n"))\n}\n"
    }

    /// The lines of the ruleset that open something.
    func openings() throws -> [String] {
        try ruleset().split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { $0.contains(" counter accept") }
    }

    /// What gatehousectl says is there now.
    func revision() throws -> String { try ctl("--json", "revision", "list") }

    /// Process ids by title: "supervisor", "socks5", "http", "firewall".
    func processes() throws -> [String: [pid_t]] {
        guard let daemon else { return [:] }
        var found: [String: [pid_t]] = [:]
        let table = try gateway.run("ps", "-eo", "pid=,ppid=,args=")
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
            guard fields.count == 3, let pid = pid_t(fields[0]), let parent = pid_t(fields[1]),
                pid == daemon.identifier || parent == daemon.identifier,
                let title = fields[2].split(separator: "gatehoused: ").last.map(String.init),
                fields[2].hasPrefix("gatehoused: ")
            else { continue }
            found[title.trimmingCharacters(in: .whitespaces), default: []].append(pid)
        }
        return found
    }
}

/// Whether the tests and the programs are built with the thread or the address sanitizer.
let isSanitized = isThreadSanitized || dlsym(nil, "__asan_init") != nil
let isThreadSanitized = dlsym(nil, "__tsan_init") != nil

/// What the process has had of the processors, in seconds.
func processorTime(of process: pid_t) throws -> Double {
    let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    let fields = text.split(separator: ")").last.map { $0.split(separator: " ") } ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
        throw Failure(text)
    }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
}

/// Where SwiftPM put the programs: beside the tests.
let programs: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(filePath: own).deletingLastPathComponent().path + "/"
}()
