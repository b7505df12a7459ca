package import Address
package import Policy

/// The calls that ask what would become of something.
enum WhyCalls {
    static let all: [any Call.Type] = [Explain.self]
}

package struct Explain: Call {
    package static let documentation = """
        The way that somebody's packets to somewhere would take through the gateway, by the code that decides about real ones.
        source: a device by its name or hardware address, an address, internet, or gateway.
        user: where the source is gateway, the account of the program; null: root.
        destination: a name, an address, a device, or gateway.
        knownAddresses: those that the destination's name has; empty or null where it is no name, or has none.
        port: null: 443.
        transport: null: tcp.
        isReached: by one way or another, as far as this gateway decides.
        unless: the chains of other tables that may drop it all the same, by rules that nobody here reads.
        verdict: how, or why not, in a sentence.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var steps: [Step]
        package var isReached: Bool
        package var verdict: String
        package var unless: [String]

        package init(steps: [Step], isReached: Bool, verdict: String, unless: [String] = []) {
            self.steps = steps
            self.isReached = isReached
            self.verdict = verdict
            self.unless = unless
        }
    }

    package var source: String
    package var destination: String
    package var knownAddresses: [IPAddress]?
    package var port: UInt16?
    package var transport: Opening.Transport?
    package var user: String?

    package init(
        source: String, destination: String, knownAddresses: [IPAddress]? = nil, port: UInt16? = nil,
        transport: Opening.Transport? = nil, user: String? = nil
    ) {
        self.source = source
        self.destination = destination
        self.knownAddresses = knownAddresses
        self.port = port
        self.transport = transport
        self.user = user
    }
}

package struct Step: InterfaceType, Hashable, Sendable {
    package enum Outcome: String, InterfaceEnumeration, Hashable, Sendable {
        case goesOn, stops, tells

        package static let interfaceName = "StepOutcome"
        package static let documentation = """
            stops: this way ends here.
            tells: nothing is decided here.
            """
    }

    package static let documentation = """
        A place on the way at which something is decided or found out.
        place: which, in a word or two.
        text: what is found there, a phrase.
        revision: the one that brought what is found there; null: none did, or it cannot be told.
        """

    package var place: String
    package var outcome: Outcome
    package var text: String
    package var revision: Int?

    package init(_ place: String, _ outcome: Outcome, _ text: String, revision: Int? = nil) {
        self.place = place
        self.outcome = outcome
        self.text = text
        self.revision = revision
    }
}
