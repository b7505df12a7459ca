import Foundation
import Policy
import Testing

@testable import Admin

/// Callers program against the interface text, which is printed from the Swift types. A reader of its own takes the text
/// apart again here, and makes JSON of it that the types have to take and give back.
@Suite struct `The interface text` {
    private let text: InterfaceText

    init() throws { text = try InterfaceText(Interface.adminText()) }

    @Test func `has exactly the methods and errors that there are`() {
        #expect(text.methods.map(\.name) == Interface.calls.map { $0.name })
        #expect(Set(text.methods.map(\.name)).count == text.methods.count)
        #expect(text.errors == ["Refused", "PermissionDenied", "NotFound"])
    }

    @Test func `says of each method what its parameters and its reply are, member by member`() throws {
        for (call, method) in zip(Interface.calls, text.methods) {
            try roundTrip(call, method)
        }
    }

    private func roundTrip<C: Call>(_ call: C.Type, _ method: InterfaceText.Method) throws {
        // A change takes the parameters of `Manner` beside its own.
        let (own, shared) = (method.parameters.dropLast(C.isChange ? 2 : 0), method.parameters.suffix(2))
        try roundTrip(C.self, Array(own), "the parameters of \(call.name)")
        if C.isChange { try roundTrip(Manner.self, Array(shared), "the manner of \(call.name)") }
        try roundTrip(C.Reply.self, method.reply, "the reply of \(call.name)")
    }

    /// A value of every member that the text names becomes one of the type, which writes the same members again: neither
    /// has one that the other lacks, and each is of the form that is told.
    private func roundTrip<Value: Codable>(_ type: Value.Type, _ members: [(String, String)], _ what: String) throws {
        let whole = try text.value(of: members, isWhole: true)
        let written = try again(whole, as: type, what)
        #expect(written.isEqual(whole), "\(what): \(whole) became \(written)")
        // A member that may be null may be missing, and no other may.
        let least = try text.value(of: members, isWhole: false)
        _ = try again(least, as: type, what)
        for (name, form) in members where !form.hasPrefix("?") {
            var less = try #require(least as? [String: Any])
            less[name] = nil
            let data = try JSONSerialization.data(withJSONObject: less)
            #expect(throws: DecodingError.self, "\(what) without \(name)") {
                try JSONDecoder().decode(type, from: data)
            }
        }
    }

    private func again<Value: Codable>(_ object: NSDictionary, as type: Value.Type, _ what: String) throws
        -> NSDictionary
    {
        let data = try JSONSerialization.data(withJSONObject: object)
        let value = try #require(try? JSONDecoder().decode(type, from: data), "\(what) does not take \(object)")
        return try #require(try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) as? NSDictionary)
    }

    @Test func `has every member of a type that is written differently in each of its states`() throws {
        try coverage(of: DoorState.self)
    }

    private func coverage<Union: InterfaceUnion>(of type: Union.Type) throws {
        let names = type.samples.map { sample in
            (try? JSONSerialization.jsonObject(with: JSONEncoder().encode(sample)) as? [String: Any])?.keys.map(\.self)
        }
        let written = Set(names.flatMap { $0 ?? [] })
        let documented = try #require(text.documented.first { $0.name == type.interfaceName })
        #expect(written == documented.members)
    }

    @Test func `documents everything, and nothing that is not there`() {
        for (name, documentation, members) in text.documented {
            #expect(!documentation.isEmpty, "\(name) has no documentation")
            for line in documentation {
                #expect(line.count <= 120, "\(name): \(line)")
                guard let named = line.firstMatch(of: #/^([a-z][A-Za-z0-9]*(?:, [a-z][A-Za-z0-9]*)*): /#) else {
                    continue
                }
                for word in named.1.split(separator: ", ") {
                    #expect(members.contains(String(word)), "\(name) has no \(word), which its documentation explains")
                }
            }
        }
    }
}

/// A reader for as much of varlink's interface definition language as we print.
struct InterfaceText {
    struct Method {
        var name: String
        var parameters: [(String, String)]
        var reply: [(String, String)]
    }

    struct Unreadable: Error {
        var what: String
    }

    private(set) var methods: [Method] = []
    private(set) var errors: [String] = []
    /// Objects by their members, enumerations by their words.
    private var types: [String: [(String, String)]] = [:]
    private(set) var documented: [(name: String, documentation: [String], members: Set<String>)] = []

    init(_ text: String) throws {
        var comment: [String] = []
        var rest = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
        while let line = rest.popFirst() {
            guard !line.hasPrefix("#") else {
                comment.append(String(line.dropFirst(2)))
                continue
            }
            var member = String(line)
            while member.count(where: { $0 == "(" }) > member.count(where: { $0 == ")" }), let more = rest.popFirst() {
                member += more.trimmingCharacters(in: .whitespaces)
                if member.hasSuffix(",") { member += " " }
            }
            if !member.isEmpty { try add(member, comment) }
            comment = []
        }
    }

