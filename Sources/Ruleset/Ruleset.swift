// Ruleset: from what the operator wants to the table that the kernel is to hold.
//
// A pure function of the policy and the machine's surroundings, and reads like the text that `nft` prints. It must never do
// I/O and knows no netlink, so that every program may ask what the kernel would do.

package import Address

/// The table `inet gatehouse` as a value. Printed, it is a file that `nft -f` loads, and what `nft -s list table inet
/// gatehouse` shows once the kernel holds it.
package struct Ruleset: Hashable, Sendable {
    package static let table = "gatehouse"

    /// What remembers the sources of packets, by name.
    package var meters: [Meter]
    /// What is known of devices, by name.
    package var deviceMaps: [DeviceMap]
    /// What decides for a time, by name.
    package var maps: [TimedMap]
    package var chains: [Chain]

    package init(
        meters: [Meter] = [], deviceMaps: [DeviceMap] = [], maps: [TimedMap] = [], chains: [Chain]
    ) {
        self.meters = meters
        self.deviceMaps = deviceMaps
        self.maps = maps
        self.chains = chains
    }

    /// A set of source addresses to which packets add themselves (`Match.withinRate`). Its elements are state of the
    /// kernel's and no part of the ruleset.
    package struct Meter: Hashable, Sendable {
        package var name: String
        package var family: Match.Family
        /// As many sources are remembered; the packets of another one are over their rate.
        package var size: UInt32
        /// So long after its last packet a source is forgotten.
        package var seconds: UInt32

        package init(name: String, family: Match.Family, size: UInt32, seconds: UInt32) {
            self.name = name
            self.family = family
            self.size = size
            self.seconds = seconds
        }
    }

    /// A map that loses its elements `seconds` after the kernel took them, whatever process is alive by then.
    package struct TimedMap: Hashable, Sendable {
        package var name: String
        package var seconds: UInt32
        /// The verdict for packets of either family.
        package var verdict: Verdict

        package init(name: String, seconds: UInt32, verdict: Verdict) {
            self.name = name
            self.seconds = seconds
            self.verdict = verdict
        }
    }

    /// A map that says something of each device that is in it. Its elements are part of the ruleset.
    package struct DeviceMap: Hashable, Sendable {
        package enum Content: Hashable, Sendable {
            /// Of a packet's sender, the number by which the ruleset knows it.
            case numbers([Sender: UInt16])
            /// What becomes of the packets of connections, by their marks, or by the devices' numbers alone.
            case verdicts([UInt32: Verdict])
            /// What becomes of the packets to an address of a device.
            case destinations(Match.Family, [IPAddress: Verdict])
        }

        package var name: String
        package var content: Content

        package init(name: String, content: Content) {
            self.name = name
            self.content = content
        }

        /// How many elements there is room for; 0: any number. Where the kernel knows the room from the beginning it finds a key of
        /// four bytes without the work of a table that can grow (nft_set_hash.c, nft_hash_lookup_fast), and it looks into these maps
        /// for every packet. More than the number of devices, so that a new one is an element and not a map made anew.
        package var size: UInt32 {
            let count: Int
            switch content {
            case .verdicts(let verdicts): count = verdicts.count
            case .destinations(.ipv4, let verdicts): count = verdicts.count
            case .numbers, .destinations(.ipv6, _): return 0
            }
            var size: UInt32 = 1024
            while size < 2 * count { size *= 2 }
            return size
        }
    }

    /// What a packet tells of the device that sent it.
    package struct Sender: Hashable, Sendable {
        package var interface: String
        package var hardware: HardwareAddress

        package init(interface: String, hardware: HardwareAddress) {
            self.interface = interface
            self.hardware = hardware
        }
    }

    package struct Chain: Hashable, Sendable {
        package var name: String
        /// nil: only a rule that jumps or goes to the chain leads to it.
        package var base: Base?
        package var rules: [Rule]

        /// A base chain of type filter: the kernel runs it for every packet that passes its hook.
        package init(name: String, hook: Hook, policy: Verdict, rules: [Rule] = []) {
            self.init(name: name, base: Base(hook: hook, policy: policy), rules: rules)
        }

        package init(name: String, base: Base? = nil, rules: [Rule] = []) {
            self.name = name
            self.base = base
            self.rules = rules
        }
    }

    /// Where the kernel comes to a chain.
    package struct Base: Hashable, Sendable {
        package var kind: Kind
        package var hook: Hook
        /// Chains of one hook run in ascending order; 0 is `filter`.
        package var priority: Int32
        /// What becomes of a packet that no rule decided on: `accept` or `drop`.
        package var policy: Verdict

        package init(kind: Kind = .filter, hook: Hook, priority: Int32 = 0, policy: Verdict) {
            self.kind = kind
            self.hook = hook
            self.priority = priority
            self.policy = policy
        }
    }

    package enum Kind: String, Hashable, Sendable {
        case filter, nat, route
    }

    /// With the numbers of `enum nf_inet_hooks` (linux/netfilter.h).
    package enum Hook: UInt32, Codable, Hashable, Sendable {
        case prerouting = 0
        case input = 1
        case forward = 2
        case output = 3
        case postrouting = 4
    }

    package enum Verdict: Hashable, Sendable {
        case drop
        case accept
        /// On to that chain; what it does not decide comes back to the next rule.
        case jump(String)
        /// On to that chain, and not back to this one.
        case goto(String)
        /// Back to the chain that jumped here.
        case `return`
    }

    /// The decision holds for packets that meet all of `matches`.
    package struct Rule: Hashable, Sendable {
        package var matches: [Match]
        /// Whether the kernel counts the packets that matched.
        package var isCounted: Bool
        package var decision: Decision
        /// What the rule is for; `nft list` shows it. At most 127 bytes reach the kernel.
        package var comment: String?

        package init(_ matches: [Match], isCounted: Bool = false, _ verdict: Verdict, comment: String? = nil) {
            self.init(matches, isCounted: isCounted, decision: .verdict(verdict), comment: comment)
        }

        package init(_ matches: [Match] = [], isCounted: Bool = false, decision: Decision, comment: String? = nil) {
            self.matches = matches
            self.isCounted = isCounted
            self.decision = decision
            self.comment = comment.map(printable)
        }
    }

    package enum Decision: Hashable, Sendable {
        case verdict(Verdict)
        /// One look-up for all states; a packet whose state is not named goes on to the next rule.
        case byState([State: Verdict])
        /// The verdict of the timed map of this name; the next rule once its time is up.
        case byMap(String)
        /// The verdict of the device map of this name; the next rule for a device that is not in it.
        case byDevice(String)
        /// The same by the connection's whole mark: the number of its device, and whether it is `towardsHours`.
        case byMark(String)
        /// The verdict of the device map of this name for the packet's destination; the next rule for one that is not in it.
        case byDestination(Match.Family, String)
        /// The same for the packet's source.
        case bySource(Match.Family, String)
        /// One look-up for all interfaces by which a packet comes in; the next rule for one that is not named.
        case byInput([String: Verdict])
        /// The same by the interface by which it leaves.
        case byOutput([String: Verdict])
        /// The connection is its sender's whom the device map of this name knows, and the next rule follows. Where it does not
        /// know the sender, nothing changes.
        case identify(String)
        /// The connection is that device's, and the next rule follows.
        case assign(UInt16)
        /// The connection is `towardsHours` from now on, and the next rule follows.
        case noteHours
        /// The packet carries the number of its connection's device to the socket that takes it, and the next rule follows.
        case tell
        /// Either end of a TCP connection is told to send no larger segments than the way through this machine takes, and the
        /// next rule follows.
        case clampSegments
        /// This program is told of the packet and of the reason, if there is one to tell, and the next rule follows.
        case note(Notice, reason: String? = nil)
        /// Refused, and the sender is told.
        case refuse(Refusal)
        /// Of a connection's first packet, in a nat chain: the connection goes to that address, and to that port instead of
        /// the one that it was for. nil: to the same port.
        case forward(IPAddress, UInt16?)
        /// Of a connection's first packet, in a nat chain: the connection goes to this machine itself.
        case redirect
        /// Of a connection's first packet, in a nat chain: the connection goes out in the name of the interface that it leaves by.
        case masquerade
    }

    package enum Refusal: Hashable, Sendable {
        /// A reset (RFC 9293 §3.5.2), for TCP alone.
        case reset
        /// An ICMP error of either version: administratively prohibited (RFC 1812 §5.2.7.1, RFC 4443 §3.1).
        case prohibited
    }

    /// In a connection's mark beside the number of its device, which began it: it leads to another device that the clock stops.
    package static let towardsHours: UInt32 = 1 << 16

    /// The state of a packet's connection, one of `Match.ConnectionStates`.
    package enum State: UInt32, Hashable, Sendable, Comparable, CaseIterable {
        case invalid = 1
        case established = 2
        case related = 4
        case new = 8
        case untracked = 64

        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }
}

