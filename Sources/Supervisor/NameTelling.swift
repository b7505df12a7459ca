package import Address

/// An address that the names role is about to tell of a name, about which there is a rule.
package struct NameTelling: Codable, Hashable, Sendable {
    /// The rule's number.
    package var rule: Int
    package var address: IPAddress
    /// For so long the rule is about the address.
    package var seconds: Int

    package init(rule: Int, address: IPAddress, seconds: Int) {
        self.rule = rule
        self.address = address
        self.seconds = seconds
    }
}