    private mutating func add(_ member: String, _ comment: [String]) throws {
        let names: [(String, String)]
        let title: String
        if let match = member.wholeMatch(of: #/method ([A-Za-z0-9]+)\((.*)\) -> \((.*)\)/#) {
            title = String(match.1)
            let method = Method(name: title, parameters: Self.members(match.2), reply: Self.members(match.3))
            methods.append(method)
            names = method.parameters + method.reply
        } else if let match = member.wholeMatch(of: #/type ([A-Z][A-Za-z0-9]*) \((.*)\)/#) {
            title = String(match.1)
            guard types[title] == nil else { throw Unreadable(what: "\(title) is declared twice") }
            names = Self.members(match.2)
            types[title] = names
        } else if let match = member.wholeMatch(of: #/error ([A-Za-z]+) \(reason: string\)/#) {
            title = String(match.1)
            errors.append(title)
            names = [("reason", "string")]
        } else if member == "interface org.gatehouse.Admin" {
            return
        } else {
            throw Unreadable(what: member)
        }
        documented.append((title, comment, Set(names.map(\.0))))
    }

    private static func members(_ list: Substring) -> [(String, String)] {
        list.split(separator: ", ").map { item in
            let parts = item.split(separator: ": ").map(String.init)
            return (parts[0], parts.count == 2 ? parts[1] : "")
        }
    }

    /// An object with a value for each member, or only for those that may not be null.
    ///
    /// - Parameter owner: the type whose members they are; nil: a method's.
    func value(of members: [(String, String)], in owner: String? = nil, isWhole: Bool) throws -> NSDictionary {
        let object = NSMutableDictionary()
        for (name, form) in members where isWhole || !form.hasPrefix("?") {
            object[name] = try value(owner.map { "\($0).\(name)" } ?? name, form[...], isWhole: isWhole)
        }
        return object
    }

    private func value(_ name: String, _ form: Substring, isWhole: Bool) throws -> Any {
        if form.hasPrefix("?") { return try value(name, form.dropFirst(), isWhole: isWhole) }
        if form.hasPrefix("[]") { return [try value(name, form.dropFirst(2), isWhole: isWhole)] }
        switch form {
        case "bool": return true
        case "int": return 7
        case "string": return text(for: name)
        case "object": return ["whatever": ["is": [true, 7, "said"]]] as NSDictionary
        default:
            guard let members = types[String(form)] else { throw Unreadable(what: "\(name): \(form)") }
            guard members.first?.1 != "" else { return members[0].0 }
            // The other members belong to other states.
            if form == "Door" { return ["state": "off"] }
            return try value(of: members, in: String(form), isWhole: isWhole)
        }
    }

    /// Strings that the text says to be in a notation.
    private func text(for name: String) -> String {
        let notations = [
            "endpoint": "192.0.2.1:1080", "local": "192.0.2.1:22", "knownAddresses": "192.0.2.1",
            "leadsTo": "192.0.2.1:80",
            "client": "192.0.2.0/24", "clients": "192.0.2.0/24",
            "destination": "192.0.2.0/24", "source": "192.0.2.0/24", "sshSources": "192.0.2.0/24", "ports": "80-443",
            "udpPorts": "5000-5009",
            "bindPorts": "6000-6009", "advertisedAddress": "192.0.2.1", "addresses": "192.168.10.1/24",
            "subject": "user kid", "spared": "192.0.2.0/24", "network": "192.0.2.0/24",
            "ZoneInterface.addresses": "192.0.2.1", "Certificate.addresses": "192.0.2.1",
            "CertificateFacts.addresses": "192.0.2.1", "address": "192.168.10.1/24",
            "range": "192.168.10.9-192.168.10.19",
            "newDevices": "blocked", "DeviceStatus.addresses": "192.0.2.1", "fixedAddress": "192.0.2.1",
            "way": "routed",
            "pause": "forever", "schedule": "mon-fri 07:00-21:00", "transport": "gre",
            "Visit.host": "cloud.example", "VisitSighting.address": "192.0.2.1",
            "Departure.destination": "192.0.2.9", "DroppedPacket.source": "192.0.2.7",
            "DroppedPacket.destination": "192.0.2.9",
            "ends": "guest to things",
            "Device.address": "192.0.2.1",
            "hardware": "52:54:00:12:34:56", "Endangered.client": "192.0.2.7",
            "services": "udp 5000-5100", "place": "interface:eth1",
            "Session.listener": "192.0.2.1:3128", "Session.client": "192.0.2.7:4711", "Session.origin": "192.0.2.9:443",
            "SessionLogEntry.listener": "192.0.2.1:3128", "SessionLogEntry.client": "192.0.2.7:4711",
        ]
        return notations[name] ?? notations[name.split(separator: ".").last.map(String.init) ?? ""] ?? "a word"
    }
}
