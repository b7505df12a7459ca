import Glibc

/// Standard output or standard error: coloured on a terminal, unless NO_COLOR forbids it (no-color.org).
struct Output {
    enum Style: String {
        case plain = ""
        case bold = "1"
        case dim = "2"
        case good = "32"
        case doubtful = "33"
        case bad = "31"
    }

    static let standard = Output(descriptor: STDOUT_FILENO)
    static let errors = Output(descriptor: STDERR_FILENO)

    private let descriptor: Int32
    let isTerminal: Bool
    let isColoured: Bool

    private init(descriptor: Int32) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
        isColoured = isTerminal && environment("NO_COLOR") == nil && environment("TERM") != "dumb"
    }

    func styled(_ text: String, _ style: Style) -> String {
        isColoured && style != .plain ? "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m" : text
    }

    /// Whether nobody reads it any more: the pipe's other end is closed.
    var isAbandoned: Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&state, 1, 0) > 0 && state.revents & Int16(POLLERR | POLLHUP) != 0
    }

    /// One line. What was printed before to the other one comes before it.
    func print(_ text: String) {
        fflush(nil)
        var rest = Array((text + "\n").utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { return }
            rest = rest.dropFirst(max(count, 0))
        }
    }

    /// `+ listener …` in green, `- …` in red, `~ …` in yellow.
    func print(change: String) {
        let style: Style =
            switch change.first {
            case "+": .good
            case "-": .bad
            case "~": .doubtful
            default: .plain
            }
        print(styled(printable(change), style))
    }
}

func print(_ text: String = "") { Output.standard.print(text) }

/// Says on standard error why it was not done.
func complain(_ reason: String) {
    Output.errors.print("\(Output.errors.styled("Error:", .bad)) \(printable(reason))")
}

/// Says on standard error what the operator should know though it was done.
func warn(_ warning: String) {
    Output.errors.print("\(Output.errors.styled("Warning:", .doubtful)) \(printable(warning))")
}

/// Without control characters: a name from the store must not steer the terminal.
func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
    return String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{fffd}" : $0 }))
}
