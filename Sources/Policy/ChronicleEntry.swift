/// Something that happened to the gateway or around it and that no revision tells. What was decided and what happened are shown
/// on one time line: what changed before it broke.
package struct ChronicleEntry: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
        /// The daemon started or stopped.
        case daemon
        /// A role ended, and is started again.
        case role
        /// A port of the machine began to listen, or ended.
        case port
        /// A device that was never seen before.
        case device
        /// An address of the machine came or went.
        case address
        /// Somebody laid hands on the kernel's table, or it could not be put in force.
        case firewall
        /// Somebody seems to be guessing passwords.
        case login
        /// A program of the machine began what egress does not let out.
        case egress
        /// A source was banned, or is no longer.
        case ban
        /// A device asked for a name that a rule denies.
        case name
    }

    /// Seconds since 1970, UTC.
    package var time: Int
    package var kind: Kind
    /// A phrase.
    package var text: String

    package init(time: Int, kind: Kind, text: String) {
        self.time = time
        self.kind = kind
        self.text = text
    }
}
