package import Address

/// What a device offers to its neighbours on one port, and what is to be thought of it.
package struct DeviceOffer: Codable, Hashable, Sendable {
    package enum Verdict: String, Codable, Hashable, Sendable {
        case usual, doubtful, bad
    }

    package let transport: String
    package let port: UInt16
    /// What is usual on the port; `?` for nothing that is known.
    package let service: String
    /// Where it is to be had.
    package var addresses: [IPAddress]
    /// The first line of what it says, printable; nil: it says nothing that is a text.
    package let says: String?
    package let verdict: Verdict
    /// What a neighbour may do; nil: nothing that is worth a word.
    package let why: String?
    package let advice: String?

    package init(_ answer: Interview.Answer, transport: String, at address: IPAddress) {
        let hearing = Hearing(answer)
        let remark = hearing.remark ?? answer.service.remark
        self.transport = transport
        port = answer.port
        service = answer.service.name == "?" && hearing.isHTTP ? "http" : answer.service.name
        addresses = [address]
        says = hearing.says
        verdict = remark?.verdict ?? .usual
        why = remark?.why
        advice = remark?.advice
    }

    /// The same offer at another address.
    package func isSame(as other: DeviceOffer) -> Bool { (transport, port) == (other.transport, other.port) }
}

/// What was heard from a port, as it is understood.
private struct Hearing {
    private let bytes: [UInt8]
    private let text: String
    private let conversation: HomeService.Conversation

    private static let longest = 100

    init(_ answer: Interview.Answer) {
        bytes = answer.bytes
        text = String(decoding: bytes, as: UTF8.self)
        conversation = answer.service.conversation
    }

    var isHTTP: Bool { text.hasPrefix("HTTP/1.") }

    // MARK: what it says

    var says: String? {
        switch conversation {
        case .snmp: return printable(snmpText)
        case .mdns: return printable(mdnsServices.joined(separator: " "))
        case .ssdp: return printable(field("server") ?? "")
        case .dns, .ntp, .smb, .mqtt, .socks: return nil
        default: break
        }
        guard isHTTP || text.hasPrefix("RTSP/1.") else { return printable(firstLine(of: withoutTelnet)) }
        let status = firstLine(of: text)
        return printable([status, field("server"), title].compactMap(\.self).joined(separator: ", "))
    }

