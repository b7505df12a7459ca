/// Columns under headings, as wide as what is in them. Where the terminal is narrower, columns that matter less are left out.
struct Table {
    struct Column {
        var title: String
        var isNumber = false
        /// Left out before every column with a lower rank; 0: never left out.
        var rank = 0

        static func text(_ title: String, rank: Int = 0) -> Self { Self(title: title, rank: rank) }
        /// Aligned to the right.
        static func number(_ title: String, rank: Int = 0) -> Self { Self(title: title, isNumber: true, rank: rank) }
    }

    struct Cell: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
        var text: String
        var style = Output.Style.plain

        init(_ text: String, _ style: Output.Style = .plain) {
            self.text = printable(text)
            self.style = style
        }

        init(stringLiteral value: String) { self.init(value) }
    }

    private let columns: [Column]
    private var rows: [[Cell]] = []

    init(_ columns: Column...) {
        self.columns = columns
    }

    mutating func add(_ cells: Cell...) {
        rows.append(cells)
    }

    func lines(for output: Output = .standard) -> [String] {
        let titles = columns.map { Cell($0.title, .dim) }
        let all = [titles] + rows
        let widths = columns.indices.map { column in all.map { $0[column].text.count }.max() ?? 0 }
        let shown = columns(ofWidth: widths, within: output.columns)
        return all.map { row in
            var line = ""
            var pending = ""
            for column in shown {
                let cell = row[column]
                let gap = String(repeating: " ", count: widths[column] - cell.text.count)
                line += pending + (columns[column].isNumber ? gap : "") + output.styled(cell.text, cell.style)
                pending = (columns[column].isNumber ? "" : gap) + "  "
            }
            return line
        }
    }

    /// The indices of the columns that are shown.
    private func columns(ofWidth widths: [Int], within limit: Int?) -> [Int] {
        var shown = Array(columns.indices)
        guard let limit else { return shown }
        while shown.reduce(-2, { $0 + widths[$1] + 2 }) > limit,
            let least = shown.max(by: { columns[$0].rank < columns[$1].rank }), columns[least].rank > 0
        {
            shown.removeAll { $0 == least }
        }
        return shown
    }

    func show(prefix: String = "") {
        for line in lines() { print(prefix + line) }
    }
}
