import Policy

/// How much each device moves: what the roles have told, put together.
struct Meter {
    /// Bytes each way.
    struct Amount: Hashable {
        var sent = 0
        var received = 0
    }

    /// What a process of a role told last. Its successor begins at nothing.
    private struct Reading {
        var generation: Int
        var totals: [UInt16: DeviceTraffic]
    }

    private var readings: [Role: Reading] = [:]
    private(set) var time: ContinuousClock.Instant?
    /// Bytes per second between the last two readings, by the devices' numbers.
    private(set) var rates: [UInt16: Amount] = [:]

    /// Takes down what the roles tell.
    ///
    /// - Returns: what each device has moved since the reading before.
    mutating func take(
        _ reports: [(role: Role, generation: Int, totals: [DeviceTraffic])], at now: ContinuousClock.Instant
    ) -> [UInt16: Amount] {
        var moved: [UInt16: Amount] = [:]
        for report in reports {
            let totals = Dictionary(report.totals.map { ($0.number, $0) }) { first, _ in first }
            let former = readings[report.role].flatMap { $0.generation == report.generation ? $0.totals : nil } ?? [:]
            for (number, total) in totals where number > 0 {
                let before = former[number] ?? DeviceTraffic(number: number)
                // A role may tell anything: no sum of it may overflow.
                moved[number, default: Amount()].sent &+= max(0, total.sent &- before.sent)
                moved[number, default: Amount()].received &+= max(0, total.received &- before.received)
            }
            readings[report.role] = Reading(generation: report.generation, totals: totals)
        }
        moved = moved.filter { $0.value != Amount() }
        let milliseconds = time.map { max(1, Int((now - $0) / .milliseconds(1))) }
        rates =
            milliseconds.map { passed in
                moved.mapValues { Amount(sent: Self.rate($0.sent, passed), received: Self.rate($0.received, passed)) }
            } ?? [:]
        time = now
        return moved
    }

    private static func rate(_ bytes: Int, _ milliseconds: Int) -> Int {
        let (product, isTooMuch) = bytes.multipliedReportingOverflow(by: 1000)
        return (isTooMuch ? .max : product) / milliseconds
    }
}
