import Testing

@testable import gatehouse_load

@Suite struct `The figures that the benchmark prints` {
    @Test func `A percentile is at most 1/64 above the true one, and never below it`() {
        var histogram = Histogram()
        // 1...100 000, in an order that is not theirs.
        for step in 0..<100_000 { histogram.record(UInt64(step * 7919 % 100_000 + 1)) }
        for (share, exact) in [(0.01, 1000), (0.5, 50_000), (0.99, 99_000), (1.0, 100_000)] as [(Double, UInt64)] {
            let found = histogram.percentile(share)
            #expect(found >= exact && found <= exact + exact / 64, "\(share): \(found)")
        }
    }

    @Test func `Small values are counted exactly, the largest possible one without overflow, and none as zero`() {
        var histogram = Histogram()
        #expect(histogram.percentile(0.5) == 0)
        for value in [3, 4, 5] as [UInt64] { histogram.record(value) }
        #expect(histogram.percentile(0.5) == 4)
        histogram.record(.max)
        #expect(histogram.percentile(1) == .max)
    }

    @Test func `The histograms of two threads add up`() {
        var slow = Histogram()
        var fast = Histogram()
        for _ in 0..<99 { fast.record(10) }
        slow.record(60)
        fast.add(slow)
        #expect(fast.count == 100)
        #expect(fast.percentile(0.99) == 10)
        #expect(fast.percentile(1) == 60)
    }

    @Test func `The median of an even number of rounds lies between the middle two`() {
        #expect(median([]) == nil)
        #expect(median([9, 1, 5]) == 5)
        #expect(median([9, 1, 5, 6]) == 5.5)
    }

    @Test(arguments: [
        (31.42, "31.4"), (0.0821, "0.082"), (11523.6, "11524"), (9.999, "10.00"), (5.06, "5.06"), (-0.25, "-0.250"),
        (0, "0"),
    ])
    func `A figure has about three digits and no exponent`(value: Double, text: String) {
        #expect(rounded(value) == text)
    }

    @Test func `Gatehouse is held against the best peer, and plain TCP is none`() throws {
        let lines = [
            "gatehouse\tSOCKS5\tdown\tgbit=20\tcpu=0.2", "gatehouse\tSOCKS5\tdown\tgbit=24\tcpu=0.1",
            "gatehouse\tSOCKS5\tdown\tgbit=30\tcpu=0.4",
            "dante\tSOCKS5\tdown\tgbit=12\tcpu=0.5", "squid\tCONNECT\tdown\tgbit=8\tcpu=0.4",
            "haproxy\tplain TCP\tdown\tgbit=48\tcpu=0.01",
        ]
        let table = Table(try lines.map { try #require(Record(line: $0)) }).lines()
        let ratio = try #require(table.first { $0.contains("to the best peer") })
        #expect(ratio.split(separator: " ").suffix(2) == ["×2.00", "×0.500"])
    }

    @Test func `A line that is no record is refused`() {
        #expect(Record(line: "gatehouse\tSOCKS5") == nil)
        #expect(Record(line: "gatehouse\tSOCKS5\tdown\tgbit=fast") == nil)
    }
}
