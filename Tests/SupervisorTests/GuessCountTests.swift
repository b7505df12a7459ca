import Address
import Testing

@testable import Supervisor

@Suite struct `The count of guesses` {
    @Test func `is each source's own, of a quarter of an hour, and starts over when it is full`() {
        let (child, parent) = (Network("2001:db9:77::20/128")!, Network("2001:db9:77::10/128")!)
        var guesses = GuessCount()
        let start = ContinuousClock.now
        func isFull(_ source: Network, after seconds: Int) -> Bool {
            guesses.note(source, atMost: 4, at: start + .seconds(seconds))
        }
        for _ in 0..<3 { #expect(!isFull(child, after: 0)) }
        #expect(!isFull(parent, after: 0), "a neighbour's mistake is its own")
        // The first three are too long ago.
        #expect(!isFull(child, after: 900))
        for _ in 0..<2 { #expect(!isFull(child, after: 901)) }
        #expect(isFull(child, after: 902))
        #expect(!isFull(child, after: 903))
    }
}
