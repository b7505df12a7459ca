import Address
import Foundation
import Glibc
import Policy
import Ruleset
import TestNetwork

/// Walks packets through a ruleset as it is printed, and knows nothing of it but its text and what nft(8) says of the words in
/// it. A word that it does not know is an error, whether a packet comes to it or not.
struct Tracer {
    private var chains: [Chain] = []
    private var maps: [String: [String: Action]] = [:]
    private var numbers: [String: [String: UInt32]] = [:]
    /// What sets hold beside the text, by their names.
    private var sets: [String: Set<String>] = [:]

    private struct Chain {
        var name: String
        var base: (kind: Substring, hook: Substring, priority: Int, policy: Action)?
        var rules: [(conditions: [Condition], action: Action)] = []
    }

    /// What holds for a packet, or for what its connection is known by so far.
    private typealias Condition = (Packet, UInt32) -> Bool

    private enum Action {
        case accept, drop, `return`
        case jump(String)
        case goto(String)
        /// The action for the packet's key; none: on to the next rule.
        case choose((Packet, UInt32) -> String?, [String: Action])
        /// What the connection is known by from now on; nil: by what it was.
        case mark((Packet, UInt32) -> UInt32?)
        case nothing
    }

    /// What becomes of the packet, in the hooks of type filter that it comes to.
    func accepts(_ packet: Packet) -> Bool {
        var mark = UInt32(packet.device) | (packet.isTowardsHours ? 0x1_0000 : 0)
        let hooks = ["prerouting", packet.hook == .input ? "input" : packet.hook == .forward ? "forward" : "output"]
        for hook in packet.hook == .output ? [hooks[1]] : hooks {
            let bases = chains.filter { $0.base?.kind == "filter" && $0.base?.hook == hook[...] }
                .sorted { $0.base!.priority < $1.base!.priority }
            for chain in bases {
                switch walk(chain, packet, &mark) ?? chain.base!.policy {
                case .drop: return false
                default: continue
                }
            }
        }
        return true
    }

    private func walk(_ chain: Chain, _ packet: Packet, _ mark: inout UInt32) -> Action? {
        let isTracked = packet.state != .invalid && packet.state != .untracked
        for (conditions, action) in chain.rules where conditions.allSatisfy({ $0(packet, mark) }) {
            var action = action
            if case .choose(let key, let actions) = action {
                guard let chosen = key(packet, mark).flatMap({ actions[$0] }) else { continue }
                action = chosen
            }
            switch action {
            case .accept, .drop: return action
            case .return: return nil
            case .jump(let name):
                if let end = walk(named(name), packet, &mark) { return end }
            case .goto(let name): return walk(named(name), packet, &mark)
            case .mark(let next): if isTracked, let value = next(packet, mark) { mark = value }
            case .nothing, .choose: continue
            }
        }
        return nil
    }

    private func named(_ name: String) -> Chain { chains.first { $0.name == name }! }

    // MARK: - The text

    /// - Parameter elements: what the sets hold whose elements come and go.
    init(_ text: String, _ elements: LiveElements = .none) throws {
        var lines = text.split(separator: "\n").map { $0.drop { $0 == "\t" } }[...]
        func take() throws -> Substring {
            guard let line = lines.popFirst() else { throw Failure("the text ends in the middle") }
            return line
        }
        guard try take() == "table inet gatehouse {" else { throw Failure("no table of ours") }
        while let line = lines.popFirst(), line != "}" {
            let words = line.split(separator: " ")
            guard words.count == 3, words[2] == "{" else { throw Failure("what is \(line)?") }
            switch words[0] {
            case "set":
                let name = String(words[1])
                while case let line = try take(), line != "}" {
                    guard line == "flags timeout" else { continue }
                    sets[name] = Set(
                        elements[name].keys.map { key in
                            key.parts.map { part in
                                switch part {
                                case .address(let address): "\(address)"
                                case .port(let port): "\(port)"
                                }
                            }.joined(separator: " . ")
                        })
                }
            case "map":
                try readMap(String(words[1]), &lines)
            case "chain":
                try readChain(String(words[1]), &lines)
            default: throw Failure("what is \(line)?")
            }
        }
        for chain in chains {
            for case .jump(let name) in chain.rules.map(\.action) where !chains.contains(where: { $0.name == name }) {
                throw Failure("there is no chain \(name)")
            }
        }
    }

