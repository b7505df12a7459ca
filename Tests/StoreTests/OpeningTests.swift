import Address
import Glibc
import Policy
import Testing

@testable import Store

@Suite struct `Opening a store` {
    let directory = StateDirectory()

    @Test func `the directory and its files are for the owner alone`() throws {
        let path = directory.path + "/state"
        let old = umask(0)
        defer { umask(old) }
        let store = try Store(directory: path)
        try store.commit(.example, author: alice, summary: "everything")
        for (name, mode) in [("", 0o700), ("/gatehouse.db", 0o600), ("/gatehouse.db-wal", 0o600), ("/lock", 0o600)] {
            var status = stat()
            #expect(stat(path + name, &status) == 0)
            #expect(status.st_mode & 0o777 == mode, "mode of \(path + name)")
        }
    }

    @Test func `a second one on the same directory is refused and told who holds it`() throws {
        let store = try Store(directory: directory.path)
        let refusal = #expect(throws: StoreError.self) { _ = try Store(directory: directory.path) }
        #expect(refusal == .held(directory: directory.path, pid: Int(getpid())))
        #expect("\(try #require(refusal))".contains("in use by process \(getpid())"))
        _ = try store.current()
    }

    @Test func `a directory is free again when the store is gone`() throws {
        do { _ = try Store(directory: directory.path) }
        _ = try Store(directory: directory.path)
    }

