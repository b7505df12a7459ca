import Address
import Foundation
import Policy
import Reactor
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1))) struct ResolverTests {
    /// A resolver on a reactor of its own.
    private func resolver(_ names: NameServer) throws -> (Reactor, Resolver) {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        return (reactor, try Resolver(on: reactor, nameServers: names.address))
    }

    @Test func `IPv6 and IPv4 come in turns, IPv6 first`() async throws {
        let names = try NameServer(["dual.example": .init(v4: [1, 2, 3], v6: [10, 11])])
        defer { names.stop() }
        let (reactor, resolver) = try resolver(names)
        defer { reactor.stop() }
        #expect(
            try await resolver.addresses(of: "dual.example").map(\.family) == [6, 4, 6, 4, 4])
        #expect(Set(try await resolver.addresses(of: "dual.example")) == [.v6(10), .v6(11), .v4(1), .v4(2), .v4(3)])
        #expect(names.lookups.count == 2)
    }

    @Test func `Those who ask for one name at once share one lookup`() async throws {
        let names = try NameServer(["busy.example": .init(v4: [7], secondsToLive: 0)])
        defer { names.stop() }
        let (reactor, resolver) = try resolver(names)
        defer { reactor.stop() }
        // All of them ask before the reactor's thread can look at any answer.
        let answers = await resolver.askAtOnce(50, for: "busy.example")
        #expect(answers == Array(repeating: [.v4(7)], count: 50))
        #expect(names.lookups.sorted() == ["A busy.example", "AAAA busy.example"])
    }

    @Test func `A name without addresses is no name, and that is kept too`() async throws {
        let names = try NameServer(["empty.example": .init()])
        defer { names.stop() }
        let (reactor, resolver) = try resolver(names)
        defer { reactor.stop() }
        for name in ["empty.example", "empty.example", "missing.example", "missing.example"] {
            await #expect(throws: Resolver.Failure.noSuchName) { try await resolver.addresses(of: name) }
        }
        #expect(names.lookups.count == 4)
    }

    @Test func `Name servers that are silent are given up on`() async throws {
        let names = try NameServer([:])
        defer { names.stop() }
        names.fallSilent()
        let (reactor, resolver) = try resolver(names)
        defer { reactor.stop() }
        await #expect(throws: Resolver.Failure.timedOut) { try await resolver.addresses(of: "silent.example") }
        #expect(names.questions.count >= 4, "each question was asked twice")
        #expect(names.lookups.count == 2)
    }

    @Test func `The gateway's own search domains are not appended`() async throws {
        // As a search line in resolv.conf(5) would; no other test minds.
        setenv("LOCALDOMAIN", "home.example", 1)
        let names = try NameServer([:])
        defer { names.stop() }
        let (reactor, resolver) = try resolver(names)
        defer { reactor.stop() }
        await #expect(throws: Resolver.Failure.noSuchName) { try await resolver.addresses(of: "printer") }
        #expect(Set(names.questions) == ["A printer", "AAAA printer"])
    }
}

extension Resolver {
    fileprivate func askAtOnce(_ count: Int, for name: String) async -> [[IPAddress]] {
        let tasks = (0..<count).map { _ in Task.immediate { try? await self.addresses(of: name) } }
        var answers: [[IPAddress]] = []
        for task in tasks { answers.append(await task.value ?? []) }
        return answers
    }
}

extension IPAddress {
    fileprivate var family: Int {
        if case .v4 = self { 4 } else { 6 }
    }
}

@Suite struct NameCacheTests {
    private let now = ContinuousClock.now

    @Test func `An answer is kept as long as it says, an hour at most, and not at all for zero`() throws {
        var cache = NameCache(capacity: 8)
        cache.keep(.success([.v4(1)]), for: "a", timeToLive: .seconds(60), at: now)
        cache.keep(.success([.v4(2)]), for: "b", timeToLive: .seconds(86400), at: now)
        cache.keep(.success([.v4(3)]), for: "c", timeToLive: .zero, at: now)
        cache.keep(.failure(.noSuchName), for: "d", timeToLive: .seconds(10), at: now)
        #expect(try cache.result(for: "a", at: now + .seconds(59))?.get() == [.v4(1)])
        #expect(cache.result(for: "a", at: now + .seconds(60)) == nil)
        #expect(cache.result(for: "b", at: now + .seconds(3599)) != nil)
        #expect(cache.result(for: "b", at: now + .seconds(3600)) == nil)
        #expect(cache.result(for: "c", at: now) == nil)
        #expect(throws: Resolver.Failure.noSuchName) { try cache.result(for: "d", at: now + .seconds(9))?.get() }
        #expect(cache.count == 1, "what was found to be over is dropped")
    }

    @Test func `It never holds more than it may, and gives up first what ends first`() {
        var cache = NameCache(capacity: 64)
        for index in 1...1000 {
            cache.keep(.success([]), for: "\(index)", timeToLive: .seconds(index), at: now)
            #expect(cache.count <= 64)
        }
        #expect(cache.result(for: "1000", at: now) != nil)
        #expect(cache.result(for: "1", at: now) == nil)
    }
}
