import Address
import Machine
import Policy

/// The ports of the machine that listen, and when each was seen to begin. What a service that is started anew opens again is
/// the same port.
struct PortWatch {
    /// What tells ports apart.
    struct Port: Hashable {
        var place: ExpectedSocket.Place
        var interface: UInt32
        var uid: UInt32
        var group: UInt64?

        init(_ socket: Connections.ListeningSocket) {
            place = ExpectedSocket.Place(socket)
            (interface, uid, group) = (socket.interface, socket.uid, socket.group)
        }
    }

    /// What a look brought.
    struct News {
        var opened: [Connections.ListeningSocket] = []
        var closed: [Port] = []
        /// So many more began to listen than are remembered.
        var uncounted = 0
    }

    private struct Entry {
        /// In seconds since 1970; nil: it was there at the first look.
        var since: Int?
        /// nil: it is there.
        var missing: ContinuousClock.Instant?
    }

    static let capacity = 4096
    /// A port that is away for less long has not ended.
    static let patience = Duration.seconds(8)

    private var entries: [Port: Entry] = [:]
    private var hasLooked = false

    /// When it was seen to begin, in seconds since 1970; nil: it was there before, or was never seen.
    func since(_ socket: Connections.ListeningSocket) -> Int? { entries[Port(socket)]?.since }

    /// - Parameters:
    ///   - sockets: those that are there now.
    ///   - time: seconds since 1970.
    mutating func look(_ sockets: [Connections.ListeningSocket], at time: Int, _ now: ContinuousClock.Instant) -> News {
        var news = News()
        var present: Set<Port> = []
        for socket in sockets {
            let port = Port(socket)
            guard present.insert(port).inserted else { continue }
            if entries[port] != nil {
                entries[port]?.missing = nil
            } else if entries.count < Self.capacity {
                entries[port] = Entry(since: hasLooked ? time : nil, missing: nil)
                if hasLooked { news.opened.append(socket) }
            } else {
                news.uncounted += 1
            }
        }
        for (port, entry) in entries where !present.contains(port) {
            guard let missing = entry.missing else {
                entries[port]?.missing = now
                continue
            }
            guard now - missing >= Self.patience else { continue }
            entries[port] = nil
            news.closed.append(port)
        }
        hasLooked = true
        return news
    }
}

extension ExpectedSocket.Place {
    init(_ socket: Connections.ListeningSocket) {
        let transport: ExpectedSocket.Transport =
            switch socket.transport {
            case .tcp: .tcp
            case .udp: .udp
            case .raw: .raw
            }
        self.init(transport: transport, local: socket.local)
    }
}
