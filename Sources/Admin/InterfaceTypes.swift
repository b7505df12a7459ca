import Address
import Policy

// Names, documentation and notations of the policy's types in the interface.

extension Policy: InterfaceType {
    static let documentation = """
        All that the operator has decided.
        defaultAction: what holds where no rule matches.
        trustedDomains: the domains whose answers from outside may lead into the home.
        """
}

extension BanTerms: InterfaceType {
    static let documentation = """
        When a source is banned by itself, and for how long.
        guesses: wrong passwords within a quarter of an hour; null: nobody is banned for them.
        scans: from the internet: beginnings at ports that are shut; null: the same.
        floods: from the internet: beginnings beyond the rate of their source; null: the same.
        seconds: of a first ban; each that follows within a week lasts four times as long, a week at most.
        secondsAtHome: of each ban of a device of the home.
        spared: whoever is in one of these is never banned.
        """
}

extension Ban.Reason: InterfaceEnumeration {
    static let interfaceName = "BanReason"
    static let documentation = "order: the operator said so."
}

extension User: InterfaceType {
    static let interfaceName = "StoredUser"
    static let documentation = """
        Somebody who may use the listeners that ask for a password.
        passwordHash: salted (scrypt); empty: it is not told.
        """
}

extension Device: InterfaceType {
    static let documentation = """
        What is decided about a device.
        way: null: as its zone has it.
        address: the IPv4 address that it is always given; null: whichever is free.
        pause: forever, or seconds since 1970, UTC, when it ends; null: it is not paused.
        schedule: when it is allowed; null: always.
        """
}

extension Passage: InterfaceType {
    static let documentation = """
        Devices of one zone may begin conversations with another zone.
        ends: "FROM to TO".
        services: as in Opening; empty: everything.
        """
}

extension Passage.Ends: InterfaceText {
    static let sample = Passage.Ends(from: "a", to: "b")
}

extension Blocklist: InterfaceType {
    static let interfaceName = "StoredBlocklist"
    static let documentation = """
        Names that are not told, or networks with which nobody speaks.
        zone: for whose devices it holds.
        device: for which it holds; null beside a null zone: for everybody.
        direction: of a list of networks, who may not begin a conversation with whom; null: it is of names.
        count: how many names or networks it has.
        content: by what the gateway finds them.
        """
}

extension Blocklist.Direction: InterfaceEnumeration {
    static let interfaceName = "BlocklistDirection"
    static let documentation = """
        Who may not begin a conversation with whom.
        in: the networks of the list with the gateway and its devices.
        out: the gateway and its devices with the networks of the list.
        """
}

extension BackupFacts: InterfaceType {
    static let interfaceName = "Backup"
    static let documentation = """
        A backup, which is a file of the gateway's own.
        revision: the newest one in it; null: the file is damaged.
        time: when it was made, in seconds since 1970, UTC.
        size: bytes.
        fault: why it cannot be used; null: it is as it was made.
        """
}

extension Import.Step: InterfaceType {
    static let interfaceName = "ImportStep"
    static let documentation = """
        A call of this interface that makes a change, whose manner is left out.
        line: by which a refusal names it.
        """
}

extension Import.Refused: InterfaceType {
    static let interfaceName = "ImportRefusal"
    static let documentation = "Why a step was refused."
}

extension Listener: InterfaceType {
    static let documentation = """
        A port on which a proxy accepts clients.
        endpoint: ADDRESS:PORT or [V6ADDRESS]:PORT.
        interface: the network interface that the socket is bound to; null: whichever holds the address.
        zone: the zone from whose interfaces clients come, in place of one interface.
        clients: the networks from which clients are served; empty or null: every one.
        users: who may use it, by name; empty or null: every user there is.
        """
}

extension Listener.Kind: InterfaceEnumeration {
    static let interfaceName = "ListenerKind"
    static let documentation = """
        https: HTTP inside TLS.
        mixed: SOCKS5 or HTTP, told apart by the client's first byte.
        dns: questions for names; it follows from a zone that is served and cannot be added.
        """
}

extension Listener.SOCKSOptions: InterfaceType {
    static let documentation = """
        What a listener that speaks SOCKS5 does beside CONNECT.
        allowsVersion4: speaks SOCKS4 and SOCKS4a too, which know no password.
        advertisedAddress: what a reply to UDP ASSOCIATE names in place of the socket's own address.
        udpPorts, bindPorts: PORT or PORT-PORT; null: whichever the kernel gives.
        """
}

