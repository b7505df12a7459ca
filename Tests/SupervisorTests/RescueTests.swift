import Address
import Foundation
import Glibc
import Policy
import Testing

@testable import Supervisor

@Suite("What is kept for a start without the store")
struct RescueTests {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "rescue-\(UUID().uuidString)").path
    private var options = Options()
    private let unguarded = Listener(
        kind: .http, endpoint: Endpoint(address: .v4(0x7f00_0001), port: 3128), authentication: .none)
    private let guarded = Listener(
        kind: .http, endpoint: Endpoint(address: .v4(0x7f00_0001), port: 3129), authentication: .required)

    init() throws {
        options.state = directory + "/state"
        options.rescue = directory + "/root"
        for path in [options.state, directory + "/root"] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
    }

    private func revision(_ id: Int) -> Revision {
        Revision(id: id, time: 0, author: Author(uid: 0, name: "root"), summary: "")
    }

    private func policy(_ mode: FirewallMode) -> Policy {
        Policy(
            listeners: [unguarded, guarded], users: [User(name: "alice", passwordHash: "secret")],
            openings: [Opening(name: "ssh", .ssh, from: .anywhere)], firewall: mode)
    }

    @Test("The newest copy that can be read is taken; the one on the root file system has no passwords")
    func copies() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let rescue = Rescue(options)
        try rescue.keep(policy(.enforce), revision(3), marks: true)
        for path in [options.state, directory + "/root"] {
            let facts = try FileManager.default.attributesOfItem(atPath: path + "/last.json")
            #expect(facts[.posixPermissions] as? Int == 0o600)
        }
        #expect(try !String(contentsOfFile: directory + "/root/last.json", encoding: .utf8).contains("secret"))
        var found = rescue.load()
        #expect(found.policy == policy(.enforce) && found.revision.id == 3 && found.withoutPasswords.isEmpty)

        // Half a copy is none.
        truncate(options.state + "/last.json", 100)
        found = rescue.load()
        #expect(found.path == directory + "/root/last.json")
        #expect(found.policy.listeners == [unguarded] && found.withoutPasswords == [guarded])
        #expect(found.policy.openings == policy(.enforce).openings && found.policy.firewall == .enforce)
    }

    @Test("Without a copy the mark alone decides: a box that was enforced is shut, any other stays as it is")
    func mark() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let rescue = Rescue(options)
        #expect(!rescue.isEnforced && rescue.load().policy.firewall == .observe)
        try rescue.keep(policy(.enforce), revision(3), marks: true)
        for path in [options.state, directory + "/root"] { unlink(path + "/last.json") }
        #expect(rescue.isEnforced && rescue.load().policy == Policy(firewall: .enforce))
        try rescue.keep(policy(.observe), revision(4), marks: true)
        #expect(!rescue.isMarked && !rescue.isEnforced)
    }

    @Test("A mode that the command line imposes leaves no mark, and a copy that cannot be written is told")
    func imposed() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let rescue = Rescue(options)
        try rescue.keep(policy(.enforce), revision(3), marks: false)
        #expect(!rescue.isMarked && access(directory + "/root/last.json", F_OK) != 0)
        try FileManager.default.removeItem(atPath: options.state)
        let refusal = #expect(throws: Refusal.self) { try rescue.keep(policy(.enforce), revision(4), marks: true) }
        #expect(refusal?.description.contains(options.state + "/last.json") == true)
        // The other one is written all the same.
        #expect(rescue.isMarked && rescue.load().revision.id == 4)
    }
}
