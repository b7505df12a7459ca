package import Address
package import Policy

/// Where watched devices were seen to go. It is no part of the policy and of no revision.
extension Store {
    /// A row that this version cannot read is passed over.
    package func learnings() throws(StoreError) -> [Learning] {
        let visits = try writer.query(
            "SELECT hardware, host, transport, port, address, first_seen, last_seen, count FROM visit")
        let sightings = Dictionary(grouping: visits) { $0[0].text ?? "" }
        return try writer.query("SELECT hardware, since, until, missed FROM learning").compactMap { row in
            guard let text = row[0].text, let hardware = HardwareAddress(text), let since = row[1].number else {
                return nil
            }
            return Learning(
                hardware: hardware, since: since, until: row[2].number, missed: row[3].number ?? 0,
                sightings: sightings[text, default: []].compactMap(Self.sighting))
        }
    }

    private static func sighting(_ row: [Database.Value]) -> VisitSighting? {
        guard let host = row[1].text.flatMap({ try? Host($0) }),
            let transport = row[2].text.flatMap({ IPProtocol($0) }), let first = row[5].number,
            let last = row[6].number, let count = row[7].number
        else { return nil }
        return VisitSighting(
            visit: Visit(host: host, transport: transport, port: row[3].number.flatMap { UInt16(exactly: $0) }),
            address: row[4].text.flatMap { IPAddress($0) }, first: first, last: last, count: count)
    }

    /// Keeps some as they are now, and forgets others.
    package func keep(_ learnings: [Learning], forgetting gone: [HardwareAddress] = []) throws(StoreError) {
        guard !writer.hasTransaction else { throw .changePending }
        try writer.transaction { () throws(StoreError) in
            for hardware in learnings.map(\.hardware) + gone {
                for table in ["visit", "learning"] {
                    try writer.query("DELETE FROM \(table) WHERE hardware = ?", [.text("\(hardware)")])
                }
            }
            for learning in learnings {
                try writer.query(
                    "INSERT INTO learning (hardware, since, until, missed) VALUES (?, ?, ?, ?)",
                    [
                        .text("\(learning.hardware)"), .integer(learning.since), .optional(learning.until),
                        .integer(learning.missed),
                    ])
                for sighting in learning.all {
                    try writer.query(
                        "INSERT INTO visit (hardware, host, transport, port, address, first_seen, last_seen, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        [
                            .text("\(learning.hardware)"), .text("\(sighting.visit.host)"),
                            .text("\(sighting.visit.transport)"), .optional(sighting.visit.port.map { Int($0) }),
                            sighting.address.map { .text("\($0)") } ?? .null, .integer(sighting.first),
                            .integer(sighting.last), .integer(sighting.count),
                        ])
                }
            }
        }
    }
}
