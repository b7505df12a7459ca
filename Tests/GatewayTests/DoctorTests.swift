import Foundation
import Glibc
import TestNetwork
import Testing

/// Each line of doctor whose fault can be caused here is told when it is there, with its remedy, to a person and to a program, and is
/// gone when the fault is.
@Suite(
    "What doctor finds, a fault each", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(3)))
struct DoctorTests {
    private struct Diagnosis: Decodable {
        struct Finding: Decodable, Equatable {
            var subject: String
            var grade: String
            var text: String
            var remedy: String?
        }
        var findings: [Finding]
    }

    private func findings(_ home: Home, _ subject: String) throws -> (all: [Diagnosis.Finding], status: Int32) {
        let outcome = try home.attempt("--json", "doctor", "--offline")
        let all = try JSONDecoder().decode(Diagnosis.self, from: Data(outcome.output.utf8)).findings
        return (all.filter { $0.subject == subject }, outcome.status)
    }

    /// Waits until the subject is told so, by a line for a person and by JSON, and with the exit status that goes with it.
    private func expect(
        _ home: Home, _ subject: String, _ grade: String, _ text: String, remedy: String? = nil, status: Int32 = 0,
        at place: SourceLocation = #_sourceLocation
    ) throws {
        let isTold = try eventually(within: .seconds(15)) {
            let found = try findings(home, subject)
            return found.status == status
                && found.all.contains {
                    $0.grade == grade && $0.text.contains(text)
                        && (remedy == nil || $0.remedy?.contains(remedy ?? "") == true)
                }
        }
        #expect(isTold, "\((try? findings(home, subject)) as Any)", sourceLocation: place)
        let shown = try home.attempt("doctor", "--offline")
        let mark = ["good": "ok", "doubtful": "? ", "bad": "! "][grade] ?? ""
        let lines = shown.output.components(separatedBy: "\n")
        let index = lines.firstIndex { $0.hasPrefix("\(mark) \(subject) ") && $0.contains(text) }
        #expect(index != nil && shown.status == status, "\(shown)", sourceLocation: place)
        #expect(shown.errors.isEmpty == (status == 0), "\(shown)", sourceLocation: place)
        guard let index, let remedy else { return }
        let next = lines[index + 1]
        #expect(next.contains("→ ") && next.contains(remedy), "\(shown.output)", sourceLocation: place)
    }

    /// A gateway at which nothing is wrong.
    private func well(_ prepare: (Home) throws -> Void = { _ in }) throws -> Home {
        let home = try Home()
        try prepare(home)
        try home.gateway.run("ip", "route", "add", "default", "via", Home.wanHost)
        try home.start(firewall: nil)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        return home
    }

    @Test("the clock, which nobody keeps right")
    func clock() throws {
        var clock: SettableClock?
        let home = try well {
            clock = try SettableClock(in: $0.directory)
            $0.environment = clock?.environment ?? [:]
        }
        try expect(home, "clock", "doubtful", "no time server keeps it right", remedy: "`timedatectl set-ntp true`")
        clock?.setSynchronised(true)
        try expect(home, "clock", "good", "a time server keeps it right")
    }

    @Test("another table, which drops what Gatehouse lets in")
    func otherTables() throws {
        let home = try well()
        try expect(home, "other tables", "good", "nothing else filters here")
        try home.gateway.run(
            "nft",
            "add table inet strict; add chain inet strict inp { type filter hook input priority 10; policy drop; }")
        try expect(
            home, "other tables", "doubtful", "table inet strict, chain inp, drops input by policy",
            remedy: "`nft list ruleset`")
        try home.gateway.run("nft", "delete", "table", "inet", "strict")
        try expect(home, "other tables", "good", "nothing else filters here")
    }

    @Test("the table, where the kernel holds another one than it is to hold")
    func table() throws {
        let home = try well()
        try expect(home, "firewall", "good", "the kernel holds the ruleset")
        try home.ctl("firewall", "observe")
        try expect(
            home, "firewall", "doubtful", "nothing is filtered", remedy: "`gatehousectl firewall enforce`")
        try home.gateway.run("nft", "add table inet gatehouse; add chain inet gatehouse stray")
        try expect(
            home, "firewall", "doubtful", "the kernel holds a table from before",
            remedy: "`gatehousectl firewall enforce`")
        try home.ctl("firewall", "enforce", "--no-trial")
        try expect(home, "firewall", "good", "the kernel holds the ruleset")
        // Somebody else owns a table of that name by the time the daemon begins.
        try home.stop()
        _ = try home.gateway.attempt(["nft", "delete", "table", "inet", "gatehouse"])
        let commands = Pipe()
        let owner = try RunningProgram(
            ["nft", "-i"], in: home.gateway, log: home.directory + "/owner", input: commands.fileHandleForReading)
        try commands.fileHandleForWriting.write(contentsOf: Data("add table inet gatehouse { flags owner; }\n".utf8))
        #expect(try eventually { try home.gateway.run("nft", "list", "tables").contains("gatehouse") }, "\(owner.said)")
        try home.start(firewall: nil, isHindered: true)
        try expect(
            home, "firewall", "bad", "the kernel does NOT hold this ruleset", remedy: "`journalctl -u gatehouse`",
            status: 1)
        try expect(
            home, "processes", "bad", "role has not begun its work yet", remedy: "`journalctl -u gatehouse`", status: 1)
        owner.signal(SIGKILL)
        #expect(owner.ended() != nil)
        try expect(home, "firewall", "good", "the kernel holds the ruleset")
    }

