import Glibc
import Policy

/// What the database file looks like, and how an older one becomes a newer one.
enum Schema {
    /// `PRAGMA application_id`: "GTHS". file(1) and we know a store by it.
    static let applicationID = 0x4754_4853

    /// Entry N takes format N to format N+1 (`PRAGMA user_version`). Entries are only ever added.
    ///
    /// Rows are temporal: one is in force from revision `since` up to, and not including, revision `until` (NULL: still).
    /// The policy at revision R is therefore every row with since <= R and (until IS NULL or until > R): the history
    /// needs no copies and a rollback no special case. Rows are never deleted.
    static let migrations = [
        """
        CREATE TABLE revision (
            id INTEGER PRIMARY KEY CHECK (id > 0),
            time INTEGER NOT NULL,
            author_uid INTEGER NOT NULL,
            author_name TEXT NOT NULL,
            summary TEXT NOT NULL
        ) STRICT;

        CREATE TABLE listener (
            endpoint TEXT NOT NULL,
            kind TEXT NOT NULL,
            authentication TEXT NOT NULL,
            interface TEXT,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX listener_in_force ON listener(endpoint) WHERE until IS NULL;

        CREATE TABLE user (
            name TEXT NOT NULL,
            password_hash TEXT NOT NULL,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX user_in_force ON user(name) WHERE until IS NULL;

        CREATE TABLE rule (
            id INTEGER NOT NULL CHECK (id > 0),
            action TEXT NOT NULL,
            destination TEXT NOT NULL,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX rule_in_force ON rule(id) WHERE until IS NULL;

        CREATE TABLE opening (
            name TEXT NOT NULL,
            transport TEXT NOT NULL,
            port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
            interface TEXT,
            source TEXT,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX opening_in_force ON opening(name) WHERE until IS NULL;

        CREATE TABLE setting (
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX setting_in_force ON setting(name) WHERE until IS NULL;
        """,
        // Who may use a listener, rules about more than networks, limits. A rule's destination may be left out now, and
        // SQLite can only make a table anew for that (lang_altertable.html §7).
        """
        ALTER TABLE listener ADD COLUMN clients TEXT NOT NULL DEFAULT '';
        ALTER TABLE listener ADD COLUMN users TEXT NOT NULL DEFAULT '';
        ALTER TABLE listener ADD COLUMN allows_socks4 INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE listener ADD COLUMN advertised_address TEXT;
        ALTER TABLE listener ADD COLUMN udp_ports TEXT;
        ALTER TABLE listener ADD COLUMN bind_ports TEXT;

        DROP INDEX rule_in_force;
        ALTER TABLE rule RENAME TO former_rule;
        CREATE TABLE rule (
            id INTEGER NOT NULL CHECK (id > 0),
            action TEXT NOT NULL,
            user TEXT,
            client TEXT,
            destination TEXT,
            domain TEXT,
            ports TEXT,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX rule_in_force ON rule(id) WHERE until IS NULL;
        INSERT INTO rule (id, action, destination, since, until)
            SELECT id, action, destination, since, until FROM former_rule;
        DROP TABLE former_rule;

        -- LIMIT is a word of SQL's own.
        CREATE TABLE usage_limit (
            subject TEXT NOT NULL,
            sessions INTEGER,
            rate INTEGER,
            bandwidth INTEGER,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX usage_limit_in_force ON usage_limit(subject) WHERE until IS NULL;

        INSERT INTO setting (name, value, since)
            SELECT 'rule default', 'allow', 1 WHERE NOT EXISTS (SELECT 1 FROM setting WHERE name = 'rule default');
        """,
        // Zones, and openings for a place, of several ports or protocols, until a time. No verdict changes: what was LAN is
        // the home, what was WAN the internet, and an opening that named no interface stays open to everywhere.
        """
        CREATE TABLE zone (
            name TEXT NOT NULL,
            interfaces TEXT NOT NULL,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX zone_in_force ON zone(name) WHERE until IS NULL;
        INSERT INTO zone (name, interfaces, since, until)
            SELECT CASE name WHEN 'lan' THEN 'home' ELSE 'internet' END, value, since, until
            FROM setting WHERE name IN ('lan', 'wan');
        DELETE FROM setting WHERE name IN ('lan', 'wan');
        INSERT INTO zone (name, interfaces, since)
            SELECT column1, '', 1 FROM (VALUES ('home'), ('internet'))
            WHERE NOT EXISTS (SELECT 1 FROM zone WHERE name = column1);

        ALTER TABLE listener ADD COLUMN zone TEXT;

        DROP INDEX opening_in_force;
        ALTER TABLE opening RENAME TO former_opening;
        CREATE TABLE opening (
            name TEXT NOT NULL,
            services TEXT NOT NULL,
            place TEXT NOT NULL,
            source TEXT,
            closes INTEGER,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX opening_in_force ON opening(name) WHERE until IS NULL;
        INSERT INTO opening (name, services, place, source, since, until)
            SELECT name, transport || ' ' || port, CASE WHEN interface IS NULL THEN 'anywhere'
                ELSE 'interface:' || interface END, source, since, until
            FROM former_opening;
        DROP TABLE former_opening;
        """,
        // Changes on trial.
        """
        ALTER TABLE revision ADD COLUMN state TEXT NOT NULL DEFAULT 'kept';
        ALTER TABLE revision ADD COLUMN deadline INTEGER;
        """,
        // What was seen of the interfaces that the policy names: by their hardware address they are known under another name.
        """
        CREATE TABLE hardware (
            interface TEXT PRIMARY KEY NOT NULL,
            address TEXT NOT NULL
        ) STRICT;
        """,
        // Limits on what a client has not finished, and where it is told what comes of sessions. A limit from before bounds neither.
        """
        ALTER TABLE usage_limit ADD COLUMN handshakes INTEGER;
        ALTER TABLE usage_limit ADD COLUMN lookups INTEGER;
        INSERT INTO setting (name, value, since)
            SELECT 'session log', 'quiet', 1 WHERE NOT EXISTS (SELECT 1 FROM setting WHERE name = 'session log');
        """,
        // Zones that are routed and served, devices, passages, forwards. No verdict changes: from a zone of before nothing is
        // routed until the operator says so. A store in which nothing was decided yet begins like any new one.
        """
        ALTER TABLE zone ADD COLUMN addresses TEXT NOT NULL DEFAULT '';
        ALTER TABLE zone ADD COLUMN way TEXT NOT NULL DEFAULT 'proxy';
        ALTER TABLE zone ADD COLUMN new_devices TEXT;
        ALTER TABLE zone ADD COLUMN service TEXT;
        UPDATE zone SET way = 'routed' WHERE name = 'internet' OR NOT EXISTS (SELECT 1 FROM revision WHERE id > 1);

        CREATE TABLE device (
            hardware TEXT NOT NULL,
            name TEXT NOT NULL,
            way TEXT,
            address TEXT,
            pause TEXT,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX device_in_force ON device(hardware) WHERE until IS NULL;

        CREATE TABLE passage (
            ends TEXT NOT NULL,
            services TEXT NOT NULL,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX passage_in_force ON passage(ends) WHERE until IS NULL;

        CREATE TABLE forward (
            name TEXT NOT NULL,
            transport TEXT NOT NULL,
            port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
            device TEXT NOT NULL,
            device_port INTEGER CHECK (device_port BETWEEN 1 AND 65535),
            source TEXT,
            closes INTEGER,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX forward_in_force ON forward(name) WHERE until IS NULL;
        """,
        // The hours of devices, rules about devices, and the devices that were seen, which are of no revision.
        """
        ALTER TABLE device ADD COLUMN schedule TEXT;
        ALTER TABLE rule ADD COLUMN device TEXT;
        CREATE TABLE acquaintance (
            number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 65535),
            hardware TEXT NOT NULL UNIQUE,
            interface TEXT NOT NULL,
            hostname TEXT,
            first_seen INTEGER NOT NULL,
            last_seen INTEGER NOT NULL,
            day INTEGER NOT NULL DEFAULT 0,
            sent INTEGER NOT NULL DEFAULT 0,
            received INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        """,
        // Names that are not told.
        """
        CREATE TABLE blocklist (
            name TEXT NOT NULL,
            zone TEXT,
            device TEXT,
            count INTEGER NOT NULL,
            content TEXT NOT NULL,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX blocklist_in_force ON blocklist(name) WHERE until IS NULL;
        INSERT INTO setting (name, value, since)
            SELECT 'trusted domains', '', 1 WHERE NOT EXISTS (SELECT 1 FROM setting WHERE name = 'trusted domains');
        """,
        // How much a device may ask the names role. A limit from before does not bound it.
        "ALTER TABLE usage_limit ADD COLUMN questions INTEGER",
        // What happened, and what is expected to listen; of no revision, either.
        """
        CREATE TABLE chronicle (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time INTEGER NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL
        ) STRICT;
        -- One row once the operator has said what is expected, which may be nothing.
        CREATE TABLE expectation (time INTEGER NOT NULL) STRICT;
        CREATE TABLE expected_socket (
            transport TEXT NOT NULL,
            local TEXT NOT NULL,
            holder TEXT
        ) STRICT;
        """,
        // Blocklists of networks.
        "ALTER TABLE blocklist ADD COLUMN direction TEXT;",
        // What carries what a rule is about. One from before is about whatever carries it.
        "ALTER TABLE rule ADD COLUMN transport TEXT;",
        // What the box itself begins. Nothing of it is refused until the operator says so.
        """
        CREATE TABLE egress_exit (
            name TEXT NOT NULL,
            user TEXT,
            destination TEXT,
            services TEXT NOT NULL,
            since INTEGER NOT NULL REFERENCES revision(id),
            until INTEGER REFERENCES revision(id) CHECK (until > since)
        ) STRICT;
        CREATE UNIQUE INDEX egress_exit_in_force ON egress_exit(name) WHERE until IS NULL;
        INSERT INTO setting (name, value, since)
            SELECT 'egress', 'observe', 1 WHERE NOT EXISTS (SELECT 1 FROM setting WHERE name = 'egress');
        """,
        // Bans, which are of no revision, and when a source earns one, which is.
        """
        CREATE TABLE ban (
            source TEXT PRIMARY KEY,
            reason TEXT NOT NULL,
            text TEXT NOT NULL,
            since INTEGER NOT NULL,
            until INTEGER,
            times INTEGER NOT NULL
        ) STRICT;
        INSERT INTO setting (name, value, since)
            SELECT 'bans', 'guesses 20 scans 100 floods 1000 for 3600 at-home 300', 1
            WHERE NOT EXISTS (SELECT 1 FROM setting WHERE name = 'bans');
        """,
        // What made a rule: one from before is the operator's. And where devices were seen to go, which is of no revision.
        """
        ALTER TABLE rule ADD COLUMN origin TEXT NOT NULL DEFAULT 'hand';
        CREATE TABLE learning (
            hardware TEXT PRIMARY KEY NOT NULL,
            since INTEGER NOT NULL,
            until INTEGER,
            missed INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE visit (
            hardware TEXT NOT NULL REFERENCES learning(hardware),
            host TEXT NOT NULL,
            transport TEXT NOT NULL,
            port INTEGER,
            address TEXT,
            first_seen INTEGER NOT NULL,
            last_seen INTEGER NOT NULL,
            count INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX visit_of ON visit(hardware);
        """,
    ]

