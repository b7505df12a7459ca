import CLinux
import Glibc
import Logging
import Policy
import Reactor

/// A program of others as the supervisor's child: its life and what it says.
///
/// Belongs to the gateway and its thread.
final class CompanionProcess {
    /// dnsmasq, wherever a distribution puts it.
    static let paths = ["/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq", "/usr/bin/dnsmasq"]

    let pid: Int32
    private let pidfd: Int32
    private let end: Source
    private let log: Source
    /// What it said that is no whole line yet.
    private var rest: [UInt8] = []
    private(set) var hasEnded = false

    private static let longestLine = 1024

    private let channel: Channel
    private let reactor: Reactor

    /// Starts dnsmasq, confined. It waits to be admitted.
    ///
    /// - Parameter leases: a file that the user may write; /dev/null for one that only checks.
    init(
        _ arguments: [String], configuration: String, leases: borrowing Descriptor, user: UnixUser?,
        logLevel: String, on reactor: Reactor
    ) throws(Refusal) {
        guard let path = Self.paths.first(where: { access($0, X_OK) == 0 }) else {
            throw Refusal(
                "dnsmasq is not there, which gives the devices of a served zone their addresses: `apt install dnsmasq-base`"
            )
        }
        let order = CompanionOrder(
            user: user, path: path,
            arguments: ["dnsmasq", "--conf-file=\(CompanionHost.configurationPath)"] + arguments, logLevel: logLevel)
        do throws(Errno) {
            let text = try SealedMemory.create(Array(configuration.utf8))
            let ends = try Channel.pair()
            let parent = Descriptor(adopting: ends.parent)
            let child = Descriptor(adopting: ends.child)
            let pipe = try Self.pipe()
            let reading = Descriptor(adopting: pipe.reading)
            let writing = Descriptor(adopting: pipe.writing)
            let started = linux_spawn_self(CompanionHost.title, child.number, child.number)
            guard started > 0 else { throw Errno(-started) }
            let descriptor = linux_pidfd_open(started)
            guard descriptor >= 0 else {
                kill(started, SIGKILL)
                waitpid(started, nil, 0)
                throw Errno(-descriptor)
            }
            (pid, pidfd) = (started, descriptor)
            end = Source(adopting: Descriptor(adopting: descriptor), on: reactor)
            log = Source(adopting: reading, on: reactor)
            channel = Channel(adopting: parent, on: reactor)
            self.reactor = reactor
            // A process that is gone already is found by its end.
            try? channel.send(Message.encode(order), descriptors: [leases.number, writing.number, text.number])
        } catch {
            throw Refusal("dnsmasq cannot be started: \(error)")
        }
    }

    private static func pipe() throws(Errno) -> (reading: Int32, writing: Int32) {
        var ends: (Int32, Int32) = (-1, -1)
        let size = withUnsafeMutableBytes(of: &ends) {
            linux_pipe($0.bindMemory(to: Int32.self).baseAddress, 64 << 10)
        }
        guard size >= 0 else { throw Errno(-size) }
        return (ends.0, ends.1)
    }

    deinit {
        signal(SIGKILL)
    }

    /// Lets the program take the process over, and no other one ever: with the filter's listener closed, every further call
    /// fails. A process that ended before has said why in its log; one without a listener runs on a kernel without the filter.
    func admit() async {
        guard var packet = try? await channel.receive(), let listener = packet.takeDescriptor() else { return }
        let source = Source(adopting: listener, on: reactor)
        guard (try? await source.readable()) != nil else { return }
        _ = linux_admit_program(source.descriptor)
    }

    /// The next line that it says; nil: it has closed its log.
    func nextLine() async -> String? {
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            if let stop = rest.firstIndex(of: 0x0a) {
                let line = String(decoding: rest[..<stop], as: UTF8.self)
                rest.removeFirst(stop + 1)
                return line
            }
            if rest.count > Self.longestLine {
                defer { rest = [] }
                return String(decoding: rest, as: UTF8.self)
            }
            let count = (try? await log.attempt { linux_read($0, &room, room.count) }) ?? 0
            guard count > 0 else {
                defer { rest = [] }
                return rest.isEmpty ? nil : String(decoding: rest, as: UTF8.self)
            }
            rest += room[..<count]
        }
    }

    func signal(_ number: Int32) {
        if !hasEnded { _ = linux_pidfd_signal(pidfd, number) }
    }

    /// Waits for its end.
    ///
    /// - Returns: how it ended, as waitpid(2) has it.
    func finish() async -> Int32 {
        try? await end.readable()
        var status: Int32 = 0
        _ = linux_reap(end.descriptor, &status)
        hasEnded = true
        return status
    }
}