extension Ruleset {
    /// Those that a rule looks into, each once.
    package var networkSets: [NetworkSet] {
        var found: Set<NetworkSet> = []
        var sets: [NetworkSet] = []
        for match in chains.lazy.flatMap({ $0.rules }).flatMap({ $0.matches }) {
            switch match {
            case .sourceAmong(let set), .destinationAmong(let set): if found.insert(set).inserted { sets.append(set) }
            default: break
            }
        }
        return sets
    }

    /// Those that a rule looks into, each once.
    package var liveSets: [LiveSet] {
        var found: Set<LiveSet> = []
        return chains.lazy.flatMap({ $0.rules }).flatMap({ $0.matches }).compactMap {
            guard case .among(let set) = $0, found.insert(set).inserted else { return nil }
            return set
        }
    }

    /// As if every network were blocked that a rule asks about, without an answer to whoever tries: they try again.
    package var withoutNetworks: Ruleset {
        var ruleset = self
        for chain in ruleset.chains.indices {
            for index in ruleset.chains[chain].rules.indices {
                ruleset.chains[chain].rules[index].shutTowardsNetworks()
            }
        }
        return ruleset
    }

    /// For a kernel that cannot tell of packets (`Decision.note`): what it lets through or refuses is the same.
    package var withoutNotes: Ruleset {
        var ruleset = self
        for index in ruleset.chains.indices {
            ruleset.chains[index].rules.removeAll { if case .note = $0.decision { true } else { false } }
        }
        return ruleset
    }

