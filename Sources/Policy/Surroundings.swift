package import Address

/// The facts about the machine on which decisions depend, as the supervisor read them from the kernel.
package struct Surroundings: Codable, Hashable, Sendable {
    package struct Interface: Codable, Hashable, Sendable {
        package var name: String
        /// Each address with the prefix of its network. Not the network alone: the address's host bits are kept.
        package var addresses: [Address]

        package init(name: String, addresses: [Address]) {
            self.name = name
            self.addresses = addresses
        }
    }

    package struct Address: Codable, Hashable, Sendable {
        package var address: IPAddress
        package var prefix: Int

        package init(address: IPAddress, prefix: Int) {
            self.address = address
            self.prefix = prefix
        }
    }

    package var interfaces: [Interface]

    package init(interfaces: [Interface] = []) {
        self.interfaces = interfaces
    }

    /// The interface that holds `address`.
    package func interface(holding address: IPAddress) -> Interface? {
        interfaces.first { $0.holds(address) }
    }

    /// The networks on which `interfaces` are, those of link-local addresses left out.
    package func networks(of interfaces: [String]) -> [Network] {
        self.interfaces.filter { interfaces.contains($0.name) }.flatMap(\.addresses)
            .filter { $0.address.special != .linkLocal }
            .map { Network($0.address, prefix: $0.prefix) }
    }
}

extension Surroundings.Interface {
    package func holds(_ address: IPAddress) -> Bool { addresses.contains { $0.address == address } }
}
