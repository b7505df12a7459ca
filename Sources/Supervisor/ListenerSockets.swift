import Address
import Glibc
import Machine
import Policy
import Reactor

/// The listening sockets, which the supervisor opens and keeps: a role that dies leaves its port open, and the kernel queues
/// its clients until the next one accepts.
struct ListenerSockets {
    /// What tells sockets apart. A listener keeps its socket whatever else of it changes.
    struct Key: Hashable {
        let endpoint: Endpoint

        init(_ listener: Listener) {
            endpoint = listener.endpoint
        }
    }

    /// An interface that a socket is bound to (SO_BINDTODEVICE, socket(7)): the kernel goes by its number. An
    /// interface that is deleted and made again has another number, and a socket bound to the old one hears nothing any more.
    fileprivate struct Device: Hashable {
        let name: String
        let index: UInt32

        /// nil: there is no such interface at the moment.
        init?(_ name: String) {
            let index = if_nametoindex(name)
            guard index != 0 else { return nil }
            (self.name, self.index) = (name, index)
        }
    }

    final class Datagrams {
        let socket: Descriptor

        fileprivate init(_ socket: consuming Descriptor) { self.socket = socket }
    }

    final class Entry {
        let socket: Descriptor
        /// The UDP socket of a listener that hears both. nil: it hears TCP alone.
        let datagrams: Datagrams?
        /// Where its sessions are counted.
        let account: UInt16
        /// nil: clients of every interface reach it.
        fileprivate var device: Device?

        fileprivate init(
            socket: consuming Descriptor, datagrams: Datagrams? = nil, account: UInt16, device: Device?
        ) {
            self.socket = socket
            self.datagrams = datagrams
            self.account = account
            self.device = device
        }

        fileprivate var isDeaf: Bool { device.map { Device($0.name) != $0 } ?? false }

        /// A socket that listens already can be bound to another interface, and its clients wait on.
        fileprivate func bind(to interface: String?) throws(Errno) {
            let device = interface.flatMap { Device($0) }
            if interface != nil, device == nil { throw Errno(ENODEV) }
            guard device != self.device else { return }
            try ListeningSocket.confine(socket, toInterface: interface)
            if let datagrams { try ListeningSocket.confine(datagrams.socket, toInterface: interface) }
            self.device = device
        }
    }

    /// A listener without a socket.
    struct Missing {
        let listener: Listener
        let reason: Refusal
        /// Another program, or another listener, has the port.
        let isTaken: Bool
    }

    private var entries: [Key: Entry] = [:]
    /// Listeners that have no socket at present, and why: an address that is not there yet, a port that is taken.
    private(set) var missing: [Missing] = []
    private var nextAccount: UInt16 = 0

    /// nil: the listener has no socket, or one that hears nothing.
    subscript(listener: Listener) -> Entry? {
        guard let entry = entries[Key(listener)], !entry.isDeaf else { return nil }
        return entry
    }

    /// Opens a socket for each listener that has none yet.
    ///
    /// - Returns: the listeners for which that failed, and why.
    mutating func open(_ listeners: [Listener]) -> [Missing] {
        var failed: [Missing] = []
        for listener in listeners where self[listener] == nil {
            do throws(Errno) {
                if let deaf = entries[Key(listener)] {
                    try deaf.bind(to: listener.interface)
                    continue
                }
                let socket = try ListeningSocket.tcp(
                    listener.endpoint, interface: listener.interface, clientsSpeakFirst: true)
                let datagrams =
                    listener.kind == .dns
                    ? Datagrams(try ListeningSocket.udp(listener.endpoint, interface: listener.interface)) : nil
                entries[Key(listener)] = Entry(
                    socket: socket, datagrams: datagrams, account: freeAccount(),
                    device: listener.interface.flatMap { Device($0) })
            } catch {
                failed.append(
                    Missing(listener: listener, reason: explain(error, listener), isTaken: error.code == EADDRINUSE))
            }
        }
        return failed
    }

