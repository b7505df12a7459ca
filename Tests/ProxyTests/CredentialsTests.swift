import Address
import Policy
import Testing
import Wire

@testable import Proxy

@Suite struct CredentialsTests {
    private func login(_ name: String, _ password: String) -> Login {
        Login(name: Array(name.utf8), password: Array(password.utf8))
    }

    private let anybody = Listener(
        kind: .socks5, endpoint: Endpoint("127.0.0.1:1080")!, authentication: .required)

    @Test func `A password is the one that was hashed and no other`() {
        let hash = Password.hash(Array("secret".utf8))
        #expect(Password.verify(Array("secret".utf8), against: hash))
        #expect(!Password.verify(Array("Secret".utf8), against: hash))
        #expect(!Password.verify([], against: hash))
        #expect(Password.hash(Array("secret".utf8)) != hash, "each has a salt of its own")
        #expect(PasswordHash(hash.description) == hash)
    }

    @Test func `scrypt is that of RFC 7914`() throws {
        // §12, the third test vector: "pleaseletmein", "SodiumChloride", N=16384, r=8, p=1.
        let text =
            "scrypt$14$8$1$536f6469756d43686c6f72696465$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
            + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        let hash = try #require(PasswordHash(text))
        #expect(Password.verify(Array("pleaseletmein".utf8), against: hash))
    }

    @Test func `Logins are accepted until their user is gone or has another password`() async {
        let credentials = Credentials()
        #expect(await credentials.accept(login("alice", "a"), on: anybody) == nil)
        let alice = User(name: "alice", passwordHash: Password.hash([0x61]).description)
        let bob = User(name: "bob", passwordHash: Password.hash([0x62]).description)
        credentials.replaceUsers([alice, bob])
        for _ in 0..<2 {
            #expect(await credentials.accept(login("alice", "a"), on: anybody) != nil)
            #expect(await credentials.accept(login("bob", "b"), on: anybody) != nil)
            #expect(await credentials.accept(login("bob", "a"), on: anybody) == nil)
            #expect(await credentials.accept(login("", "a"), on: anybody) == nil)
        }
        credentials.replaceUsers([User(name: "bob", passwordHash: alice.passwordHash)])
        #expect(await credentials.accept(login("alice", "a"), on: anybody) == nil)
        #expect(await credentials.accept(login("bob", "b"), on: anybody) == nil)
        #expect(await credentials.accept(login("bob", "a"), on: anybody) != nil)
    }

    @Test func `Whom the listener does not let in is refused, though the password is right and known`() async {
        let credentials = Credentials()
        let alice = User(name: "alice", passwordHash: Password.hash([0x61]).description)
        let bob = User(name: "bob", passwordHash: Password.hash([0x62]).description)
        credentials.replaceUsers([alice, bob])
        var bobsOwn = anybody
        bobsOwn.users = ["bob"]
        for _ in 0..<2 {
            #expect(await credentials.accept(login("alice", "a"), on: anybody) != nil)
            #expect(await credentials.accept(login("alice", "a"), on: bobsOwn) == nil)
            #expect(await credentials.accept(login("bob", "b"), on: bobsOwn) != nil)
        }
    }

    @Test func `A NUL belongs to no password, though scrypt takes it for padding`() async {
        let hash = Password.hash(Array("secret".utf8))
        #expect(Password.verify(Array("secret\u{0}".utf8), against: hash), "RFC 2104 §2: keys are padded with zeros")
        let credentials = Credentials()
        credentials.replaceUsers([User(name: "alice", passwordHash: hash.description)])
        #expect(await credentials.accept(login("alice", "secret\u{0}"), on: anybody) == nil)
        #expect(await credentials.accept(login("alice", "secret"), on: anybody) != nil)
        #expect(await credentials.accept(login("alice\u{0}", "secret"), on: anybody) == nil)
    }
}
