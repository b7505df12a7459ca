import Address
import Foundation
import Glibc
import Policy
import Testing

@testable import Store

@Suite struct `Backups` {
    private let directory = StateDirectory()
    private var backup: String { directory.path + "/one.backup" }
    private var scratch: String { directory.path + "/scratch" }
    private let texts = ["tls/ca.pem": "-----BEGIN\n", "blocklists/0123456789abcdef": ".ads.example\nx.example\n"]

    private func make(_ policy: Policy = .example) throws -> Store {
        let store = try Store(directory: directory.path)
        try store.commit(policy, author: alice, summary: "everything")
        return store
    }

    @Test func `have the store with its history and what lies beside it, in one file of the owner's`() throws {
        let store = try make()
        let made = try store.backUp(to: backup, scratch: scratch, with: texts, at: 1_800_000_000)
        #expect(made.revision == 2 && made.time == 1_800_000_000)
        var status = stat()
        #expect(stat(backup, &status) == 0 && status.st_mode & 0o777 == 0o600 && status.st_size == made.size)
        #expect(try Backup(path: backup) == made)
        #expect(try Database(path: backup, readOnly: true).integer("SELECT max(id) FROM revision") == 2)
        let content = try Backup.unpack(backup, into: scratch)
        #expect(try content.policy == .example && content.texts == texts && content.revision == store.current())
        #expect(try Store(directory: scratch).policy(at: 1) == Policy(), "the history as well")
        Backup.empty(scratch)
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(Set(names) == ["gatehouse.db", "gatehouse.db-wal", "gatehouse.db-shm", "lock", "one.backup"])
    }

    @Test func `are made beside a change that is pending, and have nothing of it`() throws {
        let store = try make()
        let pending = try store.prepare(Policy(), author: alice, summary: "nothing any more")
        _ = try store.backUp(to: backup, scratch: scratch, with: [:], at: 0)
        try pending.commit()
        #expect(try Backup.unpack(backup, into: scratch).policy == .example)
        #expect(try store.current().id == 3)
    }

    @Test func `with any byte flipped or any length cut are found out`() throws {
        let store = try make()
        _ = try store.backUp(to: backup, scratch: scratch, with: texts, at: 1)
        let whole = directory.bytes(of: "one.backup")
        // Every byte of the seal and of the first page, and others throughout.
        let places =
            Array(0..<128) + Array(stride(from: 128, to: whole.count - 40, by: 1777))
            + Array(whole.count - 40..<whole.count)
        for place in places {
            var bytes = whole
            bytes[place] ^= UInt8(1 << (place % 8))
            directory.write(bytes, to: "one.backup")
            #expect(throws: StoreError.self, "byte \(place)") { try Backup(path: backup) }
            #expect(throws: StoreError.self, "byte \(place)") { try Backup.unpack(backup, into: scratch) }
        }
        for length in [0, 1, 31, 32, 33, 4096, whole.count / 2, whole.count - 32, whole.count - 1] {
            directory.write(Array(whole[..<length]), to: "one.backup")
            #expect(throws: StoreError.self, "\(length) bytes") { try Backup.unpack(backup, into: scratch) }
        }
        directory.write(whole, to: "one.backup")
        #expect(try Backup.unpack(backup, into: scratch).policy == .example)
    }

    @Test(.enabled(if: getuid() == 0, "needs root: it mounts a tmpfs"))
    func `that a full disk has no room for leave nothing behind, and the ones before as they are`() throws {
        let disk = directory.path + "/disk"
        mkdir(disk, 0o700)
        try #require(mount("tmpfs", disk, "tmpfs", 0, "size=1200k") == 0)
        defer { withExtendedLifetime(directory) { _ = umount2(disk, Int32(MNT_DETACH)) } }
        let store = try make()
        let first = try store.backUp(to: disk + "/one.backup", scratch: disk + "/scratch", with: texts, at: 1)
        var failed = 0
        for number in 2...20 {
            do throws(StoreError) {
                _ = try store.backUp(
                    to: "\(disk)/\(number).backup", scratch: disk + "/scratch", with: texts, at: number)
            } catch {
                guard case .full = error else {
                    Issue.record("not reported as a full disk: \(error)")
                    return
                }
                failed += 1
                #expect(access("\(disk)/\(number).backup", F_OK) != 0)
            }
        }
        #expect(failed > 0)
        #expect(try Backup(path: disk + "/one.backup") == first)
        let names = try FileManager.default.contentsOfDirectory(atPath: disk)
        #expect(names.allSatisfy { $0.hasSuffix(".backup") }, "\(names)")
        for name in names { #expect(throws: Never.self) { try Backup(path: "\(disk)/\(name)") } }
    }

    @Test func `take the place of a damaged store, which is set aside with its log`() throws {
        do {
            let store = try make()
            _ = try store.backUp(to: backup, scratch: scratch, with: texts, at: 1)
            try store.commit(Policy(), author: alice, summary: "later")
            store.close()
        }
        directory.write(Array("garbage".utf8))
        #expect(throws: StoreError.self) { try Store(directory: directory.path) }
        // SQLite itself throws a log away that belongs to nothing.
        directory.write(Array("a log of before".utf8), to: "gatehouse.db-wal")
        let (content, aside) = try Store.recover(backup, in: directory.path, scratch: scratch, at: 7)
        #expect(content.texts == texts)
        #expect(aside == directory.database + ".damaged-7")
        #expect(directory.bytes(of: "gatehouse.db.damaged-7") == Array("garbage".utf8))
        #expect(directory.bytes(of: "gatehouse.db.damaged-7-wal") == Array("a log of before".utf8))
        let store = try Store(directory: directory.path)
        #expect(try store.policy() == .example && store.current().id == 2)
        #expect(try store.commit(Policy(), author: alice, summary: "goes on").id == 3)
    }

    @Test(arguments: 1...8)
    func `of a process killed at any moment of a recovery leave a store or the way to one`(round: Int) async throws {
        do {
            let store = try make()
            _ = try store.backUp(to: backup, scratch: scratch, with: texts, at: 1)
            store.close()
        }
        directory.write(Array("garbage".utf8))
        let (path, backup, scratch) = (directory.path, self.backup, self.scratch)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, backup = backup as String, scratch = scratch as String, round = round as Int] in
            let delay = UnsafeMutablePointer<useconds_t>.allocate(capacity: 1)
            delay.initialize(to: useconds_t(round * 4000) + useconds_t.random(in: 0...4000))
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { delay in
                    usleep(delay!.load(as: useconds_t.self))
                    kill(getpid(), SIGKILL)
                    return nil
                }, delay)
            var number = 0
            while true {
                number += 1
                _ = try Store.recover(backup, in: path, scratch: scratch, at: number)
            }
        }
        if (try? Store(directory: directory.path).policy()) != .example {
            _ = try Store.recover(backup, in: directory.path, scratch: scratch, at: 1_000_000)
        }
        #expect(try Store(directory: directory.path).policy() == .example)
    }

    @Test func `know whether a rule has the number of another one`() throws {
        let store = try make()
        #expect(try store.canNumber(.example))
        var other = Policy()
        other.rules = [Rule(id: 2, action: .allow, destination: Network("10.0.0.0/8")!)]
        #expect(try !store.canNumber(other))
        other.rules[0].id = 4
        #expect(try store.canNumber(other))
    }
}
