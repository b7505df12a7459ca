package import Address
import FoundationEssentials
import Machine
import Policy

// What the supervisor and a role tell each other: one JSON object a packet. Both ends are the same binary, so there is one
// version of it; what does not parse ends the process that sent it. What knows no bound, such as a ruleset or a list,
// travels in a sealed memfd.

/// From the supervisor to a role. Each is answered by an `Answer` with the same serial number.
struct Order: Codable {
    var serial: Int
    var verb: Verb

    enum Verb: Codable {
        /// The first one: drop privileges, then answer.
        case begin(Beginning)
        /// Here is a listening socket (one descriptor comes along); it is of use only once an assignment names it.
        case offer(Endpoint)
        /// Get ready for a share (an assignment in a sealed memfd comes along), changing nothing yet.
        case stage
        /// Do as staged.
        case commit
        /// Forget what was offered and staged since the last commit.
        case abort
        /// A relay: from now on ask these for names. Hosts come along in a sealed memfd if they are others than before.
        case names(NameServerList)
        /// Accept nothing more; answer when every session has ended, or after so many milliseconds.
        case drain(milliseconds: Int)
        /// A relay: accept nothing more, and end by yourself when every session has ended, or after so many milliseconds.
        /// The supervisor's own end is not yours.
        case outlive(milliseconds: Int)
        /// Tell how things stand (the answer brings a `Report` in a sealed memfd).
        case report
        /// Tell which sessions there are (the answer brings a `SessionList` in a sealed memfd).
        case sessions(SessionQuery)
        /// Tell what came of sessions lately (the answer brings a `SessionLogList` in a sealed memfd).
        case sessionLog(SessionLogQuery)
        /// End the sessions of a `SessionSelection` (in a sealed memfd that comes along); the answer says how many they were.
        case endSessions
    }
}

/// Who a role is to become.
struct Beginning: Codable {
    /// nil: the user that the supervisor runs as.
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
    /// Why the order was not carried out.
    var refusal: String?
    var count: Int?
}

/// From a role to the supervisor, unasked. Nobody answers. A role sends no more than `EventLine.rate` of them.
package enum Event: Codable, Hashable, Sendable {
    /// Somebody took the table from the kernel, or altered it. nil: it could not be put back.
    case tableLost(detail: String, putBackAfterMilliseconds: Int?)
    /// An interface or an address came, went or changed.
    case surroundingsChanged
    /// Several wrong passwords came from one place lately, the last from this client and for this user.
    case wrongLogins(client: IPAddress, user: String, count: Int)
}

/// One packet from a role.
enum Word: Codable {
    case answer(Answer)
    case event(Event)
}

/// What the kernel holds of the firewall role's table, by the role's own look.
package enum KernelState: Codable, Hashable, Sendable {
    /// No ruleset has been committed yet.
    case starting
    /// The ruleset, as it is to be.
    case held
    /// No table, though there is to be one.
    case absent
    /// Another table of our name than there is to be.
    case different(detail: String)
    /// A table of our name, though none is to be there.
    case left(detail: String)
    /// No table, as it is to be.
    case observing
    /// The kernel refused the first ruleset.
    case failed(reason: String)
    /// The kernel cannot be asked.
    case unknown(reason: String)
}

/// What the firewall role has to say for itself.
package struct Report: Codable, Sendable {
    /// What a rule that is counted has seen.
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
    /// What the kernel holds or would hold, as nft prints it; empty: no ruleset yet.
    package var ruleset: String
    package var counts: [Count]
    /// A sentence for each foreign table that stands in our way, or opens what we shut.
    package var foreign: [String]

    package init(kernel: KernelState, ruleset: String = "", counts: [Count] = [], foreign: [String] = []) {
        self.kernel = kernel
        self.ruleset = ruleset
        self.counts = counts
        self.foreign = foreign
    }
}

/// JSON to bytes and back.
enum Message {
    /// What is larger, in a memfd, is none of ours.
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