    private func firstLine(of text: String) -> String {
        // A scalar each, so that CR LF is two.
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.drop { $0 == "\r" || $0 == "\n" }.prefix { $0 != "\r" && $0 != "\n" }))
    }

    /// nil: there is nothing to be read in it.
    private func printable(_ text: String) -> String? {
        let scalars = text.unicodeScalars.filter {
            $0.value >= 0x20 && $0.value != 0x7f && $0.value != 0xfffd && !(0x80...0x9f).contains($0.value)
        }
        let line = String(String.UnicodeScalarView(scalars)).drop { $0 == " " }.prefix(Self.longest)
        return line.isEmpty ? nil : String(line)
    }

    /// Without the commands of telnet, which are three bytes each (RFC 854).
    private var withoutTelnet: String {
        var rest = bytes[...]
        var plain: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte == 0xff { rest = rest.dropFirst(2) } else { plain.append(byte) }
        }
        return String(decoding: plain, as: UTF8.self)
    }

    private var head: Substring { text.firstRange(of: "\r\n\r\n").map { text[..<$0.lowerBound] } ?? text[...] }

    private func field(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name else { continue }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return nil
    }

    private var title: String? {
        text.firstMatch(of: #/(?i:<title[^>]*>)\s*([^<]{1,80})/#).map {
            "\"\($0.1.split(whereSeparator: \.isWhitespace).joined(separator: " "))\""
        }
    }

    private var status: Int? {
        let words = firstLine(of: text).split(separator: " ")
        return words.count > 1 ? Int(words[1]) : nil
    }

    // MARK: what is to be thought of it

    /// nil: nothing that what is usual on the port does not say.
    var remark: HomeService.Remark? {
        switch conversation {
        case .http: return isHTTP ? pageRemark : nil
        case .rtsp where status == 200: return Self.picture
        case .smb where bytes.count > 38 && bytes[4...7].elementsEqual([0xff] + Array("SMB".utf8)):
            // The number of the dialect that it takes: 0, the only one, or none (MS-CIFS §2.2.4.52.2).
            return bytes[9...12].allSatisfy { $0 == 0 } && bytes[36] > 0 && bytes[37...38].allSatisfy { $0 == 0 }
                ? .init(
                    verdict: .bad, why: "it speaks SMB 1, by which worms like WannaCry go from device to device",
                    advice: "switch SMB 1 off on the device, and keep SMB 2 and 3") : nil
        case .vnc:
            // Behind the version: how many kinds there are, and which; 1 is None (RFC 6143 §7.1.2).
            let kinds = bytes.dropFirst(13)
            return kinds.contains(1)
                ? Self.unlocked("see its screen and use its keyboard")
                : .init(
                    verdict: .doubtful, why: "its screen goes over the network in the clear",
                    advice: "reach it through ssh or a VPN")
        case .mqtt where bytes.starts(with: [0x20, 2, 0, 0]):
            return Self.unlocked("hear all its messages and send some")
        case .redis where text.hasPrefix("+PONG"): return Self.unlocked("read and change all that is kept there")
        case .memcached where text.hasPrefix("VERSION"): return Self.unlocked("read and change all that is kept there")
        case .socks where bytes.starts(with: [5, 0]):
            return .init(
                verdict: .doubtful, why: "it takes everybody along to where it can go itself",
                advice: "give it a password, unless you set it up for this")
        case .snmp:
            return .init(
                verdict: .bad, why: "it tells everything about itself to whoever says \"public\"",
                advice: "switch SNMP off on the device, or give it a community that nobody guesses")
        case .dns where bytes.count > 3 && bytes[2] & 0x80 != 0:
            return .init(
                verdict: .doubtful, why: "it answers questions for names, which at home is the gateway's part",
                advice: "find out on the device why, unless you set it up for this")
        default: return nil
        }
    }

    private static let picture = HomeService.Remark(
        verdict: .bad, why: "it shows its picture to everybody at home, without a password",
        advice: "set a password on the device; if that cannot be done, give it a zone of its own")

    private static func unlocked(_ what: String) -> HomeService.Remark {
        .init(
            verdict: .bad, why: "whoever is at home may \(what), without a password",
            advice: "set a password, or let it listen on 127.0.0.1 alone")
    }

    private var pageRemark: HomeService.Remark? {
        if status == 200 {
            let type = field("content-type")?.lowercased() ?? ""
            if type.hasPrefix("multipart/x-mixed-replace") || type.hasPrefix("image/") || type.hasPrefix("video/") {
                return Self.picture
            }
            let title = title?.lowercased() ?? ""
            if title.contains("index of /") || title.contains("directory listing") {
                return .init(
                    verdict: .doubtful, why: "it shows files to everybody at home, without a password",
                    advice: "stop it, unless you set it up for this")
            }
            // What these say at their root, they say to whoever may do everything.
            if text.contains("You Know, for Search") || text.contains("\"couchdb\":\"Welcome\"") {
                return Self.unlocked("read and change all that is kept there")
            }
        }
        if text.contains("{\"message\":\"page not found\"}"), field("server")?.hasPrefix("Docker/") ?? false {
            return Self.unlocked("run programs on it as root")
        }
        if status == 401, field("www-authenticate")?.lowercased().hasPrefix("basic") ?? false {
            return .init(
                verdict: .doubtful, why: "its password goes over the network in the clear",
                advice: "use https on the device, and a password that you use nowhere else")
        }
        return nil
    }

    // MARK: answers that are no text

    /// The string that an answer of SNMP ends with (BER, tag 4): sysDescr.
    private var snmpText: String {
        guard let name = bytes.firstRange(of: [0x2b, 6, 1, 2, 1, 1, 1, 0])?.upperBound, name + 1 < bytes.count,
            bytes[name] == 4
        else { return "" }
        let isLong = bytes[name + 1] & 0x80 != 0
        let start = name + 2 + (isLong ? Int(bytes[name + 1] & 0x7f) : 0)
        guard start < bytes.count else { return "" }
        let length =
            isLong ? bytes[(name + 2)..<start].reduce(0) { ($0 << 8 | Int($1)) & 0xffff } : Int(bytes[name + 1])
        return firstLine(of: String(decoding: bytes[start..<min(bytes.count, start + length)], as: UTF8.self))
    }

    /// The labels of an answer of mDNS that name services, `_ipp` and `_airplay`, each once.
    private var mdnsServices: [String] {
        var names: [String] = []
        var index = 12
        while index < bytes.count {
            let length = Int(bytes[index])
            let end = index + 1 + length
            guard length > 1, length < 64, end <= bytes.count, bytes[index + 1] == UInt8(ascii: "_") else {
                index += 1
                continue
            }
            let name = String(decoding: bytes[(index + 1)..<end], as: UTF8.self)
            if !["_services", "_dns-sd", "_udp", "_tcp"].contains(name), !names.contains(name) { names.append(name) }
            index = end
        }
        return names
    }
}
