import Address
import Glibc
import Machine
import Policy
import Reactor

/// The listening sockets, which the supervisor opens and keeps: a role that dies leaves its port open, and the kernel queues
/// those who connect until the next one accepts.
struct ListenerSockets {
    /// What makes a socket what it is. A listener whose authentication or kind changes keeps its socket.
    struct Key: Hashable {
        let endpoint: Endpoint
        let interface: String?
        /// A socket is bound to an interface's number (SO_BINDTODEVICE, socket(7)). An interface that is deleted and made
        /// again has another one, and its old sockets hear nothing any more.
        let index: UInt32

        init(_ listener: Listener) {
            endpoint = listener.endpoint
            interface = listener.interface
            index = listener.interface.map { if_nametoindex($0) } ?? 0
        }
    }

    final class Entry {
        let socket: Descriptor
        /// Where its sessions are counted.
        let account: UInt16

        init(socket: consuming Descriptor, account: UInt16) {
            self.socket = socket
            self.account = account
        }
    }

    private var entries: [Key: Entry] = [:]
    /// Listeners that have no socket at present, and why: an address that is not there yet, a port that is taken.
    private(set) var missing: [(listener: Listener, reason: Refusal)] = []
    private var nextAccount: UInt16 = 0

    subscript(listener: Listener) -> Entry? { entries[Key(listener)] }

    /// Opens a socket for each listener that has none yet.
    ///
    /// - Returns: those that could not be opened, and why.
    mutating func open(_ listeners: [Listener]) -> [(listener: Listener, reason: Refusal)] {
        var failed: [(listener: Listener, reason: Refusal)] = []
        for listener in listeners where self[listener] == nil {
            do throws(Errno) {
                let socket = try ListeningSocket.tcp(
                    listener.endpoint, interface: listener.interface, clientsSpeakFirst: true)
                entries[Key(listener)] = Entry(socket: socket, account: formerAccount(of: listener) ?? freeAccount())
            } catch {
                failed.append((listener, explain(error, listener)))
            }
        }
        return failed
    }

    /// Opens a socket for each listener of the policy in force that has none. Those for which that fails are missing.
    mutating func openAll(_ listeners: [Listener]) -> [(listener: Listener, reason: Refusal)] {
        missing = open(listeners)
        return missing
    }

    /// Closes every socket that no listener of `listeners` has.
    mutating func keep(only listeners: [Listener]) {
        missing.removeAll { !listeners.contains($0.listener) }
        let keys = Set(listeners.map(Key.init))
        for (key, entry) in entries where !keys.contains(key) {
            // Takes it out of LISTEN for every process that has it, so that the port is shut and free as of now, however
            // long a relay takes to let go.
            shutdown(entry.socket.number, Int32(SHUT_RDWR))
            entries[key] = nil
        }
    }

    /// The account of the listener's socket on an interface of that name that was deleted and made again: what was counted
    /// goes on.
    private func formerAccount(of listener: Listener) -> UInt16? {
        let former = entries.first { $0.key.endpoint == listener.endpoint && $0.key.interface == listener.interface }
        return former?.value.account
    }

    /// The account that was given back longest ago: sessions of the listener that had it may still go on and count there.
    private mutating func freeAccount() -> UInt16 {
        let taken = Set(entries.values.map(\.account))
        let count = UInt16(Counters.accounts)
        // As many listeners as there are accounts share none; beyond that they do.
        let free = (0..<count).lazy.map { [nextAccount] in (nextAccount + $0) % count }.first { !taken.contains($0) }
        let account = free ?? nextAccount
        nextAccount = (account + 1) % count
        return account
    }

    private func explain(_ error: Errno, _ listener: Listener) -> Refusal {
        let endpoint = listener.endpoint
        switch error.code {
        case EADDRINUSE where entries.keys.contains { $0.endpoint.collides(with: endpoint) && $0 != Key(listener) }:
            // A rollback can ask for this: the two cannot be bound at once, and nothing old goes before the new stands.
            return Refusal(
                "port \(endpoint) overlaps with a listener that is there; `gatehousectl listener remove` that one first"
            )
        case EADDRINUSE:
            // Without CAP_SYS_PTRACE, as in the service, other users' programs cannot be told.
            let holder =
                PortHolder.find(endpoint).map { "\($0) has it" }
                ?? "another program has it, `ss -ltnp` as root shows which"
            return Refusal("port \(endpoint) is taken: \(holder); stop that program or choose another port")
        case EADDRNOTAVAIL:
            return Refusal(
                "no interface of this machine has the address \(endpoint.address); `ip addr` shows those there are")
        case EACCES:
            return Refusal("port \(endpoint.port) needs root (ports below 1024 do); choose a higher one")
        case EPERM:
            return Refusal("binding \(endpoint) to \(listener.interface ?? "an interface") needs root")
        case ENODEV:
            return Refusal("there is no interface \(listener.interface ?? ""); `ip link` shows those there are")
        default:
            return Refusal("cannot listen on \(endpoint): \(error)")
        }
    }
}
