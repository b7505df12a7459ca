import Foundation
import Testing

@testable import Reactor

@Suite("A relay")
struct RelayTests {
    @Test("1: what either end writes the other reads, and both FINs arrive", arguments: Mode.allCases)
    func echo(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        try client.write("ping")
        #expect(try origin.text(4) == "ping")
        try origin.write("pong!")
        #expect(try client.text(5) == "pong!")
        client.finish()
        #expect(try origin.read() == [])
        origin.finish()
        #expect(try client.read() == [])
        eventually("the session is over") { relay.reactors[0].load == 0 && relay.counters.read(0).active == 0 }
        #expect(relay.counters.read(0) == Counters.Reading(sessions: 1, active: 0, sent: 4, received: 5))
    }

    @Test("4: megabytes both ways at once arrive whole", arguments: Mode.allCases)
    func bulk(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        let (up, down) = (noise(20_000_003, seed: 1), noise(30_000_001, seed: 2))
        let atOrigin = background { origin.readToEnd() }
        let fromOrigin = background {
            try origin.write(down)
            origin.finish()
        }
        let atClient = background { client.readToEnd() }
        try client.write(up)
        client.finish()
        try fromOrigin.get().get()
        #expect(try atOrigin.get().get() == .whole(up))
        #expect(try atClient.get().get() == .whole(down))
        eventually("the session is over") { relay.reactors[0].load == 0 }
        let reading = relay.counters.read(0)
        #expect(reading.sent == UInt64(up.count) && reading.received == UInt64(down.count))
    }

    /// A continuation resumes on the generic executor unless its task prefers another one. At first none did, so each wait
    /// of a session went through the global pool: two hops between threads, and here, with the pool held, no session at all.
    @Test("A session needs no thread but its reactor's")
    func threads() async {
        await #expect(processExitsWith: .success) {
            let held = ProcessInfo.processInfo.activeProcessorCount
            let isHeld = DispatchSemaphore(value: 0)
            let atEnd = background {
                for _ in 0..<held { isHeld.wait() }
                let (client, origin, relay) = try Relay.joined(TunnelLimits())
                try on(relay.reactors[0]) { await $0.sleep(for: .milliseconds(1)) }
                try client.write("ping")
                exit(try origin.text(4) == "ping" ? 0 : 1)
            }
            // One thread of the pool is held by this body itself.
            for _ in 1..<held {
                Task.detached {
                    isHeld.signal()
                    hold()
                }
            }
            isHeld.signal()
            _ = try atEnd.get().get()
        }
    }

    @Test("Sessions are spread over the reactors, and all of them work")
    func spread() throws {
        let origin = try Origin()
        let relay = try Relay(to: origin.address, reactors: 3)
        var pairs: [(Peer, Peer)] = []
        for _ in 0..<30 {
            let client = try Peer(connectingTo: relay.address)
            pairs.append((client, try origin.accept()))
        }
        // Within a quarter of each other, or within one.
        let loads = relay.reactors.map(\.load).sorted()
        #expect(loads.reduce(0, +) == 30 && loads[2] <= loads[0] + loads[0] / 4 + 1, "\(loads)")
        for (index, (client, origin)) in pairs.enumerated() {
            try client.write("number \(index)")
            #expect(String(decoding: try origin.read(), as: UTF8.self) == "number \(index)")
        }
    }
}

/// Bytes in which nothing repeats.
struct Noise {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                buffer[index] = UInt8(truncatingIfNeeded: state >> 32)
            }
            initialized = count
        }
    }
}

func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var noise = Noise(seed: seed)
    return noise.bytes(count)
}

/// Holds a thread for good.
private func hold() {
    while true { sleep(60) }
}
