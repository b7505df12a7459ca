/// What a run ends with: the medians over its rounds, and Gatehouse against the best peer of the same kind and the bars.
package struct Table {
    /// Peers do the same work as Gatehouse: a handshake that names the destination. Others are shown, but compared with nothing.
    private static let ours = "gatehouse"
    private static let foreignKinds: Set = ["–", "plain TCP"]

    private struct Contestant: Hashable {
        var name: String
        var kind: String
    }

    private let records: [Record]
    private let contestants: [Contestant]

    package init(_ records: [Record]) {
        self.records = records
        var seen: Set<Contestant> = []
        contestants = records.compactMap {
            let contestant = Contestant(name: $0.contestant, kind: $0.kind)
            return seen.insert(contestant).inserted ? contestant : nil
        }
    }

    private func value(_ figure: Figure, _ contestant: Contestant) -> Double? {
        let values = records.filter {
            $0.contestant == contestant.name && $0.kind == contestant.kind && $0.measure == figure.measure
        }
        return median(values.compactMap { $0.values[figure.value] }).map { $0 * figure.scale }
    }

    /// The best that a peer of a kind reached.
    private func best(_ figure: Figure, _ kind: String) -> (name: String, value: Double)? {
        let peers = contestants.filter {
            $0.kind == kind && $0.name != Self.ours && !Self.foreignKinds.contains($0.kind)
        }
        let reached = peers.compactMap { peer in value(figure, peer).map { (name: peer.name, value: $0) } }
        return figure.moreIsBetter ? reached.max { $0.value < $1.value } : reached.min { $0.value < $1.value }
    }

    /// What one record says, on one line.
    package static func summary(of record: Record) -> String {
        Figure.all.filter { $0.measure == record.measure }.compactMap { figure in
            record.values[figure.value].map {
                "\(rounded($0 * figure.scale)) \(figure.title.drop { $0 == " " })"
            }
        }.joined(separator: "; ")
    }

    package func lines() -> [String] {
        let bars = bars()
        return medians() + (bars.isEmpty ? [] : [""] + bars)
    }

    private func medians() -> [String] {
        var rows = [[""] + contestants.map(\.name), [""] + contestants.map(\.kind)]
        for figure in Figure.all where contestants.contains(where: { value(figure, $0) != nil }) {
            rows.append([figure.title] + contestants.map { value(figure, $0).map(rounded) ?? "–" })
        }
        return Self.aligned(rows, headings: 2, leftColumns: 1)
    }

    /// Each bar by kind: what Gatehouse reached, what the best peer of that kind did, and whether that is enough.
    private func bars() -> [String] {
        var rows = [["", "kind", "best peer", "", "gatehouse", "reached", "wanted", ""]]
        for (index, figure) in Figure.all.enumerated() {
            guard let bar = figure.bar else { continue }
            for contestant in contestants where contestant.name == Self.ours {
                guard bar.kind == nil || bar.kind == contestant.kind, let own = value(figure, contestant) else {
                    continue
                }
                let best = best(figure, contestant.kind)
                var reached: Double?
                if !bar.isRatio { reached = own } else if let best, best.value > 0 { reached = own / best.value }
                rows.append([
                    Self.fullTitle(index), contestant.kind, best?.name ?? "–", best.map { rounded($0.value) } ?? "–",
                    rounded(own), reached.map { "\(bar.isRatio ? "×" : "")\(rounded($0))" } ?? "–", bar.text,
                    reached.map { bar.isMet(by: $0) ? "met" : "MISSED" } ?? "",
                ])
            }
        }
        return rows.count == 1 ? [] : Self.aligned(rows, headings: 1, leftColumns: 3)
    }

    /// An indented title stands under the one that it belongs to; alone it needs that one's words.
    private static func fullTitle(_ index: Int) -> String {
        let figure = Figure.all[index]
        guard figure.title.hasPrefix(" "), let head = Figure.all[..<index].last(where: { !$0.title.hasPrefix(" ") })
        else { return figure.title }
        let words = head.title.split(separator: ",").dropLast(head.title.contains(",") ? 1 : 0).joined(separator: ",")
        return "\(words), \(figure.title.drop { $0 == " " })"
    }

    private static func aligned(_ rows: [[String]], headings: Int, leftColumns: Int) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column < leftColumns ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        let rule = String(repeating: "─", count: widths.reduce(0, +) + 2 * (widths.count - 1))
        return [rule] + lines[..<headings] + [rule] + lines[headings...] + [rule]
    }
}