    @Test("a listener that nobody reaches, and one whose port another program has")
    func listeners() throws {
        let home = try well()
        try expect(home, "http 192.168.77.1:3128", "good", "open to")
        try home.gateway.run("ip", "link", "add", "stray0", "type", "veth", "peer", "name", "stray1")
        try home.gateway.run("ip", "link", "set", "stray0", "up")
        try home.gateway.run("ip", "link", "set", "stray1", "up")
        try home.gateway.run("ip", "address", "add", "10.66.0.1/24", "dev", "lan0")
        #expect(try eventually { try home.attempt("listener", "add", "http", "10.66.0.1:3130").status == 0 })
        try expect(home, "http 10.66.0.1:3130", "good", "open to")
        // The address moves to where no zone is.
        try home.gateway.run("ip", "address", "del", "10.66.0.1/24", "dev", "lan0")
        try home.gateway.run("ip", "address", "add", "10.66.0.1/24", "dev", "stray0")
        try expect(
            home, "http 10.66.0.1:3130", "bad", "it is open, and nobody reaches it",
            remedy: "`gatehousectl listener set`",
            status: 1)
        try home.ctl("listener", "remove", "10.66.0.1:3130")
        try expect(home, "http 192.168.77.1:3128", "good", "open to")
        try home.stop()
        let holder = try RunningProgram(
            [
                "python3", "-c",
                "import socket, time; s = socket.create_server(('192.168.77.1', 3128)); print('held', flush=True); time.sleep(1000)",
            ], in: home.gateway, log: home.directory + "/holder")
        #expect(eventually { holder.said.contains("held") })
        try home.start(firewall: nil, isHindered: true)
        try expect(home, "http 192.168.77.1:3128", "bad", "it is not open", status: 1)
        holder.signal(SIGKILL)
        #expect(holder.ended() != nil)
        try expect(home, "http 192.168.77.1:3128", "good", "open to")
    }

    @Test("the disk, which is nearly full")
    func disk() throws {
        let home = try well {
            try FileManager.default.createDirectory(atPath: $0.state, withIntermediateDirectories: true)
            try #require(mount("tmpfs", $0.state, "tmpfs", 0, "size=100m,mode=0700") == 0)
        }
        defer { umount2(home.state, CInt(2)) }
        try expect(home, "disk", "good", " MB free for \(home.state)")
        try home.gateway.run("fallocate", "-l", "50M", home.state + "/filler")
        try expect(home, "disk", "bad", " MB free for \(home.state)", remedy: "make room", status: 1)
        try FileManager.default.removeItem(atPath: home.state + "/filler")
        try expect(home, "disk", "good", " MB free for \(home.state)")
    }

    @Test("a certificate that ends within three weeks")
    func certificate() throws {
        let home = try well()
        try home.ctl("listener", "add", "https", "192.168.77.1:3129", "--interface", "lan0")
        try expect(home, "certificate", "good", "the https listeners show one that holds")
        func use(days: Int) throws {
            try home.gateway.run(
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                "\(days)", "-keyout", home.directory + "/key.pem", "-out", home.directory + "/own.pem", "-subj",
                "/CN=proxy.example", "-addext", "subjectAltName=DNS:proxy.example")
            try home.ctl("tls", "use", "--cert", home.directory + "/own.pem", "--key", home.directory + "/key.pem")
        }
        try use(days: 60)
        try expect(home, "certificate", "good", "the https listeners show one that holds")
        try use(days: 5)
        try expect(
            home, "certificate", "bad",
            "ends in 4 days; bring the next one with `gatehousectl tls use`", status: 1)
    }

    @Test("another DHCP server beside the gateway")
    func rival() throws {
        let street = try Street()
        let home = street.home
        try home.gateway.run("ip", "route", "add", "default", "via", Home.wanHost)
        try expect(home, "addresses", "good", "given to devices in home, and nobody else gives any")
        let device = try street.plugIn()
        let server = try RunningProgram(
            [
                "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--bind-dynamic", "--user=root",
                "--no-ping", "--interface=br0", "--dhcp-range=192.168.99.50,192.168.99.60,255.255.255.0,2m",
                "--dhcp-leasefile=\(home.directory)/rogue.leases",
            ], in: home.lan, log: home.directory + "/rogue")
        try home.lan.run("ip", "address", "add", "192.168.99.1/24", "dev", "br0")
        #expect(
            try eventually(within: .seconds(40)) {
                _ = try street.ask("udhcpc", in: device, patience: 3)
                return try findings(home, "addresses").all.contains { $0.grade == "bad" }
            }, "\(server.said)")
        try expect(home, "addresses", "bad", "another DHCP server answers on lan0", status: 1)
        #expect(try findings(home, "addresses").all.contains { $0.text.contains("switch its DHCP off") })
    }
}
