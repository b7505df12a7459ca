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

    private func row(_ title: String, of lines: [String]) throws -> [String] {
        let table = Table(try lines.map { try #require(Record(line: $0)) }).lines()
        return try #require(table.last { $0.contains(title) }).split(separator: " ").map(String.init)
    }

    @Test func `Gatehouse is held against the best peer of its kind, and plain TCP is none`() throws {
        let lines = [
            "gatehouse\tSOCKS5\tdown-8\tgbit=20\tcpu=0.2", "gatehouse\tSOCKS5\tdown-8\tgbit=24\tcpu=0.1",
            "gatehouse\tSOCKS5\tdown-8\tgbit=30\tcpu=0.4",
            "dante\tSOCKS5\tdown-8\tgbit=12\tcpu=0.25", "microsocks\tSOCKS5\tdown-8\tgbit=10\tcpu=0.5",
            "squid\tCONNECT\tdown-8\tgbit=36\tcpu=0.1", "haproxy\tplain TCP\tdown-8\tgbit=48\tcpu=0.01",
        ]
        #expect(
            try row("download, 8 flows, Gbit/s", of: lines).suffix(7)
                == ["dante", "12.0", "24.0", "×2.00", "≥", "×1.05", "met"])
        #expect(
            try row("download, 8 flows, CPU s/GB", of: lines).suffix(7)
                == ["dante", "0.250", "0.200", "×0.800", "≤", "×0.600", "MISSED"])
    }

    @Test func `What is to be reached by itself is not divided by a peer's`() throws {
        let lines = [
            "gatehouse\tCONNECT\tidle\tbytes=400\tbeside=0.9", "squid\tCONNECT\tidle\tbytes=20000\tbeside=0.1",
        ]
        #expect(try row("kB per idle tunnel", of: lines).suffix(5) == ["0.400", "0.400", "≤", "0.500", "met"])
        #expect(try row("beside them", of: lines).suffix(5) == ["0.900", "0.900", "≥", "0.950", "MISSED"])
    }

    @Test func `A bar for one kind is not asked of the other`() throws {
        let lines = ["gatehouse\tCONNECT\tsessions\trate=9\tcpu=9e-5", "squid\tCONNECT\tsessions\trate=9\tcpu=9e-5"]
        #expect(try row("sessions per s", of: lines).last == "MISSED")
        #expect(try row("CPU µs each", of: lines).last == "90.0")
    }

    @Test func `A line that is no record is refused`() {
        #expect(Record(line: "gatehouse\tSOCKS5") == nil)
        #expect(Record(line: "gatehouse\tSOCKS5\tdown\tgbit=fast") == nil)
    }
}
