import Address
import Policy

/// The devices that a ruleset tells apart, each by the number with which their connections are marked.
///
/// A device has the number of its member of the household on the interface where it was seen last. One about which the operator
/// decided something has a number of its own on every other interface as well, so that what was decided holds wherever it turns up
/// next; no listener takes it for the device by that number, as a neighbour in another zone may have borrowed its address.
struct Roster {
    struct Entry {
        var number: UInt16
        var hardware: HardwareAddress
        var interface: String
        var zone: Zone
        /// nil: the operator decided nothing.
        var device: Device?
    }

    /// One for each device and interface.
    private(set) var entries: [Entry] = []

    /// - Parameter zones: those whose devices are told apart.
    init(_ zones: [Zone], policy: Policy, surroundings: Surroundings) {
        let devices = policy.devicesByHardware
        var known: Set<Ruleset.Sender> = []
        var last: UInt16 = 0
        for member in surroundings.household.members where member.number > 0 {
            last = max(last, member.number)
            guard let zone = zones.first(where: { $0.interfaces.contains(member.interface) }) else { continue }
            let sender = Ruleset.Sender(interface: member.interface, hardware: member.hardware)
            guard known.insert(sender).inserted else { continue }
            entries.append(
                Entry(
                    number: member.number, hardware: member.hardware, interface: member.interface, zone: zone,
                    device: devices[member.hardware]))
        }
        var number = Household.lastNumber
        for device in policy.devices.sorted(by: { $0.hardware < $1.hardware }) {
            for zone in zones {
                for interface in zone.interfaces {
                    let sender = Ruleset.Sender(interface: interface, hardware: device.hardware)
                    guard number > last, known.insert(sender).inserted else { continue }
                    entries.append(
                        Entry(
                            number: number, hardware: device.hardware, interface: interface, zone: zone,
                            device: device))
                    number -= 1
                }
            }
        }
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
