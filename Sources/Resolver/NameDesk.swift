import Address
import Reactor

/// What is asked for on one reactor: answered from the hosts, from the cache, or by a lookup that is shared by all that ask for
/// the same name. Confined to its reactor's thread.
///
/// Each client has a share of the lookups; what it asks for beyond that waits until one of its own has ended, so that no
/// client's names, however many and however slow, stand before another's.
final class NameDesk {
    private struct Share {
        /// How many may be under way at once, as of the last request.
        var most = 0
        var underWay = 0
        var queue: [Request] = []
    }

    /// A name, and for whom it is asked where that makes a difference.
    struct Key: Hashable {
        let name: String
        let party: UInt32
    }

    private struct Request {
        let name: String
        let party: UInt32
        let deadline: ContinuousClock.Instant
        let waiter: Waiter
    }

    let reactor: Reactor
    let pool: ServerPool
    private var hosts = HostTable.empty
    private var cache = NameCache(capacity: 4096)
    private var lookups: [Key: Lookup] = [:]
    private var shares: [IPAddress: Share] = [:]
    private var isKeepingTime = false

    private static let longestQueue = 1024
    private static let capacity = 1024
    /// When descriptors have run out, the reserve has to do.
    private static let leastCapacity = 8

    init(on reactor: Reactor, telling counters: Counters?) {
        self.reactor = reactor
        pool = ServerPool(on: reactor, telling: counters)
    }

    func use(_ servers: NameServers, _ hosts: HostTable) {
        guard servers != pool.rules || hosts !== self.hosts else { return }
        self.hosts = hosts
        cache.expire(at: .now)
        guard servers != pool.rules else { return }
        pool.use(servers)
        for lookup in lookups.values { lookup.beginAnew() }
    }

    func addresses(
        of name: String, for client: IPAddress, as party: UInt32, atMost most: Int, by waiter: Waiter
    ) async -> Result<Resolver.Answer, Resolver.Failure> {
        var stale: [IPAddress]?
        switch cache.look(for: name, at: .now) {
        case .fresh(let result): return result.map { Resolver.Answer(addresses: $0, isWhole: true) }
        case .stale(let addresses): stale = addresses
        case .nothing: break
        }
        if let known = known(name) { return known.map { Resolver.Answer(addresses: $0, isWhole: true) } }
        guard !pool.rules.servers.isEmpty else {
            guard let stale else { return .failure(.noServers) }
            return .success(Resolver.Answer(addresses: stale, isWhole: true))
        }
        let request = Request(
            name: name, party: pool.rules.isOwn ? party : 0, deadline: .now + Lookup.patience, waiter: waiter)
        if !join(request) {
            shares[client, default: Share()].most = most
            if shares[client]!.underWay < most {
                start(request, for: client, stale: stale)
            } else if shares[client]!.queue.count < Self.longestQueue {
                shares[client]!.queue.append(request)
                keepTime()
            } else {
                return .failure(.overloaded)
            }
        }
        if let result = await waiter.wait() { return result }
        withdraw(request, of: client)
        return .failure(.abandoned)
    }

    /// All addresses of `name`, once its lookup has ended; none if it is not being looked up.
    func rest(of name: String, as party: UInt32, by waiter: Waiter) async -> [IPAddress] {
        let key = Key(name: name, party: pool.rules.isOwn ? party : 0)
        guard let lookup = lookups[key] else {
            if case .fresh(.success(let addresses)) = cache.look(for: name, at: .now) { return addresses }
            return []
        }
        lookup.followers.append(waiter)
        guard let result = await waiter.wait() else {
            abandon(lookup, by: waiter)
            return []
        }
        return (try? result.get().addresses) ?? []
    }

    /// Whoever made the request is gone.
    private func withdraw(_ request: Request, of client: IPAddress) {
        shares[client]?.queue.removeAll { $0.waiter === request.waiter }
        if let lookup = lookups[Key(name: request.name, party: request.party)] {
            abandon(lookup, by: request.waiter)
        }
        forgetShare(of: client)
    }

    /// A lookup that nobody waits for any more ends.
    private func abandon(_ lookup: Lookup, by waiter: Waiter) {
        let count = lookup.waiters.count + lookup.followers.count
        lookup.waiters.removeAll { $0 === waiter }
        lookup.followers.removeAll { $0 === waiter }
        guard lookup.waiters.isEmpty, lookup.followers.isEmpty, count > 0, lookups[lookup.key] === lookup else {
            return
        }
        lookups[lookup.key] = nil
        lookup.abandon()
    }

    /// What no server is asked for.
    private func known(_ name: String) -> Result<[IPAddress], Resolver.Failure>? {
        switch name.split(separator: ".").last {
        // RFC 6761 §6.3.
        case "localhost": return .success([.v6(1), .v4(0x7f00_0001)])
        // RFC 6761 §6.4, RFC 7686 §2.
        case "invalid", "onion": return .failure(.noSuchName)
        default: break
        }
        guard let addresses = hosts.addresses(of: name) else { return nil }
        var families: (v6: [IPAddress], v4: [IPAddress]) = ([], [])
        for address in addresses {
            if case .v4 = address { families.v4.append(address) } else { families.v6.append(address) }
        }
        return .success(Lookup.interleaved(families.v6, families.v4))
    }

