/// The accounts of the machine on which the programs run that begin something.
package struct LocalAccounts: Codable, Hashable, Sendable {
    /// By their names.
    package var numbers: [String: UInt32]
    /// The roles' that carry clients or ask for names; nil: it is not known.
    package var relays: UInt32?
    /// That of dnsmasq, where the gateway runs one; nil: it is not known.
    package var companion: UInt32?

    package init(numbers: [String: UInt32] = [:], relays: UInt32? = nil, companion: UInt32? = nil) {
        self.numbers = numbers
        self.relays = relays
        self.companion = companion
    }

    /// The number of an account, which may be named by it: a unit with DynamicUser=yes has no line in passwd(5). nil: there is none.
    package func number(of account: String) -> UInt32? { numbers[account] ?? UInt32(account) }

    /// What the account is called; its number, where it has no name.
    package func name(of number: UInt32) -> String {
        numbers.filter { $0.value == number }.map(\.key).min() ?? "\(number)"
    }
}