extension Listener.Authentication: InterfaceEnumeration {
    static let documentation = """
        none: everybody who can reach the port may use it.
        required: user and password.
        """
}

extension ListUsers.User: InterfaceType {
    static let documentation = "Somebody who may use the listeners that ask for a password."
}

extension Rule: InterfaceType {
    static let documentation = """
        Says who may go where, through the proxies and routed by the kernel. Rules are tried in ascending order of their
        numbers. The first rule whose conditions all match decides, then the default. A condition that is null always
        matches.
        device: the device that asks, by its name, wherever it is at the moment.
        user: who asks; a rule that names one is about the proxies alone.
        client: the network from which they ask, ADDRESS or ADDRESS/PREFIX.
        destination: the network in which the destination's address is. An allow that names one opens it even where the
        built-in guard denies it; one that names none, and the default allow, leave the guard in force.
        domain: the name asked for, or a parent of it.
        transport: what carries it, tcp, udp, icmp (of either IP version), another name or a number. Only tcp and udp
        pass the proxies.
        ports: the destination's port, PORT or PORT-PORT.
        origin: what made the rule and takes it away; null: hand.
        """
}

extension Rule.Origin: InterfaceEnumeration {
    static let interfaceName = "RuleOrigin"
    static let documentation = """
        What makes a rule, and takes it away.
        hand: the operator.
        hold: HoldDevice, and ReleaseDevice.
        """
}

extension Visit: InterfaceType {
    static let documentation = """
        Something that a device began elsewhere.
        host: the name by which the device found the place, as far as the gateway knows it, or its address.
        port: null: the transport has none.
        """
}

extension Host: InterfaceText {
    static let sample = Host.address(.v4(0))
}

extension VisitSighting: InterfaceType {
    static let documentation = """
        A visit, as often as it was seen.
        address: where the device found the host last; null: it asked a proxy for it.
        first, last: seconds since 1970, UTC.
        count: beginnings that the gateway saw; of many at once not every one.
        """
}

extension Rule.Action: InterfaceEnumeration {
    static let interfaceName = "RuleAction"
    static let documentation = "What a rule does with what it matches."
}

extension ListBlocklists.Blocklist: InterfaceType {
    static let documentation = """
        Names that are not told, or networks with which nobody speaks.
        zone: for whose devices it holds.
        device: for which it holds; null beside a null zone: for everybody.
        direction: of a list of networks, who may not begin a conversation with whom; null: it is of names.
        count: how many names or networks it has.
        refusals: to whom they were refused.
        """
}

extension BlocklistRefusals: InterfaceType {
    static let documentation = """
        How often names of a list were refused to a device.
        device: null: devices that nobody knows.
        """
}

extension DeviceStanding.Stop: InterfaceEnumeration {
    static let interfaceName = "DeviceStop"
    static let documentation = "Why a device gets nothing at present."
}

extension Device.Pause: InterfaceText {
    static let sample = Device.Pause.forever
}

extension Schedule: InterfaceText {
    static let sample = Schedule("mon-sun 00:00-24:00")!
}

extension Limit: InterfaceType {
    static let documentation = """
        What somebody may use up, over both proxies together; what is null is not limited.
        subject: client (each on its own), client NETWORK (each of it), device NAME, user (each one), user NAME.
        A client is a device of the home, where the kernel knows it, or else an address: an IPv6 client is counted by its
        /64, but where the gateway itself is in it.
        A limit that names somebody goes before the one for each.
        sessions: at once.
        rate: new sessions per second.
        bandwidth: bytes per second, each way.
        handshakes: of a client, sessions at once in which it has not said yet what it wants.
        lookups: of a client, names being looked up at once, by each thread of a proxy; what is beyond it waits.
        questions: of a client of a served zone, questions for names per second; what is beyond it is not answered.
        """
}

extension Zone: InterfaceType {
    static let documentation = """
        A part of the world that is told apart by the interfaces that lead there. home and internet are always there.
        addresses: those that the gateway itself gives to the first interface, as "192.168.10.1/24".
        way: of devices that have no way of their own; of no meaning for internet.
        newDevices: the way of devices about which nothing was decided; null: like the others.
        service: what the gateway does for the zone's devices; null: nothing.
        """
}