    /// Whether the name is being looked up already, so that there is nothing to be started.
    private func join(_ request: Request) -> Bool {
        guard let lookup = lookups[Key(name: request.name, party: request.party)] else { return false }
        if let answer = lookup.answer {
            request.waiter.take(.success(answer))
        } else {
            lookup.waiters.append(request.waiter)
        }
        return true
    }

    private func start(_ request: Request, for client: IPAddress, stale: [IPAddress]?) {
        makeRoom()
        let lookup = Lookup(
            request.name, as: request.party, for: client, stale: stale, waiter: request.waiter, at: self)
        shares[client]!.underWay += 1
        lookups[lookup.key] = lookup
        // Not a plain Task, which would begin on the global pool: libdispatch watches its pool by files of /proc, which a
        // sandboxed role may not read, and ends the process.
        reactor.begin { await lookup.run() }
    }

    /// One that is as good as over goes, or else the one that has taken longest: a name that resolves at all mostly does within
    /// a moment.
    private func makeRoom() {
        let capacity = DescriptorBudget.shared.hasRoom ? Self.capacity : Self.leastCapacity
        guard lookups.count >= capacity else { return }
        let victim = lookups.values.min {
            ($0.answer == nil ? 1 : 0, $0.start) < ($1.answer == nil ? 1 : 0, $1.start)
        }
        guard let victim else { return }
        lookups[victim.key] = nil
        victim.giveUp()
    }

    /// Some of the answer is there, and the lookup goes on for the rest of it, in nobody's share.
    func deliver(_ answer: Resolver.Answer, from lookup: Lookup) {
        release(lookup)
        resume(&lookup.waiters, with: .success(answer))
    }

    func finish(_ lookup: Lookup, _ result: Result<[IPAddress], Resolver.Failure>, for life: Duration) {
        // This gateway's own server keeps them, and may refuse a name from one moment to the next.
        if result != .failure(.overloaded), result != .failure(.abandoned), !pool.rules.isOwn {
            cache.keep(result, for: lookup.name, timeToLive: life, at: .now)
        }
        end(lookup, result)
    }

    /// No server could tell, and what the addresses were once is good enough.
    func finish(_ lookup: Lookup, stale: [IPAddress]) {
        cache.keepStale(lookup.name, at: .now)
        end(lookup, .success(stale))
    }

    private func end(_ lookup: Lookup, _ result: Result<[IPAddress], Resolver.Failure>) {
        if lookups[lookup.key] === lookup { lookups[lookup.key] = nil }
        let answer = result.map { Resolver.Answer(addresses: $0, isWhole: true) }
        resume(&lookup.waiters, with: answer)
        resume(&lookup.followers, with: answer)
        release(lookup)
    }

    private func resume(_ waiters: inout [Waiter], with result: Waiter.Result) {
        let all = waiters
        waiters = []
        for waiter in all { waiter.take(result) }
    }

    private func release(_ lookup: Lookup) {
        guard let client = lookup.owner.take() else { return }
        shares[client]!.underWay -= 1
        startWaiting(of: client)
    }

    private func startWaiting(of client: IPAddress) {
        while let share = shares[client], share.underWay < share.most, !share.queue.isEmpty {
            let request = shares[client]!.queue.removeFirst()
            switch cache.look(for: request.name, at: .now) {
            case .fresh(let result):
                request.waiter.take(result.map { Resolver.Answer(addresses: $0, isWhole: true) })
            case .stale(let stale): if !join(request) { start(request, for: client, stale: stale) }
            case .nothing: if !join(request) { start(request, for: client, stale: nil) }
            }
        }
        forgetShare(of: client)
    }

    private func forgetShare(of client: IPAddress) {
        if let share = shares[client], share.underWay == 0, share.queue.isEmpty { shares[client] = nil }
    }

    /// One task for all that wait for their turn; it ends with the last of them.
    private func keepTime() {
        guard !isKeepingTime else { return }
        isKeepingTime = true
        reactor.begin { [self] in
            while shares.values.contains(where: { !$0.queue.isEmpty }) {
                // Few at a time: a turn in which hundreds of sessions end is long for everybody else.
                await reactor.sleep(for: .milliseconds(50))
                let now = ContinuousClock.now
                for client in Array(shares.keys) { dropOverdue(of: client, at: now) }
            }
            isKeepingTime = false
        }
    }

    private func dropOverdue(of client: IPAddress, at now: ContinuousClock.Instant) {
        guard let queue = shares[client]?.queue, let first = queue.first, first.deadline <= now else { return }
        let overdue = queue.prefix { $0.deadline <= now }
        shares[client]!.queue.removeFirst(overdue.count)
        for request in overdue { request.waiter.take(.failure(.overloaded)) }
    }
}
