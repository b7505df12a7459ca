import Foundation
import Policy
import Testing

@testable import Supervisor

/// Makes texts that look like PEM; the facts of one are its second line.
private struct Issuer: CertificateIssuer {
    func makeAuthority(host: String, at now: Int) throws(Refusal) -> ServerIdentity {
        let name = UUID().uuidString
        return ServerIdentity(chain: certificate(name), key: key(name))
    }

    func issue(
        for names: CertificateNames, by authority: ServerIdentity, at now: Int
    ) throws(Refusal) -> ServerIdentity {
        guard authority.key == key(try facts(of: authority.chain).subject) else { throw Refusal("not its key") }
        let name = UUID().uuidString
        return ServerIdentity(chain: certificate(name) + authority.chain, key: key(name))
    }

    func check(_ identity: ServerIdentity, at now: Int) throws(Refusal) {
        guard identity.key == key(try facts(of: identity.chain).subject) else { throw Refusal("not its key") }
    }

    func facts(of pem: String) throws(Refusal) -> CertificateFacts {
        let lines = pem.split(separator: "\n")
        guard lines.count > 1 else { throw Refusal("no certificate") }
        return CertificateFacts(
            subject: String(lines[1]), issuer: "", names: [], addresses: [], notBefore: 0, notAfter: 1000,
            fingerprint: "")
    }

    func certificate(_ name: String) -> String { "-----BEGIN CERTIFICATE-----\n\(name)\n-----END CERTIFICATE-----\n" }
    func key(_ name: String) -> String { "-----BEGIN PRIVATE KEY-----\n\(name)\n-----END PRIVATE KEY-----\n" }
}

@Suite("The store of certificates")
final class CertificateStoreTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID().uuidString)")
    private let names = CertificateNames(names: ["gateway"], addresses: [])

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    private func store() -> CertificateStore { CertificateStore(directory: directory.path, issuer: Issuer()) }

    private func content(_ file: String) -> String? {
        try? String(contentsOf: directory.appending(path: file), encoding: .utf8)
    }

    /// The authority's certificate went first; without its new key the command failed, and the old authority was gone.
    @Test("An authority that cannot be replaced whole stays, with what it issued")
    func replacement() throws {
        let store = store()
        let identity = try store.identity(for: names, at: 1)
        let before = ["ca.pem", "ca.key", "leaf.pem"].map(content)
        // What cannot be removed is not written anew.
        let obstacle = directory.appending(path: "leaf.pem.new")
        try FileManager.default.createDirectory(at: obstacle, withIntermediateDirectories: false)
        #expect(throws: Refusal.self) { try store.replaceAuthority(for: self.names, at: 1) }
        #expect(["ca.pem", "ca.key", "leaf.pem"].map(content) == before)
        #expect(try store.identity(for: names, at: 1) == identity)
        try FileManager.default.removeItem(at: obstacle)
        try store.replaceAuthority(for: names, at: 1)
        #expect(try store.identity(for: names, at: 1).chain.hasSuffix(try #require(content("ca.pem"))))
        #expect(content("ca.pem") != before[0])
    }

    @Test("What was brought stays until there is one of the gateway's own")
    func own() throws {
        let store = store()
        _ = try store.identity(for: names, at: 1)
        try store.use(ServerIdentity(chain: Issuer().certificate("given"), key: Issuer().key("given")), at: 1)
        for file in ["ca.key", "leaf.pem"] {
            try FileManager.default.removeItem(at: directory.appending(path: file))
        }
        #expect(throws: Refusal.self) { try store.useOwn(for: self.names, at: 1) }
        #expect(content("given.pem") != nil)
        #expect(!store.isOwn)
    }

    @Test("Where no new one can be issued, the one that runs out goes on, after a restart, too")
    func runningOut() throws {
        let identity = try store().identity(for: names, at: 1)
        try FileManager.default.removeItem(at: directory.appending(path: "ca.key"))
        let restarted = store()
        #expect(throws: Refusal.self) { try restarted.identity(for: self.names, at: 990) }
        #expect(restarted.identity == identity)
    }

    @Test("A certificate whose key is damaged is made anew; one that was brought is complained of")
    func damagedKey() throws {
        let identity = try store().identity(for: names, at: 1)
        let leaf = directory.appending(path: "leaf.pem")
        try #require(content("leaf.pem")).replacing(identity.key, with: Issuer().key("another")).write(
            to: leaf, atomically: true, encoding: .utf8)
        #expect(try store().identity(for: names, at: 1) != identity)
        let given = Issuer().certificate("given") + Issuer().key("another")
        try given.write(to: directory.appending(path: "given.pem"), atomically: true, encoding: .utf8)
        let complaint = #expect(throws: Refusal.self) { try self.store().identity(for: self.names, at: 1) }
        #expect(complaint?.description.contains("given.pem") == true)
    }

    @Test("A certificate that the present authority has not issued is due")
    func foreign() throws {
        let identity = try store().identity(for: names, at: 1)
        #expect(try store().identity(for: names, at: 1) == identity)
        try Issuer().certificate("other").write(
            to: directory.appending(path: "ca.pem"), atomically: true, encoding: .utf8)
        try Issuer().key("other").write(to: directory.appending(path: "ca.key"), atomically: true, encoding: .utf8)
        #expect(try store().identity(for: names, at: 1).chain.hasSuffix(Issuer().certificate("other")))
    }
}
