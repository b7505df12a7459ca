/// How the gateway's door stands: what the kernel is to hold, and whether it does. Status, `firewall show`, the journal, the
/// service manager and exit codes all speak from it.
package enum DoorState: Hashable, Sendable {
    /// The daemon runs without a firewall.
    case off
    /// No ruleset has been tried yet.
    case starting
    /// The kernel holds the ruleset of the policy in force.
    case enforced
    /// The ruleset is shown only.
    case observing
    /// Nothing is asked of the kernel, which holds a table of ours from before.
    case left(why: String)
    /// Nothing is asked of the kernel, and what it holds cannot be read.
    case unknown(why: String)
    /// The store cannot be read; the kernel holds the last ruleset that is known, or, where none was ever enforced, nothing.
    case fallback(why: String)
    /// The kernel does not hold the ruleset in force.
    case refused(why: String)
    /// The ruleset in force is on trial and falls back at `until` (seconds since 1970) if nobody confirms it.
    case trial(until: Int)

    /// The state in one word.
    package enum Name: String, Codable, Hashable, Sendable, CaseIterable {
        case off, starting, enforced, observing, left, unknown, fallback, refused, trial
    }

    package var name: Name {
        switch self {
        case .off: .off
        case .starting: .starting
        case .enforced: .enforced
        case .observing: .observing
        case .left: .left
        case .unknown: .unknown
        case .fallback: .fallback
        case .refused: .refused
        case .trial: .trial
        }
    }

    /// The reason, of a state that has one.
    package var why: String? {
        switch self {
        case .left(let why), .unknown(let why), .fallback(let why), .refused(let why): why
        case .off, .starting, .enforced, .observing, .trial: nil
        }
    }

    /// The same state with another reason, if it has one.
    package func explained(by why: String) -> DoorState {
        switch self {
        case .left: .left(why: why)
        case .unknown: .unknown(why: why)
        case .fallback: .fallback(why: why)
        case .refused: .refused(why: why)
        case .off, .starting, .enforced, .observing, .trial: self
        }
    }

    /// Whether somebody has to look after it: monitoring is told.
    package var isFault: Bool {
        switch self {
        case .fallback, .refused: true
        case .off, .starting, .enforced, .observing, .left, .unknown, .trial: false
        }
    }

    /// Whether the kernel holds the ruleset that is shown.
    package var isHeld: Bool {
        switch self {
        case .enforced, .trial: true
        case .off, .starting, .observing, .left, .unknown, .fallback, .refused: false
        }
    }
}

/// A sentence.
extension DoorState: CustomStringConvertible {
    package var description: String {
        switch self {
        case .off: "gatehoused runs with --firewall off"
        case .starting: "no ruleset has been tried yet"
        case .enforced: "the kernel holds the ruleset"
        case .observing: "the ruleset is shown only; nothing is filtered"
        case .left(let why): why
        case .unknown(let why): "nobody knows what the kernel holds: \(why)"
        case .fallback(let why): why
        case .refused(let why): "the kernel does NOT hold this ruleset: \(why)"
        case .trial: "the kernel holds the ruleset on trial; `gatehousectl confirm` keeps it"
        }
    }
}

/// As an object: `state`, and where there are such `why` and `until`.
extension DoorState: Codable {
    private enum Key: String, CodingKey {
        case state, why, until
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        func why() throws -> String { try fields.decode(String.self, forKey: .why) }
        self =
            switch try fields.decode(Name.self, forKey: .state) {
            case .off: .off
            case .starting: .starting
            case .enforced: .enforced
            case .observing: .observing
            case .left: .left(why: try why())
            case .unknown: .unknown(why: try why())
            case .fallback: .fallback(why: try why())
            case .refused: .refused(why: try why())
            case .trial: .trial(until: try fields.decode(Int.self, forKey: .until))
            }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(name, forKey: .state)
        try fields.encodeIfPresent(why, forKey: .why)
        if case .trial(let until) = self { try fields.encode(until, forKey: .until) }
    }
}
