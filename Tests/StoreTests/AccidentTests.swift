import Address
import Glibc
import Policy
import Testing

@testable import Store

@Suite struct `Accidents` {
    @Test func `a process killed between writing and commit leaves the old revision`() async throws {
        let directory = StateDirectory()
        let path = directory.path
        do {
            let store = try Store(directory: path)
            try store.commit(.example, author: alice, summary: "everything")
        }
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let store = try Store(directory: path)
            // Larger than SQLite's page cache flushes at once, so that the log really holds uncommitted pages.
            let users = (1...20_000).map { User(name: "user\($0)", passwordHash: String(repeating: "x", count: 200)) }
            let pending = try store.prepare(Policy(users: users), author: alice, summary: "many")
            kill(getpid(), SIGKILL)
            try pending.commit()
        }
        var log = stat()
        #expect(stat(directory.database + "-wal", &log) == 0)
        #expect(log.st_size > 4_000_000, "the log holds what was not committed")
        let store = try Store(directory: path)
        #expect(try store.current().id == 2)
        #expect(try store.policy() == .example)
    }

    @Test(arguments: 1...5)
    func `a process killed at any moment leaves whole revisions only`(round: Int) async throws {
        let directory = StateDirectory()
        let path = directory.path
        do { _ = try Store(directory: path) }
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, round = round as Int] in
            let store = try Store(directory: path)
            for id in 2...4 { try store.commit(numbered(id), author: alice, summary: "\(id)") }
            // From a second thread, at a moment that has nothing to do with what the first one does.
            let delay = UnsafeMutablePointer<useconds_t>.allocate(capacity: 1)
            delay.initialize(to: useconds_t(2_000 * round) + useconds_t.random(in: 0...5_000))
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { delay in
                    usleep(delay!.load(as: useconds_t.self))
                    kill(getpid(), SIGKILL)
                    return nil
                }, delay)
            while true {
                let id = try store.current().id + 1
                try store.commit(numbered(id), author: alice, summary: "\(id)")
            }
        }
        let store = try Store(directory: path)
        let newest = try store.current().id
        #expect(newest >= 4)
        for id in 2...newest { #expect(try store.policy(at: id) == numbered(id)) }
    }

    /// On a tmpfs of a few hundred kB, filled up by another file.
    @Test(.enabled(if: getuid() == 0, "needs root: it mounts a tmpfs"))
    func `a full disk leaves the old revision, says so, and heals when there is room`() throws {
        let directory = StateDirectory()
        try #require(mount("tmpfs", directory.path, "tmpfs", 0, "size=600k") == 0)
        defer { withExtendedLifetime(directory) { _ = umount2(directory.path, Int32(MNT_DETACH)) } }
        let store = try Store(directory: directory.path)
        try store.commit(.example, author: alice, summary: "everything")
        let ballast = open(directory.path + "/ballast", O_WRONLY | O_CREAT, 0o600)
        let block = [UInt8](repeating: 0, count: 4096)
        while write(ballast, block, block.count) > 0 {}
        close(ballast)

        var newest = 2
        var refusal: StoreError?
        for number in 3...100 where refusal == nil {
            do throws(StoreError) {
                newest = try store.commit(numbered(number), author: alice, summary: "\(number)").id
            } catch {
                refusal = error
            }
        }
        guard case .full(directory.database, _) = try #require(refusal) else {
            Issue.record("not reported as a full disk: \(refusal!)")
            return
        }
        #expect("\(refusal!)".contains("the disk is full"))
        let standing = newest == 2 ? Policy.example : numbered(newest)
        #expect(try store.current().id == newest)
        #expect(try store.policy() == standing)

        unlink(directory.path + "/ballast")
        #expect(try store.commit(numbered(500), author: alice, summary: "room again").id == newest + 1)
        #expect(try store.policy() == numbered(500))
    }
}

/// A policy that tells which revision it belongs to, in every table.
private func numbered(_ id: Int) -> Policy {
    Policy(
        listeners: [
            Listener(kind: .socks5, endpoint: Endpoint(address: .v4(UInt32(0x0a00_0000 + id)), port: 1080))
        ],
        users: [User(name: "user", passwordHash: "\(id)"), User(name: "user\(id)", passwordHash: "x")],
        rules: [Rule(id: id + 10, action: .allow, destination: Network(.v4(UInt32(id)), prefix: 32))],
        limits: [Limit(subject: .eachClient, sessions: id)],
        openings: [Opening(name: "opening\(id)", .ssh, from: .anywhere)], lan: ["lan\(id)"])
}
