import Address
import Foundation
import Reactor
import TestNetwork
import Testing

@testable import Resolver

/// A resolver on a reactor of its own.
final class Asker: Sendable {
    let reactor: Reactor
    let resolver: Resolver
    let counters: Counters

    /// - Parameter network: where questions are asked from; nil: in this process's own.
    init(_ servers: NameServers, hosts: HostTable = .empty, in network: Namespace? = nil) async throws {
        counters = try Counters()
        let reactor = try Reactor(counters: counters)
        self.reactor = reactor
        resolver = Resolver(on: reactor, telling: counters)
        Thread.detachNewThread {
            guard let network else { return reactor.run() }
            do { try network.enter { reactor.run() } } catch { fatalError("\(error)") }
        }
        await resolver.use(servers, hosts: hosts)
    }

    convenience init(_ servers: NameServer..., hosts: HostTable = .empty) async throws {
        try await self.init(NameServers(servers.map(\.asked)), hosts: hosts)
    }

    deinit {
        reactor.stop()
    }

    func addresses(_ name: String, for client: String = "192.0.2.1") async throws -> [String] {
        try await answer(name, for: client).addresses.map(\.description)
    }

    func answer(_ name: String, for client: String = "192.0.2.1") async throws -> Resolver.Answer {
        try await resolver.addresses(of: name, for: IPAddress(client)!)
    }

    /// How long it took.
    func time(_ name: String, for client: String = "192.0.2.1") async throws -> Duration {
        let start = ContinuousClock.now
        _ = try await answer(name, for: client)
        return .now - start
    }

    /// Asks as often as that, all before the reactor's thread can look at any answer.
    func askAtOnce(_ count: Int, for name: String) async -> [[String]] {
        let tasks = (0..<count).map { _ in Task.immediate { try? await self.addresses(name) } }
        var answers: [[String]] = []
        for task in tasks { answers.append(await task.value ?? []) }
        return answers
    }
}

extension NameServer {
    /// As a resolver knows it.
    var asked: NameServers.Server { NameServers.Server(IPAddress(host)!, port: port) }

    /// A server on loopback.
    convenience init(_ handler: @escaping Handler) throws {
        try self.init("127.0.0.1", port: 0, handler)
    }

    /// What was asked, as `A example.org`.
    var questions: [String] { queries.map { "\($0.type == 1 ? "A" : "AAAA") \($0.name)" } }
}

/// Waits until `condition` holds.
func wait(within limit: Duration = .seconds(10), until condition: () async throws -> Bool) async rethrows -> Bool {
    let end = ContinuousClock.now + limit
    while true {
        if try await condition() { return true }
        if ContinuousClock.now > end { return false }
        try? await Task.sleep(for: .milliseconds(5))
    }
}

/// As often as it takes, since a machine that is busy elsewhere is slow here: the quickest of some.
func quickest(_ limit: Duration, of count: Int = 5, _ body: (Int) async throws -> Duration) async rethrows -> Duration {
    var best = Duration.seconds(3600)
    for attempt in 0..<count {
        best = min(best, try await body(attempt))
        if best < limit { break }
    }
    return best
}
