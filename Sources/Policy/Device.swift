package import Address

/// What the operator decided about a device of the home. A device about which nothing was decided has no entry.
package struct Device: Codable, Hashable, Sendable {
    /// Unique, and a host name: letters, digits and `-`, all in lower case, 63 at most (RFC 1123 §2.1).
    package var name: String
    /// By which it is known; unique.
    package var hardware: HardwareAddress
    /// nil: as its zone has it.
    package var way: Way?
    /// The IPv4 address that it is always given; nil: whichever is free.
    package var address: IPAddress?
    /// nil: it is not paused.
    package var pause: Pause?
    /// The hours in which it is allowed; nil: all.
    package var schedule: Schedule?

    package init(
        name: String, hardware: HardwareAddress, way: Way? = nil, address: IPAddress? = nil, pause: Pause? = nil,
        schedule: Schedule? = nil
    ) {
        self.name = name
        self.hardware = hardware
        self.way = way
        self.address = address
        self.pause = pause
        self.schedule = schedule
    }

    /// How long a device gets nothing.
    package enum Pause: Hashable, Sendable {
        /// Until the operator ends it.
        case forever
        /// Seconds since 1970, UTC.
        case until(Int)
    }
}

extension Device.Pause: CustomStringConvertible, LosslessStringConvertible, Codable {
    /// `forever`, or seconds since 1970.
    package init?(_ description: String) {
        if description == "forever" {
            self = .forever
        } else {
            guard let seconds = Int(description), seconds >= 0 else { return nil }
            self = .until(seconds)
        }
    }

    package var description: String {
        switch self {
        case .forever: "forever"
        case .until(let seconds): "\(seconds)"
        }
    }

    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
