import Address
import Ruleset
import Testing

@Suite struct `What live sets are known to hold` {
    private let set = Ruleset.addresses(ofRule: 1, .ipv4)

    private func key(_ number: UInt32) -> LiveKey { LiveKey([.address(.v4(number))]) }

    @Test func `what was there once makes no room scarce, and what is there may be told again`() {
        var elements = LiveElements.none
        let past = ContinuousClock.now - .seconds(1)
        for number in 0..<set.size { elements.insert(key(number), in: set.name, until: past) }
        #expect(elements.hasRoom(for: key(set.size), in: set))
        #expect(elements.changes.isEmpty, "nothing of it leads anywhere")
        for number in 0..<set.size { elements.insert(key(number), in: set.name) }
        #expect(!elements.hasRoom(for: key(set.size), in: set))
        #expect(elements.hasRoom(for: key(7), in: set))
    }

    @Test func `a set does not grow with what comes and goes`() {
        var elements = LiveElements.none
        let past = ContinuousClock.now - .seconds(1)
        for number in 0..<1_000_000 { elements.insert(key(UInt32(number)), in: set.name, until: past) }
        #expect(elements[set.name].count <= 2048)
    }

    @Test func `what was there is remembered of the sets that are named`() {
        var elements = LiveElements.none
        let past = ContinuousClock.now - .seconds(1)
        let ban = LiveSet.bans[0]
        elements.insert(key(1), in: set.name, until: past)
        elements.insert(key(1), in: ban.name, until: past)
        #expect(!elements.contains(key(1), in: set.name))
        let remembering = elements.remembering([set])
        #expect(remembering.contains(key(1), in: set.name) && !remembering.contains(key(1), in: ban.name))
        #expect(set.isOfDomain && !ban.isOfDomain)
    }
}