extension Zone.Service: InterfaceType {
    static let interfaceName = "ZoneService"
    static let documentation = """
        Addresses and names for the devices of a zone.
        dhcp: devices are given addresses.
        names: the gateway answers their questions for names.
        range: the IPv4 addresses that are given out, as "FIRST-LAST"; null: worked out from the zone's own address.
        strayNames: what becomes of questions that they ask other name servers.
        """
}

extension Zone.StrayNames: InterfaceEnumeration {
    static let documentation = """
        answered: the gateway answers in the other server's place.
        refused: they are turned away.
        allowed: they pass.
        """
}

extension Way: InterfaceEnumeration {
    static let documentation = """
        How the packets of a device are carried.
        routed: by the kernel, wherever its zone may go.
        proxy: through a proxy or not at all.
        blocked: not at all, and nothing of the gateway answers either.
        """
}

extension InterfaceAddress: InterfaceText {
    static let sample = InterfaceAddress(address: .v4(0), prefix: 0)
}

extension AddressRange: InterfaceText {
    static let sample = AddressRange(.v4(0), .v4(0))!
}

extension ListZones.Interface: InterfaceType {
    static let interfaceName = "ZoneInterface"
    static let documentation = """
        A network interface that the machine has, or that a zone names.
        zone: the zone that it is in; null: in none.
        isPresent: the machine has it at the moment.
        hasCarrier: there is somebody at its other end.
        hardware: its Ethernet address; null: it has none, or is missing.
        """
}

extension HardwareAddress: InterfaceText {
    static let sample = HardwareAddress(bytes: [2, 0, 0, 0, 0, 1])!
}

extension OpeningStatus: InterfaceType {
    static let documentation = """
        An opening and what came of it.
        since: when it was made, in seconds since 1970, UTC; null: nobody knows.
        isOpenToInternet: somebody on the internet could reach it.
        packets, bytes: what the firewall let in by it; null: it is not enforced, or does not tell.
        """
}

extension Opening: InterfaceType {
    static let documentation = """
        A service of the gateway itself that is reachable though no listener is behind it.
        services: "tcp PORT", "udp PORT-PORT", "protocol NAME" or "protocol NUMBER" each.
        place: from where: anywhere, the name of a zone, or interface:NAME.
        source: the network that may come in; null: everybody of that place.
        until: when it closes by itself, in seconds since 1970, UTC; null: never.
        """
}

extension ForwardStatus: InterfaceType {
    static let documentation = """
        A door to a device and what came of it.
        isReachable: the device has an address, and the firewall is enforced.
        packets: the first ones of conversations that began by it; null: nobody counts.
        """
}

extension Forward: InterfaceType {
    static let documentation = """
        A door from the internet to a device of the home.
        port: of the gateway, and in IPv6 of the device.
        device: its name.
        devicePort: of the device, in IPv4; null: the same.
        source: the network that may come in; null: everybody.
        until: when it shuts by itself, in seconds since 1970, UTC; null: never.
        """
}

extension Opening.Transport: InterfaceEnumeration {
    static let documentation = "A transport protocol with ports."
}

extension FirewallMode: InterfaceEnumeration {
    static let documentation = """
        enforce: the kernel holds the ruleset.
        observe: the ruleset is computed and shown; the kernel is not touched.
        """
}

extension DoorState: InterfaceUnion {
    struct Members: Decodable {
        var state: Name
        var why: String?
        var until: Int?
    }

    static let interfaceName = "Door"
    static let documentation = """
        How the door stands: what the kernel is to hold, and whether it does.
        why: the reason of left, unknown, fallback and refused.
        until: when a trial ends, in seconds since 1970, UTC.
        """
    static let samples: [DoorState] = [
        .off, .starting, .enforced, .observing, .left(why: "why"), .unknown(why: "why"),
        .fallback(why: "why"), .refused(why: "why"), .trial(until: 7),
    ]
}

extension DoorState.Name: InterfaceEnumeration {
    static let interfaceName = "DoorState"
    static let documentation = """
        enforced: the kernel holds the ruleset.
        observing: the ruleset is shown only.
        left: nothing is asked of the kernel, which holds a table from before.
        unknown: nothing is asked of the kernel, and what it holds cannot be read.
        fallback: the store cannot be read.
        refused: the kernel does not hold the ruleset.
        trial: the kernel holds the ruleset until somebody confirms it or the time is up.
        """
}

