import Address
import Testing

@testable import Resolver

struct PaceTests {
    private let second: UInt64 = 1_000_000_000
    private let one = Visitor.Payer.member(1)
    private let other = Visitor.Payer.member(2)

    private func admitted(_ pace: inout Pace, _ payer: Visitor.Payer, of count: Int, at now: UInt64, _ rate: Int?)
        -> Int
    {
        (0..<count).count { _ in pace.admits(payer, at: now) { rate } }
    }

    @Test func `A second's worth may come at once, and then so many as the time is good for`() {
        var pace = Pace()
        #expect(admitted(&pace, one, of: 50, at: 7 * second, 20) == 20)
        #expect(admitted(&pace, one, of: 50, at: 7 * second + second / 4, 20) == 5)
        #expect(admitted(&pace, other, of: 50, at: 7 * second + second / 4, 20) == 20)
        #expect(admitted(&pace, one, of: 50, at: 100 * second, 20) == 20)
        #expect(
            admitted(&pace, one, of: 50, at: 102 * second, 1) == 20,
            "the rate that was asked for holds until it is another")
    }

    @Test func `Where there is no bound everything is admitted`() {
        var pace = Pace()
        #expect(admitted(&pace, one, of: 5000, at: second, nil) == 5000)
    }

    @Test func `Another rate holds at once, and what was asked before still counts`() {
        var pace = Pace()
        #expect(admitted(&pace, one, of: 50, at: second, 20) == 20)
        pace.changeRates()
        #expect(admitted(&pace, one, of: 50, at: second, 10) == 0)
        #expect(admitted(&pace, one, of: 50, at: second + second / 2, 10) == 5)
    }

    @Test func `Invented sources beyond number take no memory, and nothing from those that are real`() {
        var pace = Pace()
        #expect(admitted(&pace, one, of: 50, at: second, 20) == 20)
        for index in 0..<100_000 {
            _ = pace.admits(.address(.v4(UInt32(index))), at: second + UInt64(index)) { 20 }
        }
        #expect(admitted(&pace, one, of: 50, at: second + 100_000, 20) == 0, "it keeps its place")
        // Those that have asked for nothing lately make room.
        #expect(admitted(&pace, other, of: 50, at: 9 * second, 20) == 20)
        #expect(admitted(&pace, other, of: 50, at: 9 * second, 20) == 0)
    }
}