    /// Makes the file ours if it is empty, brings an older one up to date, and refuses any other.
    static func prepare(_ database: Database, migrations: [String]) throws(StoreError) {
        let path = database.path
        let identity = try database.integer("PRAGMA application_id") ?? 0
        let isEmpty = try database.integer("SELECT count(*) FROM sqlite_schema") == 0
        guard identity == applicationID || (identity == 0 && isEmpty) else { throw .foreign(path: path) }
        let version = try database.integer("PRAGMA user_version") ?? 0
        guard version <= migrations.count else {
            throw .newer(path: path, version: version, known: migrations.count)
        }
        try check(database)
        try database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
        if version > 0, version < migrations.count { try keepCopy(of: database, version: version) }
        for (index, migration) in migrations.enumerated() where index >= version {
            try database.transaction { () throws(StoreError) in
                try database.run(migration)
                if index == 0 { try writeFirstRevision(database) }
                try database.run("PRAGMA application_id = \(applicationID); PRAGMA user_version = \(index + 1)")
            }
        }
    }

    /// So that there always is a current revision. Its policy is the empty one.
    private static func writeFirstRevision(_ database: Database) throws(StoreError) {
        try database.query(
            "INSERT INTO revision (id, time, author_uid, author_name, summary) VALUES (1, ?, ?, ?, ?)",
            [.integer(time(nil)), .integer(Int(getuid())), .text("gatehoused"), .text("the store was made")])
        for row in Relation.settings(of: Policy()) {
            try database.query("INSERT INTO setting (name, value, since) VALUES (?, ?, 1)", row)
        }
    }

    private static func check(_ database: Database) throws(StoreError) {
        guard let first = try database.query("PRAGMA integrity_check(1)").first?.first else { return }
        if first != .text("ok") {
            let detail = if case .text(let text) = first { text } else { "the integrity check failed" }
            throw .corrupt(path: database.path, detail: detail)
        }
        if case .text(let table)? = try database.query("PRAGMA foreign_key_check").first?.first {
            throw .corrupt(path: database.path, detail: "a row of \(table) names a revision that does not exist")
        }
    }

    /// The way back for somebody who has to install the older version again.
    private static func keepCopy(of database: Database, version: Int) throws(StoreError) {
        let copy = "\(database.path).format-\(version)"
        // Of an attempt that did not get to its end.
        unlink(copy)
        try database.query("VACUUM INTO ?", [.text(copy)])
    }
}
