import Address
import Glibc
import Policy

/// What happens, until the store has it. Bounded: what floods is told by its number.
struct Chronicler {
    /// Of one kind, within a minute.
    static let perMinute = 30
    /// Entries that wait, as while the store cannot be written.
    static let capacity = 500

    private(set) var waiting: [ChronicleEntry] = []
    private var counts: [ChronicleEntry.Kind: (minute: Int, count: Int)] = [:]
    /// What was told of the interfaces last, by name; nil: nothing yet.
    private var links: [String: Link]?

    private struct Link: Equatable {
        var addresses: [String]
        var hasCarrier: Bool
    }

    /// Adds an entry, unless there were too many of its kind within the minute; the first one too many says so.
    mutating func note(_ kind: ChronicleEntry.Kind, _ text: String, at time: Int) {
        var (minute, count) = counts[kind] ?? (0, 0)
        if minute != time / 60 { (minute, count) = (time / 60, 0) }
        count += 1
        counts[kind] = (minute, count)
        guard count <= Self.perMinute + 1, waiting.count < Self.capacity else { return }
        let isLast = count == Self.perMinute + 1
        waiting.append(
            ChronicleEntry(
                time: time, kind: kind, text: isLast ? "more of this kind within a minute than are told" : text))
    }

    /// Notes what is different about the interfaces of zones: an address, a cable.
    mutating func note(_ surroundings: Surroundings, _ policy: Policy, at time: Int) {
        var current: [String: Link] = [:]
        for interface in surroundings.interfaces where policy.zone(of: interface.name) != nil {
            let addresses = interface.addresses.filter { $0.address.special != .linkLocal }.map(\.description)
            current[interface.name] = Link(addresses: addresses.sorted(), hasCarrier: interface.hasCarrier)
        }
        defer { links = current }
        guard let links else { return }
        for name in Set(links.keys).union(current.keys).sorted() {
            let zone = policy.zone(of: name)?.name
            let shown = zone.map { "\(name) (\($0))" } ?? name
            // An interface that has just come into a zone is the operator's doing.
            guard let before = links[name] else { continue }
            guard let after = current[name] else {
                if zone != nil { note(.address, "\(shown) is gone", at: time) }
                continue
            }
            if before.hasCarrier != after.hasCarrier {
                let text =
                    after.hasCarrier ? "somebody is at the other end" : "nobody is at the other end: cable or Wi-Fi"
                note(.address, "\(shown): \(text)", at: time)
            }
            let gone = before.addresses.filter { !after.addresses.contains($0) }
            let new = after.addresses.filter { !before.addresses.contains($0) }
            if !gone.isEmpty { note(.address, "\(shown) has no longer \(gone.joined(separator: " "))", at: time) }
            if !new.isEmpty { note(.address, "\(shown) has \(new.joined(separator: " ")) now", at: time) }
        }
    }

    /// The store has them.
    mutating func forget(_ count: Int) { waiting.removeFirst(min(count, waiting.count)) }
}
