import Address
import Policy

/// Logins that wait to be checked, and which of them is next: networks in turn, in each its clients in turn, and of each client the
/// first that came. Guessing gains nobody a second turn, and keeps nobody else from theirs.
///
/// A network is an IPv4 address, or the /64 of an IPv6 one, of which a single device has 2^64 addresses and in which a whole home may be.
/// After a few wrong passwords a client waits for its next turn, longer each time; its neighbours do not wait for it. Only where more guess
/// than some clients would does the network wait. The times are those of `MonotonicClock`.
struct LoginQueue<Attempt> {
    /// Why a login is not looked at.
    enum Refusal: Error {
        /// This client, or its network, has too many waiting, or has to wait for its wrong ones.
        case share
        /// Everybody together has too many waiting.
        case whole
    }

    enum Next {
        case attempt(Attempt)
        /// Nothing is to be done before this time.
        case nothing(until: UInt64)
        /// Nothing waits.
        case empty
    }

    /// What wrong passwords bring upon a client or a network.
    private struct Penalty {
        private(set) var guesses = 0
        private(set) var last: UInt64 = 0
        /// No turn before this.
        private(set) var ready: UInt64 = 0

        mutating func note(at now: UInt64, free: Int) {
            if now - min(now, last) >= LoginQueue.forgetting { guesses = 0 }
            guesses += 1
            last = now
            guard guesses > free else { return }
            ready = now + min(LoginQueue.firstPause << UInt64(min(guesses - free - 1, 10)), LoginQueue.longestPause)
        }
    }

    private struct Network {
        var clients: [IPAddress: [Entry]] = [:]
        /// Clients that wait, the one whose turn is next first.
        var turns: [IPAddress] = []
        var waiting = 0
        /// Of clients that guessed lately.
        var penalties: [IPAddress: Penalty] = [:]
        /// Of all together. A client adds no more to it than its free guesses.
        var common = Penalty()
        /// Wrong passwords lately.
        var guesses = 0
        var lastGuess: UInt64 = 0

        /// No turn for the client before this.
        func ready(_ client: IPAddress) -> UInt64 { max(common.ready, penalties[client]?.ready ?? 0) }

        var firstDeadline: UInt64? { clients.values.lazy.compactMap { $0.first?.deadline }.min() }

        /// When something is to be done about the client that is first to need it.
        var firstTime: UInt64? { turns.lazy.map { min(ready($0), clients[$0]![0].deadline) }.min() }
    }

    private struct Entry {
        let attempt: Attempt
        let deadline: UInt64
    }

    private var networks: [IPAddress: Network] = [:]
    /// Networks that wait, the one whose turn is next first.
    private var turns: [IPAddress] = []
    private(set) var waiting = 0

    /// Networks of which something is known.
    var remembered: Int { networks.count }

    /// Of one client; browsers open six connections at once.
    static var clientShare: Int { 16 }
    static var networkShare: Int { 64 }
    static var capacity: Int { 1024 }
    /// Networks whose guesses are remembered.
    static var memory: Int { 4096 }
    /// Wrong passwords that cost no time: people mistype, and after a change of password each program has the old one still.
    static var freeGuesses: Int { 5 }
    /// Clients of a network that may guess before all of it waits.
    static var guessers: Int { 8 }
    /// Clients of a network whose guesses are remembered.
    private static var suspects: Int { 32 }
    private static var firstPause: UInt64 { 100_000_000 }
    private static var longestPause: UInt64 { 2_000_000_000 }
    /// Nanoseconds after which guesses are forgotten.
    private static var forgetting: UInt64 { 900_000_000_000 }

    /// - Parameter deadline: when the login is not waited for any more.
    mutating func add(_ attempt: Attempt, from client: IPAddress, deadline: UInt64) throws(Refusal) {
        let key = client.countedNetwork
        var network = networks[key] ?? Network()
        guard network.clients[client]?.count ?? 0 < Self.clientShare, network.waiting < Self.networkShare else {
            throw .share
        }
        guard waiting < Self.capacity else { throw .whole }
        if network.clients[client] == nil { network.turns.append(client) }
        network.clients[client, default: []].append(Entry(attempt: attempt, deadline: deadline))
        if network.waiting == 0 { turns.append(key) }
        network.waiting += 1
        waiting += 1
        networks[key] = network
    }

