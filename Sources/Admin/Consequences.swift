package import Address
package import Policy

/// Whom a change of the firewall's rules cuts off.
package struct Consequences: Codable, Hashable, Sendable {
    package var cuts: [Cut]
    package var endangered: [Endangered]
    package var duties: [String]
    package var endings: [String]

    package init(
        cuts: [Cut] = [], endangered: [Endangered] = [], duties: [String] = [], endings: [String] = []
    ) {
        self.cuts = cuts
        self.endangered = endangered
        self.duties = duties
        self.endings = endings
    }

    package var isEmpty: Bool { cuts.isEmpty && endangered.isEmpty && duties.isEmpty && endings.isEmpty }
}

/// A service of the machine that could be reached before the change and not after it.
package struct Cut: Codable, Hashable, Sendable {
    package var transport: Opening.Transport
    package var port: UInt16
    package var interfaces: [String]
    package var unit: String?

    package init(transport: Opening.Transport, port: UInt16, interfaces: [String], unit: String? = nil) {
        self.transport = transport
        self.port = port
        self.interfaces = interfaces
        self.unit = unit
    }
}

/// A connection that now comes in to the machine and could not be made anew after the change.
package struct Endangered: Codable, Hashable, Sendable, CustomStringConvertible {
    package var client: IPAddress
    package var port: UInt16
    package var interface: String?

    package init(client: IPAddress, port: UInt16, interface: String? = nil) {
        self.client = client
        self.port = port
        self.interface = interface
    }

    package var description: String { "\(client) to port \(port)" + (interface.map { ", by \($0)" } ?? "") }
}

/// A change that is taken back unless it is confirmed.
package struct Trial: Codable, Hashable, Sendable {
    package var revision: Int
    package var seconds: Int
    package var endangered: [Endangered]
    package var endings: [String]

    package init(revision: Int, seconds: Int, endangered: [Endangered], endings: [String] = []) {
        self.revision = revision
        self.seconds = seconds
        self.endangered = endangered
        self.endings = endings
    }
}
