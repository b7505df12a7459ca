package import Address

/// A name that a rule denies to who asked for it.
package struct NameDenial: Codable, Hashable, Sendable {
    /// The rule's number.
    package var rule: Int
    /// The number of the device; 0: nobody knows which it is.
    package var member: UInt16
    /// Where the question came from.
    package var client: IPAddress
    package var name: String

    package init(rule: Int, member: UInt16, client: IPAddress, name: String) {
        self.rule = rule
        self.member = member
        self.client = client
        self.name = name
    }
}
