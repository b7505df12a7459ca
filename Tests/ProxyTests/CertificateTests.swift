import Address
import Foundation
import Policy
import TestProcess
import Testing

@testable import Proxy

/// `openssl` is the independent judge.
@Suite final class CertificateTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "certificates-\(UUID().uuidString)")
    private static let names = CertificateNames(
        names: ["box", "box.local", "gateway"], addresses: [IPAddress("192.168.1.1")!, IPAddress("fd00::1")!])

    init() throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    @discardableResult
    private func openssl(_ arguments: String...) throws -> (status: Int32, output: String) {
        try ChildProcess.run(["openssl"] + arguments, in: directory)
    }

    private func write(_ text: String, to name: String) throws {
        try text.write(to: directory.appending(path: name), atomically: false, encoding: .utf8)
    }

    private func read(_ name: String) throws -> String {
        try String(contentsOf: directory.appending(path: name), encoding: .utf8)
    }

    @Test func `A leaf is good for its names and addresses, and for no others, by openssl's word`() throws {
        let authority = try CertificateAuthority.make(host: "box", at: now)
        let leaf = try CertificateAuthority.issue(for: Self.names, by: authority, at: now)
        try write(authority.chain, to: "ca.pem")
        try write(leaf.chain, to: "leaf.pem")
        let verify = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem"]
        func verdict(_ check: String...) throws -> Int32 {
            try ChildProcess.run(["openssl"] + verify + check + ["leaf.pem"], in: directory).status
        }
        #expect(try verdict() == 0)
        #expect(try verdict("-verify_hostname", "box.local") == 0)
        #expect(try verdict("-verify_ip", "192.168.1.1") == 0)
        #expect(try verdict("-verify_ip", "fd00::1") == 0)
        #expect(try verdict("-verify_hostname", "example.org") != 0)
        #expect(try verdict("-verify_ip", "192.168.1.2") != 0)
        let shown = try openssl("x509", "-in", "leaf.pem", "-noout", "-text").output
        #expect(shown.contains("CA:FALSE") && shown.contains("TLS Web Server Authentication"))
        #expect(shown.contains("NIST CURVE: P-256"))
    }

    @Test func `The authority vouches for local names and for its own machine's, and for no site on the internet`()
        throws
    {
        let authority = try CertificateAuthority.make(host: "box", at: now)
        try write(authority.chain, to: "ca.pem")
        try write(authority.key, to: "ca.key")
        // As a thief of the key would do it.
        func verdict(on name: String) throws -> Int32 {
            try openssl(
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "t.key", "-subj",
                "/CN=x y", "-addext", "subjectAltName=DNS:\(name)", "-out", "t.csr")
            try openssl(
                "x509", "-req", "-in", "t.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-copy_extensions", "copy", "-out",
                "t.pem")
            return try openssl("verify", "-CAfile", "ca.pem", "t.pem").status
        }
        for name in ["box", "tv.local", "nas.home.arpa"] { #expect(try verdict(on: name) == 0, "\(name)") }
        for name in ["bank.example", "example.org", "boxer"] { #expect(try verdict(on: name) != 0, "\(name)") }
        #expect(try openssl("x509", "-in", "ca.pem", "-noout", "-ext", "basicConstraints").output.contains("pathlen:0"))
    }

    @Test func `A name that the machine got after the authority was made is left out rather than everything`() throws {
        let authority = try CertificateAuthority.make(host: "box", at: now)
        var names = Self.names
        names.names = ["new.example", "gateway"]
        let leaf = try CertificateAuthority.issue(for: names, by: authority, at: now)
        let facts = try CertificateFacts(pem: leaf.chain)
        #expect(facts.names == ["gateway"] && facts.addresses == names.addresses)
    }

    @Test func `What a certificate says is read as it was written`() throws {
        let authority = try CertificateAuthority.make(host: "box", at: now)
        let leaf = try CertificateAuthority.issue(for: Self.names, by: authority, at: now)
        let facts = try CertificateFacts(pem: leaf.chain)
        #expect(facts.names == Self.names.names && facts.addresses == Self.names.addresses)
        #expect(facts.subject == "CN=Gatehouse gateway" && facts.issuer == "CN=Gatehouse CA of box")
        #expect((396...397).contains((facts.notAfter - facts.notBefore) / 86_400))
        #expect(facts.notBefore <= now - 86_400)
        try write(leaf.chain, to: "leaf.pem")
        let fingerprint = try openssl("x509", "-in", "leaf.pem", "-noout", "-fingerprint", "-sha256").output
        #expect(fingerprint == "sha256 Fingerprint=\(facts.fingerprint)\n")
    }

    @Test func `A machine whose clock stands in 1970 makes an authority that outlasts the clock's correction`() throws {
        let authority = try CertificateAuthority.make(host: "box", at: 3600)
        #expect(try CertificateFacts(pem: authority.chain).notAfter > now + 8 * 365 * 86_400)
        _ = try CertificateAuthority.issue(for: Self.names, by: authority, at: 3600)
        _ = try CertificateAuthority.issue(for: Self.names, by: authority, at: now)
    }

    @Test func `What an operator brings is checked before it is used, and what is wrong is named`() throws {
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "good.key",
            "-subj", "/CN=good", "-addext", "subjectAltName=DNS:proxy.example", "-days", "30", "-out", "good.pem")
        try openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-subj", "/CN=other", "-addext",
            "subjectAltName=DNS:other.example", "-days", "30", "-out", "other.pem")
        try openssl("pkey", "-in", "good.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key")
        try openssl(
            "req", "-x509", "-key", "good.key", "-subj", "/CN=nobody", "-days", "30", "-out", "nameless.pem")
        try openssl(
            "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "weak.key", "-subj", "/CN=weak", "-addext",
            "subjectAltName=DNS:weak.example", "-days", "30", "-out", "weak.pem")
        let (good, key) = (try read("good.pem"), try read("good.key"))
        func complaint(_ chain: String, _ key: String, at time: Int = now) -> String {
            do throws(Refusal) {
                try ServerIdentity(certificates: chain, key: key).check(at: time)
                return ""
            } catch {
                return error.description
            }
        }
        #expect(complaint(good, key) == "")
        #expect(complaint(try read("other.pem"), try read("other.key")) == "")
        #expect(complaint(key + good, good + key) == "", "one file may hold both")
        #expect(complaint(good, try read("other.key")).contains("not that of the certificate (CN=good)"))
        #expect(complaint(try read("other.pem") + good, key).contains("first certificate"))
        #expect(complaint(good + (try read("other.pem")), key).contains("out of order"))
        #expect(complaint(good, try read("locked.key")).contains("passphrase"))
        #expect(complaint(good, key, at: now + 31 * 86_400).contains("ended on"))
        #expect(complaint(good, key, at: now - 86_400).contains("begins only on"))
        #expect(complaint(try read("nameless.pem"), key).contains("subjectAltName"))
        #expect(complaint(try read("weak.pem"), try read("weak.key")).contains("too small"))
        #expect(complaint("", key).contains("no certificate"))
        #expect(complaint(good, "").contains("no private key"))
        #expect(complaint(good.replacing("\nM", with: "\n!"), key).contains("damaged"))
    }

    /// What is no string was read as one, by the process that nobody restarts.
    @Test func `A certificate may have names of kinds that no proxy goes by`() throws {
        let configuration = """
            [req]
            distinguished_name = who
            [who]
            [more]
            subjectAltName = otherName:1.3.6.1.4.1.311.20.2.3;UTF8:me@lan, dirName:who_else, DNS:proxy.lan, email:me@lan
            [who_else]
            CN = somebody
            """
        try write(configuration, to: "more.cnf")
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "more.key",
            "-subj", "/CN=more", "-config", "more.cnf", "-extensions", "more", "-days", "30", "-out", "more.pem")
        #expect(try openssl("x509", "-in", "more.pem", "-noout", "-text").output.contains("DirName"))
        let facts = try CertificateFacts(pem: try read("more.pem"))
        #expect(facts.names == ["proxy.lan"] && facts.addresses.isEmpty)
        try ServerIdentity(certificates: try read("more.pem"), key: try read("more.key")).check(at: now)
    }

    /// The names that it may vouch for were looked for among the suffixes themselves, so that `new.lan` went with `new`.
    @Test func `A leaf keeps what the authority may vouch for when the machine's name changes`() throws {
        let authority = try CertificateAuthority.make(host: "box", at: now)
        var names = Self.names
        names.names = ["new", "new.local", "new.lan", "gateway", "newlan", "gateway.example"]
        let leaf = try CertificateAuthority.issue(for: names, by: authority, at: now)
        #expect(try CertificateFacts(pem: leaf.chain).names == ["new.local", "new.lan", "gateway"])
    }

    @Test func `Ticket keys are drawn anew, the last one opens for as long again, and no older one`() throws {
        let half = TicketKeys.lifetime
        var keys = TicketKeys(at: 0)
        let first = keys.sealing(at: 10)
        func opens(_ key: TicketKeys.Key, at time: Int) -> Bool? {
            key.name.withUnsafeBufferPointer { keys.opening($0, at: time)?.isFormer }
        }
        #expect(opens(first, at: half - 1) == false)
        #expect(opens(first, at: half) == true)
        let second = keys.sealing(at: half + 1)
        #expect(second.name != first.name && second.cipher != first.cipher)
        #expect(opens(second, at: 2 * half) == true)
        #expect(opens(first, at: 2 * half) == nil)
        // Nobody came for two days.
        #expect(opens(second, at: 8 * half) == nil)
    }
}
