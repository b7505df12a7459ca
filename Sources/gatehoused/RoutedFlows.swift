import Address
import Glibc
import Machine
import Policy
import Reactor
import Supervisor

/// What the kernel passes on for the home's devices, told as sessions: the firewall role alone may ask for it.
///
/// Belongs to its role and its thread.
final class RoutedFlows {
    /// Of the devices, by the numbers that the kernel marks their flows with.
    private var names: [UInt16: String] = [:]
    private var own: Set<IPAddress> = []
    /// The home's, by the addresses that they have at present.
    private(set) var hardware: [IPAddress: HardwareAddress] = [:]
    private var deviceNames: [HardwareAddress: String] = [:]
    /// Bytes when rates were measured last, by the flows' numbers.
    private var sample: [Int: (sent: UInt64, received: UInt64)] = [:]
    private var sampled: UInt64 = 0
    /// Whether the kernel is to pass anything on.
    private var isRouting = false
    /// When flows are counted next at the earliest: to go through all of them takes a two-hundredth of the time at
    /// most.
    private var nextCount: UInt64 = 0
    /// Bytes of each flow when they were counted last, by the kernel's number of it.
    private var counted: [UInt32: (sent: UInt64, received: UInt64)] = [:]
    /// Bytes of each device since the role began.
    private var totals: [UInt16: DeviceTraffic] = [:]

    /// A flow's number is above those of the proxies' sessions.
    private static let firstNumber = 1 << 32
    /// Nanoseconds. Several watchers share a sample that is younger than this.
    private static let youngest: UInt64 = 300_000_000

    func use(_ assignment: FirewallAssignment) {
        names = assignment.policy.deviceNames(in: assignment.surroundings.household)
        let policy = assignment.policy
        isRouting =
            assignment.hold == .enforced && (policy.zones.contains(where: policy.isRouted) || !policy.passages.isEmpty)
        (hardware, deviceNames) = ([:], [:])
        for member in assignment.surroundings.household.members {
            deviceNames[member.hardware] = names[member.number]
            for address in member.addresses { hardware[address] = member.hardware }
        }
        own = Set(assignment.surroundings.interfaces.flatMap(\.addresses).map(\.address))
    }

    /// What the home's device that has the address is called; nil: it is none that is known.
    func name(of address: IPAddress) -> String? { hardware[address].flatMap { deviceNames[$0] } }

    func list(_ query: SessionQuery) -> SessionList {
        let now = UInt64(max(0, time(nil))) * 1_000_000_000
        var records: [SessionRecord] = []
        // What cannot be read is not shown.
        try? RoutedFlow.forEach(besides: own) { flow in
            guard !isEnded(flow), !query.leavesOutClosed || !flow.isOver else { return }
            let record = record(of: flow, at: now)
            // A rate is of the time since anybody asked last, about whichever flows.
            if query.measuresRates || query.selection.contains(record) { records.append(record) }
        }
        if query.measuresRates {
            measure(&records)
            records.removeAll { !query.selection.contains($0) }
        }
        let list = SessionList(sessions: records, total: records.count)
        return SessionList(merging: [list], for: query)
    }

    /// How much went for each device. A flow that is over stays known to connection tracking for ten seconds at least
    /// (net.netfilter.nf_conntrack_*_timeout_*), so whoever asks more often than that misses nothing.
    func traffic() -> [DeviceTraffic] {
        let start = MonotonicClock.nanoseconds
        guard isRouting, start >= nextCount else { return Array(totals.values) }
        defer { nextCount = start + 200 * (MonotonicClock.nanoseconds - start) }
        var now: [UInt32: (sent: UInt64, received: UInt64)] = [:]
        try? RoutedFlow.forEach(besides: own) { flow in
            let number = UInt16(truncatingIfNeeded: flow.mark)
            guard number > 0, !isEnded(flow) else { return }
            now[flow.identifier] = (flow.sent, flow.received)
            // A number of a flow that is gone may be a new one's.
            let former = counted[flow.identifier]
            let isSame = former.map { $0.sent <= flow.sent && $0.received <= flow.received } ?? false
            let before = isSame ? former! : (sent: 0, received: 0)
            totals[number, default: DeviceTraffic(number: number)].sent &+= Int(clamping: flow.sent - before.sent)
            totals[number, default: DeviceTraffic(number: number)].received &+= Int(
                clamping: flow.received - before.received)
        }
        counted = now
        return Array(totals.values)
    }

    /// Nothing of the flows that are meant passes any more, in either direction: the ruleset drops what bears the mark. To make the
    /// kernel forget a flow would not end it, for its next packet would begin it again.
    ///
    /// - Returns: how many.
    func end(_ selection: SessionSelection) -> Int {
        var meant: [RoutedFlow] = []
        try? RoutedFlow.forEach(besides: own) { flow in
            if !isEnded(flow), selection.contains(record(of: flow, at: 0)) { meant.append(flow) }
        }
        return meant.count { (try? $0.setMark(UInt32(Household.endedNumber), mask: 0xffff)) != nil }
    }

    private func isEnded(_ flow: RoutedFlow) -> Bool { UInt16(truncatingIfNeeded: flow.mark) == Household.endedNumber }

    private func record(of flow: RoutedFlow, at now: UInt64) -> SessionRecord {
        SessionRecord(
            id: Self.firstNumber + Int(flow.identifier), kind: .routed,
            transport: IPProtocol(number: flow.transport), client: flow.source,
            device: names[UInt16(truncatingIfNeeded: flow.mark)], activity: .flow, origin: flow.destination,
            sent: Int(clamping: flow.sent), received: Int(clamping: flow.received),
            age: flow.start.map { Int(clamping: (now - min($0, now)) / 1_000_000) } ?? 0)
    }

    private func measure(_ records: inout [SessionRecord]) {
        let now = MonotonicClock.nanoseconds
        let passed = now - sampled
        if sampled > 0 {
            for index in records.indices {
                let before = sample[records[index].id]
                func rate(_ total: Int, _ before: UInt64?) -> Int {
                    Int(
                        clamping: UInt64(max(0, total - Int(clamping: before ?? 0))) &* 1000
                            / max(1, passed / 1_000_000))
                }
                records[index].sentRate = rate(records[index].sent, before?.sent)
                records[index].receivedRate = rate(records[index].received, before?.received)
            }
        }
        guard passed >= Self.youngest else { return }
        sampled = now
        sample = Dictionary(records.map { ($0.id, (UInt64($0.sent), UInt64($0.received))) }) { first, _ in first }
    }
}
