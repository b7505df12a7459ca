import Address
import Machine
import Testing

@testable import Policy
@testable import Supervisor

@Suite struct `The watch over ports` {
    private func socket(_ port: UInt16, uid: UInt32 = 0, cookie: UInt64 = 1) -> Connections.ListeningSocket {
        Connections.ListeningSocket(
            transport: .tcp, local: Endpoint(address: .v4(0), port: port), uid: uid, inode: 7, cookie: cookie)
    }

    @Test func `takes what is there at first as it is, and tells what comes later once`() {
        var watch = PortWatch()
        let start = ContinuousClock.now
        #expect(watch.look([socket(22)], at: 100, start).opened.isEmpty)
        #expect(watch.since(socket(22)) == nil)
        let news = watch.look([socket(22), socket(4444, uid: 1000)], at: 102, start + .seconds(2))
        #expect(news.opened.map(\.local.port) == [4444])
        #expect(watch.since(socket(4444, uid: 1000)) == 102)
        #expect(watch.look([socket(22), socket(4444, uid: 1000)], at: 104, start + .seconds(4)).opened.isEmpty)
        // Another user's, on the same port.
        #expect(watch.look([socket(22), socket(4444)], at: 106, start + .seconds(6)).opened.map(\.uid) == [0])
    }

    @Test func `does not tell of a service that is started anew, and tells of one that ended`() {
        var watch = PortWatch()
        let start = ContinuousClock.now
        _ = watch.look([socket(22)], at: 0, start)
        #expect(watch.look([], at: 2, start + .seconds(2)).closed.isEmpty)
        let back = watch.look([socket(22, cookie: 2)], at: 4, start + .seconds(4))
        #expect(back.opened.isEmpty && back.closed.isEmpty)
        _ = watch.look([], at: 6, start + .seconds(6))
        #expect(watch.look([], at: 12, start + .seconds(12)).closed.isEmpty)
        #expect(watch.look([], at: 14, start + .seconds(14)).closed.map(\.place.local.port) == [22])
        #expect(watch.look([socket(22)], at: 16, start + .seconds(16)).opened.count == 1)
    }

    @Test func `remembers no more ports than it has room for, whoever opens them`() {
        var watch = PortWatch()
        let start = ContinuousClock.now
        _ = watch.look([], at: 0, start)
        let flood = (1...60000).map { socket(UInt16($0)) }
        let news = watch.look(flood, at: 2, start)
        #expect(news.opened.count == PortWatch.capacity)
        #expect(news.uncounted == 60000 - PortWatch.capacity)
    }
}

@Suite struct `What happens` {
    @Test func `is told up to so often a minute, and then that there was more`() {
        var chronicler = Chronicler()
        for _ in 0..<1000 { chronicler.note(.login, "again", at: 60) }
        #expect(chronicler.waiting.count == Chronicler.perMinute + 1)
        #expect(chronicler.waiting.last?.text.contains("more of this kind") == true)
        chronicler.note(.port, "another kind", at: 61)
        chronicler.note(.login, "another minute", at: 120)
        #expect(chronicler.waiting.suffix(2).map(\.text) == ["another kind", "another minute"])
        for minute in 0..<1000 { chronicler.note(.login, "no store", at: minute * 60) }
        #expect(chronicler.waiting.count <= Chronicler.capacity)
    }

    @Test func `tells addresses and cables of zones that come and go, and nothing at first`() {
        var chronicler = Chronicler()
        let policy = Policy(lan: ["lan0"], wan: ["wan0"])
        func surroundings(_ addresses: [String], hasCarrier: Bool = true) -> Surroundings {
            Surroundings(interfaces: [
                .init(name: "wan0", addresses: addresses.map { InterfaceAddress($0)! }, hasCarrier: hasCarrier),
                .init(name: "docker0", addresses: addresses.map { InterfaceAddress($0)! }),
            ])
        }
        chronicler.note(surroundings(["203.0.113.5/24", "fe80::1/64"]), policy, at: 0)
        chronicler.note(surroundings(["203.0.113.5/24"]), policy, at: 1)
        #expect(chronicler.waiting.isEmpty)
        chronicler.note(surroundings(["203.0.113.9/24"], hasCarrier: false), policy, at: 2)
        #expect(
            chronicler.waiting.map(\.text) == [
                "wan0 (internet): nobody is at the other end: cable or Wi-Fi",
                "wan0 (internet) has no longer 203.0.113.5/24", "wan0 (internet) has 203.0.113.9/24 now",
            ])
        chronicler.note(Surroundings(), policy, at: 3)
        #expect(chronicler.waiting.last?.text == "wan0 (internet) is gone")
    }
}