    /// For a kernel that cannot look for the socket that a packet is for (`Match.boundSocket`): no rule asks it to, so the
    /// ports behind such rules are shut.
    package var withoutBoundSockets: Ruleset {
        var ruleset = self
        for index in ruleset.chains.indices {
            ruleset.chains[index].rules.removeAll { $0.matches.contains(.boundSocket) }
        }
        return ruleset
    }
}

extension Ruleset.Rule {
    /// What meets it goes no further.
    package var stops: Bool {
        switch decision {
        case .verdict(.drop), .refuse: true
        default: false
        }
    }

    /// It is a blocklist's.
    package var asksForNetworks: Bool {
        matches.contains {
            switch $0 {
            case .sourceAmong, .destinationAmong: true
            default: false
            }
        }
    }

    fileprivate mutating func shutTowardsNetworks() {
        for (index, match) in matches.enumerated() {
            switch match {
            case .sourceAmong(let set), .destinationAmong(let set):
                (matches[index], decision) = (.family(set.family), .verdict(.drop))
            default: continue
            }
        }
    }
}

/// nft's notation has no escape for a quotation mark, so a comment has none; and it ends at 127 bytes, where nft refuses a
/// longer one (NFTNL_UDATA_COMMENT_MAXLEN counts the NUL).
private func printable(_ comment: String) -> String {
    var text = ""
    for scalar in comment.unicodeScalars {
        let shown: Unicode.Scalar =
            switch scalar {
            case "\"": "'"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f: " "
            default: scalar
            }
        guard text.utf8.count + UTF8.width(shown) <= 127 else { break }
        text.unicodeScalars.append(shown)
    }
    return text
}