extension CertificateFacts: InterfaceType {
    static let interfaceName = "Certificate"
    static let documentation = """
        What a certificate says.
        notBefore, notAfter: seconds since 1970, UTC.
        fingerprint: SHA-256 over the whole certificate.
        """
}

extension Author: InterfaceType {
    static let documentation = "Who asked for a change."
}

extension Revision: InterfaceType {
    static let documentation = """
        A numbered change of the policy.
        time: seconds since 1970, UTC.
        summary: what was asked for, in a line.
        deadline: when a trial ends unless it is confirmed, in seconds since 1970, UTC; null: it is not on trial.
        """
}

extension Revision.State: InterfaceEnumeration {
    static let interfaceName = "RevisionState"
    static let documentation = """
        trial: in force until its deadline, and for good once it is confirmed.
        kept: in force, or it was.
        reverted: it was on trial, and nobody confirmed it.
        """
}

extension Premises.Offer: InterfaceType {
    static let documentation = """
        An open listener as a device writes it down.
        endpoint: never 0.0.0.0 or [::].
        """
}

extension SessionRecord: InterfaceType {
    static let interfaceName = "Session"
    static let documentation = """
        What somebody does through the gateway, from the client's connection to its end.
        kind: what the client speaks to a proxy, or routed.
        transport: what the packets carry, of a session that is routed.
        listener: null: the session is routed.
        device: what the client's device is called; null: nobody knows which it is.
        user: once the client has given the right password.
        host: the name that the client asked for; null: it asked for an address.
        origin: where the session leads now, or led last.
        sent: bytes to origins.
        received: bytes from origins.
        sentRate, receivedRate: bytes per second, if they are measured.
        age: milliseconds.
        """
}

extension SessionRecord.Kind: InterfaceEnumeration {
    static let interfaceName = "SessionKind"
    static let documentation = """
        How it is carried.
        routed: by the kernel, without a proxy.
        """
}

extension IPProtocol: InterfaceText {
    static let sample = IPProtocol("gre")!
}

extension SessionRecord.Activity: InterfaceEnumeration {
    static let interfaceName = "SessionActivity"
    static let documentation = """
        handshake: the client has not said yet what it wants, or waits for its origin.
        requests: HTTP requests, each to an origin of its own.
        flow: packets that the kernel passes on.
        udp, bind: SOCKS5's UDP ASSOCIATE and BIND.
        """
}

extension SessionLogEntry: InterfaceType {
    static let documentation = """
        What came of something that a client wanted: a connection, a login, or to be let in at all.
        time: milliseconds since 1970, UTC.
        session: the session's number.
        device: what the client's device is called; null: nobody knows which it is.
        user: of a login that was not right, whom the client said it was.
        target: HOST:PORT as the client asked for it; null: it did not come to that.
        reason: a phrase; null: it was allowed.
        rule: the rule that denied it; null: none did.
        """
}

extension SessionLogEntry.Verdict: InterfaceEnumeration {
    static let interfaceName = "SessionVerdict"
    static let documentation = """
        denied: by a rule, the guard, a limit or a password.
        failed: it was let, and came to nothing.
        """
}

extension SessionLogging: InterfaceEnumeration {
    static let documentation = """
        Where it is told what comes of sessions, beside the memory of the proxies.
        quiet: nowhere.
        journal: in the daemon's log.
        """
}

extension SessionQuery.Order: InterfaceEnumeration {
    static let interfaceName = "SessionOrder"
    static let documentation = """
        age: oldest first.
        bytes, rate: most first, both ways together.
        """
}

extension Reach: InterfaceType {
    static let documentation = """
        An interface by which something can be reached.
        zone: the one that the interface is in; null: in none.
        source: the one network from which; null: from all.
        rule: what the rule that lets them in is called; null: none does, as nothing is filtered.
        """
}

extension Reach.Audience: InterfaceEnumeration {
    static let documentation = """
        knownDevices: those that the gateway knows; where new devices wait, others are not let in.
        network: somebody in the source network.
        """
}

extension ExpectedSocket.Transport: InterfaceEnumeration {
    static let interfaceName = "SocketTransport"
    static let documentation = "raw: packets of one protocol, as they come."
}

extension ChronicleEntry: InterfaceType {
    static let interfaceName = "Event"
    static let documentation = """
        Something that happened to the gateway or around it.
        time: seconds since 1970, UTC.
        text: a phrase.
        """
}

