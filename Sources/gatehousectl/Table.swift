/// Columns under headings, as wide as what is in them.
struct Table {
    struct Column {
        var title: String
        var isNumber = false

        static func text(_ title: String) -> Self { Self(title: title) }
        /// Aligned to the right.
        static func number(_ title: String) -> Self { Self(title: title, isNumber: true) }
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
        return all.map { row in
            var line = ""
            var pending = ""
            for (column, cell) in row.enumerated() {
                let gap = String(repeating: " ", count: widths[column] - cell.text.count)
                line += pending + (columns[column].isNumber ? gap : "") + output.styled(cell.text, cell.style)
                pending = (columns[column].isNumber ? "" : gap) + "  "
            }
            return line
        }
    }

    func show(prefix: String = "") {
        for line in lines() { print(prefix + line) }
    }
}
