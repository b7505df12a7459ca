package import Address
package import Wire

/// What the box itself knows and refuses, before any name server is asked.
package struct Knowledge: Sendable {
    package var home: HomeNames
    package var filter: NameFilter
    /// Whether an address is no place on the internet, so that no answer from there may lead to it: a page could otherwise
    /// have a browser of the home talk to a device of the home (DNS rebinding).
    package var isInside: @Sendable (IPAddress) -> Bool
    /// The domains whose answers may lead inside.
    package var trusted: Set<DNSName>
    /// The names, each with all that is below it, of which somebody is to know the addresses before anybody is told them
    /// (`Responder.announce`).
    package var announced: NameSet
    /// How many questions somebody may ask in a second; nil: any number.
    package var questionsPerSecond: @Sendable (Visitor) -> Int?

    package init(
        home: HomeNames = .none, filter: NameFilter = .none, trusted: Set<DNSName> = [], announced: NameSet = .empty,
        isInside: @escaping @Sendable (IPAddress) -> Bool = { _ in false },
        questionsPerSecond: @escaping @Sendable (Visitor) -> Int? = { _ in nil }
    ) {
        self.home = home
        self.filter = filter
        self.trusted = trusted
        self.announced = announced
        self.questionsPerSecond = questionsPerSecond
        self.isInside = isInside
    }

    /// Why `answer` is not given to anybody; nil: it may be.
    func objection(to answer: DNSAnswer, about name: DNSName) -> DNSExplanation? {
        guard answer.addresses.contains(where: isInside), !isTrusted(name) else { return nil }
        return .blocked(by: "the answer of the name server leads into this network")
    }

    private func isTrusted(_ name: DNSName) -> Bool {
        guard !trusted.isEmpty else { return false }
        var next: DNSName? = name
        while let name = next {
            if trusted.contains(name) { return true }
            next = name.parent
        }
        return false
    }
}
