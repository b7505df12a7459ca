import Address
package import Policy

/// What happened, and which sockets the operator expects. Neither is part of the policy or of a revision.
extension Store {
    /// So many entries are kept, the latest.
    package static let chronicleCapacity = 5000
    /// Of these, names that rules deny, which some devices ask for all day long.
    static let mostNames = 1000
    /// Characters of one entry.
    private static let longestText = 500

    /// Adds to what happened, and forgets what is older than the latest `chronicleCapacity`.
    package func record(_ entries: [ChronicleEntry]) throws(StoreError) {
        guard !entries.isEmpty else { return }
        guard !writer.hasTransaction else { throw .changePending }
        try writer.transaction { () throws(StoreError) in
            for entry in entries {
                try writer.query(
                    "INSERT INTO chronicle (time, kind, text) VALUES (?, ?, ?)",
                    [
                        .integer(entry.time), .text(entry.kind.rawValue),
                        .text(String(entry.text.prefix(Self.longestText))),
                    ])
            }
            try writer.query(
                "DELETE FROM chronicle WHERE id <= (SELECT max(id) FROM chronicle) - ?",
                [.integer(Self.chronicleCapacity)])
            guard entries.contains(where: { $0.kind == .name }) else { return }
            let kind = ChronicleEntry.Kind.name.rawValue
            try writer.query(
                """
                DELETE FROM chronicle WHERE kind = ? AND id <= \
                (SELECT id FROM chronicle WHERE kind = ? ORDER BY id DESC LIMIT 1 OFFSET ?)
                """, [.text(kind), .text(kind), .integer(Self.mostNames)])
        }
    }

    /// What happened from `since` on (seconds since 1970), the latest `limit`, oldest first. An entry of a kind that this version
    /// does not know is passed over.
    package func chronicle(since: Int, limit: Int) throws(StoreError) -> [ChronicleEntry] {
        let rows = try writer.query(
            "SELECT time, kind, text FROM chronicle WHERE time >= ? ORDER BY id DESC LIMIT ?",
            [.integer(since), .integer(max(0, limit))])
        return rows.reversed().compactMap { row in
            guard let time = row[0].number, let kind = row[1].text.flatMap(ChronicleEntry.Kind.init),
                let text = row[2].text
            else { return nil }
            return ChronicleEntry(time: time, kind: kind, text: text)
        }
    }

    /// The sockets that are expected; nil: the operator has never said so.
    package func expectedSockets() throws(StoreError) -> [ExpectedSocket]? {
        guard try writer.integer("SELECT count(*) FROM expectation") ?? 0 > 0 else { return nil }
        return try writer.query("SELECT transport, local, holder FROM expected_socket").compactMap { row in
            guard let transport = row[0].text.flatMap(ExpectedSocket.Transport.init),
                let local = row[1].text.flatMap({ Endpoint($0) })
            else { return nil }
            return ExpectedSocket(
                place: ExpectedSocket.Place(transport: transport, local: local), holder: row[2].text)
        }
    }

    /// From now on these are expected, and no others.
    package func expect(_ sockets: [ExpectedSocket], at time: Int) throws(StoreError) {
        guard !writer.hasTransaction else { throw .changePending }
        try writer.transaction { () throws(StoreError) in
            try writer.run("DELETE FROM expected_socket; DELETE FROM expectation")
            try writer.query("INSERT INTO expectation (time) VALUES (?)", [.integer(time)])
            for socket in Set(sockets) {
                try writer.query(
                    "INSERT INTO expected_socket (transport, local, holder) VALUES (?, ?, ?)",
                    [
                        .text(socket.place.transport.rawValue), .text(socket.place.local.description),
                        socket.holder.map { .text($0) } ?? .null,
                    ])
            }
        }
    }
}
