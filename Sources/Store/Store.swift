// Store: the policy and its history, in SQLite.
//
// It knows the schema, its migrations and revisions. It must never decide what a policy may say (Policy does), and no
// process but the supervisor opens it.

package import Address
import Glibc
package import Policy

/// The policy and its history in `DIRECTORY/gatehouse.db` (mode 0600, WAL).
///
/// Synchronous and bound to the thread that uses it. Holds `DIRECTORY/lock` while it lives, so that a second daemon on the
/// same state is refused.
package final class Store {
    private let lock: DirectoryLock
    let writer: Database
    /// A connection of its own: it sees what is committed, and nothing of a pending change.
    private let reader: Database
    /// The newest revision's policy, as this process has committed it; nil: it has committed none. Nobody else writes, and to read
    /// thousands of rows takes longer than the rest of a change.
    private var newest: (revision: Int, policy: Policy)?

    /// Opens the store, making the directory (mode 0700) and the file if they are missing.
    package convenience init(directory: String) throws(StoreError) {
        try self.init(directory: directory, migrations: Schema.migrations)
    }

    /// Whether there is a store with something in it.
    package static func exists(in directory: String) -> Bool {
        var status = stat()
        // A file that cannot be looked at (EACCES) is there all the same.
        guard stat(directory + "/gatehouse.db", &status) == 0 else { return errno != ENOENT && errno != ENOTDIR }
        return status.st_size > 0
    }

    init(directory: String, migrations: [String]) throws(StoreError) {
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw .failed(path: directory, detail: "cannot make the state directory: \(describe(errno: errno))")
        }
        lock = try DirectoryLock(directory: directory)
        let path = directory + "/gatehouse.db"
        try makePrivateFile(path)
        writer = try Database(path: path)
        try Schema.prepare(writer, migrations: migrations)
        reader = try Database(path: path, readOnly: true)
    }

    /// Nothing may be asked afterwards. The write log becomes part of the file: a copy of it is whole.
    ///
    /// In this order: a connection that may not write and is the last to go leaves the log behind.
    package func close() {
        reader.close()
        writer.close()
    }

    deinit { close() }

    /// The newest revision.
    package func current() throws(StoreError) -> Revision {
        guard let newest = try revisions(limit: 1).first else {
            throw .corrupt(path: reader.path, detail: "it has no revision")
        }
        return newest
    }

    /// The newest `limit` revisions, newest first.
    package func revisions(limit: Int) throws(StoreError) -> [Revision] {
        try revisions("ORDER BY id DESC LIMIT ?", [.integer(max(limit, 0))])
    }

    package func revision(_ id: Int) throws(StoreError) -> Revision {
        guard let revision = try revisions("WHERE id = ?", [.integer(id)]).first else {
            throw .noSuchRevision(id, newest: try current().id)
        }
        return revision
    }

    private func revisions(_ clause: String, _ values: [Database.Value]) throws(StoreError) -> [Revision] {
        try reader.query(
            "SELECT id, time, author_uid, author_name, summary, state, deadline FROM revision \(clause)", values
        )
        .compactMap { row in
            guard case .integer(let id) = row[0], case .integer(let time) = row[1],
                case .integer(let uid) = row[2], let author = row[3].text, let summary = row[4].text
            else { return nil }
            let authored = Author(uid: UInt32(truncatingIfNeeded: uid), name: author)
            // A word that this version does not know is no trial that it could end.
            let state = row[5].text.flatMap(Revision.State.init) ?? .kept
            return Revision(
                id: id, time: time, author: authored, summary: summary, state: state, deadline: row[6].number)
        }
    }

    /// The policy as it was at `revision` (nil: the newest): listeners by endpoint, users and openings by name, rules by
    /// number, limits by whom they are for. Committing what an older revision returns is a rollback.
    package func policy(at revision: Int? = nil) throws(StoreError) -> Policy {
        let id = if let revision { try self.revision(revision).id } else { try current().id }
        var policy = Policy(zones: [])
        for relation in Relation.all {
            for row in try rows(of: relation, where: "since <= ?1 AND (until IS NULL OR until > ?1)", id) {
                guard relation.add(row, &policy) else {
                    let text = row.map(\.plain).joined(separator: ", ")
                    throw .corrupt(path: reader.path, detail: "unreadable row in table \(relation.name): \(text)")
                }
            }
        }
        return policy
    }

    /// What a revision changed of the one before it. Revision 1 is the empty policy, and changed nothing.
    package func changes(of revision: Int) throws(StoreError) -> Changes {
        let after = try policy(at: revision)
        return after.changes(from: revision > 1 ? try policy(at: revision - 1) : after)
    }

    private func rows(
        of relation: Relation, where condition: String, _ revision: Int
    ) throws(StoreError) -> [Relation.Row] {
        let columns = relation.columns.joined(separator: ", ")
        return try reader.query(
            "SELECT \(columns) FROM \(relation.name) WHERE \(condition) ORDER BY \(relation.columns[0])",
            [.integer(revision)])
    }

    /// When each opening that is there was made as it is, in seconds since 1970, by its name.
    package func openingTimes() throws(StoreError) -> [String: Int] {
        let rows = try reader.query(
            "SELECT name, time FROM opening JOIN revision ON revision.id = since WHERE until IS NULL")
        return Dictionary(rows.compactMap { row in row[0].text.flatMap { name in row[1].number.map { (name, $0) } } }) {
            $1
        }
    }

    /// The hardware addresses that interfaces had when they were last there, by the interfaces' names.
    package func hardware() throws(StoreError) -> [String: HardwareAddress] {
        let rows = try reader.query("SELECT interface, address FROM hardware")
        return Dictionary(
            rows.compactMap { row in
                row[0].text.flatMap { name in row[1].text.flatMap { HardwareAddress($0) }.map { (name, $0) } }
            }
        ) { $1 }
    }

    /// Keeps the hardware addresses of interfaces in mind, by the interfaces' names. They are what was seen, no part of the
    /// policy and of no revision.
    package func remember(_ hardware: [String: HardwareAddress]) throws(StoreError) {
        guard !writer.hasTransaction else { throw .changePending }
        for (name, address) in hardware {
            try writer.query(
                "INSERT INTO hardware (interface, address) VALUES (?, ?) ON CONFLICT (interface) DO UPDATE SET address = excluded.address",
                [.text(name), .text(address.description)])
        }
    }

    /// The number for the next rule: one that no rule had, not even a removed one.
    package func nextRuleID() throws(StoreError) -> Int {
        (try reader.integer("SELECT max(id) FROM rule") ?? 0) + 1
    }

    /// Makes `policy` the policy, as one revision. If it is the policy already, nothing is written and the current
    /// revision is returned.
    @discardableResult
    package func commit(_ policy: Policy, author: Author, summary: String) throws(StoreError) -> Revision {
        let pending = try prepare(policy, author: author, summary: summary)
        return try pending.commit()
    }

    /// The first phase of a change: everything is written, and nothing is in force until `Pending.commit()`. Dropping the
    /// pending change undoes it. There can be one at a time; reading goes on seeing the old policy.
    ///
    /// - Parameter deadline: puts the revision on trial until then, in seconds since 1970; nil: it is kept.
    package func prepare(
        _ policy: Policy, author: Author, summary: String, deadline: Int? = nil
    ) throws(StoreError) -> Pending {
        guard !writer.hasTransaction else { throw .changePending }
        let current = try self.current()
        let old =
            if let newest, newest.revision == current.id { newest.policy } else { try self.policy(at: current.id) }
        let revision = Revision(
            id: current.id + 1, time: time(nil), author: author, summary: summary,
            state: deadline == nil ? .kept : .trial, deadline: deadline)
        try writer.run("BEGIN IMMEDIATE")
        do {
            try write(revision)
            var isChanged = false
            for relation in Relation.all where try write(relation, from: old, to: policy, at: revision.id) {
                isChanged = true
            }
            guard isChanged else {
                writer.rollback()
                return Pending(revision: current, policy: policy, store: nil)
            }
            try writer.flush()
        } catch {
            writer.rollback()
            throw error
        }
        return Pending(revision: revision, policy: policy, store: self)
    }

    fileprivate func commit(_ revision: Revision, _ policy: Policy) throws(StoreError) {
        try writer.run("COMMIT")
        newest = (revision.id, policy)
    }

    private func write(_ revision: Revision) throws(StoreError) {
        try writer.query(
            "INSERT INTO revision (id, time, author_uid, author_name, summary, state, deadline) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                .integer(revision.id), .integer(revision.time), .integer(Int(revision.author.uid)),
                .text(revision.author.name), .text(revision.summary), .text(revision.state.rawValue),
                .optional(revision.deadline),
            ])
    }

    /// True if anything differed.
    private func write(
        _ relation: Relation, from old: Policy, to new: Policy, at revision: Int
    ) throws(StoreError) -> Bool {
        let rows = relation.differing(old, new)
        let oldRows = Set(rows.old)
        let newRows = Set(rows.new)
        for row in oldRows.subtracting(newRows) {
            try writer.query(
                "UPDATE \(relation.name) SET until = ? WHERE \(relation.columns[0]) = ? AND until IS NULL",
                [.integer(revision), row[0]])
        }
        let columns = (relation.columns + ["since"]).joined(separator: ", ")
        let marks = Array(repeating: "?", count: relation.columns.count + 1).joined(separator: ", ")
        for row in newRows.subtracting(oldRows) {
            if relation.name == "rule" { try refuseReuse(of: row) }
            try writer.query("INSERT INTO \(relation.name) (\(columns)) VALUES (\(marks))", row + [.integer(revision)])
        }
        return oldRows != newRows
    }

    private func refuseReuse(of rule: Relation.Row) throws(StoreError) {
        if case .integer(let id) = rule[0], try others(withNumberOf: rule, in: writer) != 0 {
            throw .ruleNumberReused(id)
        }
    }

    /// How often the rule's number stood for another rule.
    private func others(withNumberOf rule: Relation.Row, in database: Database) throws(StoreError) -> Int {
        // A device that is called otherwise now is the same one.
        let compared = zip(Relation.rule.columns, rule).filter { $0.0 != "device" }
        let differences = compared.dropFirst().map { "\($0.0) IS NOT ?" }.joined(separator: " OR ")
        return try database.integer(
            "SELECT count(*) FROM rule WHERE id = ? AND (\(differences))", compared.map(\.1)) ?? 0
    }

    /// Whether the rule's number never stood for another rule.
    func isOwn(numberOf rule: Rule) throws(StoreError) -> Bool {
        let rows = Relation.rule.differing(Policy(rules: [rule]), Policy()).old
        for row in rows where try others(withNumberOf: row, in: reader) != 0 { return false }
        return true
    }

    /// Copies all that is committed into an empty database, at once.
    func copyAll(to copy: Database) throws(StoreError) { try reader.copy(to: copy) }
}

/// A change that is written and not yet in force.
package struct Pending: ~Copyable {
    /// The revision that the change will be, or the current one if there is nothing to change.
    package let revision: Revision
    private let policy: Policy
    private var store: Store?

    fileprivate init(revision: Revision, policy: Policy, store: Store?) {
        self.revision = revision
        self.policy = policy
        self.store = store
    }

    /// False: the policy is this one already.
    package var isChange: Bool { store != nil }

    /// Puts the change in force. If this fails (a full disk), the old revision stays.
    @discardableResult
    package consuming func commit() throws(StoreError) -> Revision {
        try store?.commit(revision, policy)
        store = nil
        return revision
    }

    deinit { store?.writer.rollback() }
}

/// SQLite would make the file with the umask's mode, and the passwords' hashes are in it.
private func makePrivateFile(_ path: String) throws(StoreError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .failed(path: path, detail: describe(errno: errno)) }
    defer { close(descriptor) }
    guard fchmod(descriptor, 0o600) == 0 else { throw .failed(path: path, detail: describe(errno: errno)) }
}
