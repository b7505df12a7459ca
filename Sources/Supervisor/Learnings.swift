import Address
import Policy

/// Where watched devices were seen to go: those that learn, and, of those that are held, what they were refused.
struct Learnings {
    /// What is to be done about a visit.
    enum News {
        /// A destination that a device that learns was not seen at before.
        case destination
        /// A held device was refused it for the first time since it is held, or since the daemon started.
        case refusal
    }

    private var known: [HardwareAddress: Learning]
    /// Of held devices.
    private var refusals: [HardwareAddress: Learning] = [:]
    /// By which name each device found an address last.
    private var names: [HardwareAddress: [IPAddress: String]] = [:]
    /// Those that are not as the store has them.
    private(set) var changed: Set<HardwareAddress> = []

    init(_ learnings: [Learning] = []) {
        known = Dictionary(learnings.map { ($0.hardware, $0) }) { first, _ in first }
        for learning in learnings {
            for sighting in learning.all {
                guard case .name(let name) = sighting.visit.host, let address = sighting.address else { continue }
                names[learning.hardware, default: [:]][address] = name
            }
        }
    }

    subscript(hardware: HardwareAddress) -> Learning? { known[hardware] }

    /// What the device was refused since it is held, or since the daemon started; a part of it, if it was much.
    func refused(_ hardware: HardwareAddress) -> [VisitSighting] { refusals[hardware]?.all ?? [] }

    /// All of which anything is known.
    var devices: [HardwareAddress] { known.keys.sorted() }

    /// The devices that learn at that time.
    func learners(at time: Int) -> [HardwareAddress] {
        known.values.filter { $0.until.map { time < $0 } ?? false }.map(\.hardware).sorted()
    }

    /// Those whose time is up.
    func over(at time: Int) -> [HardwareAddress] {
        known.values.filter { $0.until.map { $0 <= time } ?? false }.map(\.hardware).sorted()
    }

    /// - Parameter anew: what was seen before is forgotten.
    mutating func begin(_ hardware: HardwareAddress, at time: Int, until end: Int, anew: Bool) {
        var learning = known[hardware] ?? Learning(hardware: hardware, since: time, until: end)
        if anew { learning = Learning(hardware: hardware, since: time, until: end) }
        learning.until = end
        known[hardware] = learning
        changed.insert(hardware)
    }

    /// What was seen stays.
    mutating func end(_ hardware: HardwareAddress) {
        guard known[hardware]?.until != nil else { return }
        known[hardware]?.until = nil
        changed.insert(hardware)
    }

    /// The clock was set: what was reckoned by it lasts as long as it was to.
    mutating func shift(by seconds: Int) {
        for hardware in Array(known.keys) {
            known[hardware]!.shift(by: seconds)
            changed.insert(hardware)
        }
    }

    mutating func forget(_ hardware: HardwareAddress) {
        (known[hardware], refusals[hardware], names[hardware]) = (nil, nil, nil)
        changed.insert(hardware)
    }

    /// The device is held from now on, or is no longer.
    mutating func forgetRefusals(of hardware: HardwareAddress) { refusals[hardware] = nil }

    /// The store has them.
    mutating func didStore() { changed = [] }

    // MARK: names

    /// Addresses of one device; of one that is given more all are forgotten.
    private static let mostNames = 8192

    mutating func note(_ name: String, at address: IPAddress, of hardware: HardwareAddress) {
        if names[hardware, default: [:]].count >= Self.mostNames { names[hardware] = nil }
        names[hardware, default: [:]][address] = name
    }

    /// The addresses at which the device found a domain.
    func addresses(of domain: String, for hardware: HardwareAddress) -> [IPAddress] {
        (names[hardware] ?? [:]).filter { $0.value.isWithin(domain) }.map(\.key)
    }

    /// The visit by the name by which the device found the address, and that address.
    private func named(_ visit: Visit, of hardware: HardwareAddress) -> (visit: Visit, address: IPAddress?) {
        guard case .address(let address) = visit.host else { return (visit, nil) }
        guard let name = names[hardware]?[address], let host = try? Host(name) else { return (visit, address) }
        return (Visit(host: host, transport: visit.transport, port: visit.port), address)
    }

    // MARK: visits

    /// - Parameters:
    ///   - isRouted: the kernel passed it on. A client that asks a proxy for an address is judged by that alone.
    ///   - count: how often it was begun; 0: it is under way, and may have been noted when it began.
    /// - Returns: nil: it is no news. Otherwise also the visit as it is remembered.
    mutating func note(
        _ visit: Visit, of hardware: HardwareAddress, isRouted: Bool, isRefused: Bool, count: Int, at time: Int
    ) -> (news: News, visit: Visit)? {
        let (visit, address) = isRouted ? named(visit, of: hardware) : (visit, nil)
        if isRefused {
            var learning = refusals[hardware] ?? Learning(hardware: hardware, since: time, until: nil)
            defer { refusals[hardware] = learning }
            return learning.note(visit, at: address, count: count, time: time) ? (.refusal, visit) : nil
        }
        guard known[hardware]?.until != nil else { return nil }
        changed.insert(hardware)
        return known[hardware]!.note(visit, at: address, count: count, time: time)
            ? (.destination, visit) : nil
    }
}
