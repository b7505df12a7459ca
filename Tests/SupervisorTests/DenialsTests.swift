import Testing

@testable import Supervisor

@Suite struct `Names that rules deny` {
    let start = ContinuousClock.now

    @Test func `are told once an hour for each device and domain`() {
        var denials = Denials()
        #expect(denials.note(device: "tv", domain: "a.example", at: start) == .denial)
        #expect(denials.note(device: "tv", domain: "a.example", at: start + .seconds(3599)) == nil)
        #expect(denials.note(device: "tv", domain: "b.example", at: start + .seconds(3599)) == .denial)
        #expect(denials.note(device: "phone", domain: "a.example", at: start + .seconds(3599)) == .denial)
        #expect(denials.note(device: "tv", domain: "a.example", at: start + .seconds(3600)) == .denial)
        #expect(denials.note(device: "tv", domain: "b.example", at: start + .seconds(3600)) == nil)
    }

    @Test func `of many devices are told of some, and once that there are more`() {
        var denials = Denials()
        let news = (0..<10_000).compactMap { denials.note(device: "device-\($0)", domain: "a.example", at: start) }
        #expect(news.count == Denials.capacity + 1)
        #expect(news.last == .more && news.dropLast().allSatisfy { $0 == .denial })
        #expect(denials.note(device: "another", domain: "a.example", at: start + Denials.silence) == .denial)
    }
}
