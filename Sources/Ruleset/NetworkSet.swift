package import Address

/// The networks of a blocklist, of one family: a set of the table's that a rule looks into (`Match.sourceAmong`). Two are the same
/// if the same content finds their networks, so that a hundred thousand of them are neither compared nor read back.
package struct NetworkSet: Sendable {
    package let family: Match.Family
    /// By what the gateway finds the networks. Other networks have another.
    package let content: String
    /// Empty where nobody has to know them.
    package let ranges: AddressRanges

    package init(family: Match.Family, content: String, ranges: AddressRanges) {
        self.family = family
        self.content = content
        self.ranges = ranges
    }

    package var name: String { "networks_\(family)_\(content)" }
}

extension NetworkSet: Hashable {
    package static func == (left: Self, right: Self) -> Bool {
        left.family == right.family && left.content == right.content
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(family)
        hasher.combine(content)
    }
}

extension NetworkSet: CustomStringConvertible {
    /// Without the networks, of which there may be a hundred thousand.
    package var description: String {
        let count = family == .ipv4 ? ranges.ipv4.count : ranges.ipv6.count
        return """
            \tset \(name) {
            \t\t# its \(count) ranges of addresses are not shown
            \t\ttype \(family == .ipv4 ? "ipv4_addr" : "ipv6_addr")
            \t\tflags interval
            \t}

            """
    }
}
