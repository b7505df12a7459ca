import Policy
import Testing

@testable import Store

@Suite struct `The tables` {
    /// A property without a column is lost with the next restart, and nothing says so.
    @Test func `have a column for each stored property of what they hold`() throws {
        let policy = Policy.example
        let things: [(String, Any?)] = [
            ("zone", policy.zones.first), ("listener", policy.listeners.first), ("user", policy.users.first),
            ("rule", policy.rules.first), ("usage_limit", policy.limits.first), ("opening", policy.openings.first),
            ("device", policy.devices.first), ("passage", policy.passages.first), ("forward", policy.forwards.first),
        ]
        for (name, thing) in things {
            let relation = try #require(Relation.all.first { $0.name == name })
            let properties = leaves(of: try #require(thing))
            #expect(relation.columns.count == properties.count, "\(name): \(relation.columns) for \(properties)")
        }
    }

    private func leaves(of thing: Any) -> [String] {
        Mirror(reflecting: thing).children.flatMap { child -> [String] in
            child.value is Listener.SOCKSOptions ? leaves(of: child.value) : [child.label ?? ""]
        }
    }
}
