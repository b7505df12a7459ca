package import Address
package import Policy

/// The bans. They are no part of the policy and of no revision.
extension Store {
    /// A row that this version cannot read is passed over.
    package func bans() throws(StoreError) -> [Ban] {
        let rows = try writer.query("SELECT source, reason, text, since, until, times FROM ban")
        return rows.compactMap { row in
            guard let source = row[0].text.flatMap({ Network($0) }), let reason = row[1].text.flatMap(Ban.Reason.init),
                let text = row[2].text, let since = row[3].number, let times = row[5].number
            else { return nil }
            return Ban(source: source, reason: reason, text: text, since: since, until: row[4].number, times: times)
        }
    }

    package func keep(_ ban: Ban, forgetting gone: [Network] = []) throws(StoreError) {
        try keep([ban], forgetting: gone)
    }

    package func keep(_ bans: [Ban], forgetting gone: [Network] = []) throws(StoreError) {
        guard !writer.hasTransaction else { throw .changePending }
        try writer.transaction { () throws(StoreError) in
            for source in gone { try writer.query("DELETE FROM ban WHERE source = ?", [.text("\(source)")]) }
            for ban in bans {
                try writer.query(
                    "INSERT OR REPLACE INTO ban (source, reason, text, since, until, times) VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        .text("\(ban.source)"), .text(ban.reason.rawValue), .text(ban.text), .integer(ban.since),
                        .optional(ban.until), .integer(ban.times),
                    ])
            }
        }
    }

    package func forgetBan(of source: Network) throws(StoreError) {
        guard !writer.hasTransaction else { throw .changePending }
        try writer.query("DELETE FROM ban WHERE source = ?", [.text("\(source)")])
    }
}
