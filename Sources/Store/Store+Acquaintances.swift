package import Address
package import Policy

/// The devices that were seen. They are no part of the policy and of no revision.
extension Store {
    /// In the order of their numbers. A row that this version cannot read is passed over: the device is met anew.
    package func acquaintances() throws(StoreError) -> [Acquaintance] {
        let rows = try writer.query(
            "SELECT number, hardware, interface, hostname, first_seen, last_seen, day, sent, received FROM acquaintance ORDER BY number"
        )
        return rows.compactMap { row in
            guard let number = row[0].number.flatMap(UInt16.init(exactly:)), number > 0,
                let hardware = row[1].text.flatMap({ HardwareAddress($0) }), let interface = row[2].text,
                let firstSeen = row[4].number, let lastSeen = row[5].number
            else { return nil }
            return Acquaintance(
                number: number, hardware: hardware, interface: interface, hostname: row[3].text, firstSeen: firstSeen,
                lastSeen: lastSeen, day: row[6].number ?? 0, sent: row[7].number ?? 0, received: row[8].number ?? 0)
        }
    }

    /// Forgets some devices, and keeps others in mind as they are now.
    package func remember(
        _ acquaintances: [Acquaintance], forgetting gone: [HardwareAddress] = []
    ) throws(StoreError) {
        guard !writer.hasTransaction else { throw .changePending }
        try writer.transaction { () throws(StoreError) in
            for hardware in gone {
                try writer.query("DELETE FROM acquaintance WHERE hardware = ?", [.text(hardware.description)])
            }
            for known in acquaintances {
                try writer.query(
                    "INSERT OR REPLACE INTO acquaintance (number, hardware, interface, hostname, first_seen, last_seen, day, sent, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        .integer(Int(known.number)), .text(known.hardware.description), .text(known.interface),
                        known.hostname.map { .text($0) } ?? .null, .integer(known.firstSeen),
                        .integer(known.lastSeen), .integer(known.day), .integer(known.sent),
                        .integer(known.received),
                    ])
            }
        }
    }
}
