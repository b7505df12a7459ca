import Foundation
import Glibc
import TestNetwork
import Testing

@Suite(
    "What a bug report tells, and what it does not", .serialized, .enabled(if: isRoot, "needs root: network namespaces")
)
struct BugreportTests {
    private let home: Home
    /// All that is to be in no report.
    private let secrets: [String]
    /// Where a journalctl is that tells what another program has written into the journal.
    private let path: String

    init() throws {
        home = try Home.ready()
        try home.ctl("listener", "add", "https", "192.168.77.1:3129", "--interface", "lan0", "--auth", "required")
        try home.ctl("user", "add", "alice", "--password-stdin", input: "alice's own password\n")
        try home.ctl("user", "add", "bob", "--password-stdin", input: "bob has another one\n")
        try home.ctl("user", "passwd", "bob", "--password-stdin", input: "bob changed it since\n")
        let hashes = try home.ctl("export", "--with-secrets").matches(of: #/scrypt[^\s'"]+/#).map { String($0.0) }
        let keys = try Self.keys(below: home.state)
        let written = [
            "bearer-of-bad-news", "cm9vdDpodW50ZXIy", "hunter22", "MHcCAQEEIOd3yXkJ", "sid=5f3c9a",
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o", hashes[0],
        ]
        path = home.directory + "/bin"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let program = """
            #!/bin/sh
            cat <<'END'
            2026-11-29T20:00:00+0000 gateway gatehoused[7]: Proxy-Authorization: Basic \(written[1])
            2026-11-29T20:00:01+0000 gateway sh[9]: curl --proxy http://alice:\(written[2])@192.168.77.1:3128 password=\(written[0])
            2026-11-29T20:00:02+0000 gateway sh[9]: -----BEGIN EC PRIVATE KEY-----
            \(written[3])
            -----END EC PRIVATE KEY-----
            2026-11-29T20:00:03+0000 gateway sh[9]: Set-Cookie: \(written[4])
            2026-11-29T20:00:04+0000 gateway sh[9]: root:\(written[5]):19000
            2026-11-29T20:00:05+0000 gateway sh[9]: alice \(written[6])
            2026-11-29T20:00:06+0000 gateway dhclient[9]: bound wan0:203.0.112.1 by 2001:db9:113::1 and fe80::5054:ff:fe12:3456
            2026-11-29T20:00:07+0000 gateway dnsmasq[9]: DHCPACK 01:52:54:00:12:34:56 203.0.112.77:67, ::ffff:203.0.112.77.
            2026-11-29T20:00:08+0000 gateway sh[9]: the line behind it all, at 12:34:56 of version 1.2
            END
            """
        try program.write(toFile: path + "/journalctl", atomically: false, encoding: .utf8)
        chmod(path + "/journalctl", 0o755)
        secrets = ["alice's own password", "bob has another one", "bob changed it since"] + hashes + keys + written
        #expect(hashes.count == 2 && keys.count > 2)
    }

    /// The lines of the private keys in the files of a directory: the authority's, and what the listeners show.
    private static func keys(below directory: String) throws -> [String] {
        let files = try FileManager.default.subpathsOfDirectory(atPath: directory).map { directory + "/" + $0 }
        return files.compactMap { FileManager.default.contents(atPath: $0) }.flatMap { data in
            String(decoding: data, as: UTF8.self)
                .matches(of: #/-----BEGIN [A-Z ]*PRIVATE KEY-----\n((?s:.*?))-----END/#)
                .flatMap { $0.1.split(separator: "\n").map(String.init) }
        }
    }

    private func report(_ arguments: String..., to file: String) throws -> Outcome {
        try home.gateway.attempt(
            ["env", "PATH=\(path):/usr/sbin:/usr/bin:/sbin:/bin", programs + "gatehousectl", "--socket", home.socket]
                + ["bugreport"] + arguments + [file])
    }

    private func section(_ title: String, of text: String) -> String {
        text.components(separatedBy: "\n=== ").first { $0.hasPrefix(title) } ?? ""
    }

    /// The card of the LAN host, as the kernel writes it.
    private func card() throws -> String {
        let words = try home.lan.run("ip", "-br", "link", "show", "eth0").split(separator: " ")
        return String(words[2])
    }

    @Test("It holds what every command tells, no secret, and the same mark wherever the same address was")
    func alive() throws {
        let file = home.directory + "/report"
        let began = ContinuousClock.now
        let outcome = try report(to: file)
        let took = ContinuousClock.now - began
        #expect(outcome.status == 0 && outcome.output.contains("Read it before you send it"), "\(outcome)")
        #expect(took < .seconds(30), "\(took)")
        var status = stat()
        #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let text = try String(contentsOfFile: file, encoding: .utf8)
        for secret in secrets { #expect(!text.contains(secret), "\(secret)") }
        for title in [
            "status", "doctor", "zone list", "export", "firewall show", "revision list", "what-changed", "limit list",
            "egress list", "ban list",
        ] {
            let own = section("gatehousectl \(title)", of: text)
            #expect(own.count > title.count + 30 && !own.contains("is not running"), "\(title): \(own)")
        }
        #expect(section("gatehousectl export", of: text).contains("user add alice"))
        #expect(section("gatehousectl firewall show", of: text).contains("packets"))
        #expect(section("nft list table", of: text).contains("chain input"))
        #expect(section("the processes", of: text).contains("gatehoused: socks5") && text.contains("Max open files"))
        let journal = section("journalctl", of: text)
        #expect(journal.contains("the line behind it all, at 12:34:56 of version 1.2") && journal.contains("[removed]"))
        // Private addresses stay, those of the internet and of cards do not.
        #expect(text.contains("192.168.77.1:3129") && text.contains("fd77::"))
        for address in [
            "203.0.112.", "2001:db9", "52:54:00:12:34:56", "5054:ff:fe12:3456", try card(),
            try card().filter { $0 != ":" }.suffix(6).description,
        ] {
            #expect(!text.contains(address), "\(address)")
        }
        let bound = try #require(
            journal.firstMatch(of: /bound wan0:(<ipv4-\d+>) by (<ipv6-[\d.]+>) and fe80::(<mac-\d+>)/))
        #expect(section("ip address show", of: text).contains("\(bound.1)/24"))
        #expect(section("ip address show", of: text).contains("\(bound.2)/64"))
        let lease = try #require(journal.firstMatch(of: /DHCPACK 01:(<mac-\d+>) (<ipv4-\d+>):67, (<ipv4-\d+>)\./))
        #expect(lease.1 == bound.3 && lease.2 == lease.3 && lease.2 != bound.1)
        // What is there already is nobody's to overwrite.
        let again = try report(to: file)
        #expect(again.status == 1 && again.errors.contains("is there already; name another file"), "\(again)")
        let whole = try report("--with-addresses", to: "-")
        #expect(try whole.status == 0 && whole.output.contains("203.0.112.1/24") && whole.output.contains(card()))
        for secret in secrets { #expect(!whole.output.contains(secret), "\(secret)") }
    }

    @Test("With the daemon killed it says what could not be asked, and what the kernel holds")
    func dead() throws {
        try home.stop()
        let file = home.directory + "/report"
        let outcome = try report(to: file)
        #expect(outcome.status == 0 && outcome.errors.contains("had no answer"), "\(outcome)")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        for secret in secrets { #expect(!text.contains(secret), "\(secret)") }
        #expect(
            section("gatehousectl status", of: text).contains("is not running"),
            "\(section("gatehousectl status", of: text))")
        #expect(section("nft list table", of: text).contains("chain input"))
        #expect(section("journalctl", of: text).contains("the line behind it all"))
        #expect(section("this machine", of: text).contains("processors"))
        #expect(!text.contains("203.0.112."))
    }

    @Test(
        "A daemon that hangs holds it up no longer than each question may take, and what a terminal shows of it is progress"
    )
    func hanging() throws {
        let daemon = try #require(home.daemon)
        kill(daemon.identifier, SIGSTOP)
        defer { kill(daemon.identifier, SIGCONT) }
        let outcome = try home.gateway.attempt(
            [
                "script", "-qec",
                "env PATH=\(path):/usr/sbin:/usr/bin:/sbin:/bin \(programs)gatehousectl --socket \(home.socket) bugreport \(home.directory)/report",
                "/dev/null",
            ], seconds: 580)
        #expect(outcome.status == 0 && outcome.output.contains("1 of "), "\(outcome)")
        let text = try String(contentsOfFile: home.directory + "/report", encoding: .utf8)
        #expect(section("nft list table", of: text).contains("chain input"))
    }
}
