import Address
import CAres
import Glibc
import Reactor

/// c-ares on a reactor: its sockets watched, its timeouts kept. Confined to the reactor's thread.
final class DNSChannel {
    struct Answer: Sendable {
        let addresses: [(address: Endpoint, secondsToLive: Int)]
    }

    typealias Completion = (Result<Answer, Resolver.Failure>) -> Void

    private var channel: ares_channel?
    private var watches: [Int32: Watch] = [:]
    private unowned let reactor: Reactor

    /// First try; doubled for each round through the servers.
    private static let firstTimeout: Int32 = 1500

    init(on reactor: Reactor, nameServers: String?) throws(Resolver.Unavailable) {
        self.reactor = reactor
        try Self.check(Self.library, "c-ares")
        var options = ares_options()
        options.timeout = Self.firstTimeout
        options.tries = 2
        // A client's name is whole: the gateway's own search domains are not to be appended to it.
        options.ndomains = 0
        options.sock_state_cb = { context, descriptor, isRead, isWritten in
            guard let context else { return }
            Unmanaged<DNSChannel>.fromOpaque(context).takeUnretainedValue()
                .watch(descriptor, isRead: isRead != 0, isWritten: isWritten != 0)
        }
        options.sock_state_cb_data = Unmanaged.passUnretained(self).toOpaque()
        let mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB
        try Self.check(ares_init_options(&channel, &options, mask), "the resolver")
        if let nameServers {
            try Self.check(ares_set_servers_ports_csv(channel, nameServers), "name servers \(nameServers)")
        }
    }

    deinit {
        if let channel { ares_destroy(channel) }
    }

    /// ares_library_init(3) is to be called once and before any thread may resolve.
    private static let library = ares_library_init(ARES_LIB_INIT_ALL)

    private static func check(_ status: Int32, _ what: String) throws(Resolver.Unavailable) {
        guard status == ARES_SUCCESS else {
            throw Resolver.Unavailable(description: "\(what): \(String(cString: ares_strerror(status)))")
        }
    }

    /// Looks both address families up. `completion` may be called before this returns.
    func lookUp(_ name: String, completion: @escaping Completion) {
        var hints = ares_addrinfo_hints()
        hints.ai_family = AF_UNSPEC
        // Sorting would open and connect a socket for each address; the dialer's race finds out better.
        hints.ai_flags = ARES_AI_NOSORT
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        let context = Unmanaged.passRetained(Query(completion)).toOpaque()
        ares_getaddrinfo(
            channel, name, nil, &hints,
            { context, status, _, result in
                guard let context else { return }
                let query = Unmanaged<Query>.fromOpaque(context).takeRetainedValue()
                defer { if let result { ares_freeaddrinfo(result) } }
                query.completion(DNSChannel.read(status, result))
            }, context)
    }

    private final class Query {
        let completion: Completion

        init(_ completion: @escaping Completion) {
            self.completion = completion
        }
    }

    /// How long until `checkTimeouts()` is due; nil if nothing is under way.
    var nextTimeout: Duration? {
        var time = timeval()
        // What it answers is where `time` is.
        guard ares_timeout(channel, nil, &time) != nil else { return nil }
        return .seconds(time.tv_sec) + .microseconds(time.tv_usec)
    }

    func checkTimeouts() {
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD)
    }

    /// c-ares says (0, 0) right before it closes a socket.
    private func watch(_ descriptor: Int32, isRead: Bool, isWritten: Bool) {
        var events: Watch.Events = []
        if isRead { events.insert(.read) }
        if isWritten { events.insert(.write) }
        if events.isEmpty {
            watches[descriptor] = nil
        } else if let watch = watches[descriptor] {
            watch.change(to: events)
        } else {
            // A socket that cannot be watched runs into its timeout.
            watches[descriptor] = try? Watch(descriptor, for: events, on: reactor) { [unowned self] ready in
                ares_process_fd(
                    channel, ready.contains(.read) ? descriptor : ARES_SOCKET_BAD,
                    ready.contains(.write) ? descriptor : ARES_SOCKET_BAD)
            }
        }
    }

    private static func read(
        _ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?
    ) -> Result<Answer, Resolver.Failure> {
        switch status {
        case ARES_SUCCESS: break
        case ARES_ENOTFOUND, ARES_ENODATA, ARES_EBADNAME: return .failure(.noSuchName)
        case ARES_ETIMEOUT: return .failure(.timedOut)
        default: return .failure(.failed)
        }
        // An answer is as old as the oldest link of the chain that led to it (RFC 2181 §5.2).
        var longest = Int.max
        var alias = result?.pointee.cnames
        while let link = alias {
            longest = min(longest, Int(link.pointee.ttl))
            alias = link.pointee.next
        }
        var addresses: [(Endpoint, Int)] = []
        var node = result?.pointee.nodes
        while let entry = node {
            if let address = entry.pointee.ai_addr, let parsed = Endpoint(socketAddress: address) {
                addresses.append((parsed, max(0, min(longest, Int(entry.pointee.ai_ttl)))))
            }
            node = entry.pointee.ai_next
        }
        return addresses.isEmpty ? .failure(.noSuchName) : .success(Answer(addresses: addresses))
    }
}
