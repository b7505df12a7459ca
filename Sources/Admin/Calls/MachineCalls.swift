package import Policy

/// The calls about the machine itself.
enum MachineCalls {
    static let all: [any Call.Type] = [GetMachine.self]
}

package struct GetMachine: Call {
    package static let documentation = """
        The machine's network interfaces, and which of them look like the home's and the internet's.
        proposal: null: no interface has an address on which proxies could listen.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var interfaces: [NetworkInterface]
        package var proposal: Sides?

        package init(interfaces: [NetworkInterface], proposal: Sides?) {
            self.interfaces = interfaces
            self.proposal = proposal
        }
    }

    package init() {}
}

/// A network interface, as far as `setup` has to know it.
package struct NetworkInterface: Codable, Hashable, Sendable {
    package var name: String
    /// ADDRESS/PREFIX each.
    package var addresses: [String]
    package var hasCarrier: Bool
    package var hasDefaultRoute: Bool
    package var zone: String?

    package init(
        name: String, addresses: [String], hasCarrier: Bool, hasDefaultRoute: Bool, zone: String?
    ) {
        self.name = name
        self.addresses = addresses
        self.hasCarrier = hasCarrier
        self.hasDefaultRoute = hasDefaultRoute
        self.zone = zone
    }
}
