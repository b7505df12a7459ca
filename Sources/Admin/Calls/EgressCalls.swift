package import Policy

/// The calls about what the box itself begins.
enum EgressCalls {
    static let all: [any Call.Type] = [GetEgress.self, SetEgress.self, AddExit.self, RemoveExit.self]
}

package struct GetEgress: Call {
    package static let documentation = """
        What the box itself may begin, and what it began that nothing lets out.
        packets: what each exit has let out, in the order of the exits; null: it is not known.
        sightings: since the daemon started, the latest last; the oldest of too many are left out.
        accounts: the names of the accounts that the sightings name.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var mode: EgressMode
        package var exits: [Exit]
        package var packets: [Int]?
        package var sightings: [DepartureSighting]
        package var accounts: [Account]

        package init(
            mode: EgressMode, exits: [Exit], packets: [Int]?, sightings: [DepartureSighting], accounts: [Account]
        ) {
            self.mode = mode
            self.exits = exits
            self.packets = packets
            self.sightings = sightings
            self.accounts = accounts
        }
    }

    package struct Account: Codable, Hashable, Sendable {
        package var number: UInt32
        package var name: String

        package init(number: UInt32, name: String) {
            self.number = number
            self.name = name
        }
    }

    package init() {}
}

package struct SetEgress: Call {
    package typealias Reply = Applied
    package static let documentation = """
        What becomes of what the box itself begins and nothing lets out. What is under way and could not be begun then ends.
        """

    package var mode: EgressMode

    package init(mode: EgressMode) { self.mode = mode }
}

package struct AddExit: Call {
    package typealias Reply = Applied
    package static let documentation = "Lets programs of the box itself begin something where egress is strict."

    package var exit: Exit

    package init(exit: Exit) { self.exit = exit }
}

package struct RemoveExit: Call {
    package typealias Reply = Applied
    package static let documentation =
        "Takes an exit back, by its name. What went out by it ends where egress is strict."

    package var name: String

    package init(name: String) { self.name = name }
}
