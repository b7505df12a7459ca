/// The two interfaces that the admin socket serves, in the varlink interface definition language.
enum Interface {
    static let admin = "org.gatehouse.Admin"
    static let service = "org.varlink.service"

    static func text(of interface: String) -> String? {
        switch interface {
        case admin: adminText
        case service: serviceText
        default: nil
        }
    }

    /// What callers see with introspection. `Method`, the calls in Calls.swift and the types that they carry say the same
    /// in Swift; a test compares them.
    private static let adminText = """
        # The administration of a Gatehouse gateway.
        #
        # Everybody may call GetVersion, GetStatus and GetClientSetup. All else needs an operator: root, the daemon's
        # own user, and the members of the socket's group.
        #
        # Every change is one revision of the policy: it takes effect as a whole, in the proxies and in the kernel,
        # or not at all.
        interface org.gatehouse.Admin

        # A port on which a proxy accepts clients.
        # endpoint: ADDRESS:PORT or [V6ADDRESS]:PORT.
        # interface: the network interface that the socket is bound to; null: whichever holds the address.
        # zone: the zone from whose interfaces clients come, in place of one interface.
        # clients: the networks from which clients are served; empty or null: every one.
        # users: who may use it, by name; empty or null: every user there is.
        type Listener (
          kind: ListenerKind,
          endpoint: string,
          authentication: Authentication,
          interface: ?string,
          zone: ?string,
          clients: ?[]string,
          users: ?[]string,
          socks: ?SOCKSOptions
        )

        # https: HTTP inside TLS. mixed: SOCKS5 or HTTP, told apart by the client's first byte.
        type ListenerKind (socks5, http, https, mixed)

        # What a listener that speaks SOCKS5 does beside CONNECT.
        # advertisedAddress: what a reply to UDP ASSOCIATE names in place of the socket's own address.
        # udpPorts, bindPorts: PORT or PORT-PORT; null: whichever the kernel gives.
        type SOCKSOptions (
          allowsVersion4: bool,
          advertisedAddress: ?string,
          udpPorts: ?string,
          bindPorts: ?string
        )

        # none: whoever can reach the port may use it. required: user and password.
        type Authentication (none, required)

        type User (name: string)

        # Says who may go where through the proxies. Rules are tried in ascending order of their numbers; the first
        # of which everything matches that it names decides, then the default. null is not asked for.
        # user: who asks. client: the network (ADDRESS or ADDRESS/PREFIX) from which they do.
        # destination: the network to which they want. An allow that names one opens it even where the built-in guard
        # denies it; one that names none, and the default allow, leave the guard in force.
        # domain: the name asked for, or a parent of it. ports: PORT or PORT-PORT.
        type Rule (
          id: int,
          action: RuleAction,
          user: ?string,
          client: ?string,
          destination: ?string,
          domain: ?string,
          ports: ?string
        )

        type RuleAction (allow, deny)

        # What somebody may use up, over both proxies together; what is null is not limited.
        # subject: client (each address on its own), client NETWORK (each address of it), user (each one), user NAME;
        # one that names somebody goes before the one for each.
        # sessions: at once. rate: new ones per second. bandwidth: bytes per second, each way.
        type Limit (
          subject: string,
          sessions: ?int,
          rate: ?int,
          bandwidth: ?int
        )

        # A part of the world that is told apart by the interfaces that lead there. home and internet are always there.
        type Zone (name: string, interfaces: []string)

        # A service of the gateway itself that is reachable though no listener is behind it.
        # services: "tcp PORT", "udp PORT-PORT", "protocol NAME" or "protocol NUMBER" each.
        # place: from where: anywhere, the name of a zone, or interface:NAME.
        # source: the network that may come in; null: everybody of that place.
        # until: when it closes by itself, in seconds since 1970, UTC; null: never.
        type Opening (
          name: string,
          services: []string,
          place: string,
          source: ?string,
          until: ?int
        )

        # enforce: the kernel holds the ruleset. observe: it is computed and shown, the kernel is not touched.
        type FirewallMode (enforce, observe)

        # notBefore, notAfter: seconds since 1970, UTC. fingerprint: SHA-256 over the whole certificate.
        type Certificate (
          subject: string,
          issuer: string,
          names: []string,
          addresses: []string,
          notBefore: int,
          notAfter: int,
          fingerprint: string
        )

        type Author (uid: int, name: string)

        # A numbered change of the policy. time: seconds since 1970, UTC.
        type Revision (
          id: int,
          time: int,
          author: Author,
          summary: string
        )

        # A process of the daemon. restarts: how often it had to be started again.
        type RoleStatus (
          name: string,
          pid: int,
          state: string,
          restarts: int
        )

        # sessions: open now. sessionsTotal: since the daemon started. Bytes are counted as the client sees them:
        # bytesIn came from clients, bytesOut went to them.
        type ListenerStatus (
          kind: ListenerKind,
          endpoint: string,
          interface: ?string,
          authentication: Authentication,
          sessions: int,
          sessionsTotal: int,
          bytesIn: int,
          bytesOut: int
        )

        # An open listener as a device writes it down. endpoint: never 0.0.0.0 or [::].
        type Offer (
          kind: ListenerKind,
          endpoint: string,
          authentication: Authentication
        )

        # How the door stands. why: the reason of left, fallback and refused. until: when a trial ends, in seconds since
        # 1970.
        type Door (
          state: DoorState,
          why: ?string,
          until: ?int
        )

        # enforced: the kernel holds the ruleset. left: it holds a table from before, of which nothing is asked.
        # fallback: the store cannot be read. refused: the kernel does not hold the ruleset.
        type DoorState (off, starting, enforced, observing, left, fallback, refused, trial)

        type FirewallStatus (
          mode: FirewallMode,
          door: Door
        )

        # What somebody does through the gateway, from the client's connection to its end.
        # kind: what the client speaks. user: once it has given the right password. host: the name that it asked for.
        # origin: where it leads now, or led last. sent, received: bytes to origins and from them. sentRate,
        # receivedRate: bytes per second, if they are measured. age: milliseconds.
        type Session (
          id: int,
          kind: ListenerKind,
          listener: string,
          client: string,
          user: ?string,
          activity: SessionActivity,
          host: ?string,
          origin: ?string,
          sent: int,
          received: int,
          sentRate: ?int,
          receivedRate: ?int,
          age: int
        )

        # handshake: the client has not said yet what it wants, or waits for its origin. requests: HTTP requests, each
        # to an origin of its own. udp, bind: SOCKS5's UDP ASSOCIATE and BIND.
        type SessionActivity (handshake, tunnel, requests, udp, bind)

        # age: oldest first. bytes, rate: most first, both ways together.
        type SessionOrder (age, bytes, rate)

        # The daemon's version.
        method GetVersion() -> (version: string)

        # How the gateway is doing. uptime: seconds. users: how many there are.
        method GetStatus() -> (
          version: string,
          revision: int,
          uptime: int,
          roles: []RoleStatus,
          listeners: []ListenerStatus,
          firewall: FirewallStatus,
          users: int,
          warnings: []string
        )

        # How the home's devices are set up. autoConfiguration: the URL of the PAC file; null: no listener serves it.
        method GetClientSetup() -> (offers: []Offer, autoConfiguration: ?string)

        # Makes the machine a gateway: both proxies on the address of the interface lan, everything else shut.
        # wan: the interface that leads to the internet; null: as before. allowSSH also opens TCP port 22 on lan.
        method Setup(lan: string, wan: ?string, allowSSH: bool) -> (
          revision: int,
          changes: []string,
          warnings: []string
        )

        method ListListeners() -> (listeners: []Listener)

        # A listener's port is opened in the firewall in the same revision.
        method AddListener(listener: Listener) -> (revision: int, changes: []string, warnings: []string)

        # What is null stays as it is. The listener's socket stays, and so does every session that is still allowed.
        method ChangeListener(
          endpoint: string,
          authentication: ?Authentication,
          clients: ?[]string,
          users: ?[]string,
          socks: ?SOCKSOptions
        ) -> (revision: int, changes: []string, warnings: []string)

        method RemoveListener(endpoint: string) -> (revision: int, changes: []string, warnings: []string)

        method ListUsers() -> (users: []User)

        # The password is stored as a salted hash.
        method AddUser(name: string, password: string) -> (revision: int, changes: []string, warnings: []string)

        method SetPassword(name: string, password: string) -> (revision: int, changes: []string, warnings: []string)

        method RemoveUser(name: string) -> (revision: int, changes: []string, warnings: []string)

        # defaultAction: what holds where no rule matches.
        method ListRules() -> (rules: []Rule, defaultAction: RuleAction)

        # The rule is tried after those that there are. id: its number, which is never given again.
        method AddRule(
          action: RuleAction,
          user: ?string,
          client: ?string,
          destination: ?string,
          domain: ?string,
          ports: ?string
        ) -> (id: int, revision: int, changes: []string, warnings: []string)

        method RemoveRule(id: int) -> (revision: int, changes: []string, warnings: []string)

        # What holds where no rule matches. In the beginning it is allow.
        method SetDefault(action: RuleAction) -> (revision: int, changes: []string, warnings: []string)

        method ListLimits() -> (limits: []Limit)

        # In place of the limit for the same subject, if there is one.
        method SetLimit(limit: Limit) -> (revision: int, changes: []string, warnings: []string)

        method RemoveLimit(subject: string) -> (revision: int, changes: []string, warnings: []string)

        # ruleset: what the kernel should hold in mode enforce, as nft(8) would print it. held: whether it does, or holds
        # a table from before in mode observe.
        method GetFirewall() -> (
          mode: FirewallMode,
          held: bool,
          ruleset: string,
          openings: []Opening,
          zones: []Zone
        )

        method SetFirewallMode(mode: FirewallMode) -> (revision: int, changes: []string, warnings: []string)

        # Makes a port of the gateway itself reachable.
        method Open(opening: Opening) -> (revision: int, changes: []string, warnings: []string)

        # Takes an opening back, by its name.
        method Close(name: string) -> (revision: int, changes: []string, warnings: []string)

        # The newest revisions, newest first. limit: how many; null: 20.
        method ListRevisions(limit: ?int) -> (revisions: []Revision)

        # A revision and what it changed, one line for each thing.
        method GetRevision(id: int) -> (revision: Revision, changes: []string)

        # Makes the policy of an older revision the policy again, as a new revision.
        method Rollback(id: int) -> (revision: int, changes: []string, warnings: []string)

        # What the https listeners show their clients; null: nothing yet. isOwn: issued by the gateway's own authority.
        # authority: the certificate of that; null: there is none yet.
        method GetCertificate() -> (certificate: ?Certificate, isOwn: bool, authority: ?Certificate)

        # The certificate of the gateway's own authority as PEM, for devices that are to trust it. Made if there is none.
        method GetAuthority() -> (certificate: string)

        # What the https listeners are to show from now on, as PEM: the certificate with those that vouch for it, and its
        # key. Both null: the gateway's own again.
        method UseCertificate(certificate: ?string, key: ?string) -> (
          certificate: ?Certificate,
          isOwn: bool,
          authority: ?Certificate
        )

        # A new certificate and a new key, by the gateway's own authority; and, if authority is true, another authority.
        method RenewCertificate(authority: bool) -> (
          certificate: ?Certificate,
          isOwn: bool,
          authority: ?Certificate
        )

        # The sessions that are open: those of a user, of clients in a network (ADDRESS or ADDRESS/PREFIX), or all.
        # rates: measures bytes per second from one call to the next. endedAfter: the time of an earlier reply; the
        # sessions that ended since are told too, as far back as the daemon remembers. total: how many are open, those
        # beyond limit included. time: microseconds.
        method ListSessions(
          user: ?string,
          client: ?string,
          order: ?SessionOrder,
          limit: ?int,
          rates: ?bool,
          endedAfter: ?int
        ) -> (sessions: []Session, ended: []Session, total: int, time: int)

        # Ends the sessions that have all of what is named, at once, with a reset; something has to be named.
        # ended: how many they were.
        method EndSessions(ids: ?[]int, user: ?string, client: ?string) -> (ended: int)

        # The policy or the kernel does not allow it; nothing was changed.
        error Refused (reason: string)

        # The caller is no operator.
        error PermissionDenied (reason: string)

        # There is no such thing.
        error NotFound (reason: string)

        """

    /// As published by varlink.org.
    private static let serviceText = """
        # The Varlink Service Interface is provided by every varlink service. It
        # describes the service and the interfaces it implements.
        interface org.varlink.service

        # Get a list of all the interfaces a service provides and information
        # about the implementation.
        method GetInfo() -> (
          vendor: string,
          product: string,
          version: string,
          url: string,
          interfaces: []string
        )

        # Get the description of an interface that is implemented by this service.
        method GetInterfaceDescription(interface: string) -> (description: string)

        # The requested interface was not found.
        error InterfaceNotFound (interface: string)

        # The requested method was not found
        error MethodNotFound (method: string)

        # The interface defines the requested method, but the service does not
        # implement it.
        error MethodNotImplemented (method: string)

        # One of the passed parameters is invalid.
        error InvalidParameter (parameter: string)

        # Client is denied access
        error PermissionDenied ()

        # Method is expected to be called with 'more' set to true, but wasn't
        error ExpectedMore ()

        """
}
