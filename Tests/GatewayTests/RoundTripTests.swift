import Foundation
import TestNetwork
import Testing

/// A kind of thing that the policy consists of, as each room of the house has it.
private struct Thing {
    /// The command that makes it, and the one that takes it away.
    let add: [String]
    let remove: [String]
    var input: String?
    /// The verb that lists it, and the member of its reply.
    let list: String
    let member: String
    /// As the daemon tells it, and the name of that type in the interface text.
    let json: NSDictionary
    let type: String
    /// As the history tells it.
    let line: String
    /// Whether it does what it is for: in the kernel, or in a proxy where the kernel has no part in it.
    let isInEffect: (Home) throws -> Bool
}

private var things: [Thing] {
    [
        Thing(
            add: ["listener", "add", "http", "192.168.77.1:8080", "--interface", "lan0", "--auth", "required"],
            remove: ["listener", "remove", "192.168.77.1:8080"], list: "listener", member: "listeners",
            json: [
                "kind": "http", "endpoint": "192.168.77.1:8080", "authentication": "required", "interface": "lan0",
                "clients": [String](), "users": [String](), "socks": ["allowsVersion4": false],
            ], type: "Listener", line: "listener http 192.168.77.1:8080, with password, on lan0",
            isInEffect: { try $0.ruleset().contains("ip daddr 192.168.77.1 tcp dport 8080 ") }),
        Thing(
            add: ["user", "add", "anna", "--password-stdin"], remove: ["user", "remove", "anna"],
            input: "a long secret\n",
            list: "user", member: "users", json: ["name": "anna"], type: "User", line: "user anna",
            // Nobody listens on that port, which no rule is about; without the user it is 407.
            isInEffect: { try $0.status(through: "anna:a%20long%20secret@192.168.77.1:8080", 7) == "502" }),
        Thing(
            add: ["rule", "add", "deny", "--from", "192.168.77.0/24", "--to", "203.0.112.0/24", "--port", "9"],
            remove: ["rule", "remove", "1"], list: "rule", member: "rules",
            json: [
                "id": 1, "origin": "hand", "action": "deny", "client": "192.168.77.0/24",
                "destination": "203.0.112.0/24", "ports": "9",
            ], type: "Rule", line: "rule 1 deny from 192.168.77.0/24 to 203.0.112.0/24 port 9",
            isInEffect: { try $0.status(through: "192.168.77.1:3128") == "403" }),
        Thing(
            add: ["limit", "set", "client", "--sessions", "5000"], remove: ["limit", "remove", "client"], list: "limit",
            member: "limits",
            json: [
                "subject": "client", "sessions": 5000, "rate": 100, "handshakes": 512, "lookups": 64, "questions": 1000,
            ], type: "Limit",
            line:
                "limit client: 5000 sessions, 100 new sessions per second, 512 handshakes, 64 lookups, 1000 questions per second",
            isInEffect: { try $0.ctl("limit", "list").contains("5000") }),
        Thing(
            add: ["zone", "add", "things", "--interface", "wifi9"], remove: ["zone", "remove", "things"], list: "zone",
            member: "zones",
            json: ["name": "things", "interfaces": ["wifi9"], "addresses": [String](), "way": "routed"],
            type: "Zone", line: "zone things wifi9",
            isInEffect: { try $0.ctl("zone", "list").contains("wifi9") }),
        Thing(
            add: ["firewall", "open", "print", "--tcp", "631", "--from", "things", "--from", "10.0.0.0/8"],
            remove: ["firewall", "close", "print"], list: "firewall", member: "openings",
            json: ["name": "print", "services": ["tcp 631"], "place": "things", "source": "10.0.0.0/8"],
            type: "Opening", line: "opening print tcp 631 from things, 10.0.0.0/8",
            isInEffect: {
                try $0.ruleset().contains("iifname \"wifi9\" ip saddr 10.0.0.0/8 tcp dport 631 ")
            }),
    ]
}

extension Home {
    /// What the proxy answers who asks it for a port of the WAN host at which nobody listens.
    fileprivate func status(through proxy: String, _ port: UInt16 = 9) throws -> String {
        let url = "http://\(Self.wanHost):\(port)/"
        return try lan.attempt(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x", "http://\(proxy)", url]
        ).output
    }

    fileprivate func listed(_ thing: Thing) throws -> [NSDictionary] {
        let reply = try JSONSerialization.jsonObject(with: Data(ctl("--json", thing.list, "list").utf8))
        let listed = try #require((reply as? [String: Any])?[thing.member] as? [NSDictionary])
        // An opening comes with what came in by it.
        return listed.map { $0["opening"] as? NSDictionary ?? $0 }
    }

    /// The interface as the daemon describes it to everybody who can connect.
    fileprivate func interfaceText() throws -> String {
        let script = """
            import json, socket, sys
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(sys.argv[1])
            call = {"method": "org.varlink.service.GetInterfaceDescription",
                    "parameters": {"interface": "org.gatehouse.Admin"}}
            connection.sendall(json.dumps(call).encode() + b"\\0")
            reply = b""
            while not reply.endswith(b"\\0"): reply += connection.recv(65536)
            print(json.loads(reply[:-1])["parameters"]["description"])
            """
        return try gateway.run("python3", "-c", script, socket)
    }
}

@Suite("Each kind of thing makes its round", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct RoundTripTests {
    @Test("through interface text, gatehousectl, daemon, store and kernel or proxy, and back the same")
    func round() throws {
        let home = try Home.ready()
        let text = try home.interfaceText()
        let before = try home.ruleset()
        for thing in things {
            #expect(try !home.isInEffect(thing), "\(thing.line)")
            let told = try home.ctl(thing.add, input: thing.input)
            #expect(told.contains("+ \(thing.line)\n"), "\(told)")
            try expect(thing, in: home, describedBy: text)
        }
        try home.stop()
        try home.start()
        for thing in things { try expect(thing, in: home, describedBy: text) }
        for thing in things.reversed() {
            let told = try home.ctl(thing.remove)
            #expect(told.contains("- \(thing.line)\n"), "\(told)")
            #expect(try !home.listed(thing).contains(thing.json))
            #expect(try !home.isInEffect(thing), "\(thing.line)")
        }
        #expect(try home.ruleset() == before)
    }

    private func expect(_ thing: Thing, in home: Home, describedBy text: String) throws {
        let listed = try home.listed(thing)
        #expect(listed.contains(thing.json), "\(listed)")
        #expect(try eventually { try home.isInEffect(thing) }, "\(thing.line)")
        let start = try #require(text.range(of: "\ntype \(thing.type) ("), "\(thing.type)")
        let declaration = text[start.upperBound...].prefix { $0 != ")" }
        for case let name as String in thing.json.allKeys {
            #expect(declaration.contains("\(name): "), "\(name) is no member of \(thing.type): \(declaration)")
        }
    }
}

extension Home {
    fileprivate func isInEffect(_ thing: Thing) throws -> Bool { try thing.isInEffect(self) }
}