    /// Takes a socket over that another process of this service has made for one of `listeners`, or shuts it.
    ///
    /// - Parameter device: the interface that a listener's socket is bound to; nil: none.
    /// - Returns: whether it is a listener's now.
    mutating func adopt(_ number: Int32, for listeners: [Listener], device: (Listener) -> String?) -> Bool {
        let socket = Descriptor(adopting: number)
        let endpoint = ListeningSocket.endpoint(of: socket)
        do throws(Errno) {
            guard let listener = listeners.first(where: { $0.endpoint == endpoint && $0.kind.isProxy }),
                entries[Key(listener)] == nil
            else {
                throw Errno(ENOENT)
            }
            let interface = device(listener)
            try ListeningSocket.confine(socket, toInterface: interface)
            entries[Key(listener)] = Entry(
                socket: socket, account: freeAccount(), device: interface.flatMap { Device($0) })
            return true
        } catch {
            // shutdown(2) also ends the service manager's copy, so that the port is free.
            shutdown(number, Int32(SHUT_RDWR))
            return false
        }
    }

    /// Each socket by a name that has neither blanks nor colons. Those for names are not among them: whoever asks over UDP asks
    /// again, so that they are made anew.
    var named: [String: Entry] {
        Dictionary(
            uniqueKeysWithValues: entries.filter { $1.datagrams == nil }.map {
                ("tcp-" + $0.endpoint.description.replacing(":", with: "_"), $1)
            })
    }

    /// Opens a socket for each listener of the policy in force that has none. Listeners for which that fails are `missing`.
    mutating func openAll(_ listeners: [Listener]) -> [Missing] {
        missing = open(listeners)
        return missing
    }

    /// Binds each socket to the interface that `device` tells, or to none. A socket whose interface is missing
    /// stays as it was: the firewall has no opening for it.
    func bind(_ listeners: [Listener], to device: (Listener) -> String?) {
        for listener in listeners { try? entries[Key(listener)]?.bind(to: device(listener)) }
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

    /// The account that was given back longest ago: sessions of the listener that had it may still go on and count there.
    private mutating func freeAccount() -> UInt16 {
        let taken = Set(entries.values.map(\.account))
        let count = UInt16(Counters.accounts)
        // Listeners share accounts only where there are more listeners than accounts.
        let free = (0..<count).lazy.map { [nextAccount] in (nextAccount + $0) % count }.first { !taken.contains($0) }
        let account = free ?? nextAccount
        nextAccount = (account + 1) % count
        return account
    }

    private func explain(_ error: Errno, _ listener: Listener) -> Refusal {
        let endpoint = listener.endpoint
        switch error.code {
        case EADDRINUSE where entries.keys.contains { $0.endpoint.collides(with: endpoint) && $0 != Key(listener) }:
            // A rollback can ask for this: the two sockets cannot be bound at once, and no old one goes before the new one stands.
            return Refusal(
                "port \(endpoint) overlaps with a listener that is there; `gatehousectl listener remove` that one first"
            )
        case EADDRINUSE:
            let isForNames = listener.kind == .dns
            let found = PortHolder.find(endpoint) ?? (isForNames ? PortHolder.find(endpoint, over: .udp) : nil)
            let holder =
                found.map { "\($0) has it" }
                ?? "another program has it, `ss -\(isForNames ? "lntup" : "ltnp")` as root shows which"
            guard listener.kind.isProxy else {
                return Refusal("port \(endpoint) is taken: \(holder); \(Self.advice(on: holder))")
            }
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

    /// What to do about a program that answers questions for names already.
    private static func advice(on holder: String) -> String {
        let leave = "or leave names to it with `gatehousectl zone set ZONE --serve --no-dns`"
        return switch true {
        case holder.contains("systemd-resolve"):
            "set DNSStubListener=no in /etc/systemd/resolved.conf and `systemctl restart systemd-resolved`, \(leave)"
        case holder.contains("pihole-FTL"): "`systemctl disable --now pihole-FTL`, \(leave)"
        case holder.contains("dnsmasq"):
            "if it is a virtual network's (libvirt, LXC), that network needs no change; if it is the system's own, "
                + "`systemctl disable --now dnsmasq` or set port=0 in /etc/dnsmasq.conf, \(leave)"
        case holder.contains("unbound"), holder.contains("named"):
            "have it listen on 127.0.0.1 alone (then this gateway can go on asking it), \(leave)"
        default: "stop that program, \(leave)"
        }
    }
}
