/// The one table that a run ends with: medians over the rounds, and Gatehouse against the best peer in each column.
package struct Table {
    private struct Column {
        var group: String
        var title: String
        var measure: String
        var value: String
        var scale = 1.0
        var moreIsBetter = false
    }

    private static let columns = [
        Column(group: "download", title: "Gbit/s", measure: "down", value: "gbit", moreIsBetter: true),
        Column(group: "", title: "CPU s/GB", measure: "down", value: "cpu"),
        Column(group: "upload", title: "Gbit/s", measure: "up", value: "gbit", moreIsBetter: true),
        Column(group: "", title: "CPU s/GB", measure: "up", value: "cpu"),
        Column(group: "sessions", title: "per s", measure: "sessions", value: "rate", moreIsBetter: true),
        Column(group: "", title: "CPU µs", measure: "sessions", value: "cpu", scale: 1e6),
        Column(group: "", title: "failed", measure: "sessions", value: "errors"),
        Column(group: "ping-pong", title: "p50 µs", measure: "ping", value: "p50", scale: 1e6),
        Column(group: "", title: "p99 µs", measure: "ping", value: "p99", scale: 1e6),
        Column(group: "idle", title: "kB/tunnel", measure: "idle", value: "bytes", scale: 1e-3),
    ]

    /// Peers do the same work as Gatehouse: a handshake that names the destination. Others are shown, but compared with nothing.
    private static let peerKinds: Set = ["SOCKS5", "CONNECT"]
    private static let ours = "gatehouse"

    private let records: [Record]
    private let contestants: [(name: String, kind: String)]

    package init(_ records: [Record]) {
        self.records = records
        var seen: Set<String> = []
        contestants = records.compactMap {
            seen.insert("\($0.contestant)\t\($0.kind)").inserted ? ($0.contestant, $0.kind) : nil
        }
    }

    private func value(_ column: Column, _ contestant: (name: String, kind: String)) -> Double? {
        let values = records.filter {
            $0.contestant == contestant.name && $0.kind == contestant.kind && $0.measure == column.measure
        }
        return median(values.compactMap { $0.values[column.value] }).map { $0 * column.scale }
    }

    /// The best value that a peer reached in a column.
    private func best(_ column: Column) -> Double? {
        let values = contestants.filter { Self.peerKinds.contains($0.kind) && $0.name != Self.ours }
            .compactMap { value(column, $0) }
        return column.moreIsBetter ? values.max() : values.min()
    }

    /// What one record says, on one line.
    package static func summary(of record: Record) -> String {
        columns.filter { $0.measure == record.measure }.compactMap { column in
            record.values[column.value].map { "\(rounded($0 * column.scale)) \(column.title)" }
        }.joined(separator: ", ")
    }

    package func lines() -> [String] {
        let columns = Self.columns.filter { column in contestants.contains { value(column, $0) != nil } }
        var rows: [[String]] = [
            ["", ""] + columns.map(\.group),
            ["", ""] + columns.map(\.title),
        ]
        for contestant in contestants {
            rows.append(
                [contestant.name, contestant.kind] + columns.map { value($0, contestant).map(rounded) ?? "–" })
            guard contestant.name == Self.ours else { continue }
            rows.append(
                ["  to the best peer", ""]
                    + columns.map { column in
                        guard let own = value(column, contestant), let best = best(column), best > 0 else { return "" }
                        return "×\(rounded(own / best))"
                    })
        }
        return Self.aligned(rows)
    }

    private static func aligned(_ rows: [[String]]) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column < 2 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        let rule = String(repeating: "─", count: widths.reduce(0, +) + 2 * (widths.count - 1))
        return [rule] + lines[..<2] + [rule] + lines[2...] + [rule]
    }
}
