import Address
import Glibc
import Reactor

/// The name servers that a resolver has, and how each has done lately. A server that let a question go by in silence is asked
/// after the others for a while. Confined to its reactor's thread.
final class ServerPool {
    private struct Record {
        var silences = 0
        /// Until when the server is asked after the others; nil: in its turn.
        var isLastUntil: ContinuousClock.Instant?
        /// Until when it is taken not to understand EDNS (RFC 6891 §7); nil: it is asked with it.
        var isPlainUntil: ContinuousClock.Instant?
    }

    let reactor: Reactor
    private(set) var rules = NameServers([])
    /// Counts how often there were other servers: a question put before has to be put again.
    private(set) var generation = 0
    private let counters: Counters?
    private var records: [NameServers.Server: Record] = [:]
    private var turn = 0
    /// When any of them last answered anything.
    private var lastHeard: ContinuousClock.Instant?

    private static let shortestRest: Duration = .seconds(30)
    private static let mostDoublings = 4
    private static let plainTime: Duration = .seconds(3600)

    /// - Parameter counters: where it is told that no server answers; nil: nowhere.
    init(on reactor: Reactor, telling counters: Counters?) {
        self.reactor = reactor
        self.counters = counters
    }

    func use(_ servers: NameServers) {
        rules = servers
        records = [:]
        generation += 1
        counters?.nameServersAnswered()
    }

    /// The servers, in the order in which the next question asks them.
    func order(at now: ContinuousClock.Instant) -> [NameServers.Server] {
        let servers = rules.servers
        guard servers.count > 1 else { return servers }
        if rules.rotates { turn = (turn + 1) % servers.count }
        let order = rules.rotates ? Array(servers[turn...] + servers[..<turn]) : servers
        let isLast = { (server: NameServers.Server) in self.records[server]?.isLastUntil.map { $0 > now } ?? false }
        guard order.contains(where: isLast) else { return order }
        return order.filter { !isLast($0) } + order.filter(isLast)
    }

    func isPlain(_ server: NameServers.Server) -> Bool { records[server]?.isPlainUntil.map { $0 > .now } ?? false }

    func doesNotExtend(_ server: NameServers.Server) {
        records[server, default: Record()].isPlainUntil = .now + Self.plainTime
    }

    func didHear(_ server: NameServers.Server) {
        lastHeard = .now
        counters?.nameServersAnswered()
        guard records[server]?.isLastUntil != nil else { return }
        records[server]?.silences = 0
        records[server]?.isLastUntil = nil
    }

    func wasSilent(_ server: NameServers.Server) {
        var record = records[server, default: Record()]
        record.isLastUntil = .now + Self.shortestRest * (1 << min(record.silences, Self.mostDoublings))
        record.silences += 1
        records[server] = record
    }

    /// A question that was put at `start` got no answer from any server.
    func wereSilent(since start: ContinuousClock.Instant) {
        if let lastHeard, lastHeard >= start { return }
        counters?.nameServersAreSilent()
    }
}
