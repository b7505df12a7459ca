package import Address
import FoundationEssentials
import Machine
package import Policy
package import Ruleset

// The messages between the supervisor and a role: one JSON object a packet. Both ends are the same binary, so there is one
// version; a message that does not parse ends the process that sent it. Payloads without a bound, such as a ruleset or a
// list, travel in a sealed memfd.

/// From the supervisor to a role. The role sends an `Answer` with the same serial number.
struct Order: Codable {
    var serial: Int
    var verb: Verb

    enum Verb: Codable {
        /// The first order: drop privileges, then answer.
        case begin(Beginning)
        /// Take a listening socket, which a later assignment will name. One descriptor comes along, or two, of which the second
        /// is a UDP socket.
        case offer(Endpoint)
        /// Take the names of a blocklist (a sealed memfd comes along), which a later assignment will name by this.
        case lend(String)
        /// Get ready for a share (an assignment in a sealed memfd comes along), changing nothing yet.
        case stage
        /// Put the staged share in force.
        case commit
        /// Forget the sockets and the share that came since the last commit.
        case abort
        /// For a relay: ask these name servers from now on. Hosts come along in a sealed memfd if they have changed.
        case names(NameServerList)
        /// Accept nothing more; answer when every session has ended, or after so many milliseconds.
        case drain(milliseconds: Int)
        /// For a relay: accept nothing more, outlive the supervisor, and exit when every session has ended, or after so many
        /// milliseconds.
        case outlive(milliseconds: Int)
        /// Tell how things stand (the answer brings a `Report` in a sealed memfd).
        case report
        /// Tell which sessions there are (the answer brings a `SessionList` in a sealed memfd).
        case sessions(SessionQuery)
        /// Tell what came of sessions lately (the answer brings a `SessionLogList` in a sealed memfd).
        case sessionLog(SessionLogQuery)
        /// Tell which names were refused to whom (the answer brings a list of `NameRefusal` in a sealed memfd).
        case nameRefusals
        /// For the names role: tell which addresses devices that are watched were given for which names (the answer brings a list of
        /// `ToldName` in a sealed memfd).
        case toldNames
        /// Tell how much went for each device (the answer brings a list of `DeviceTraffic` in a sealed memfd).
        case traffic
        /// For the firewall role: elements come into live sets, and go (a list of `LiveChange` in a sealed memfd comes along). Whole:
        /// the sets hold nothing else.
        case elements(isWhole: Bool)
        /// For the firewall role: tell how many packets the bans have stopped (the answer brings numbers by the sources' addresses, in
        /// a sealed memfd).
        case stoppedPackets
        /// For the firewall role: tell which packets were dropped lately (the answer brings a list of `DroppedPacket` in a sealed memfd).
        case droppedPackets
        /// For the firewall role: tell what the box began since that was told last (the answer brings a list of `HeldDeparture` in a
        /// sealed memfd).
        case heldDepartures
        /// For a relay: the pinholes of the plea of that number are open, or why they are not.
        case granted(Int, refusal: String?)
        /// For the names role: the kernel has what the event of this number brought, or cannot have it.
        case confirm(Int)
        /// End the sessions of a `SessionSelection` (in a sealed memfd that comes along); the answer says how many they were.
        case endSessions
    }
}

/// The user that a role is to become, and its log level.
struct Beginning: Codable {
    /// nil: the supervisor's own user.
    var user: UnixUser?
    var logLevel: String
    /// Bytes that the role may have in memory.
    var memory: Int
}

struct UnixUser: Codable {
    var name: String
    var uid: UInt32
    var gid: UInt32
}

/// From a role to the supervisor.
struct Answer: Codable {
    var serial: Int
    /// Why the order was not carried out. nil: it was.
    var refusal: String?
    var count: Int?
}

/// From a role to the supervisor, unasked and unanswered. A role sends no more than `EventLine.rate` of them.
package enum Event: Codable, Hashable, Sendable {
    /// The table was deleted or altered by somebody else. nil: it could not be put back.
    case tableLost(detail: String, putBackAfterMilliseconds: Int?)
    /// An interface or an address came, went or changed.
    case surroundingsChanged
    /// Somebody came, went or took another address on a link.
    case neighboursChanged
    /// The names role is about to tell these addresses, and waits for the order `confirm` with this number.
    case named([NameTelling], serial: Int)
    /// A program of the box began something that nothing lets out, so many times since that was told last.
    case departed(Departure, count: Int)
    /// Devices that are watched went somewhere, or were refused.
    case visited([DeviceVisit])
    /// Several wrong passwords came from one place lately, the last from this client and for this user.
    case wrongLogins(client: IPAddress, user: String, count: Int)
    /// Somebody asked for a name that a rule denies.
    case denied(NameDenial)
    /// A source did what may lead to a ban.
    case offence(Ruleset.Notice, source: IPAddress)
}

/// One packet from a role.
enum Word: Codable {
    case answer(Answer)
    case event(Event)
    case plea(Plea)
}

/// What the kernel holds under the name of our table, as the firewall role has read it.
package enum KernelState: Codable, Hashable, Sendable {
    /// No ruleset has been committed yet.
    case starting
    /// The kernel holds the ruleset in force.
    case held
    /// There is no table, although one is to be there.
    case absent
    /// The table differs from the ruleset in force.
    case different(detail: String)
    /// There is a table of our name, although none is to be there.
    case left(detail: String)
    /// There is no table, and none is to be there.
    case observing
    /// The kernel refused the first ruleset.
    case failed(reason: String)
    /// The table cannot be read.
    case unknown(reason: String)
}

/// The firewall role's report.
package struct Report: Codable, Sendable {
    /// The counter of a rule.
    package struct Count: Codable, Hashable, Sendable {
        /// The rule's comment.
        package var rule: String
        package var packets: UInt64
        package var bytes: UInt64

        package init(rule: String, packets: UInt64, bytes: UInt64) {
            self.rule = rule
            self.packets = packets
            self.bytes = bytes
        }
    }

    package var kernel: KernelState
    /// The ruleset in force, or the one that enforcing would load, as nft prints it; empty: there is none yet.
    package var ruleset: String
    package var counts: [Count]
    /// A sentence for each foreign table that drops our clients, or opens what ours shuts.
    package var foreign: [String]
    /// What foreign tables lead on elsewhere.
    package var published: [PublishedPort] = []
    /// The chains of foreign tables at which packets may end that ours lets through.
    package var strict: [StrictChain] = []

    package init(kernel: KernelState, ruleset: String = "", counts: [Count] = [], foreign: [String] = []) {
        self.kernel = kernel
        self.ruleset = ruleset
        self.counts = counts
        self.foreign = foreign
    }
}

/// JSON to bytes and back.
enum Message {
    /// The longest payload of a memfd that is read.
    static let limit = 64 << 20

    static func encode(_ value: some Encodable) -> [UInt8] {
        // Encoding plain values of our own cannot fail.
        // swift-format-ignore: NeverUseForceTry
        Array(try! JSONEncoder().encode(value))
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) -> Value? {
        try? JSONDecoder().decode(type, from: Data(bytes))
    }
}