extension ChronicleEntry.Kind: InterfaceEnumeration {
    static let interfaceName = "EventKind"
    static let documentation = """
        What an event is about.
        port: something began to listen on the machine, or ended.
        address: an address of the machine, or a cable.
        firewall: the kernel's table.
        login: wrong passwords.
        egress: a program of the machine itself began what is not let out.
        ban: a source was banned, or is no longer.
        name: a device asked for a name that a rule denies, which is told once an hour of each device and rule.
        """
}

extension EgressMode: InterfaceEnumeration {
    static let documentation = """
        What becomes of what the machine itself begins and nothing lets out.
        observe: it goes out, and is noted.
        strict: it is refused, and told.
        """
}

extension Exit: InterfaceType {
    static let documentation = """
        Something that programs of the machine itself may begin.
        user: the name of the account that they run as; null: any.
        destination: the network to which they may; null: everywhere.
        services: "tcp PORT", "udp PORT-PORT", "protocol NAME" or "protocol NUMBER" each; none: everything.
        """
}

extension Departure: InterfaceType {
    static let documentation = """
        Something that a program of the machine itself began.
        user: the number of the account that it runs as; null: the kernel does not say.
        destination: an address.
        transport: a name like tcp, or a number.
        port: null: the transport has none.
        """
}

extension DroppedPacket: InterfaceType {
    static let documentation = """
        A packet that was neither let in nor through.
        time: seconds since 1970, UTC.
        interface: by which it came.
        output: by which it would have left; null: it was for the machine itself.
        port: of the destination; null: the transport has none.
        device: the home's device at either end; null: none that is known.
        reason: what the rule is for that stops it.
        """
}

extension ListDroppedPackets.Total: InterfaceType {
    static let interfaceName = "StoppedTotal"
    static let documentation = """
        Packets that were stopped for one reason since the rules are there.
        reason: what the rule is for that stops them: a rule, a blocklist, a ban, or what is stopped by itself.
        """
}

extension DepartureSighting: InterfaceType {
    static let documentation = """
        Something that programs of the machine itself began and nothing lets out.
        first, last: seconds since 1970, UTC.
        count: how often the kernel told of it; of many at once not every one.
        isRefused: whether it was refused, the last time.
        """
}

extension GetEgress.Account: InterfaceType {
    static let documentation = "An account of the machine."
}

extension Consequences: InterfaceType {
    static let documentation = """
        Whom a change of the firewall's rules cuts off.
        cuts: services that could be reached before and not after it.
        endangered: connections that come in now and could not be made anew.
        duties: what the machine does for others and would not do any more, a sentence each.
        endings: what programs of the machine have begun with others and could not begin any more, which ends.
        """
}

extension Cut: InterfaceType {
    static let documentation = """
        A service of the machine that nobody on the interfaces could reach any more.
        unit: the systemd unit that it belongs to, if that is known.
        """
}

extension Endangered: InterfaceType {
    static let documentation = """
        A connection that comes in now and could not be made anew.
        port: the machine's own.
        interface: by which it comes in; null: it cannot be told.
        """
}

extension ListRules.Refusals: InterfaceType {
    static let documentation = """
        How often a rule has refused what a client of a proxy wanted.
        rule: its number; 0: none allowed it, and the default is to deny.
        """
}

extension Trial: InterfaceType {
    static let documentation = """
        A change that is taken back unless it is confirmed.
        seconds: until then.
        endings: what ends when it is confirmed, which takes blind: one of them may be the way in.
        """
}

extension Sides: InterfaceType {
    static let documentation = """
        Which interface leads to the home, and which to the internet.
        internet: null: the machine has one interface, which is both.
        """
}

extension NetworkInterface: InterfaceType {
    static let documentation = """
        A network interface of the machine.
        addresses: ADDRESS/PREFIX each.
        hasCarrier: something is plugged in; null: not known.
        """
}

extension IPAddress: InterfaceText {
    static let sample = IPAddress("192.0.2.1")!
}

extension Endpoint: InterfaceText {
    static let sample = Endpoint("192.0.2.1:1080")!
}

extension Network: InterfaceText {
    static let sample = Network("192.0.2.0/24")!
}

extension PortRange: InterfaceText {
    static let sample = PortRange("1024-2047")!
}

extension Limit.Subject: InterfaceText {
    static let sample = Limit.Subject.eachClient
}

extension Opening.Service: InterfaceText {
    static let sample = ssh
}

extension Place: InterfaceText {
    static let sample = Place.anywhere
}
