import Address
import Policy
package import Reactor

/// Looks names up for the sessions of one reactor, on whose thread it runs.
///
/// Sessions that ask for one name at the same time share one lookup; answers are kept as long as they hold.
package actor Resolver {
    package enum Failure: Error, Hashable, Sendable {
        /// There is no such name, or it has no address.
        case noSuchName
        case timedOut
        /// The servers answered, but not with an answer.
        case failed
        case overloaded
    }

    /// The resolver could not be made, with the reason.
    package struct Unavailable: Error, CustomStringConvertible {
        package let description: String
    }

    private struct Lookup {
        let deadline: ContinuousClock.Instant
        var waiters: [UnsafeContinuation<Result<[IPAddress], Failure>, Never>] = []
    }

    private nonisolated let reactor: Reactor
    private let channel: DNSChannel
    private var cache = NameCache(capacity: 4096)
    private var lookups: [String: Lookup] = [:]
    private var alarm: Alarm?

    /// That a name does not exist is believed for this long; the SOA's minimum (RFC 2308) is rarely shorter.
    private static let negativeLife: Duration = .seconds(10)
    /// Servers in trouble are asked again after this long.
    private static let failureLife: Duration = .seconds(1)
    /// However many servers there are to try.
    private static let patience: Duration = .seconds(8)
    private static let capacity = 1024
    private static let mostAddresses = 8

    package nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    package init(on reactor: Reactor, nameServers: String? = nil) throws(Unavailable) {
        self.reactor = reactor
        channel = try DNSChannel(on: reactor, nameServers: nameServers)
    }

    /// The addresses of `name` (normalised by `Host`), IPv6 and IPv4 in turns (RFC 8305 §4).
    func addresses(of name: String) async throws(Failure) -> [IPAddress] {
        if let result = cache.result(for: name, at: .now) { return try result.get() }
        guard lookups[name] != nil || lookups.count < Self.capacity else { throw .overloaded }
        let result = await withUnsafeContinuation { continuation in
            if lookups[name] != nil {
                lookups[name]?.waiters.append(continuation)
            } else {
                lookups[name] = Lookup(deadline: .now + Self.patience, waiters: [continuation])
                start(name)
            }
        }
        return try result.get()
    }

    private func start(_ name: String) {
        // c-ares calls back on this reactor's thread, from within this very call or from a watched socket.
        channel.lookUp(name) { result in self.finish(name, result.map(Self.interleaved)) }
        // One task keeps the time of all lookups; it ends with the last of them.
        if !lookups.isEmpty, alarm == nil {
            alarm = Alarm(on: reactor)
            // Not a plain Task, which would begin on the global pool: libdispatch watches its pool by files of /proc, which
            // a sandboxed role may not read, and ends the process.
            reactor.spawn { _ in await self.keepTime() }
        }
    }

    private func finish(_ name: String, _ result: Result<(addresses: [IPAddress], life: Duration), Failure>) {
        let life =
            switch result {
            case .success(let found): found.life
            case .failure(.noSuchName): Self.negativeLife
            case .failure: Self.failureLife
            }
        let outcome = result.map(\.addresses)
        cache.keep(outcome, for: name, timeToLive: life, at: .now)
        guard let lookup = lookups.removeValue(forKey: name) else { return }
        for waiter in lookup.waiters { waiter.resume(returning: outcome) }
        if lookups.isEmpty { alarm?.ring() }
    }

    private func keepTime() async {
        while !lookups.isEmpty, let alarm {
            await alarm.wait(atMost: min(channel.nextTimeout ?? .seconds(1), .seconds(1)))
            channel.checkTimeouts()
            let now = ContinuousClock.now
            for (name, lookup) in lookups where lookup.deadline <= now { finish(name, .failure(.timedOut)) }
        }
        alarm = nil
    }

    private static func interleaved(_ answer: DNSChannel.Answer) -> (addresses: [IPAddress], life: Duration) {
        var v4: [IPAddress] = []
        var v6: [IPAddress] = []
        var life = Int.max
        for (address, secondsToLive) in answer.addresses {
            life = min(life, secondsToLive)
            if case .v4 = address.address { v4.append(address.address) } else { v6.append(address.address) }
        }
        var addresses: [IPAddress] = []
        for index in 0..<max(v4.count, v6.count) {
            if index < v6.count { addresses.append(v6[index]) }
            if index < v4.count { addresses.append(v4[index]) }
        }
        return (Array(addresses.prefix(mostAddresses)), .seconds(life))
    }
}