// MARK: - As nft prints it

extension Ruleset: CustomStringConvertible {
    package var description: String {
        let named =
            networkSets.map(\.description) + liveSets.map(\.description) + meters.map(\.description)
            + deviceMaps.map(\.description) + maps.map(\.description)
        let blocks = named + chains.map(\.description)
        return "table inet \(Self.table) {\n" + blocks.joined(separator: "\n") + "}\n"
    }
}

extension Ruleset.Meter: CustomStringConvertible {
    package var description: String {
        """
        \tset \(name) {
        \t\ttype \(family == .ipv4 ? "ipv4_addr" : "ipv6_addr")
        \t\tsize \(size)
        \t\tflags dynamic,timeout
        \t\ttimeout \(duration(seconds))
        \t}

        """
    }
}

extension Ruleset.DeviceMap: CustomStringConvertible {
    package var description: String {
        let (type, elements): (String, [String]) =
            switch content {
            case .numbers(let numbers):
                (
                    "ifname . ether_addr : mark",
                    numbers.sorted { $0.key < $1.key }.map { "\($0.key) : \(markText($0.value))" }
                )
            case .verdicts(let verdicts):
                ("mark : verdict", verdicts.sorted { $0.key < $1.key }.map { "\(markText($0.key)) : \($0.value)" })
            case .destinations(let family, let verdicts):
                (
                    family == .ipv4 ? "ipv4_addr : verdict" : "ipv6_addr : verdict",
                    verdicts.sorted { $0.key.precedes($1.key) }.map { "\($0.key) : \($0.value)" }
                )
            }
        // nft shows no empty list of elements.
        let list = elements.isEmpty ? "" : "\t\telements = { \(elements.joined(separator: ", ")) }\n"
        let room = size > 0 ? "\t\tsize \(size)\n" : ""
        return "\tmap \(name) {\n\t\ttype \(type)\n\(room)\(list)\t}\n"
    }
}

extension Ruleset.Sender: Comparable, CustomStringConvertible {
    /// nft's order: as numbers, of which the first byte is the lowest, the interface's name before the address.
    package static func < (left: Self, right: Self) -> Bool {
        if left.hardware != right.hardware {
            return left.hardware.bytes.reversed().lexicographicallyPrecedes(right.hardware.bytes.reversed())
        }
        return left.interface != right.interface && canonical([left.interface, right.interface])[0] == left.interface
    }

    package var description: String { "\"\(interface)\" . \(hardware)" }
}

extension IPAddress {
    /// By their numbers.
    fileprivate func precedes(_ other: IPAddress) -> Bool {
        switch (self, other) {
        case (.v4(let left), .v4(let right)): left < right
        case (.v6(let left), .v6(let right)): left < right
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }
}

extension Ruleset.TimedMap: CustomStringConvertible {
    package var description: String {
        let elements = ["ipv4", "ipv6"].map { "\($0) timeout \(duration(seconds)) : \(verdict)" }
        return """
            \tmap \(name) {
            \t\ttype nf_proto : verdict
            \t\tflags timeout
            \t\telements = { \(elements.joined(separator: ", ")) }
            \t}

            """
    }
}

/// 3661 seconds are `1h1m1s`.
private func duration(_ seconds: UInt32) -> String {
    let parts = [(86400, "d"), (3600, "h"), (60, "m"), (1, "s")] as [(UInt32, String)]
    var (rest, text) = (seconds, "")
    for (length, unit) in parts where rest >= length {
        text += "\(rest / length)\(unit)"
        rest %= length
    }
    return text.isEmpty ? "0s" : text
}

extension Ruleset.Chain: CustomStringConvertible {
    package var description: String {
        var lines = "\tchain \(name) {\n"
        if let base { lines += "\t\t\(base)\n" }
        for rule in rules { lines += "\t\t\(rule)\n" }
        return lines + "\t}\n"
    }
}

extension Ruleset.Base: CustomStringConvertible {
    package var description: String {
        "type \(kind) hook \(hook) priority \(priorityName); policy \(policy);"
    }

