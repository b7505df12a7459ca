import Address
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Reactor

/// How a tunnel's bytes are to move: every tunnel test runs in both ways.
enum Mode: CaseIterable, Codable, CustomTestStringConvertible {
    case copy, splice

    var limits: TunnelLimits {
        var limits = TunnelLimits()
        limits.splice = self == .splice
        return limits
    }

    var testDescription: String { self == .copy ? "copied" : "spliced" }
}

/// A relay without a protocol: whoever connects is joined to one origin.
final class Relay: Sendable {
    let reactors: [Reactor]
    let acceptor: Acceptor
    let address: Endpoint
    let counters: Counters

    init(
        to origin: Endpoint, limits: TunnelLimits = TunnelLimits(), reactors count: Int = 1,
        onPause: @escaping @Sendable (Errno?) -> Void = { _ in }
    ) throws {
        let counters = try Counters()
        let listener = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
        address = try ListeningSocket.address(of: listener)
        let reactors = try (0..<count).map { try Reactor(index: $0, counters: counters, limits: limits) }
        for reactor in reactors { reactor.start() }
        acceptor = Acceptor(listener: listener, account: 0, reactors: reactors, onPause: onPause) {
            reactor, client in
            do {
                let dialed = try await Dial.connect(to: [origin], timeout: .seconds(5), on: reactor)
                reactor.tunnel(client: client, origin: dialed)
            } catch {
                client.socket.resetOnClose()
            }
        }
        self.reactors = reactors
        self.counters = counters
    }

    deinit {
        acceptor.close()
        for reactor in reactors { reactor.stop() }
    }

    /// A client and its origin, joined.
    static func joined(
        _ limits: TunnelLimits, clientBuffer: Int32? = nil, originBuffer: Int32? = nil
    ) throws -> (client: Peer, origin: Peer, relay: Relay) {
        let listener = try Origin(receiveBuffer: originBuffer)
        let relay = try Relay(to: listener.address, limits: limits)
        let client = try Peer(connectingTo: relay.address, receiveBuffer: clientBuffer)
        let origin = try listener.accept()
        (client.companion, origin.companion) = (relay, relay)
        return (client, origin, relay)
    }
}

/// A value that another thread will have.
final class Outcome<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let done = DispatchSemaphore(value: 0)

    func set(_ new: Value) {
        value.withLock { $0 = new }
        done.signal()
    }

    func get(sourceLocation: SourceLocation = #_sourceLocation) throws -> Value {
        let isThere = done.wait(timeout: .now() + 60) == .success
        return try #require(isThere ? value.withLock { $0 } : nil, "nothing came", sourceLocation: sourceLocation)
    }
}

/// Runs a body on a thread of its own, since the pool's few threads are not to be blocked by two ends of one stream.
func background<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) -> Outcome<Result<Value, any Error>> {
    let outcome = Outcome<Result<Value, any Error>>()
    Thread.detachNewThread { outcome.set(Result { try body() }) }
    return outcome
}

/// Runs a body on a reactor and waits for it here.
@discardableResult
func on<Value: Sendable>(
    _ reactor: Reactor, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (isolated Reactor) async throws -> Value
) throws -> Value {
    let outcome = Outcome<Result<Value, any Error>>()
    reactor.spawn { reactor in
        do {
            outcome.set(.success(try await body(reactor)))
        } catch {
            outcome.set(.failure(error))
        }
    }
    return try outcome.get(sourceLocation: sourceLocation).get()
}

/// Waits for a condition; a test that waits in vain fails with its name.
func eventually(
    _ what: String, within seconds: Int = 20, sourceLocation: SourceLocation = #_sourceLocation,
    condition: () throws -> Bool
) rethrows {
    let end = monotonicMilliseconds() + UInt64(seconds) * 1000
    while try !condition() {
        if monotonicMilliseconds() > end {
            Issue.record("in vain: \(what)", sourceLocation: sourceLocation)
            return
        }
        usleep(1000)
    }
}

/// A flag that threads share.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .relaxed) }

    func set() {
        value.store(true, ordering: .relaxed)
    }
}
