import Admin
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
    /// Whether a program reads the output (--json). Taken from the words of the command line, since errors in it are JSON, too.
    static let isJSON = CommandLine.arguments.dropFirst().prefix { $0 != "--" }.contains("--json")

    private let descriptor: Int32
    let isTerminal: Bool
    let isColoured: Bool

    private init(descriptor: Int32) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
        isColoured = isTerminal && environment("NO_COLOR") == nil && environment("TERM") != "dumb"
    }

    /// The width of the terminal in characters; nil: it is none, or does not tell.
    var columns: Int? {
        var size = winsize()
        guard isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    func styled(_ text: String, _ style: Style) -> String {
        isColoured && style != .plain ? "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m" : text
    }

    /// Whether the pipe's other end is closed, so that nobody reads any more.
    var isAbandoned: Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&state, 1, 0) > 0 && state.revents & Int16(POLLERR | POLLHUP) != 0
    }

    /// One line. What was printed before to the other one comes before it.
    func print(_ text: String) { write(text + "\n") }

    func write(_ text: String) {
        fflush(nil)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { return }
            rest = rest.dropFirst(max(count, 0))
        }
    }

    func print(json value: some Encodable) {
        print(String(decoding: JSON.encode(value), as: UTF8.self))
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

/// Tells on standard error why the command was not carried out: with --json `{"error": …, "reason": …, "status": …}` in one line.
func complain(_ reason: String, _ status: ExitStatus) {
    guard Output.isJSON else {
        return Output.errors.print("\(Output.errors.styled("Error:", .bad)) \(printable(reason))")
    }
    struct Complaint: Encodable {
        var error: String
        var reason: String
        var status: Int32
    }
    Output.errors.print(json: Complaint(error: "\(status)", reason: reason, status: status.rawValue))
}

/// Tells the operator something on standard error about a command that was carried out: with --json `{"warning": …}` in one line.
func warn(_ warning: String) {
    guard Output.isJSON else {
        return Output.errors.print("\(Output.errors.styled("Warning:", .doubtful)) \(printable(warning))")
    }
    Output.errors.print(json: ["warning": warning])
}

/// Without what steers a terminal, and what has a text read in another order than it was written: names come from the store and from
/// devices.
func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: \.steers) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.steers ? "\u{fffd}" : $0 }))
}

extension Unicode.Scalar {
    fileprivate var steers: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        default: properties.isBidiControl
        }
    }
}