    /// nft has names for some priorities and shows one that is near as a distance.
    private var priorityName: String {
        let names: [(Int32, String, [Ruleset.Hook])] = [
            (-300, "raw", []), (-150, "mangle", []), (-100, "dstnat", [.prerouting]), (0, "filter", []),
            (50, "security", []), (100, "srcnat", [.postrouting]),
        ]
        for (value, name, hooks) in names where abs(priority - value) <= 10 && (hooks.isEmpty || hooks.contains(hook)) {
            let distance = priority - value
            return distance == 0 ? name : "\(name) \(distance < 0 ? "-" : "+") \(abs(distance))"
        }
        return "\(priority)"
    }
}

extension Ruleset.Verdict: CustomStringConvertible {
    package var description: String {
        switch self {
        case .drop: "drop"
        case .accept: "accept"
        case .jump(let chain): "jump \(chain)"
        case .goto(let chain): "goto \(chain)"
        case .return: "return"
        }
    }
}

extension Ruleset.Decision: CustomStringConvertible {
    package var description: String {
        switch self {
        case .verdict(let verdict): return "\(verdict)"
        case .byState(let verdicts):
            let elements = verdicts.sorted { $0.key < $1.key }.map { "\($0.key) : \($0.value)" }
            return "ct state vmap { \(elements.joined(separator: ", ")) }"
        case .byMap(let name): return "meta nfproto vmap @\(name)"
        case .byDevice(let name): return "ct mark & 0x0000ffff vmap @\(name)"
        case .byMark(let name): return "ct mark & 0x0001ffff vmap @\(name)"
        case .byDestination(let family, let name): return "\(family == .ipv4 ? "ip" : "ip6") daddr vmap @\(name)"
        case .bySource(let family, let name): return "\(family == .ipv4 ? "ip" : "ip6") saddr vmap @\(name)"
        case .byInput(let verdicts): return "iifname \(choices(verdicts))"
        case .byOutput(let verdicts): return "oifname \(choices(verdicts))"
        case .identify(let name): return "ct mark set iifname . ether saddr map @\(name)"
        case .assign(let number): return "ct mark set \(markText(number))"
        case .noteHours: return "ct mark set ct mark | \(markText(Ruleset.towardsHours))"
        case .tell: return "meta mark set ct mark & 0x0000ffff"
        case .clampSegments: return "tcp option maxseg size set rt mtu"
        case .note(let notice, let reason):
            return "log \(reason.map { "prefix \"\($0)\" " } ?? "")group \(notice.rawValue)"
        case .refuse(.reset): return "reject with tcp reset"
        case .refuse(.prohibited): return "reject with icmpx admin-prohibited"
        case .forward(let address, let port):
            let target = port.map { "\(Endpoint(address: address, port: $0))" } ?? "\(address)"
            let family = if case .v4 = address { "ip" } else { "ip6" }
            return "dnat \(family) to \(target)"
        case .redirect: return "redirect"
        case .masquerade: return "masquerade"
        }
    }
}

private func choices(_ verdicts: [String: Ruleset.Verdict]) -> String {
    let elements = canonical(Array(verdicts.keys)).compactMap { name in verdicts[name].map { "\"\(name)\" : \($0)" } }
    return "vmap { \(elements.joined(separator: ", ")) }"
}

extension Ruleset.Rule: CustomStringConvertible {
    package var description: String {
        var words = matches.map(\.description)
        if isCounted { words.append("counter") }
        words.append("\(decision)")
        if let comment { words.append("comment \"\(comment)\"") }
        return words.joined(separator: " ")
    }
}
