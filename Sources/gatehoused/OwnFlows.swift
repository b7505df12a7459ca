import Address
import Logging
import Machine
import Ruleset
import Supervisor

/// What this machine itself has begun with others and is under way. A rule behind "answers" ends none of it.
struct OwnFlows {
    /// The machine's own.
    let addresses: Set<IPAddress>
    let log: Logger

    /// Ends what `isMeant` says of, given the packet that would begin it now, and of a TCP connection its socket's cookie. What others
    /// have begun is not asked about, and neither is what stays on this machine.
    ///
    /// - Parameter what: what it is that is ended, for the log.
    func end(_ what: String, where isMeant: (Packet, UInt64?) -> Bool) {
        var ending = Ending(of: what, log)
        for conversation in OwnConversation.current(of: addresses) {
            let packets = conversation.beginnings { ending.interface(towards: $0) }
            guard !packets.isEmpty, packets.allSatisfy({ isMeant($0, conversation.cookie) }) else { continue }
            ending.carryOut("\(conversation.local) to \(conversation.remote)") { () throws(MachineFailure) in
                try conversation.end()
            }
        }
    }
}