    /// Takes out the login that is next.
    mutating func next(at now: UInt64) -> Next {
        guard !turns.isEmpty else { return .empty }
        func place(in key: IPAddress) -> Int? {
            let network = networks[key]!
            return network.turns.firstIndex { network.ready($0) <= now }
        }
        guard let turn = turns.firstIndex(where: { place(in: $0) != nil }) else {
            return .nothing(until: turns.map { networks[$0]!.firstTime! }.min()!)
        }
        let key = turns.remove(at: turn)
        let client = networks[key]!.turns.remove(at: place(in: key)!)
        let attempt = networks[key]!.clients[client]!.removeFirst().attempt
        if networks[key]!.clients[client]!.isEmpty {
            networks[key]!.clients[client] = nil
        } else {
            networks[key]!.turns.append(client)
        }
        networks[key]!.waiting -= 1
        waiting -= 1
        if networks[key]!.waiting > 0 { turns.append(key) }
        forget(key, at: now)
        return .attempt(attempt)
    }

    /// Takes out the logins that are not waited for any more, each with the reason why it had no turn: its network's guesses, or all the
    /// others that wait.
    mutating func overdue(at now: UInt64) -> [(attempt: Attempt, cause: Refusal)] {
        var all: [(Attempt, Refusal)] = []
        for key in turns where networks[key]!.firstDeadline! <= now {
            let network = networks[key]!
            for (client, entries) in network.clients {
                let cause: Refusal = network.ready(client) > 0 ? .share : .whole
                let left = entries.filter { $0.deadline > now }
                all += entries.lazy.filter { $0.deadline <= now }.map { ($0.attempt, cause) }
                networks[key]!.clients[client] = left.isEmpty ? nil : left
                networks[key]!.waiting -= entries.count - left.count
                waiting -= entries.count - left.count
            }
            let clients = networks[key]!.clients
            networks[key]!.turns.removeAll { clients[$0] == nil }
        }
        turns.removeAll { networks[$0]!.waiting == 0 }
        return all
    }

    /// A client's password was wrong.
    ///
    /// - Returns: how many were, lately, of its network.
    mutating func noteGuess(from client: IPAddress, at now: UInt64) -> Int {
        let key = client.countedNetwork
        if networks[key] == nil, networks.count >= Self.memory { makeRoom(at: now) }
        var network = networks[key] ?? Network()
        if now - min(now, network.lastGuess) >= Self.forgetting {
            (network.guesses, network.penalties, network.common) = (0, [:], Penalty())
        }
        network.guesses += 1
        network.lastGuess = now
        var penalty = network.penalties[client] ?? Penalty()
        penalty.note(at: now, free: Self.freeGuesses)
        if penalty.guesses <= Self.freeGuesses {
            network.common.note(at: now, free: Self.guessers * Self.freeGuesses)
        }
        if network.penalties[client] == nil, network.penalties.count >= Self.suspects,
            let quiet = network.penalties.min(by: { $0.value.last < $1.value.last })
        {
            network.penalties[quiet.key] = nil
        }
        network.penalties[client] = penalty
        networks[key] = network
        return network.guesses
    }

    private mutating func forget(_ key: IPAddress, at now: UInt64) {
        guard let network = networks[key], network.waiting == 0, network.guesses == 0 else { return }
        networks[key] = nil
    }

    /// Forgets the networks that have been quiet longest: half of them, so that this is rare.
    private mutating func makeRoom(at now: UInt64) {
        let quiet = networks.filter { $0.value.waiting == 0 }.sorted { $0.value.lastGuess < $1.value.lastGuess }
        for (key, _) in quiet.prefix(Self.memory / 2) { networks[key] = nil }
    }
}

extension IPAddress {
    /// The address that stands for all that one client can come from: itself, or the first of its /64 (RFC 4291 §2.5.1).
    var countedNetwork: IPAddress {
        unmapped.first64 ?? unmapped
    }
}
