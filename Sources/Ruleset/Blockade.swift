import Address
import Policy

/// What comes of the blocklists of networks: nothing begins with them, in the directions that each list names. What is under way
/// is ended as everything that is no longer let in.
struct Blockade {
    private let lists: [(list: Blocklist, sets: [NetworkSet])]

    static let none = Blockade(Policy()) { _ in nil }

    /// - Parameter networks: those of a list, by its content; nil: they cannot be had, and a set of that name is not to stand for them.
    init(_ policy: Policy, _ networks: (String) -> AddressRanges?) {
        lists = policy.networkLists.compactMap { list in
            guard let ranges = networks(list.content) else { return nil }
            return (
                list,
                [Match.Family.ipv4, .ipv6].map { NetworkSet(family: $0, content: list.content, ranges: ranges) }
            )
        }
    }

    /// What comes in by `internet`.
    func entrance(by internet: [String]) -> [Ruleset.Rule] {
        guard !internet.isEmpty else { return [] }
        return incoming.map { list, set in
            Ruleset.Rule(
                [.inputInterface(internet), .sourceAmong(set)], .goto(list.entranceBarrier), comment: list.ruleName)
        }
    }

    /// In a chain that only sees what comes from the internet.
    var entrance: [Ruleset.Rule] {
        incoming.map { list, set in
            Ruleset.Rule([.sourceAmong(set)], .goto(list.entranceBarrier), comment: list.ruleName)
        }
    }

    /// In a chain that only sees what devices begin towards the internet.
    var exit: [Ruleset.Rule] {
        outgoing.map { list, set in
            Ruleset.Rule([.destinationAmong(set)], .goto(list.exitBarrier), comment: list.ruleName)
        }
    }

    /// To which the rules lead that ask about the lists: those of `entrance` and those of `exit`.
    var barriers: (entrance: [Ruleset.Chain], exit: [Ruleset.Chain]) {
        let lists = lists.map(\.list)
        return (
            lists.filter { $0.direction != .out }.map { Ruleset.barrier($0.entranceBarrier, for: $0.ruleName) },
            lists.filter { $0.direction != .in }.map { Ruleset.refusal($0.exitBarrier, for: $0.ruleName) }
        )
    }

    /// What the box itself begins, the proxies for their clients as well.
    ///
    /// - Parameter networks: the internet's side of the box itself, where its router and its name servers may be.
    func exits(to internet: [String], sparing networks: [Network]) -> [Ruleset.Rule] {
        guard !internet.isEmpty, !outgoing.isEmpty else { return [] }
        return networks.map {
            Ruleset.Rule([.outputInterface(internet), .destination($0)], .return, comment: "the router's own network")
        }
            + outgoing.map { list, set in
                Ruleset.Rule(
                    [.outputInterface(internet), .destinationAmong(set)], isCounted: true,
                    decision: .refuse(.prohibited), comment: list.ruleName)
            }
    }

    private var incoming: [(Blocklist, NetworkSet)] {
        lists.flatMap { list, sets in list.direction == .out ? [] : sets.map { (list, $0) } }
    }

    private var outgoing: [(Blocklist, NetworkSet)] {
        lists.flatMap { list, sets in list.direction == .in ? [] : sets.map { (list, $0) } }
    }
}

extension Blocklist {
    /// A chain's name has no hyphen in it (nft(8)), and a list's may have; a dot has none.
    fileprivate var entranceBarrier: String { "list_in_" + name.replacing("-", with: ".") }
    fileprivate var exitBarrier: String { "list_out_" + name.replacing("-", with: ".") }
}
