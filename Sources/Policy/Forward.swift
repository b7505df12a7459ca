package import Address

/// A door from the internet to a device of the home. Each is made by the operator, and none by a program that asks.
package struct Forward: Codable, Hashable, Sendable {
    /// What the operator calls it; unique.
    package var name: String
    package var transport: Opening.Transport
    /// The port of the gateway, and in IPv6 of the device.
    package var port: UInt16
    /// The device's name.
    package var device: String
    /// The port of the device; nil: the same.
    package var devicePort: UInt16?
    /// The network that may come in; nil: everybody.
    package var source: Network?
    /// When it closes by itself, in seconds since 1970, UTC; nil: never.
    package var until: Int?

    package init(
        name: String, transport: Opening.Transport, port: UInt16, device: String, devicePort: UInt16? = nil,
        source: Network? = nil, until: Int? = nil
    ) {
        self.name = name
        self.transport = transport
        self.port = port
        self.device = device
        self.devicePort = devicePort
        self.source = source
        self.until = until
    }
}

extension Forward {
    /// `nas:80`, or the device alone where the port is the same.
    package var target: String { devicePort.map { "\(device):\($0)" } ?? device }

    /// What the ruleset calls it.
    package var ruleName: String { "forward \(name)" }
}

extension Forward: CustomStringConvertible {
    /// `web tcp 8080 to nas:80, from 203.0.113.0/24`.
    package var description: String {
        let parts: [String?] = [
            "\(name) \(transport.rawValue) \(port) to \(target)", source.map { "from \($0)" },
            until.map { "until \(Opening.time($0))" },
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}
