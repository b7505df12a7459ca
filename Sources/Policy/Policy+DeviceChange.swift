// What the operator can decide about devices, and what has to hold of it.

package import Address

extension Policy {
    /// Does what `edit` does to the device of this hardware. One about which nothing was decided yet begins with the name that it
    /// has. What names the device goes by its new name with it.
    package mutating func changeDevice(
        _ hardware: HardwareAddress, in surroundings: Surroundings, _ edit: (inout Device) -> Void
    ) throws(Refusal) {
        guard hardware.bytes[0] & 1 == 0 else {
            throw Refusal("\(hardware) is a group's address, and no device's (IEEE 802-2014 §8.2.2)")
        }
        var changed = self
        let former = changed.adopt(hardware, in: surroundings.household)
        guard let index = changed.devices.firstIndex(where: { $0.hardware == hardware }) else { return }
        edit(&changed.devices[index])
        changed.devices[index].hardware = hardware
        let device = changed.devices[index]
        if let other = changed.devices.first(where: { $0.name == device.name && $0.hardware != hardware }) {
            throw Refusal(
                "there is a device \(device.name) already (\(other.hardware)); `gatehousectl device name \(device.name)` calls "
                    + "it otherwise")
        }
        try changed.check(device, among: changed.devices)
        if device.name != former { changed.rename(device: former, to: device.name) }
        self = changed
    }

    /// The name under which something can be decided about the device, from now on its own. Where new devices wait it goes on
    /// waiting: to pause a stranger is not to let it in.
    @discardableResult
    package mutating func adopt(_ hardware: HardwareAddress, in household: Household) -> String {
        if let device = device(with: hardware) { return device.name }
        var household = household
        // One that was never seen is called as if it had been seen last.
        if household.member(hardware) == nil {
            household.members.append(.init(number: 0, hardware: hardware, interface: ""))
        }
        let names = deviceNames(in: household)
        let name = household.member(hardware).flatMap { names[$0.number] } ?? "\(hardware)"
        let zone = household.member(hardware).flatMap { self.zone(of: $0.interface) }
        devices.append(Device(name: name, hardware: hardware, way: zone?.newDevices))
        return name
    }

    /// Takes back all that was decided about a device.
    package mutating func forgetDevice(_ hardware: HardwareAddress) throws(Refusal) {
        guard let device = device(with: hardware) else { return }
        if let rule = rules.first(where: { $0.device == device.name }) {
            if rule.origin == .hold {
                throw Refusal("\(device.name) is held; `gatehousectl device release \(device.name)` first")
            }
            throw Refusal(
                "rule \(rule.id) names the device \(device.name); `gatehousectl rule remove \(rule.id)` first")
        }
        if limits.contains(where: { $0.subject == .device(device.name) }) {
            throw Refusal(
                "there is a limit for the device \(device.name); `gatehousectl limit remove device \(device.name)` first"
            )
        }
        if let forward = forwards.first(where: { $0.device == device.name }) {
            throw Refusal(
                "the forward \(forward.name) leads to \(device.name); `gatehousectl forward remove \(forward.name)` first"
            )
        }
        if let list = blocklists.first(where: { $0.device == device.name }) {
            throw Refusal(
                "the blocklist \(list.name) is for the device \(device.name); `gatehousectl blocklist remove \(list.name)` first"
            )
        }
        devices.removeAll { $0.hardware == hardware }
    }

    private mutating func rename(device former: String, to name: String) {
        for index in rules.indices where rules[index].device == former { rules[index].device = name }
        for index in limits.indices where limits[index].subject == .device(former) {
            limits[index].subject = .device(name)
        }
        for index in forwards.indices where forwards[index].device == former { forwards[index].device = name }
        for index in blocklists.indices where blocklists[index].device == former { blocklists[index].device = name }
    }

    /// Throws what is wrong with a device of the policy.
    ///
    /// - Parameter namesakes: all devices of its name, and perhaps others.
    func check(_ device: Device, among namesakes: [Device]) throws(Refusal) {
        try Self.checkName(ofDevice: device.name)
        if namesakes.contains(where: { $0.name == device.name && $0.hardware != device.hardware }) {
            throw Refusal(
                "two devices are called \(device.name); `gatehousectl device name \(device.hardware)` calls one otherwise"
            )
        }
        guard let address = device.address else { return }
        guard case .v4 = address else {
            throw Refusal("\(address) is no IPv4 address; in IPv6 a device takes its addresses itself")
        }
        if let other = devices.first(where: { $0.address == address && $0.hardware != device.hardware }) {
            throw Refusal(
                "\(address) is the address of \(other.name) already; `gatehousectl device address \(other.name) none` first"
            )
        }
    }

    /// Takes back the pauses whose time is up.
    ///
    /// - Parameter now: seconds since 1970.
    /// - Returns: the names of the devices.
    mutating func endPauses(at now: Int) -> [String] {
        var names: [String] = []
        for index in devices.indices {
            guard let end = devices[index].pause?.end, end <= now else { continue }
            devices[index].pause = nil
            names.append(devices[index].name)
        }
        return names
    }

    func checkExists(device name: String) throws(Refusal) {
        guard device(named: name) != nil else {
            throw Refusal(
                "there is no device \(name) about which anything is decided; `gatehousectl device list` shows them")
        }
    }
}
