// Resolver: names to addresses, by asking name servers over DNS (RFC 1035) on a Reactor, as a stub resolver does; and answers
// to stub resolvers, as a forwarder does.
//
// It knows name servers, search domains and hosts as somebody outside has read them, and a client by its address alone. It
// must never read a file, and never judge an address: what is not to be dialled is for others to say.
//
//   Resolver    what the sessions of one reactor ask
//   NameDesk    cache, hosts, lookups under way, and each client's share of them
//   Lookup      a name: both families, search domains          Question  one family of one name, put to the servers in turn
//   ServerPool  the servers, and how each has done lately
//
// The answering side, for clients that ask for any kind of records:
//
//   Responder   what each client is answered        AnswerCache  whole answers, for as long as they hold
//   Inquiry     one question, for all that ask it   NameSocket, NameStreams  over UDP and over TCP
//   Knowledge   what the box itself knows (HomeNames, SpecialNames) and refuses (NameFilter, NameSet)

package import Address
package import Reactor

/// Looks names up for the sessions of one reactor, on whose thread it runs.
///
/// Sessions that ask for one name at the same time share one lookup; answers are kept as long as they hold.
package actor Resolver {
    package enum Failure: Error, Hashable, Sendable {
        /// There is no such name, or it has no address.
        case noSuchName
        case timedOut
        /// The servers answered, but not with an answer.
        case failed
        /// Too many names are being looked up, by this client or by all of them.
        case overloaded
        /// The machine has no name server.
        case noServers
        /// Nobody wants to know any more.
        case abandoned
    }

    package struct Answer: Hashable, Sendable {
        /// IPv6 and IPv4 in turns (RFC 8305 §4), at least one.
        package let addresses: [IPAddress]
        /// False: one family has not been answered yet, and `rest(of:)` tells when it is.
        package let isWhole: Bool
    }

    package static let standardShare = 64

    private nonisolated let reactor: Reactor
    private let desk: NameDesk

    package nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    /// - Parameters:
    ///   - servers: until `use` gives it others.
    ///   - counters: where it is told that no name server answers; nil: nowhere.
    package init(on reactor: Reactor, servers: NameServers = NameServers([]), telling counters: Counters? = nil) {
        self.reactor = reactor
        desk = NameDesk(on: reactor, telling: counters)
        desk.use(servers, .empty)
    }

    /// From now on these servers are asked; lookups under way begin anew with them.
    package func use(_ servers: NameServers, hosts: HostTable) {
        desk.use(servers, hosts)
    }

    /// The addresses of `name` (lower case, without a dot at its end), as soon as a connection may begin: one family is not
    /// waited for longer than a moment once the other has answered (RFC 8305 §3).
    ///
    /// - Parameters:
    ///   - client: in whose share the lookup counts.
    ///   - party: for whom it is asked, as this gateway's own server is told: the number of the member of the household (0: nobody
    ///     knows) above 16 bits of the number of its zone.
    ///   - most: how many of the client's are under way at once, what is beyond it waits; nil: any number.
    ///   - waiter: who waits for it; nil: somebody who does until the end.
    package func addresses(
        of name: String, for client: IPAddress, as party: UInt32 = 0, atMost most: Int? = standardShare,
        by waiter: Waiter? = nil
    ) async throws(Failure) -> Answer {
        let waiter = waiter ?? Waiter(on: reactor)
        return try await desk.addresses(of: name, for: client, as: party, atMost: most ?? .max, by: waiter).get()
    }

    /// All addresses of a name of which an answer was not whole, once they are known; none if the waiter is gone before.
    package func rest(of name: String, as party: UInt32 = 0, by waiter: Waiter? = nil) async -> [IPAddress] {
        await desk.rest(of: name, as: party, by: waiter ?? Waiter(on: reactor))
    }
}
