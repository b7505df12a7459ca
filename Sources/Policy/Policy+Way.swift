package import Address

// How a device is carried: one decision, for the kernel and for the proxies.

extension Policy {
    package func device(with hardware: HardwareAddress) -> Device? { devices.first { $0.hardware == hardware } }

    package func device(named name: String) -> Device? { devices.first { $0.name == name } }

    /// How a device is carried that is in `zone`.
    ///
    /// - Parameter hardware: nil: it is not known which device it is.
    package func way(of hardware: HardwareAddress?, in zone: Zone) -> Way {
        zone.way(of: hardware.flatMap(device(with:)))
    }

    /// By their hardware addresses, for whoever asks about many of them.
    package var devicesByHardware: [HardwareAddress: Device] {
        Dictionary(devices.map { ($0.hardware, $0) }) { first, _ in first }
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

extension Zone {
    /// How a device is carried that is in this zone.
    ///
    /// - Parameter device: nil: nothing was decided about it, or it is not known which one it is.
    package func way(of device: Device?) -> Way {
        guard let device else { return newDevices ?? way }
        return device.way ?? way
    }
}
