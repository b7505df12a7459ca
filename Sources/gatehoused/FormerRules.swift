import Ruleset

/// Rules that were in force once, by which something may have begun that is under way.
struct FormerRules {
    let ruleset: Ruleset
    /// The ports at which the proxies and the names role listened.
    let listenerPorts: Set<UInt16>
    /// Whether of a trial the part is meant to which it falls back.
    var isTimeUp = false
    /// Sockets, by the kernel's cookies, that were there before.
    var older: Set<UInt64> = []

    /// - Parameter cookie: of the socket; nil: the protocol has none, and nobody knows when it began.
    func letBegin(_ packet: Packet, _ cookie: UInt64?, among elements: LiveElements) -> Bool {
        !(cookie.map(older.contains) ?? false)
            && ruleset.verdict(of: packet, among: elements, isTimeUp: isTimeUp).isAccepted
    }
}
