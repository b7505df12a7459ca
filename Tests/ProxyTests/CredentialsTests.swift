import Address
import Policy
import Testing
import Wire

@testable import Proxy

@Suite struct CredentialsTests {
    private func login(_ name: String, _ password: String) -> Login {
        Login(name: Array(name.utf8), password: Array(password.utf8))
    }

    private func accept(_ credentials: Credentials, _ login: Login, on listener: Listener) async -> Account? {
        if case .right(let account) = await credentials.check(login, from: .v4(0x7f00_0001), on: listener) {
            return account
        }
        return nil
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
        #expect(await accept(credentials, login("alice", "a"), on: anybody) == nil)
        let alice = User(name: "alice", passwordHash: Password.hash([0x61]).description)
        let bob = User(name: "bob", passwordHash: Password.hash([0x62]).description)
        credentials.replaceUsers([alice, bob])
        for _ in 0..<2 {
            #expect(await accept(credentials, login("alice", "a"), on: anybody) != nil)
            #expect(await accept(credentials, login("bob", "b"), on: anybody) != nil)
            #expect(await accept(credentials, login("bob", "a"), on: anybody) == nil)
            #expect(await accept(credentials, login("", "a"), on: anybody) == nil)
        }
        credentials.replaceUsers([User(name: "bob", passwordHash: alice.passwordHash)])
        #expect(await accept(credentials, login("alice", "a"), on: anybody) == nil)
        #expect(await accept(credentials, login("bob", "b"), on: anybody) == nil)
        #expect(await accept(credentials, login("bob", "a"), on: anybody) != nil)
    }

    @Test func `Whom the listener does not let in is refused, though the password is right and known`() async {
        let credentials = Credentials()
        let alice = User(name: "alice", passwordHash: Password.hash([0x61]).description)
        let bob = User(name: "bob", passwordHash: Password.hash([0x62]).description)
        credentials.replaceUsers([alice, bob])
        var bobsOwn = anybody
        bobsOwn.users = ["bob"]
        for _ in 0..<2 {
            #expect(await accept(credentials, login("alice", "a"), on: anybody) != nil)
            #expect(await accept(credentials, login("alice", "a"), on: bobsOwn) == nil)
            #expect(await accept(credentials, login("bob", "b"), on: bobsOwn) != nil)
        }
    }

    @Test func `A NUL belongs to no password, though scrypt takes it for padding`() async {
        let hash = Password.hash(Array("secret".utf8))
        #expect(Password.verify(Array("secret\u{0}".utf8), against: hash), "RFC 2104 §2: keys are padded with zeros")
        let credentials = Credentials()
        credentials.replaceUsers([User(name: "alice", passwordHash: hash.description)])
        #expect(await accept(credentials, login("alice", "secret\u{0}"), on: anybody) == nil)
        #expect(await accept(credentials, login("alice", "secret"), on: anybody) != nil)
        #expect(await accept(credentials, login("alice\u{0}", "secret"), on: anybody) == nil)
    }

    /// Programs send what is beyond ASCII as UTF-8 (RFC 7617 §2.1), as ISO-8859-1 (as older ones do), or with letters and accents
    /// apart (as macOS keyboards and a paste give it).
    @Test func `A password beyond ASCII is the same in UTF-8, in ISO-8859-1 and with accents apart`() async {
        let composed = Array("pässwört".utf8)
        let apart = Array("pa\u{308}sswo\u{308}rt".utf8)
        let latin: [UInt8] = [0x70, 0xe4, 0x73, 0x73, 0x77, 0xf6, 0x72, 0x74]
        // As it is stored now, and as it was before there was a normal form.
        for stored in [composed, apart] {
            let credentials = Credentials()
            credentials.replaceUsers([
                User(name: "jörg", passwordHash: Password.hash("pa\u{308}sswo\u{308}rt".normalizedUTF8).description),
                User(name: "alice", passwordHash: Password.hash(stored).description),
            ])
            let names = ["jörg".utf8.map { $0 }, Array("jo\u{308}rg".utf8), [0x6a, 0xf6, 0x72, 0x67]]
            for password in [latin, composed, apart] {
                for name in names {
                    #expect(
                        await accept(credentials, Login(name: name, password: password), on: anybody)?.name == "jörg")
                }
            }
            // The hash of a version before is of the bytes as they were typed, and those still are right.
            for password in stored == composed ? [latin, composed, apart] : [apart] {
                let login = Login(name: Array("alice".utf8), password: password)
                #expect(await accept(credentials, login, on: anybody) != nil, "\(password)")
            }
            #expect(await accept(credentials, login("alice", "passwort"), on: anybody) == nil)
        }
    }
}
