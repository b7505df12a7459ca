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
        #expect(elements.changes.allSatisfy { $0.kind == .comes(milliseconds: 0) }, "nothing of it is there")
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
        // And so by whoever is told everything anew: a role that has just begun, the next daemon.
        var told = LiveElements.none
        for change in elements.changes { told.apply(change) }
        #expect(!told.contains(key(1), in: set.name) && told[ban.name].isEmpty)
        #expect(told.remembering([set]).contains(key(1), in: set.name))
    }

    /// A rule that got another number was about no address until a device asked for its name again.
    @Test func `a set gets what others hold, for as long as the last of them`() {
        var elements = LiveElements.none
        let (other, third) = (Ruleset.addresses(ofRule: 2, .ipv4), Ruleset.addresses(ofRule: 3, .ipv4))
        let now = ContinuousClock.now
        func hold(_ number: UInt32, _ set: LiveSet, _ seconds: Int?) {
            elements.insert(key(number), in: set.name, until: seconds.map { now + .seconds($0) })
        }
        hold(1, other, 600)
        hold(1, third, 900)
        hold(2, other, nil)
        hold(3, other, -5)
        hold(4, other, 600)
        hold(4, set, 900)
        for change in elements.changes(to: set, from: [other, third], sparing: 0) { elements.apply(change) }
        #expect(elements.contains(key(1), in: set.name, for: .seconds(800)))
        #expect(!elements.contains(key(1), in: set.name, for: .seconds(901)))
        #expect(elements.contains(key(2), in: set.name, for: .seconds(1_000_000)))
        #expect(!elements.contains(key(3), in: set.name))
        #expect(elements.remembering([set]).contains(key(3), in: set.name), "what began then goes on")
        #expect(
            elements.contains(key(4), in: set.name, for: .seconds(800)), "it is not there for less long than before")
    }

    @Test func `of a rule that is gone nothing is remembered once its addresses are`() {
        var elements = LiveElements.none
        let (other, ban) = (Ruleset.addresses(ofRule: 2, .ipv4), LiveSet.bans[0])
        for set in [set, other, ban] { elements.insert(key(1), in: set.name, until: .now - .seconds(1)) }
        elements.insert(key(2), in: other.name, until: .now + .seconds(600))
        elements.forgetAddresses(besides: [set.name])
        #expect(elements.names == [ban.name, set.name, other.name].sorted())
        elements.forgetAddresses(besides: [other.name])
        #expect(elements.names == [ban.name, other.name].sorted())
    }

    @Test func `of what others hold a set gets no more than it has room for, and what stays longest`() {
        var elements = LiveElements.none
        let now = ContinuousClock.now
        let other = Ruleset.addresses(ofRule: 2, .ipv4)
        for number in 0..<set.size {
            elements.insert(key(number), in: other.name, until: now + .seconds(600 + Int(number)))
        }
        for number in 0..<100 as Range<UInt32> {
            elements.insert(key(1_000_000 + number), in: set.name, until: now + .seconds(600))
        }
        for change in elements.changes(to: set, from: [other], sparing: 256) { elements.apply(change) }
        #expect(elements[set.name].count == Int(set.size) - 256)
        #expect(elements.contains(key(set.size - 1), in: set.name) && !elements.contains(key(0), in: set.name))
        #expect(elements.contains(key(1_000_000), in: set.name))
        // What it has already takes no room twice.
        #expect(elements.changes(to: set, from: [set], sparing: 256).isEmpty)
    }
}
