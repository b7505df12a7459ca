import Address
import Policy

/// The devices that a ruleset tells apart, each by the number with which their connections are marked.
///
/// A device has the number of its member of the household on the interface where it was seen last. One about which the operator
/// decided something has a number of its own on every interface as well, so that what was decided holds wherever it turns up
/// next; no listener takes it for the device by that number, as a neighbour in another zone may have borrowed its address.
///
/// A connection keeps the number of its first packet, and a ruleset that comes later judges it by that. So a number stays the
/// same device's, whoever comes, goes or moves, and what was begun by it is judged even where it is given to nothing new.
struct Roster {
    struct Entry {
        var number: UInt16
        var hardware: HardwareAddress
        var interface: String
        var zone: Zone
        /// nil: the operator decided nothing.
        var device: Device?
    }

    /// For each device and interface the one by which it is marked there, and behind it any by which it was before.
    private(set) var entries: [Entry] = []

    /// - Parameter zones: those whose devices are told apart.
    init(_ zones: [Zone], policy: Policy, surroundings: Surroundings) {
        let devices = policy.devicesByHardware
        var known: Set<Ruleset.Sender> = []
        for member in surroundings.household.members where member.number > 0 {
            guard let zone = zones.first(where: { $0.interfaces.contains(member.interface) }) else { continue }
            let sender = Ruleset.Sender(interface: member.interface, hardware: member.hardware)
            guard known.insert(sender).inserted else { continue }
            entries.append(
                Entry(
                    number: member.number, hardware: member.hardware, interface: member.interface, zone: zone,
                    device: devices[member.hardware]))
        }
        // A household of before may have gone on counting from its last number.
        var taken = Set(surroundings.household.members.map(\.number))
        for device in policy.devices.sorted(by: { $0.hardware < $1.hardware }) {
            for zone in zones {
                for interface in zone.interfaces {
                    let sender = Ruleset.Sender(interface: interface, hardware: device.hardware)
                    guard let number = Self.strayNumber(of: sender, besides: taken) else { continue }
                    taken.insert(number)
                    entries.append(
                        Entry(
                            number: number, hardware: device.hardware, interface: interface, zone: zone,
                            device: device))
                }
            }
        }
    }

    /// Worked out of the sender alone, so that nothing has to be kept in mind for it. Of two that come to the same one it is the
    /// first that has it. nil: all are taken.
    private static func strayNumber(of sender: Ruleset.Sender, besides taken: Set<UInt16>) -> UInt16? {
        let numbers = Household.strayNumbers
        // FNV-1a: the same in every process, as Hasher is not.
        let hash = (sender.hardware.bytes + Array(sender.interface.utf8)).reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        let start = Int((hash ^ hash >> 32) % UInt64(numbers.count))
        return (0..<numbers.count).lazy.map { numbers.lowerBound + UInt16((start + $0) % numbers.count) }
            .first { !taken.contains($0) }
    }

    /// By what is seen of a packet.
    var numbers: [Ruleset.Sender: UInt16] {
        Dictionary(entries.map { (Ruleset.Sender(interface: $0.interface, hardware: $0.hardware), $0.number) }) {
            first, _ in first
        }
    }

    /// The number of the device wherever it is.
    func number(of hardware: HardwareAddress) -> UInt16? { entries.first { $0.hardware == hardware }?.number }
}
