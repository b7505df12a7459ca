/// A line on a terminal that says how far something is; nothing where nobody looks.
struct ProgressLine {
    private let isShown: Bool

    init(_ global: GlobalOptions) { isShown = Output.errors.isTerminal && !global.json }

    /// Instead of what it said before.
    func show(_ text: String) {
        guard isShown else { return }
        Output.errors.write("\r\(printable(text).prefix((Output.errors.columns ?? 80) - 1))\u{1b}[K")
    }

    func clear() {
        if isShown { Output.errors.write("\r\u{1b}[K") }
    }
}
