package import Address

/// How a device of the home stands with the policy at some instant: all that a proxy has to know of it.
package struct DeviceStanding: Codable, Hashable, Sendable {
    /// Why a device gets nothing at present.
    package enum Stop: String, Codable, Hashable, Sendable, CaseIterable {
        case blocked, paused, outOfHours
    }

    /// The kernel's mark of its connections.
    package var number: UInt16
    package var name: String
    package var hardware: HardwareAddress
    package var zone: String
    package var way: Way
    /// nil: it may go on.
    package var stop: Stop?
    /// Whether the supervisor is told where the device goes, as it learns, or is held to what it has learnt.
    package var isWatched: Bool

    package init(
        number: UInt16, name: String, hardware: HardwareAddress, zone: String, way: Way, stop: Stop? = nil,
        isWatched: Bool = false
    ) {
        self.number = number
        self.name = name
        self.hardware = hardware
        self.zone = zone
        self.way = way
        self.stop = stop
        self.isWatched = isWatched
    }
}

extension DeviceStanding.Stop: CustomStringConvertible {
    /// The end of a sentence that began with the device.
    package var description: String {
        switch self {
        case .blocked: "is blocked"
        case .paused: "is paused"
        case .outOfHours: "is out of its hours"
        }
    }
}

extension Policy {
    /// How the devices stand that were seen, at `instant` (seconds since 1970); one that is in no zone now has no standing.
    package func standings(in surroundings: Surroundings, at instant: Int) -> [DeviceStanding] {
        let names = deviceNames(in: surroundings.household)
        let devices = devicesByHardware
        let learners = Set(surroundings.household.learners)
        let held = Set(rules.lazy.filter { $0.origin == .hold }.compactMap(\.device))
        return surroundings.household.members.compactMap { member in
            guard let zone = zone(of: member.interface), zone.name != Zone.internet else { return nil }
            let device = devices[member.hardware]
            let way = zone.way(of: device)
            let name = names[member.number] ?? "\(member.hardware)"
            return DeviceStanding(
                number: member.number, name: name, hardware: member.hardware, zone: zone.name, way: way,
                stop: way == .blocked ? .blocked : device?.hold(at: instant, on: surroundings.clock),
                isWatched: learners.contains(member.hardware) || held.contains(name))
        }
    }

    /// Why the device gets nothing at `instant`; nil: it may go on.
    package func stop(
        of hardware: HardwareAddress, in zone: Zone, at instant: Int, on clock: LocalClock
    ) -> DeviceStanding.Stop? {
        if way(of: hardware, in: zone) == .blocked { return .blocked }
        return device(with: hardware)?.hold(at: instant, on: clock)
    }

    /// The devices whose pause or hours keep them from everything at `instant`.
    package func holds(at instant: Int, on clock: LocalClock) -> [HardwareAddress: DeviceStanding.Stop] {
        let held = devices.compactMap { device in device.hold(at: instant, on: clock).map { (device.hardware, $0) } }
        return Dictionary(held) { first, _ in first }
    }

    /// When some device next stops or goes on by itself, after `instant` and within a week; nil: none does.
    package func nextTurn(after instant: Int, on clock: LocalClock) -> Int? {
        let week = instant..<instant + 7 * 86_400
        return devices.flatMap { device in
            let edges =
                device.schedule?.spans(within: week, on: clock).flatMap { [$0.lowerBound, $0.upperBound] } ?? []
            // Hours that go on as the week begins or ends turn nothing there.
            return (edges + [device.pause?.end].compactMap(\.self)).filter { $0 > instant && $0 < week.upperBound }
        }.min()
    }
}

extension Device {
    /// What time has to do with it that the device gets nothing at `instant`; nil: nothing.
    package func hold(at instant: Int, on clock: LocalClock) -> DeviceStanding.Stop? {
        if pause?.holds(at: instant) == true { return .paused }
        return schedule?.allows(at: instant, on: clock) == false ? .outOfHours : nil
    }
}

extension Device.Pause {
    package func holds(at instant: Int) -> Bool {
        switch self {
        case .forever: true
        case .until(let end): instant < end
        }
    }

    /// When it ends by itself, in seconds since 1970; nil: it does not.
    package var end: Int? { if case .until(let end) = self { end } else { nil } }
}
