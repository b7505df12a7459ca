package import Wire

/// Which names are refused, and to whom.
package struct NameFilter: Sendable {
    /// Lists by their places, one bit for each.
    package typealias Lists = UInt64

    package struct List: Sendable {
        package var name: String
        package var names: NameSet

        package init(name: String, names: NameSet) {
            self.name = name
            self.names = names
        }
    }

    package static let mostLists = 63
    /// The bit for names that rules are about.
    static let ruled: Lists = 1 << 63

    /// At most `mostLists`.
    package let lists: [List]
    /// The names, and those above which with all below them, that rules are about.
    private let ruledNames: NameSet
    /// The number of the rule by which a name that rules are about is refused to a visitor; nil: it is not.
    let ruling: @Sendable (_ name: DNSName, Visitor) -> Int?
    /// The lists that hold for everybody, for each zone and for each member of the household, by their numbers.
    private let general: Lists
    private let byZone: [UInt16: Lists]
    private let byMember: [UInt16: Lists]

    package static let none = NameFilter()

    package init(
        lists: [List] = [], general: Lists = 0, byZone: [UInt16: Lists] = [:], byMember: [UInt16: Lists] = [:],
        ruledNames: NameSet = .empty,
        ruling: @escaping @Sendable (DNSName, Visitor) -> Int? = { _, _ in nil }
    ) {
        self.lists = Array(lists.prefix(Self.mostLists))
        self.general = general
        self.byZone = byZone
        self.byMember = byMember
        self.ruledNames = ruledNames
        self.ruling = ruling
    }

    /// The lists that hold for a visitor.
    func lists(for visitor: Visitor) -> Lists {
        var all = general | Self.ruled
        if !byZone.isEmpty { all |= byZone[visitor.zone] ?? 0 }
        if !byMember.isEmpty, visitor.member != 0 { all |= byMember[visitor.member] ?? 0 }
        return all
    }

    /// The lists that `name` is on.
    func lists(with name: DNSName) -> Lists {
        var found: Lists = ruledNames.contains(name) ? Self.ruled : 0
        for (index, list) in lists.enumerated() where list.names.contains(name) { found |= 1 << Lists(index) }
        return found
    }
}
