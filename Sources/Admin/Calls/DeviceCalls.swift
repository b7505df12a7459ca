package import Address
package import Policy

/// The calls about the devices of the home.
enum DeviceCalls {
    static let all: [any Call.Type] = [ListDevices.self, SetDevice.self, ForgetDevice.self]
}

package struct ListDevices: Call {
    package static let documentation = """
        The devices that were seen in the zones, and those about which something is decided.
        turnedAway: how many devices there was no room for when the gateway last looked: somebody makes addresses up.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var devices: [DeviceStatus]
        package var turnedAway: Int

        package init(devices: [DeviceStatus], turnedAway: Int) {
            self.devices = devices
            self.turnedAway = turnedAway
        }
    }

    package init() {}
}

package struct DeviceStatus: InterfaceType, Hashable, Sendable {
    package static let documentation = """
        A device of the home, and how it stands.
        name: what it is called: by the operator, or else as it calls itself.
        isNamed: something is decided about it; false: it may be called otherwise tomorrow.
        number: the kernel's mark of its connections; null: it was never seen.
        zone: where it was seen last; null: nowhere yet, or in no zone.
        way: how it is carried; null: it was never seen.
        ownWay: what is decided for it alone; null: as its zone has it.
        stop: why it gets nothing at present; null: it may go on.
        isPresent: it shows itself at present.
        isRandomised: its hardware address is made up, and it may have another one tomorrow.
        fixedAddress: the IPv4 address that it is always given.
        pause: forever, or seconds since 1970, UTC, when it ends; null: it is not paused.
        schedule: when it is allowed; null: always.
        isHeld: rules allow it what it was seen to need, and deny it the rest.
        learnsUntil: until then it is noted where it goes (seconds since 1970, UTC); null: it is not.
        firstSeen, lastSeen: seconds since 1970, UTC; null: never.
        sentToday, receivedToday: bytes since midnight by the clock on the wall, by whichever way.
        sentRate, receivedRate: bytes per second at present.
        """

    package var name: String
    package var isNamed: Bool
    package var hardware: HardwareAddress
    package var isRandomised: Bool
    package var number: Int?
    package var hostname: String?
    package var zone: String?
    package var interface: String?
    package var way: Way?
    package var ownWay: Way?
    package var stop: DeviceStanding.Stop?
    package var isPresent: Bool
    package var addresses: [IPAddress]
    package var fixedAddress: IPAddress?
    package var pause: Device.Pause?
    package var schedule: Schedule?
    package var isHeld: Bool
    package var learnsUntil: Int?
    package var firstSeen: Int?
    package var lastSeen: Int?
    package var sentToday: Int
    package var receivedToday: Int
    package var sentRate: Int
    package var receivedRate: Int

    package init(name: String, hardware: HardwareAddress) {
        self.name = name
        self.hardware = hardware
        isNamed = false
        isRandomised = hardware.isRandomised
        isPresent = false
        isHeld = false
        addresses = []
        (sentToday, receivedToday, sentRate, receivedRate) = (0, 0, 0, 0)
    }
}

package struct SetDevice: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Decides something about a device: what is null stays as it is.
        device: its name, its hardware address, or an address that it has at present.
        name: what it is called from now on, wherever it is named.
        way: any: as its zone has it.
        fixedAddress: the IPv4 address that it is always given; any: whichever is free.
        pause: it gets nothing, forever or until then (seconds since 1970, UTC); any: it goes on.
        schedule: the hours in which it is allowed, by the clock on the wall; any: all.
        """

    package var device: String
    package var name: String?
    package var way: Choice<Way>?
    package var fixedAddress: Choice<IPAddress>?
    package var pause: Choice<Device.Pause>?
    package var schedule: Choice<Schedule>?

    /// Changes nothing until something is set.
    package init(device: String) { self.device = device }

    /// Gives `device` what is not nil here.
    package func change(_ device: inout Device) {
        if let name { device.name = name }
        if let way { device.way = way.value }
        if let fixedAddress { device.address = fixedAddress.value }
        if let pause { device.pause = pause.value }
        if let schedule { device.schedule = schedule.value }
    }
}

package struct ForgetDevice: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Takes back all that was decided about a device. One that does not show itself at present is as if it had never
        been seen.
        device: as in SetDevice.
        """

    package var device: String

    package init(device: String) { self.device = device }
}
