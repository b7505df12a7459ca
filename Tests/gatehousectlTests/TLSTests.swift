import Foundation
import Glibc
import Testing

/// `gatehousectl tls` against the real daemon, with openssl as the maker of other people's certificates.
@Suite("gatehousectl tls")
struct TLSTests {
    let home: Home
    private let endpoint: String

    init() throws {
        home = try Home()
        endpoint = "127.0.0.1:\(try freePort())"
    }

    private func openssl(_ arguments: String...) throws -> String {
        let outcome = try run(["openssl"] + arguments, environment: ["HOME": home.directory])
        guard outcome.status == 0 else { throw Trouble("openssl \(arguments): \(outcome)") }
        return outcome.output
    }

    private func path(_ name: String) -> String { "\(home.directory)/\(name)" }

    /// A certificate that signs itself, and its key, as files.
    private func makeCertificate(_ name: String, days: Int = 30) throws -> (cert: String, key: String) {
        let files = (cert: path("\(name).pem"), key: path("\(name).key"))
        _ = try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)",
            "-addext", "subjectAltName=DNS:\(name).example", "-days", "\(days)", "-keyout", files.key, "-out",
            files.cert)
        return files
    }

    /// What a client of the listener is shown.
    private func shownSubject() throws -> String {
        let outcome = try run(
            [
                "sh", "-c",
                "openssl s_client -connect \(endpoint) </dev/null 2>/dev/null | openssl x509 -noout -subject",
            ],
            environment: [:])
        return outcome.output.trimmingCharacters(in: .newlines)
    }

    private func fingerprint(_ part: String = "certificate") throws -> String {
        let report = try home.json("tls", "show")[part] as? [String: Any]
        return report?["fingerprint"] as? String ?? ""
    }

    @Test("To show makes nothing: no authority and no file come of it")
    func readOnly() throws {
        func files() -> [String] { (try? FileManager.default.subpathsOfDirectory(atPath: home.directory)) ?? [] }
        let before = files().filter { $0.contains("tls") }
        for _ in 0..<2 { #expect(try home.ctl("tls", "show").status == 0) }
        _ = try home.ctl("status")
        #expect(files().filter { $0.contains("tls") } == before)
        #expect(!before.contains { $0.hasSuffix(".key") })
    }

    @Test("The first https listener brings an authority and a certificate; the keys are nobody else's to read")
    func first() throws {
        #expect(try home.ctl("tls", "show").output.contains("listener add https"))
        let added = try home.ctl("listener", "add", "https", endpoint)
        #expect(added.status == 0 && added.output.contains("+ listener https \(endpoint)"), "\(added)")
        let shown = try home.ctl("tls", "show").output
        #expect(shown.contains("issued by the gateway's own authority") && shown.contains("127.0.0.1"), "\(shown)")
        #expect(shown.contains("SHA-256") && shown.contains("CN=Gatehouse gateway"), "\(shown)")
        #expect(try shownSubject() == "subject=CN = Gatehouse gateway")
        for file in ["ca.pem", "ca.key", "leaf.pem"] {
            var status = stat()
            #expect(stat(path("state/tls/\(file)"), &status) == 0 && status.st_mode & 0o777 == 0o600, "\(file)")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: path("state/tls"))
        #expect(Set(names) == ["ca.pem", "ca.key", "leaf.pem"], "nothing half-written is left: \(names)")
    }

    @Test("The exported authority is what a client needs, and holds no key")
    func exported() throws {
        let early = try home.ctl("tls", "export-ca").output
        #expect(try home.ctl("listener", "add", "https", endpoint).status == 0)
        let outcome = try home.ctl("tls", "export-ca")
        #expect(outcome.output == early && !outcome.output.contains("KEY") && outcome.status == 0, "\(outcome)")
        try outcome.output.write(toFile: path("ca.pem"), atomically: false, encoding: .utf8)
        let verdict = try run(
            [
                "sh", "-c",
                "openssl s_client -connect \(endpoint) -CAfile \(path("ca.pem")) -verify_return_error "
                    + "-verify_ip 127.0.0.1 </dev/null",
            ], environment: [:])
        #expect(verdict.status == 0 && verdict.output.contains("Verify return code: 0 (ok)"), "\(verdict)")
    }

    @Test("A certificate of the operator's own is shown at once, and the gateway's again when that is asked for")
    func use() throws {
        #expect(try home.ctl("listener", "add", "https", endpoint).status == 0)
        let own = try fingerprint()
        let mine = try makeCertificate("mine")
        let used = try home.ctl("tls", "use", "--cert", mine.cert, "--key", mine.key)
        #expect(used.status == 0 && used.output.contains("brought with `tls use`"), "\(used)")
        #expect(try shownSubject() == "subject=CN = mine")
        var status = stat()
        #expect(stat(path("state/tls/given.pem"), &status) == 0 && status.st_mode & 0o777 == 0o600)
        let renewed = try home.ctl("tls", "renew")
        #expect(renewed.status == 1 && renewed.errors.contains("tls use --own"), "\(renewed)")
        #expect(try home.ctl("tls", "use", "--own").status == 0)
        #expect(try fingerprint() == own)
        #expect(try shownSubject() == "subject=CN = Gatehouse gateway")
    }

    @Test("A certificate that clients would refuse is refused with the reason, and nothing changes")
    func refused() throws {
        #expect(try home.ctl("listener", "add", "https", endpoint).status == 0)
        let own = try fingerprint()
        let (mine, other) = (try makeCertificate("mine"), try makeCertificate("other"))
        _ = try openssl("pkey", "-in", mine.key, "-aes256", "-passout", "pass:x", "-out", path("locked.key"))
        let attempts = [
            (mine.cert, other.key, "not that of the certificate"), (mine.cert, path("locked.key"), "passphrase"),
            (mine.key, mine.key, "no certificate"), (mine.cert, mine.cert, "no private key"),
            (path("nowhere.pem"), mine.key, "No such file"), ("/dev/zero", mine.key, "too large"),
        ]
        for (cert, key, reason) in attempts {
            let outcome = try home.ctl("tls", "use", "--cert", cert, "--key", key)
            #expect(outcome.status == 1 && outcome.errors.contains(reason), "\(outcome)")
        }
        #expect(try fingerprint() == own)
        #expect(try !FileManager.default.contentsOfDirectory(atPath: path("state/tls")).contains("given.pem"))
        #expect(try home.ctl("tls", "use", "--cert", mine.cert).status == 2)
        #expect(try home.ctl("tls", "use", "--own", "--cert", mine.cert).status == 2)
    }

    @Test("A renewal is a new certificate by the same authority, unless another authority is asked for")
    func renew() throws {
        let early = try home.ctl("tls", "renew")
        #expect(early.status == 1 && early.errors.contains("no https listener"), "\(early)")
        #expect(try home.ctl("listener", "add", "https", endpoint).status == 0)
        let (leaf, authority) = (try fingerprint(), try fingerprint("authority"))
        #expect(try home.ctl("tls", "renew").status == 0)
        #expect(try fingerprint() != leaf && fingerprint("authority") == authority)
        #expect(try home.ctl("tls", "renew", "--authority").status == 0)
        #expect(try fingerprint("authority") != authority)
    }

    @Test(
        "Without the authority's key nothing is issued, what is in force stays, and the file and the remedy are named")
    func damaged() throws {
        #expect(try home.ctl("listener", "add", "https", endpoint).status == 0)
        let own = try fingerprint()
        try "nonsense".write(toFile: path("state/tls/ca.key"), atomically: false, encoding: .utf8)
        let damaged = try home.ctl("tls", "renew")
        #expect(damaged.status == 1 && damaged.errors.contains("tls/ca.key"), "\(damaged)")
        #expect(damaged.errors.contains("tls renew --authority"), "\(damaged)")
        #expect(unlink(path("state/tls/ca.key")) == 0)
        let missing = try home.ctl("tls", "renew")
        #expect(missing.status == 1 && missing.errors.contains("ca.key is missing"), "\(missing)")
        #expect(try fingerprint() == own)
        #expect(try shownSubject() == "subject=CN = Gatehouse gateway")
        #expect(try home.ctl("tls", "renew", "--authority").status == 0)
        #expect(try fingerprint() != own)
    }

    @Test("Where no certificate can be made, no https listener is, and every other one can be")
    func impossible() throws {
        // A file where the directory should be.
        try "in the way".write(toFile: path("state/tls"), atomically: false, encoding: .utf8)
        let refused = try home.ctl("listener", "add", "https", endpoint)
        #expect(refused.status == 1 && refused.errors.contains("state/tls"), "\(refused)")
        #expect(try home.ctl("listener", "list").output.contains("No listener yet"))
        #expect(try home.ctl("listener", "add", "http", endpoint).status == 0)
        #expect(unlink(path("state/tls")) == 0)
        #expect(try home.ctl("listener", "add", "https", "127.0.0.1:\(try freePort())").status == 0)
    }
}