    private mutating func readMap(_ name: String, _ lines: inout ArraySlice<Substring>) throws {
        var isOfNumbers = false
        (maps[name], numbers[name]) = ([:], [:])
        while let line = lines.popFirst(), line != "}" {
            if line.hasPrefix("type ") {
                isOfNumbers = line.hasSuffix(" : mark")
            } else if line.hasPrefix("elements = { ") {
                for element in line.dropFirst(13).dropLast(2).split(separator: ", ") {
                    guard let colon = element.range(of: " : ") else { throw Failure("what is \(element)?") }
                    var key = element[..<colon.lowerBound]
                    if let timeout = key.range(of: " timeout ") { key = key[..<timeout.lowerBound] }
                    var words = Words(element[colon.upperBound...])
                    if isOfNumbers {
                        numbers[name]![String(key)] = try number(words.next())
                    } else {
                        maps[name]![String(key)] = try verdict(&words)
                    }
                }
            } else if !line.hasPrefix("size "), !line.hasPrefix("flags ") {
                throw Failure("what is \(line)?")
            }
        }
    }

    private mutating func readChain(_ name: String, _ lines: inout ArraySlice<Substring>) throws {
        var chain = Chain(name: name)
        while let line = lines.popFirst(), line != "}" {
            if let base = line.wholeMatch(
                of: /type (\w+) hook (\w+) priority (\w+|-?\d+)(?: ([+-]) (\d+))?; policy (\w+);/)
            {
                let names = ["raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100]
                guard let from = names[String(base.3)] ?? Int(base.3) else { throw Failure("what is \(line)?") }
                let distance = (base.5.flatMap { Int($0) } ?? 0) * (base.4 == "-" ? -1 : 1)
                chain.base = (base.1, base.2, from + distance, base.6 == "drop" ? .drop : .accept)
            } else {
                chain.rules.append(try rule(line))
            }
        }
        chains.append(chain)
    }

    private func rule(_ line: Substring) throws -> (conditions: [Condition], action: Action) {
        var words = Words(line)
        var conditions: [Condition] = []
        var action = Action.nothing
        var isDecided = false
        while let word = words.nextIfAny() {
            guard !isDecided || word == "comment" else { throw Failure("\(word) behind the decision of \(line)") }
            switch word {
            case "counter": continue
            case "comment": _ = try words.next()
            case "accept", "drop", "return", "jump", "goto":
                words.back()
                (action, isDecided) = (try verdict(&words), true)
            case "reject":
                try words.skip("with")
                _ = (try words.next(), try words.next())
                (action, isDecided) = (.drop, true)
            case "dnat":
                _ = (try words.next(), try words.next(), try words.next())
                (action, isDecided) = (.accept, true)
            case "redirect", "masquerade": (action, isDecided) = (.accept, true)
            case "tcp" where words.peek == "option":
                for word in ["option", "maxseg", "size", "set", "rt", "mtu"] { try words.skip(word) }
                isDecided = true
            case "log":
                if words.peek == "prefix" { _ = (try words.next(), try words.next()) }
                try words.skip("group")
                _ = try words.next()
                isDecided = true
            case "update":
                conditions.append(try rate(&words))
            case "socket":
                try words.skip("wildcard")
                try words.skip("0")
                conditions.append { packet, _ in packet.hasBoundSocket }
            case "fib":
                conditions.append(try route(&words))
            case "ct" where words.peek == "mark", "meta" where words.peek == "mark":
                try readMark(word, &words, &conditions, &action, &isDecided)
            default:
                var (key, isFlag) = try self.key(word, &words)
                while words.peek == "." {
                    try words.skip(".")
                    let (first, second) = (key, try self.key(words.next(), &words).key)
                    key = { packet, mark in
                        first(packet, mark).flatMap { first in second(packet, mark).map { "\(first) . \($0)" } }
                    }
                }
                if words.peek == "&" {
                    try words.skip("&")
                    try words.skip("ffff:ffff:ffff:ffff::")
                    if words.peek == "==" { try words.skip("==") }
                    let whole = key
                    key = { packet, mark in whole(packet, mark).flatMap { IPAddress($0)?.site.description } }
                }
                if words.peek == "vmap" {
                    try words.skip("vmap")
                    (action, isDecided) = (.choose(key, try verdicts(&words)), true)
                } else {
                    let holds = try values(&words, asFlag: isFlag)
                    conditions.append { packet, mark in key(packet, mark).map(holds) ?? false }
                }
            }
        }
        return (conditions, action)
    }

    /// What of a packet the words ask for, as text; nil: it has none.
    private func key(
        _ word: Substring, _ words: inout Words
    ) throws -> (key: (Packet, UInt32) -> String?, isFlag: Bool) {
        func plain(_ key: @escaping (Packet) -> String?) -> (key: (Packet, UInt32) -> String?, isFlag: Bool) {
            ({ packet, _ in key(packet) }, false)
        }
        let next = try words.next()
        switch (word, next) {
        case ("iifname", _):
            words.back()
            return plain { "\"\($0.interface)\"" }
        case ("oifname", _):
            words.back()
            return plain { $0.output.map { "\"\($0)\"" } }
        case ("ct", "state"):
            return ({ packet, _ in "\(packet.state)" }, true)
        case ("ct", "status"):
            if words.peek == "!" {
                try words.skip("!")
                return ({ packet, _ in packet.state == .new ? "confirmed" : nil }, true)
            }
            return ({ packet, _ in packet.isTranslated ? "dnat" : nil }, true)
        case ("ct", "original"):
            try words.skip("proto-dst")
            return plain {
                $0.state == .invalid || $0.state == .untracked ? nil : ($0.soughtPort ?? $0.port).map { "\($0)" }
            }
        case ("meta", "nfproto"): return plain { $0.isIPv4 ? "ipv4" : "ipv6" }
        case ("meta", "l4proto"):
            return plain { packet in
                let number = packet.number
                return getprotobynumber(Int32(number)).map { String(cString: $0.pointee.p_name) } ?? "\(number)"
            }
        case ("meta", "skuid"): return plain { $0.user.map { "\($0)" } }
        case ("meta", "time"): return plain { "\($0.time)" }
        case ("ip", "saddr"): return plain { $0.isIPv4 ? "\($0.source)" : nil }
        case ("ip6", "saddr"): return plain { $0.isIPv4 ? nil : "\($0.source)" }
        case ("ip", "daddr"): return plain { $0.isIPv4 ? "\($0.destination)" : nil }
        case ("ip6", "daddr"): return plain { $0.isIPv4 ? nil : "\($0.destination)" }
        case ("ip6", "hoplimit"): return plain { $0.isIPv4 ? nil : "\($0.hopLimit)" }
        case ("tcp", "dport"):
            return plain { if case .tcp(let port) = $0.content { "\(port)" } else { nil } }
        case ("udp", "dport"):
            return plain { if case .udp(let port) = $0.content { "\(port)" } else { nil } }
        case ("tcp", "flags"):
            // `syn / fin,syn,rst`: a first packet is one that begins.
            return plain { if case .tcp = $0.content { "syn" } else { nil } }
        case ("icmp", "type"):
            let names = [3: "destination-unreachable", 8: "echo-request", 11: "time-exceeded", 12: "parameter-problem"]
            return plain {
                if case .icmp(let type) = $0.content, $0.isIPv4 { names[Int(type)] ?? "\(type)" } else { nil }
            }
        case ("icmpv6", "type"):
            let names = [
                1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem",
                128: "echo-request", 130: "mld-listener-query", 131: "mld-listener-report", 132: "mld-listener-done",
                133: "nd-router-solicit", 134: "nd-router-advert", 135: "nd-neighbor-solicit",
                136: "nd-neighbor-advert", 143: "mld2-listener-report",
            ]
            return plain {
                if case .icmpv6(let type) = $0.content, !$0.isIPv4 { names[Int(type)] ?? "\(type)" } else { nil }
            }
        default: throw Failure("I know no \(word) \(next)")
        }
    }

    /// Whether a value is one of those that follow.
    private func values(_ words: inout Words, asFlag: Bool) throws -> (String) -> Bool {
        var wanted = asFlag ? try words.next().split(separator: ",") : [try words.next()]
        if wanted == ["<"] {
            let end = try seconds(words.next())
            return { Int($0)! < end }
        }
        if wanted == ["{"] {
            wanted = []
            while words.peek != "}" {
                let word = try words.next()
                wanted.append(word.hasSuffix(",") ? word.dropLast() : word)
            }
            try words.skip("}")
        }
        if words.peek == "/" {
            // Of the flags behind it the ones before it.
            _ = (try words.next(), try words.next())
        }
        let tests: [(String) -> Bool] = try wanted.map { wanted in
            if wanted.hasPrefix("@") {
                guard let set = sets[String(wanted.dropFirst())] else { throw Failure("I do not see into \(wanted)") }
                return { set.contains($0) }
            }
            if let span = wanted.wholeMatch(of: /"(.*)"-"(.*)"/) {
                let range = try seconds("\"\(span.1)\"")...seconds("\"\(span.2)\"")
                return { range.contains(Int($0)!) }
            }
            if let ports = wanted.wholeMatch(of: /(\d+)-(\d+)/) {
                let range = Int(ports.1)!...Int(ports.2)!
                return { range.contains(Int($0)!) }
            }
            if let network = Network(String(wanted)), !asFlag, wanted.contains(".") || wanted.contains(":") {
                return { network.contains(IPAddress($0)!) }
            }
            guard wanted.wholeMatch(of: /"[^"]*"|[a-z0-9-]+/) != nil else { throw Failure("what is \(wanted)?") }
            return { $0 == wanted }
        }
        return { value in tests.contains { $0(value) } }
    }

    private func verdicts(_ words: inout Words) throws -> [String: Action] {
        let first = try words.next()
        if first.hasPrefix("@") {
            guard let map = maps[String(first.dropFirst())] else { throw Failure("there is no map \(first)") }
            return map
        }
        guard first == "{" else { throw Failure("what is vmap \(first)?") }
        var actions: [String: Action] = [:]
        while words.peek != "}" {
            let key = String(try words.next())
            try words.skip(":")
            actions[key] = try verdict(&words)
        }
        try words.skip("}")
        return actions
    }

    private func verdict(_ words: inout Words) throws -> Action {
        func bare(_ word: Substring) -> String { String(word.hasSuffix(",") ? word.dropLast() : word) }
        switch bare(try words.next()) {
        case "accept": return .accept
        case "drop": return .drop
        case "return": return .return
        case "jump": return .jump(bare(try words.next()))
        case "goto": return .goto(bare(try words.next()))
        case let word: throw Failure("\(word) is no verdict")
        }
    }

    private func readMark(
        _ owner: Substring, _ words: inout Words, _ conditions: inout [Condition], _ action: inout Action,
        _ isDecided: inout Bool
    ) throws {
        try words.skip("mark")
        switch (owner, try words.next()) {
        case ("meta", "set"):
            for word in ["ct", "mark", "&", "0x0000ffff"] { try words.skip(word) }
            isDecided = true
        case ("ct", "set"):
            isDecided = true
            let value = try words.next()
            if value == "iifname" {
                for word in [".", "ether", "saddr", "map"] { try words.skip(word) }
                let name = try words.next().dropFirst()
                guard let known = numbers[String(name)] else { throw Failure("there is no map \(name)") }
                action = .mark { packet, _ in packet.hardware.flatMap { known["\"\(packet.interface)\" . \($0)"] } }
            } else if value == "ct" {
                try words.skip("mark")
                try words.skip("|")
                let bits = try number(words.next())
                action = .mark { _, mark in mark | bits }
            } else {
                let fixed = try number(value)
                action = .mark { _, _ in fixed }
            }
        case ("ct", "&"):
            let mask = try number(words.next())
            // Without a connection there is no mark.
            let key: (Packet, UInt32) -> String? = { packet, mark in
                packet.state == .invalid || packet.state == .untracked ? nil : hexadecimal(mark & mask)
            }
            switch try words.next() {
            case "==":
                let wanted = hexadecimal(try number(words.next()))
                conditions.append { packet, mark in key(packet, mark) == wanted }
            case "vmap": (action, isDecided) = (.choose(key, try verdicts(&words)), true)
            case let word: throw Failure("what is ct mark & … \(word)?")
            }
        case (_, let word): throw Failure("what is \(owner) mark \(word)?")
        }
    }

    /// A source is taken to be within its rate.
    private func rate(_ words: inout Words) throws -> Condition {
        guard try words.next().hasPrefix("@") else { throw Failure("update what?") }
        try words.skip("{")
        let isIPv4 = try words.next() == "ip"
        try words.skip("saddr")
        if !isIPv4 {
            try words.skip("&")
            try words.skip("ffff:ffff:ffff:ffff::")
        }
        try words.skip("limit")
        try words.skip("rate")
        let isOver = words.peek == "over"
        while try words.next() != "}" {}
        return { packet, _ in packet.isIPv4 == isIPv4 && !isOver }
    }

    private func route(_ words: inout Words) throws -> Condition {
        switch try words.next() {
        case "saddr":
            for word in [".", "iif", "oif", "missing"] { try words.skip(word) }
            return { packet, _ in packet.hasForgedSource }
        case "daddr":
            try words.skip("type")
            let isForeign = words.peek == "!="
            if isForeign { try words.skip("!=") }
            try words.skip("local")
            return { packet, _ in (packet.output != nil) == isForeign }
        case let word: throw Failure("I know no fib \(word)")
        }
    }

    private func number(_ word: Substring) throws -> UInt32 {
        guard word.hasPrefix("0x"), let value = UInt32(word.dropFirst(2), radix: 16) else {
            throw Failure("\(word) is no number")
        }
        return value
    }

    private func seconds(_ word: Substring) throws -> Int {
        guard let found = word.wholeMatch(of: /"(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)"/) else {
            throw Failure("when is \(word)?")
        }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (Int32(found.1)! - 1900, Int32(found.2)! - 1, Int32(found.3)!)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (Int32(found.4)!, Int32(found.5)!, Int32(found.6)!)
        return timegm(&parts)
    }

    /// What stands between spaces; what stands in quotation marks is one.
    private struct Words {
        private var words: [Substring] = []
        private var index = 0

        init(_ text: Substring) {
            var rest = text
            while let first = rest.first {
                if first == " " {
                    rest.removeFirst()
                    continue
                }
                var end = rest.startIndex
                var isQuoted = false
                while end < rest.endIndex, isQuoted || rest[end] != " " {
                    if rest[end] == "\"" { isQuoted.toggle() }
                    end = rest.index(after: end)
                }
                words.append(rest[..<end])
                rest = rest[end...]
            }
        }

        var peek: Substring? { index < words.count ? words[index] : nil }

        mutating func nextIfAny() -> Substring? {
            defer { index += 1 }
            return peek
        }

        mutating func next() throws -> Substring {
            guard let word = nextIfAny() else { throw Failure("the line ends in the middle: \(words)") }
            return word
        }

        mutating func back() { index -= 1 }

        mutating func skip(_ word: String) throws {
            let found = try next()
            guard found == word[...] else { throw Failure("\(found) stands where \(word) is to: \(words)") }
        }
    }
}

private func hexadecimal(_ number: UInt32) -> String {
    let digits = String(number, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}

extension Packet {
    fileprivate var isIPv4: Bool { if case .v4 = source { true } else { false } }

    fileprivate var port: UInt16? {
        switch content {
        case .tcp(let port), .udp(let port): port
        default: nil
        }
    }

    fileprivate var number: UInt8 {
        switch content {
        case .icmp: 1
        case .tcp: 6
        case .udp: 17
        case .icmpv6: 58
        case .other(let number): number
        }
    }
}
