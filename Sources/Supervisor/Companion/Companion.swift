import Address
import Glibc
import Logging
import Machine
import Policy
import Reactor

/// dnsmasq, driven: there while a zone is served, with the configuration that follows from the policy, started again when it
/// ends. A change of the configuration is a restart of it; its leases stay.
///
/// Belongs to the gateway and its thread.
final class Companion {
    enum State: String {
        /// Nobody is given addresses.
        case idle
        case starting, running, failed
    }

    static let name = "dnsmasq"

    private(set) var state = State.idle
    private(set) var restarts = Restarts()
    /// Why the last process ended, or could not be started.
    private(set) var lastEnd = ""
    /// What it is to serve; nil: nothing.
    private(set) var wanted: ServiceConfiguration?
    private(set) var process: CompanionProcess?
    /// What the process was started with.
    private var served: ServiceConfiguration?
    private(set) var complaints = Complaints()
    /// Where it keeps its leases.
    let leasePath: String

    private let user: UnixUser?
    private let logLevel: String
    private let reactor: Reactor
    /// Where people find what it was started with.
    private let copyPath: String
    private var change: Alarm?
    private var lines = EventBound(limit: Companion.lineRate)
    /// Lines that were not passed on since the last one that was.
    private var omitted = 0

    /// Lines of its log that go into ours in a second: what devices send makes it write them.
    private static let lineRate = 8

    init(_ options: Options, user: UnixUser?, reactor: Reactor) {
        self.user = user
        self.reactor = reactor
        logLevel = options.logLevel
        leasePath = options.state + "/dnsmasq.leases"
        copyPath = options.runtime + "/dnsmasq.conf"
    }

    var pid: Int32 { process?.pid ?? 0 }
    var isCrashLooping: Bool { restarts.isCrashLooping(isRunning: state == .running) }

    // MARK: what it is to do

    /// Has it serve this from now on; nil: nothing.
    ///
    /// - Returns: the process that was asked to end for it; nil: none was.
    func want(_ configuration: ServiceConfiguration?) -> CompanionProcess? {
        guard configuration != wanted else { return nil }
        wanted = configuration
        complaints = Complaints()
        change?.ring()
        process?.signal(SIGTERM)
        return process
    }

    /// Waits until it is to do something else, `limit` at most.
    func waitForChange(atMost limit: Duration? = nil) async {
        guard limit != .zero else { return }
        let alarm = change ?? Alarm(on: reactor)
        change = alarm
        await alarm.wait(atMost: limit)
    }

    /// Has dnsmasq itself judge the configuration.
    func prove(_ configuration: ServiceConfiguration) async throws(Refusal) {
        guard configuration != wanted else { return }
        // One that serves already holds them itself.
        if wanted == nil, let obstacle = Self.portObstacle { throw Refusal(obstacle) }
        let nothing = Descriptor(adopting: open("/dev/null", O_RDWR | O_CLOEXEC))
        let process = try CompanionProcess(
            ["--test"], configuration: configuration.text, leases: nothing, user: user, logLevel: logLevel,
            on: reactor)
        let (reactor, patience) = (reactor, Self.patience)
        let deadline = Task(executorPreference: reactor.taskExecutor) { [pid = process.pid] in
            await reactor.sleep(for: patience)
            if !Task.isCancelled { kill(pid, SIGKILL) }
        }
        await process.admit()
        var said: [String] = []
        while let line = await process.nextLine(), said.count < 8 { said.append(line) }
        let status = await process.finish()
        deadline.cancel()
        guard status != 0 else { return }
        throw Refusal(
            "dnsmasq would not serve this, which is a fault of gatehoused: it \(describe(exit: status)) and says: "
                + said.joined(separator: "; "))
    }