    @Test func `a store from a newer version is refused and not touched`() throws {
        do { _ = try Store(directory: directory.path) }
        try directory.sql("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)")
        let before = directory.bytes()
        let refusal = #expect(throws: StoreError.self) { _ = try Store(directory: directory.path) }
        #expect(
            refusal == .newer(path: directory.database, version: 99, known: Schema.migrations.count))
        #expect("\(try #require(refusal))".contains("Install the newer version again"))
        #expect(directory.bytes() == before)
    }

    @Test func `an older store is brought up to date, and a copy of it is kept`() throws {
        do {
            let store = try Store(directory: directory.path)
            try store.commit(.example, author: alice, summary: "everything")
        }
        let migrations = Schema.migrations + ["ALTER TABLE user ADD COLUMN note TEXT"]
        let store = try Store(directory: directory.path, migrations: migrations)
        #expect(try store.policy() == .example)
        let now = try Database(path: directory.database)
        #expect(try now.integer("PRAGMA user_version") == migrations.count)
        let copy = try Database(path: directory.database + ".format-\(Schema.migrations.count)")
        #expect(try copy.integer("PRAGMA user_version") == Schema.migrations.count)
        #expect(try copy.integer("PRAGMA application_id") == Schema.applicationID)
        #expect(try copy.integer("SELECT count(*) FROM revision") == 2)
    }

    /// Format 1 as the first release wrote it: rules about networks alone, listeners for everybody.
    @Test func `a store of format 1 keeps its policy, its history and its numbers`() throws {
        do { _ = try Store(directory: directory.path, migrations: Array(Schema.migrations.prefix(1))) }
        try directory.sql(
            """
            DELETE FROM setting WHERE name = 'rule default';
            INSERT INTO revision VALUES (2, 1700000000, 0, 'root', 'setup'), (3, 1700000001, 0, 'root', 'rule remove 1');
            INSERT INTO listener VALUES ('127.0.0.1:1080', 'socks5', 'none', NULL, 2, NULL);
            INSERT INTO user VALUES ('anna', 'scrypt$1', 2, NULL);
            INSERT INTO rule VALUES (1, 'allow', '127.0.0.0/8', 2, 3), (2, 'deny', '2001:db8::/32', 2, NULL);
            """)
        let store = try Store(directory: directory.path)
        let rules = [
            Rule(id: 1, action: .allow, destination: Network("127.0.0.0/8")!),
            Rule(id: 2, action: .deny, destination: Network("2001:db8::/32")!),
        ]
        var policy = Policy(
            listeners: [Listener(kind: .socks5, endpoint: Endpoint("127.0.0.1:1080")!)],
            users: [User(name: "anna", passwordHash: "scrypt$1")], rules: [rules[1]],
            zones: [Zone(name: "home", way: .proxy), Zone(name: "internet")])
        #expect(try store.policy() == policy)
        policy.rules = rules
        #expect(try store.policy(at: 2) == policy)
        #expect(try store.changes(of: 3).lines == ["- rule 1 allow to 127.0.0.0/8"])
        #expect(try store.nextRuleID() == 3)
        policy.defaultAction = .deny
        try store.commit(policy, author: alice, summary: "rule default deny")
        #expect(
            try store.changes(of: 4).lines == [
                "+ rule 1 allow to 127.0.0.0/8", "- rule default allow", "+ rule default deny",
            ])
        #expect(throws: StoreError.ruleNumberReused(1)) {
            try store.commit(Policy(rules: [Rule(id: 1, action: .deny, domain: "x")]), author: alice, summary: "reuse")
        }
    }

    @Test func `a migration that fails half-way changes nothing`() throws {
        do { _ = try Store(directory: directory.path) }
        let broken = Schema.migrations + ["CREATE TABLE extra (a) STRICT"]
        #expect(throws: StoreError.self) { _ = try Store(directory: directory.path, migrations: broken) }
        _ = try Store(directory: directory.path)
    }

    @Test func `somebody else's database is refused and not touched`() throws {
        directory.write([])
        try directory.sql("CREATE TABLE songs (title)")
        let before = directory.bytes()
        #expect(throws: StoreError.foreign(path: directory.database)) { _ = try Store(directory: directory.path) }
        #expect(directory.bytes() == before)
    }

    @Test func `a file that is no database is refused and not touched`() throws {
        let before = Array(repeating: Array("something else\n".utf8), count: 500).flatMap(\.self)
        directory.write(before)
        #expect(throws: StoreError.foreign(path: directory.database)) { _ = try Store(directory: directory.path) }
        #expect(directory.bytes() == before)
    }

    @Test func `a damaged store is refused`() throws {
        do {
            let store = try Store(directory: directory.path)
            for number in 1...200 {
                let users = (1...number % 7 + 1).map { User(name: "user\($0)", passwordHash: "hash\(number)") }
                try store.commit(Policy(users: users), author: alice, summary: "users \(number)")
            }
        }
        // Every page but the first, which names the format, loses its start.
        var bytes = directory.bytes()
        for page in stride(from: 4096, to: bytes.count, by: 4096) {
            bytes.replaceSubrange(page..<page + 64, with: Array(repeating: 0x5a, count: 64))
        }
        directory.write(bytes)
        let refusal = #expect(throws: StoreError.self) { _ = try Store(directory: directory.path) }
        guard case .corrupt(directory.database, _) = try #require(refusal) else {
            Issue.record("not refused as corrupt: \(refusal!)")
            return
        }
    }

    @Test func `a row that this version cannot read is an error and not a smaller policy`() throws {
        do {
            let store = try Store(directory: directory.path)
            try store.commit(.example, author: alice, summary: "everything")
        }
        for (damage, text) in [
            (
                "opening SET source = 'everywhere' WHERE source IS NOT NULL",
                "opening: dns, udp 53, interface:eth1, everywhere"
            ),
            ("opening SET services = 'udp 53, x' WHERE name = 'dns'", "opening: dns, udp 53, x, interface:eth1"),
            ("rule SET client = 'x' WHERE client IS NOT NULL", "rule: 3, deny, anna, x, -, example.com, 80-443"),
            ("listener SET clients = 'fd00::/64 x' WHERE clients <> ''", "fd00::/64 x, anna:berta, 1, 2001:db8::5"),
        ] {
            try directory.sql("UPDATE \(damage)")
            let store = try Store(directory: directory.path)
            let refusal = #expect(throws: StoreError.self) { try store.policy() }
            #expect("\(try #require(refusal))".contains(text), "\(refusal!)")
        }
    }

    @Test func `a directory that cannot be made is named`() {
        let path = directory.path + "/no/such"
        let refusal = #expect(throws: StoreError.self) { _ = try Store(directory: path) }
        #expect(refusal.map { "\($0)" }?.hasPrefix("\(path): cannot make the state directory") == true)
    }
}
