package import Address

/// Whom a resolver asks, and how: what resolv.conf(5) says.
package struct NameServers: Hashable, Sendable {
    package struct Server: Hashable, Sendable {
        package var endpoint: Endpoint

        /// - Parameter zone: the index of the interface behind which a link-local server is; 0: it is no such server.
        package init(_ address: IPAddress, port: UInt16 = 53, zone: UInt32 = 0) {
            endpoint = Endpoint(address: address, port: port, scope: zone)
        }
    }

    /// In the order in which they are asked.
    package var servers: [Server]
    /// Domains in which a name with fewer dots than `dots` is looked for before it is looked up as it is.
    package var search: [String]
    package var dots: Int
    /// How long each server is waited for before the next is asked; nil: as long as is good.
    package var timeout: Duration?
    /// How often each server is asked.
    package var attempts: Int
    /// Each question begins with another server.
    package var rotates: Bool
    /// The server is this gateway's own: it keeps answers itself, and is told for whom it is asked.
    package var isOwn: Bool

    package init(
        _ servers: [Server], search: [String] = [], dots: Int = 1, timeout: Duration? = nil, attempts: Int = 2,
        rotates: Bool = false, isOwn: Bool = false
    ) {
        self.servers = servers
        self.search = search
        self.dots = dots
        self.timeout = timeout
        self.attempts = attempts
        self.rotates = rotates
        self.isOwn = isOwn
    }

    /// How long the servers have to answer in the round of that number, from 0, before the next is asked. Without the
    /// operator's word the first round is quick, because of several servers one may well be dead, and each next one is twice
    /// as patient.
    func patience(inRound round: Int) -> Duration { timeout ?? .seconds(1 << min(round, 4)) }

    /// The names to be looked up for `name`, in order.
    func candidates(for name: String) -> [String] {
        guard !search.isEmpty, name.utf8.lazy.count(where: { $0 == UInt8(ascii: ".") }) < dots else { return [name] }
        return search.map { "\(name).\($0)" } + [name]
    }
}
