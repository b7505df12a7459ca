import Foundation
import Glibc
import Policy
import Testing

@testable import Store

@Suite struct `A revision on trial` {
    let directory = StateDirectory()

    private func putOnTrial(_ policy: Policy, in store: Store, until deadline: Int = 2_000_000_000) throws {
        let pending = try store.prepare(policy, author: alice, summary: "a trial", deadline: deadline)
        try pending.commit()
    }

    @Test func `is told from others, with its deadline, and kept once it is confirmed`() throws {
        let store = try Store(directory: directory.path)
        #expect(try store.trial() == nil)
        try putOnTrial(.example, in: store)
        #expect(try store.trial()?.id == 2)
        #expect(try store.current().deadline == 2_000_000_000)
        #expect(try store.policy() == .example)
        #expect(try store.keepTrial().state == .kept)
        #expect(try store.trial() == nil)
        #expect(try store.current().deadline == nil)
        #expect(throws: StoreError.noTrial) { try store.keepTrial() }
        #expect(throws: StoreError.noTrial) { try store.revertTrial(author: alice, summary: "nothing") }
    }

    @Test func `is taken back by a revision of its own, and the history shows both`() throws {
        let store = try Store(directory: directory.path)
        try store.commit(.example, author: alice, summary: "everything")
        try putOnTrial(Policy(), in: store)
        let revision = try store.revertTrial(author: alice, summary: "not confirmed")
        #expect(revision.id == 4)
        #expect(try store.policy() == .example)
        #expect(try store.revisions(limit: 4).map(\.state) == [.kept, .reverted, .kept, .kept])
        #expect(try store.policy(at: 3) == Policy())
    }

    /// The files as the disk has them when the power goes: the database and its log, of which what was not synced is gone.
    /// Whatever part of the log is there, the policy in force is one that was confirmed, or a trial that is known as one.
    @Test func `is a trial or kept, and never half of it, wherever the power goes`() throws {
        let former = Policy.example
        var tried = former
        tried.openings.removeAll()
        let store = try Store(directory: directory.path)
        try store.commit(former, author: alice, summary: "everything")
        try putOnTrial(tried, in: store)
        let mark = directory.bytes(of: "gatehouse.db-wal").count
        try store.keepTrial()
        let database = directory.bytes()
        let log = directory.bytes(of: "gatehouse.db-wal")
        #expect(mark < log.count)
        // A frame of the log is a page and 24 bytes (fileformat2.html §4.1).
        let frame = 4096 + 24
        var seen: Set<Revision.State> = []
        for length in stride(from: 32, through: log.count, by: frame) {
            for torn in [0, 1000] {
                let crashed = StateDirectory()
                crashed.write(database)
                crashed.write(Array(log.prefix(length + torn)), to: "gatehouse.db-wal")
                let store: Store
                do { store = try Store(directory: crashed.path) } catch {
                    // Before the first transaction of the log has arrived there is no history yet.
                    Issue.record("cannot be opened with \(length + torn) bytes of the log: \(error)")
                    continue
                }
                let newest = try store.current()
                if newest.id == 3 {
                    seen.insert(newest.state)
                    #expect(newest.state == (length == log.count ? .kept : .trial), "\(length + torn) of \(log.count)")
                    #expect(try store.policy() == tried)
                    if newest.state == .trial { try store.revertTrial(author: alice, summary: "the power went") }
                }
                let isKept = newest.id == 3 && newest.state == .kept
                if newest.id >= 2 { #expect(try store.policy() == (isKept ? tried : former)) }
            }
        }
        #expect(seen == [.trial, .kept])
    }

}

@Suite struct `Undoing a revision` {
    let directory = StateDirectory()

    private func store(_ policies: Policy...) throws -> Store {
        let store = try Store(directory: directory.path)
        for (index, policy) in policies.enumerated() {
            try store.commit(policy, author: alice, summary: "step \(index + 2)")
        }
        return store
    }

    @Test func `takes back what it did and leaves what came later`() throws {
        var second = Policy.example
        second.openings.removeAll { $0.name == "dns" }
        second.users[0].passwordHash = "scrypt$9"
        var third = second
        third.limits.removeAll()
        let store = try store(.example, second, third)
        var expected = Policy.example
        expected.limits.removeAll()
        #expect(try store.policy(undoing: 3) == expected)
        // The other way round as well: what it took away comes back.
        var restored = third
        restored.limits = Policy.example.limits
        #expect(try store.policy(undoing: 4) == restored)
    }

    @Test func `is refused with the reason where something was changed again`() throws {
        var second = Policy.example
        second.users[0].passwordHash = "scrypt$9"
        var third = second
        third.users.removeFirst()
        let store = try store(.example, second, third)
        #expect(throws: StoreError.conflict(revision: 3, reason: "user anna is no more")) {
            try store.policy(undoing: 3)
        }
        #expect(throws: StoreError.self) { try store.policy(undoing: 1) }
        #expect(throws: StoreError.noSuchRevision(9, newest: 4)) { try store.policy(undoing: 9) }
        var fourth = third
        fourth.users.insert(User(name: "anna", passwordHash: "scrypt$new"), at: 0)
        try store.commit(fourth, author: alice, summary: "anna is back")
        #expect(throws: StoreError.conflict(revision: 4, reason: "user anna cannot come back, there is user anna")) {
            try store.policy(undoing: 4)
        }
    }
}
