import Address

/// What is usual on a port of a device at home: its name, how it is talked to, and what is to be thought of it before it has said anything.
package struct HomeService: Hashable, Sendable {
    /// How its port is talked to.
    enum Conversation: Hashable, Sendable {
        /// Nothing is said: what would be said might be printed, or mean something.
        case none
        case http, rtsp, smb, vnc, mqtt, redis, memcached, socks
        case dns, ntp, snmp, ssdp, mdns
    }

    package let name: String
    let conversation: Conversation
    /// What is to be thought of it, whatever it says; nil: that goes by what it says.
    let remark: Remark?

    /// What a neighbour may do, and what the operator may do about it.
    struct Remark: Hashable, Sendable {
        let verdict: DeviceOffer.Verdict
        let why: String
        let advice: String
    }

    private init(_ name: String, _ conversation: Conversation = .none, _ remark: Remark? = nil) {
        (self.name, self.conversation, self.remark) = (name, conversation, remark)
    }

    /// The ports that are looked at unless all are, over TCP.
    package static var wellKnown: [UInt16] { known.keys.sorted() }

    static func tcp(_ port: UInt16) -> (HomeService, UInt16) {
        // Many a device has its pages on a port of its own choice. On a port below 1024 something else is to be expected.
        (known[port] ?? HomeService("?", port < 1024 ? .none : .http), port)
    }

    /// The services over UDP that are asked for. A port that does not answer may be shut or not: nobody can tell.
    static let udp: [(HomeService, UInt16)] = [
        (HomeService("dns", .dns), 53), (HomeService("ntp", .ntp), 123), (HomeService("snmp", .snmp), 161),
        (HomeService("ssdp", .ssdp), 1900), (HomeService("mdns", .mdns), 5353),
    ]

    private static func clear(_ what: String, _ instead: String) -> Remark {
        Remark(
            verdict: .doubtful, why: "\(what) goes over the network in the clear",
            advice: "use \(instead) in its place, or switch it off on the device")
    }

    private static func open(_ why: String, _ advice: String) -> Remark {
        Remark(verdict: .bad, why: why, advice: advice)
    }

    private static let known: [UInt16: HomeService] = {
        let telnet = open(
            "anybody at home may try passwords, and whoever listens reads them; most worms of cameras come this way",
            "switch telnet off on the device; if that cannot be done, give it a zone of its own")
        var known: [UInt16: HomeService] = [
            21: .init("ftp", .none, clear("a password", "sftp")), 22: .init("ssh"), 23: .init("telnet", .none, telnet),
            2323: .init("telnet", .none, telnet), 25: .init("smtp"), 53: .init("dns"),
            69: .init("tftp"), 110: .init("pop3", .none, clear("a password", "pop3s")), 111: .init("rpcbind"),
            135: .init("msrpc"), 139: .init("netbios"), 143: .init("imap", .none, clear("a password", "imaps")),
            389: .init("ldap"), 443: .init("https"), 445: .init("smb", .smb), 465: .init("smtps"),
            515: .init("printer"),
            548: .init("afp"), 554: .init("rtsp", .rtsp), 587: .init("submission"), 631: .init("ipp", .http),
            636: .init("ldaps"), 873: .init("rsync"), 993: .init("imaps"), 995: .init("pop3s"),
            1080: .init("socks", .socks), 1433: .init("mssql"),
            1723: .init(
                "pptp", .none,
                Remark(
                    verdict: .doubtful, why: "this kind of tunnel can be read by others",
                    advice: "use WireGuard in its place")),
            1883: .init("mqtt", .mqtt), 2049: .init("nfs"), 3306: .init("mysql"), 3389: .init("rdp"),
            4444: .init(
                "?", .none,
                Remark(
                    verdict: .doubtful, why: "hardly anything but malware listens here",
                    advice: "find out on the device which program it is")),
            5432: .init("postgresql"),
            5555: .init(
                "adb", .none,
                open(
                    "whoever is at home may run programs on it",
                    "switch debugging over the network off: in the developer options of Android and of televisions")),
            5900: .init("vnc", .vnc), 5901: .init("vnc", .vnc), 6379: .init("redis", .redis),
            6667: .init(
                "irc", .none,
                Remark(
                    verdict: .doubtful, why: "many a worm takes its orders here",
                    advice: "find out on the device which program it is")),
            7547: .init(
                "tr-069", .none,
                Remark(
                    verdict: .doubtful, why: "by this a provider changes the device's settings",
                    advice: "switch remote management off on the device, unless your provider needs it")),
            8009: .init("chromecast"), 8443: .init("https"), 8554: .init("rtsp", .rtsp), 8883: .init("mqtts"),
            11211: .init("memcached", .memcached), 27017: .init("mongodb"),
            34567: .init(
                "dvr", .none,
                open(
                    "recorders of this kind are known for passwords that everybody knows",
                    "give it a zone of its own, and no forward from the internet")),
            37777: .init("dahua"), 62078: .init("ios-sync"),
        ]
        for port in 9100...9107 as ClosedRange<UInt16> { known[port] = .init("printer") }
        let pages: [(UInt16, String)] = [
            (80, "http"), (81, "http"), (88, "http"), (1400, "sonos"), (2375, "docker"), (3000, "http"), (3128, "http"),
            (3689, "daap"), (4070, "spotify"), (5000, "http"), (5001, "https"), (5357, "wsd"), (5984, "couchdb"),
            (5985, "winrm"),
            (7000, "airplay"), (8000, "http"), (8001, "http"), (8008, "http"), (8060, "roku"), (8080, "http"),
            (8081, "http"),
            (8088, "http"), (8096, "jellyfin"), (8123, "home-assistant"), (8888, "http"), (9000, "http"),
            (9090, "http"),
            (9200, "elasticsearch"), (10000, "webmin"), (32400, "plex"), (49152, "upnp"), (49153, "upnp"),
        ]
        for (port, name) in pages { known[port] = .init(name, .http) }
        return known
    }()

    /// What is said to a port that has said so much; nil: nothing.
    func question(after heard: [UInt8], to address: IPAddress) -> [UInt8]? {
        let host = address.isIPv6 ? "[\(address)]" : "\(address)"
        switch conversation {
        case .http where heard.isEmpty:
            return Array("GET / HTTP/1.0\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8)
        case .rtsp where heard.isEmpty:
            return Array("DESCRIBE rtsp://\(host)/ RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".utf8)
        case .smb where heard.isEmpty: return Self.negotiation
        // The version that it has, as a client that knows no other (RFC 6143 §7.1.1).
        case .vnc where heard.starts(with: Array("RFB ".utf8)): return Array(heard.prefix(12))
        // CONNECT without a name or a password (MQTT 3.1.1 §3.1).
        case .mqtt: return [0x10, 13, 0, 4] + Array("MQTT".utf8) + [4, 2, 0, 10, 0, 1, UInt8(ascii: "g")]
        case .redis: return Array("PING\r\n".utf8)
        case .memcached: return Array("version\r\n".utf8)
        case .socks: return [5, 1, 0]
        // Who serves the root (RFC 1035 §4).
        case .dns: return [0x47, 0x48, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]
        // A client's packet of version 4 (RFC 5905 §7.3).
        case .ntp: return [0x23] + [UInt8](repeating: 0, count: 47)
        case .snmp: return Self.systemDescription
        case .ssdp:
            return Array(
                "M-SEARCH * HTTP/1.1\r\nHOST: \(host):1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n"
                    .utf8)
        case .mdns:
            // PTR of _services._dns-sd._udp.local (RFC 6763 §9), from a port that makes it a plain question (RFC 6762 §6.7).
            let labels = ["_services", "_dns-sd", "_udp", "local"].flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
            return [0x47, 0x48, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0] + labels + [0, 0, 12, 0, 1]
        case .none, .http, .rtsp, .smb, .vnc: return nil
        }
    }

    /// SMB_COM_NEGOTIATE with the dialect `NT LM 0.12` and no other (MS-CIFS §2.2.4.52), behind its length.
    private static let negotiation: [UInt8] = {
        let head: [UInt8] =
            [0xff] + Array("SMB".utf8) + [0x72, 0, 0, 0, 0, 0x18, 0x01, 0x28] + [UInt8](repeating: 0, count: 20)
        let dialect = [2] + Array("NT LM 0.12".utf8) + [0]
        let body = head + [0, UInt8(dialect.count), 0] + dialect
        return [0, 0, 0, UInt8(body.count)] + body
    }()

    /// GetRequest of sysDescr.0 by SNMPv2c with the community that everybody knows (RFC 3416 §4.2.1).
    private static let systemDescription: [UInt8] = {
        func field(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] { [tag, UInt8(content.count)] + content }
        let name = field(6, [0x2b, 6, 1, 2, 1, 1, 1, 0])
        let bindings = field(0x30, field(0x30, name + field(5, [])))
        let request = field(0xa0, field(2, [0x47]) + field(2, [0]) + field(2, [0]) + bindings)
        return field(0x30, field(2, [1]) + field(4, Array("public".utf8)) + request)
    }()
}
