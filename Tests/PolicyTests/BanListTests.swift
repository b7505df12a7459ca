import Address
import Policy
import Testing

@Suite struct `The list of bans` {
    private let source = Network("203.0.113.9/32")!
    private let other = Network("203.0.113.10/32")!
    private static let week = 7 * 86_400

    private func ban(_ source: Network, since: Int, until: Int?, times: Int = 1) -> Ban {
        Ban(source: source, reason: .scan, text: "", since: since, until: until, times: times)
    }

    @Test func `forgets others for a new ban, and never the one that is made`() {
        var list = BanList([ban(source, since: 0, until: 100), ban(other, since: 0, until: 100)])
        let now = 200 + Self.week
        let again = ban(source, since: now, until: now + 100)
        let gone = list.insert(again, at: now)
        #expect(gone == [other])
        #expect(list.ban(of: source, at: now) == again)
    }

    @Test func `counts what was within a week, and a ban after that is a first one`() {
        let list = BanList([ban(source, since: 0, until: 100, times: 3)])
        let terms = BanTerms()
        func next(_ now: Int) -> Ban {
            list.ban(of: source, for: .scan, "", by: terms, isAtHome: false, at: now)
        }
        #expect(next(100 + Self.week).times == 4 && next(101 + Self.week).times == 1)
        let first = next(101 + Self.week)
        #expect(first.until == first.since + terms.seconds)
    }

    @Test(arguments: [Int.max, Int.min, 0, 4_102_444_800])
    func `gives the kernel an end that it can count, whatever the store says and the clock shows`(_ now: Int) {
        for until in [Int.max, 253_402_300_799, 1, Int.min] {
            for since in [Int.min, 0, 1_000] {
                let left = ban(source, since: since, until: until).millisecondsLeft(at: now)
                #expect(left.map { (1000...Ban.longest * 1000).contains($0) } == true, "\(since) \(until)")
            }
        }
        #expect(ban(source, since: 0, until: nil).millisecondsLeft(at: now) == nil)
    }

    @Test func `is no longer for a clock that is behind`() {
        #expect(ban(source, since: 1000, until: 1300).millisecondsLeft(at: 0) == 300_000)
        #expect(ban(source, since: 1000, until: 1300).millisecondsLeft(at: 1200) == 100_000)
    }

    @Test func `goes with a clock that is set, so that each lasts as long as it was to`() {
        var list = BanList([ban(source, since: 1000, until: 1300), ban(other, since: 900, until: nil)])
        let shifted = list.shift(by: 86_400)
        #expect(Set(shifted.map(\.since)) == [87_400, 87_300])
        #expect(list.ban(of: source, at: 87_600) != nil && list.ban(of: source, at: 87_700) == nil)
        #expect(list.ban(of: other, at: .max) != nil)
    }
}
