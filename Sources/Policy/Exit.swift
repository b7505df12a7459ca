package import Address

/// Something that programs of the box itself may begin where egress is strict, beside what the gateway needs. What it does not name
/// it does not ask for.
package struct Exit: Codable, Hashable, Sendable {
    /// What the operator calls it; unique.
    package var name: String
    /// The name of the account that the program runs as; nil: whoever.
    package var user: String?
    /// nil: everywhere.
    package var destination: Network?
    /// Empty: everything.
    package var services: [Opening.Service]

    package init(name: String, user: String? = nil, destination: Network? = nil, services: [Opening.Service] = []) {
        self.name = name
        self.user = user
        self.destination = destination
        self.services = services
    }

    /// What the kernel's rules are called that are made of it.
    package var ruleName: String { "exit \(name)" }
}

extension Exit: CustomStringConvertible {
    /// `backup by root to 203.0.113.7 for tcp 22`.
    package var description: String {
        let parts = [
            user.map { "by \($0)" }, destination.map { "to \($0)" },
            services.isEmpty ? nil : "for \(services.map(\.description).joined(separator: ", "))",
        ]
        return ([name] + parts.compactMap(\.self)).joined(separator: " ")
    }
}

extension Policy {
    package mutating func add(_ exit: Exit) throws(Refusal) {
        guard !exits.contains(where: { $0.name == exit.name }) else {
            throw Refusal("there is an exit \(exit.name) already; `gatehousectl egress remove \(exit.name)` first")
        }
        try check(exit)
        exits.append(exit)
    }

    package mutating func removeExit(named name: String) throws(Refusal) {
        guard let index = exits.firstIndex(where: { $0.name == name }) else {
            throw Refusal("no exit \(name); `gatehousectl egress list` shows what there is")
        }
        exits.remove(at: index)
    }

    func check(_ exit: Exit) throws(Refusal) {
        guard !exit.name.isEmpty, exit.name.utf8.count <= 32, exit.name.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw Refusal("an exit's name is 1 to 32 letters, digits or signs without a space, like `backup`") }
        for (index, service) in exit.services.enumerated() where exit.services[..<index].contains(service) {
            throw Refusal("the exit \(exit.name) names \(service) twice")
        }
        if let user = exit.user {
            // useradd(8): what is no account's name would be refused by every box.
            let isName =
                (1...32).contains(user.utf8.count) && !user.hasPrefix("-")
                && user.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && ![0x22, 0x27, 0x2c, 0x2f, 0x3a].contains($0) }
            guard isName else { throw Refusal("\(user) is no name of an account; `getent passwd` lists them") }
        }
        if let destination = exit.destination { try Self.checkMatches(destination) }
        guard exit.user != nil || exit.destination != nil || !exit.services.isEmpty else {
            throw Refusal(
                "an exit names a user, a network or a port; `gatehousectl egress observe` lets everything out")
        }
    }
}
