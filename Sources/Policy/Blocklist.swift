import Address

/// Names that are not told to anybody, or to nobody of a zone, or not to one device; or networks of the internet with which nobody
/// speaks. What the operator brought as a file: the names and networks themselves are kept beside the policy, which only knows by
/// what they are found.
package struct Blocklist: Codable, Hashable, Sendable {
    /// Unique: a letter, then letters, digits, `-` and `_`, all in lower case; 32 at most.
    package var name: String
    /// The zone for whose devices it holds; nil: it is not about a zone. Never beside a `device`.
    package var zone: String?
    /// The device for which it holds, by name; nil: it is not about a device.
    package var device: String?
    /// Of a list of networks, who may not begin a conversation with whom; nil: it is of names. Such a list holds for everybody.
    package var direction: Direction?
    /// How many names or networks it has.
    package var count: Int
    /// What finds them: hexadecimal digits. Others have others.
    package var content: String

    package enum Direction: String, Codable, Hashable, Sendable, CaseIterable {
        /// The networks of the list with us.
        case `in`
        /// We with them.
        case out
        case both
    }

    package init(
        name: String, zone: String? = nil, device: String? = nil, direction: Direction? = nil, count: Int,
        content: String
    ) {
        self.name = name
        self.zone = zone
        self.device = device
        self.direction = direction
        self.count = count
        self.content = content
    }

    /// How a file names them.
    package enum Format: String, Codable, Hashable, Sendable, CaseIterable {
        /// As hosts(5): an address, which means nothing, and names behind it. Each is for itself.
        case hosts
        /// A name in each line, which stands for all that is below it, too; `*.` before it may be there.
        case domains
        /// A name in each line; a dot before it says that it stands for all that is below it, too.
        case names
        /// A network in each line, or an address; what follows a `;` is a comment as well.
        case networks
    }
}

extension Blocklist: CustomStringConvertible {
    /// What its firewall rules are called.
    package var ruleName: String { "blocklist \(name)" }

    /// `ads, 100000 names, for guest`; `spam, 1500 networks, in`.
    package var description: String {
        let noun = direction == nil ? "name" : "network"
        let parts: [String?] = [
            name, count == 1 ? "1 \(noun)" : "\(count) \(noun)s", direction?.rawValue, zone.map { "for \($0)" },
            device.map { "for the device \($0)" },
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}

extension Blocklist.Format {
    /// The names in a line, in lower case; a dot before one says that it stands for all that is below it, too. Or the network.
    ///
    /// - Throws: why it is no line of such a file.
    package func names(in line: Substring) throws(Refusal) -> [String] {
        let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
        guard let first = words.first else { return [] }
        switch self {
        case .domains:
            guard words.count == 1 else { throw Refusal("one name in a line; is it a file of the format hosts?") }
            let name = first.hasPrefix("*.") ? first.dropFirst(2) : first
            return ["." + (try Self.name(name))]
        case .names:
            guard words.count == 1 else { throw Refusal("one name in a line; is it a file of the format hosts?") }
            return [first.hasPrefix(".") ? "." + (try Self.name(first.dropFirst())) : try Self.name(first)]
        case .networks:
            let text = line.prefix { $0 != "#" && $0 != ";" }.split(whereSeparator: \.isWhitespace)
            guard let first = text.first else { return [] }
            guard text.count == 1, let network = Network(String(first)) else {
                throw Refusal(
                    "want one network in a line, as 192.0.2.0/24 or 2001:db8::/32, with no bit set behind the prefix, or an address"
                )
            }
            return ["\(network)"]
        case .hosts:
            guard IPAddress(String(first)) != nil else { throw Refusal("no address stands first") }
            guard words.count > 1 else { throw Refusal("no name follows the address") }
            var names: [String] = []
            for word in words.dropFirst() {
                // Every such file begins with those by which a machine knows itself, and an address may be its own name.
                guard !Self.own.contains(word.lowercased()), IPAddress(String(word)) == nil else { continue }
                names.append(try Self.name(word))
            }
            return names
        }
    }

    private static let own: Set<String> = [
        "localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost", "ip6-loopback",
        "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "ip6-allhosts",
    ]

    private static func name(_ text: Substring) throws(Refusal) -> String {
        guard case .name(let name) = try Host(String(text)) else { throw Refusal("an address is no name") }
        return name
    }
}

extension Policy {
    package static let mostBlocklists = 60

    /// Of names.
    package var nameLists: [Blocklist] { blocklists.filter { $0.direction == nil } }
    package var networkLists: [Blocklist] { blocklists.filter { $0.direction != nil } }

    /// Adds the list, or puts it in the place of the one of that name.
    package mutating func set(_ list: Blocklist) throws(Refusal) {
        if let index = blocklists.firstIndex(where: { $0.name == list.name }) {
            blocklists[index] = list
        } else {
            guard blocklists.count < Self.mostBlocklists else {
                throw Refusal(
                    "there are \(Self.mostBlocklists) blocklists; put names into one that there is, or remove one with "
                        + "`gatehousectl blocklist remove NAME`")
            }
            blocklists.append(list)
        }
        try check(list)
    }

    package mutating func removeBlocklist(named name: String) throws(Refusal) {
        guard let index = blocklists.firstIndex(where: { $0.name == name }) else {
            throw Refusal("there is no blocklist \(name); `gatehousectl blocklist list` shows what there is")
        }
        blocklists.remove(at: index)
    }

    func check(_ list: Blocklist) throws(Refusal) {
        let name = Array(list.name.utf8)
        let isName =
            (1...32).contains(name.count) && (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(name[0])
            && name.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
        guard isName else {
            throw Refusal(
                "\"\(list.name)\" is no name of a blocklist: a letter, then letters, digits, - and _, in lower case, 32 at most"
            )
        }
        guard list.zone == nil || list.device == nil else {
            throw Refusal("the blocklist \(list.name) is for one zone or for one device; give `--zone` or `--device`")
        }
        guard list.direction == nil || (list.zone == nil && list.device == nil) else {
            throw Refusal(
                "the blocklist \(list.name) is of networks, and holds for everybody; leave out `--zone` and `--device`")
        }
        if let zone = list.zone {
            try checkExists(zone: zone)
            guard zone != Zone.internet else {
                throw Refusal("nobody on the internet is answered; choose another zone for the blocklist \(list.name)")
            }
        }
        if let device = list.device, self.device(named: device) == nil {
            throw Refusal(
                "there is no device \(device) for the blocklist \(list.name); `gatehousectl device list` shows them, or remove "
                    + "the list with `gatehousectl blocklist remove \(list.name)`")
        }
    }
}
