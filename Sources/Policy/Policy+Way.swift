package import Address

// How a device is carried: one decision, for the kernel and for the proxies.

extension Policy {
    package func device(with hardware: HardwareAddress) -> Device? { devices.first { $0.hardware == hardware } }

    package func device(named name: String) -> Device? { devices.first { $0.name == name } }

    /// How a device is carried that is in `zone`.
    ///
    /// - Parameter hardware: nil: it is not known which device it is.
    package func way(of hardware: HardwareAddress?, in zone: Zone) -> Way {
        guard let hardware, let device = device(with: hardware) else { return zone.newDevices ?? zone.way }
        return device.way ?? zone.way
    }

    /// Whether packets from `zone` to the internet are carried by the kernel for any device at all.
    package func isRouted(_ zone: Zone) -> Bool {
        guard zone.name != Zone.internet, !zone.interfaces.isEmpty, !wan.isEmpty else { return false }
        return zone.way == .routed || zone.newDevices == .routed || devices.contains { $0.way == .routed }
    }

    /// Whether the kernel is to pass packets on at all: the firewall is enforced, and there is something between which they
    /// could pass. A box with one interface passes none.
    package var isRouter: Bool {
        firewall == .enforce && (zones.contains(where: isRouted) || !passages.isEmpty || !forwards.isEmpty)
    }
}