    /// Why nobody can be a DHCP server on this machine; nil: it can be done. Two of dnsmasq's can share the port.
    static var portObstacle: String? {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        defer { close(socket) }
        var on: Int32 = 1
        for option in [SO_REUSEADDR, SO_REUSEPORT] {
            setsockopt(socket, SOL_SOCKET, option, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        let endpoint = Endpoint(address: .v4(0), port: 67)
        let (address, length) = endpoint.socketAddress
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) }
        }
        guard result != 0, errno == EADDRINUSE else { return nil }
        let holder = PortHolder.find(endpoint, over: .udp) ?? "another program"
        return
            "UDP port 67, by which devices ask for addresses, is held by \(holder), and two cannot give them; stop it, or "
            + "serve names alone (`gatehousectl zone set ZONE --no-dhcp`)"
    }

    /// How long a process may take to judge a file, or to end.
    static let patience = Duration.seconds(5)

    // MARK: the life of a process

    /// Starts a process for what is wanted.
    func launch() async throws(Refusal) {
        guard let wanted else { return }
        restarts.began()
        state = .starting
        served = wanted
        keepCopy(of: wanted)
        let leases = try openLeases()
        let process = try CompanionProcess(
            [], configuration: wanted.text, leases: leases, user: user, logLevel: logLevel, on: reactor)
        self.process = process
        await process.admit()
    }

    /// Waits for the end of the process.
    ///
    /// - Returns: whether it is one that nobody asked for.
    func finish() async -> Bool {
        guard let process else { return false }
        let status = await process.finish()
        lastEnd = describe(exit: status)
        self.process = nil
        state = wanted == nil ? .idle : .failed
        return served == wanted
    }

    func didFailToStart(_ reason: Refusal) {
        process = nil
        lastEnd = "cannot be started: \(reason)"
        state = wanted == nil ? .idle : .failed
    }

    func nextPause() -> Duration { restarts.nextPause() }

    /// Passes what the process says on to `log` until it says no more.
    func hear(_ process: CompanionProcess, _ log: Logger) async {
        while let line = await process.nextLine() { note(line, log) }
        if omitted > 0 { log.warning("\(omitted) further lines of dnsmasq were left out") }
        omitted = 0
    }

    /// A line is `dnsmasq-dhcp[123]: text`.
    private func note(_ line: String, _ log: Logger) {
        let colon = line.firstIndex(of: ":").map { line[line.index(after: $0)...] }
        let text = colon.flatMap { $0.first == " " && line.hasPrefix("dnsmasq") ? $0.dropFirst() : nil } ?? line[...]
        if state == .starting, text.hasPrefix("started, version ") { state = .running }
        let news = complaints.note(text, at: .now)
        // What is told already, again and again.
        if news == false { return }
        guard news == true || Self.isTrouble(text) else { return log.debug("dnsmasq: \(text)") }
        guard lines.admits() else {
            omitted += 1
            return
        }
        if omitted > 0 { log.warning("\(omitted) further lines of dnsmasq were left out") }
        omitted = 0
        log.warning("dnsmasq: \(text)")
    }

    private static func isTrouble(_ text: Substring) -> Bool {
        ["failed", "error", "cannot", "warning", "not available", "missing"].contains { text.lowercased().contains($0) }
    }

    // MARK: its files

    /// The lease file, which belongs to the process's user in a directory where that user can change nothing else. The group stays
    /// the supervisor's own: root without CAP_DAC_OVERRIDE reads no file of another user.
    private func openLeases() throws(Refusal) -> Descriptor {
        let number = open(leasePath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o660)
        guard number >= 0 else { throw Refusal("\(leasePath) cannot be opened: \(Errno(errno))") }
        let file = Descriptor(adopting: number)
        // The umask takes the group's bits away. A file that is the other user's by now has them already.
        _ = fchmod(number, 0o660)
        if let user, fchown(number, user.uid, gid_t.max) != 0 {
            throw Refusal("\(leasePath) cannot be given to the user \(user.name): \(Errno(errno))")
        }
        return file
    }

    /// For people alone: nothing reads it.
    private func keepCopy(of configuration: ServiceConfiguration) {
        try? StateFile.write(Array(configuration.text.utf8), to: copyPath)
    }
}
