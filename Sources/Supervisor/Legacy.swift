import Glibc
import Policy
import Reactor

/// What the service manager keeps between two processes of this service (FileDescriptorStoreMax= of systemd.service(5)): the
/// listening sockets, so that a client who comes while nobody accepts waits for the next process, and the channels of relays
/// that end their sessions beside it. It drops all of them when the service is stopped.
struct Legacy {
    /// A descriptor that was passed to this process, and its name there.
    struct Item {
        let name: String
        let descriptor: Int32
    }

    private let readiness: Readiness
    /// What this process was started with.
    private var inherited: [Item]
    /// The sockets that the service manager has of this process.
    private var kept: [String: ListenerSockets.Entry] = [:]

    init(_ readiness: Readiness) {
        self.readiness = readiness
        inherited = Self.receive()
    }

    /// Whether there is somebody who keeps anything.
    var isKept: Bool { readiness.isHeard }

    /// The descriptors that this process was started with (sd_listen_fds(3)).
    private static func receive() -> [Item] {
        let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]
        let values = variables.map { name in getenv(name).map { String(cString: $0) } ?? "" }
        // The roles are other processes.
        for name in variables { unsetenv(name) }
        guard Int32(values[0]) == getpid(), let count = Int32(values[1]), count > 0 else { return [] }
        let names = values[2].split(separator: ":", omittingEmptySubsequences: false)
        return (0..<count).compactMap { index in
            // They begin behind the standard streams, and are open for whatever is executed.
            guard fcntl(3 + index, F_SETFD, FD_CLOEXEC) == 0 else { return nil }
            return Item(name: names.count > index ? String(names[Int(index)]) : "", descriptor: 3 + index)
        }
    }

    /// Makes the sockets that were passed on the sockets of `listeners`. One that belongs to none of them, as after a change
    /// of the policy while nobody ran, is shut.
    ///
    /// - Parameter device: the interface that a listener's socket is bound to.
    /// - Returns: the channels of relays that go on.
    mutating func handDown(
        to sockets: inout ListenerSockets, for listeners: [Listener], device: (Listener) -> String?
    ) -> [Item] {
        var relays: [Item] = []
        for item in inherited {
            if item.name.hasPrefix(Self.relayPrefix) {
                relays.append(item)
            } else if !sockets.adopt(item.descriptor, for: listeners, device: device) {
                readiness.forget(item.name)
            }
        }
        inherited = []
        return relays
    }

    /// Has the service manager keep these sockets and no others.
    mutating func keep(_ sockets: ListenerSockets) {
        guard isKept else { return }
        let named = sockets.named
        for (name, entry) in kept where named[name] !== entry {
            readiness.forget(name)
            kept[name] = nil
        }
        for (name, entry) in named where kept[name] == nil {
            readiness.keep(entry.socket.number, as: name)
            kept[name] = entry
        }
    }

    /// Leaves a relay to itself: it ends when it has no session left, when its time is up, or with the service: it lives as long as
    /// the service manager or a daemon has its channel.
    func release(_ relay: RoleProcess) {
        guard let channel = relay.channelDescriptor else { return }
        readiness.keep(channel, as: Self.name(of: relay))
    }

    /// What the service manager calls its channel.
    static func name(of relay: RoleProcess) -> String { "\(relayPrefix)\(relay.pid)" }

    private static let relayPrefix = "relay-"
}
