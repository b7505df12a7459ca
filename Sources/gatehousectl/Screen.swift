import Glibc

/// The whole terminal, for a picture that is drawn again and again. The shell's own screen and settings are put back however
/// the program ends.
final class Screen {
    enum Event {
        case key(Character)
        /// Time is up, or the terminal has another size: draw again.
        case redraw
        /// The terminal is gone.
        case end
    }

    /// nil if standard input or output is no terminal that can do this.
    static func take() -> Screen? {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, environment("TERM") != "dumb",
            tcgetattr(STDIN_FILENO, settings) == 0
        else { return nil }
        return Screen()
    }

    private init() {
        // Handlers, not a descriptor to read: they work while a daemon that hangs is waited for, too. All that they call is
        // safe there (signal-safety(7)).
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal(number) { number in
                leaveScreen()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        // ^Z: the shell gets its terminal back until it says to go on.
        signal(SIGTSTP) { _ in
            leaveScreen()
            raise(SIGSTOP)
            enterScreen()
        }
        // Without a handler it would not interrupt poll(2).
        signal(SIGWINCH) { _ in }
        enterScreen()
    }

    deinit { leaveScreen() }

    /// Columns and rows.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Replaces what is shown; what does not fit is left out. In one write and without clearing first, so that nothing
    /// flickers.
    func draw(_ lines: [String]) {
        let shown = lines.prefix(size.rows).map { $0 + "\u{1b}[K" }
        send("\u{1b}[H" + shown.joined(separator: "\n") + "\u{1b}[J")
    }

    /// Waits for a key, a signal, or until `milliseconds` have passed.
    func next(within milliseconds: Int) -> Event {
        var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, Int32(max(0, milliseconds))) > 0 else { return .redraw }
        var byte: UInt8 = 0
        let count = read(STDIN_FILENO, &byte, 1)
        if count < 0, errno == EINTR { return .redraw }
        return count == 1 ? .key(Character(UnicodeScalar(byte))) : .end
    }
}

/// As the terminal was. Set once, before there is a handler that reads it.
///
/// On the heap: as a global of its own Swift 6.3 gives it 57 bytes, and tcgetattr(3) writes 60.
private nonisolated(unsafe) let settings = UnsafeMutablePointer<termios>.allocate(capacity: 1)

private func enterScreen() {
    var raw = settings.pointee
    raw.c_lflag &= ~tcflag_t(ECHO | ICANON)
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw)
    // Alternate screen, no cursor, no wrapping of long lines (xterm's control sequences).
    send("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l")
}

private func leaveScreen() {
    send("\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l")
    tcsetattr(STDIN_FILENO, TCSAFLUSH, settings)
}

private func send(_ text: StaticString) {
    write(STDOUT_FILENO, text.utf8Start, text.utf8CodeUnitCount)
}

private func send(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
        guard count > 0 || errno == EINTR else { return }
        rest = rest.dropFirst(max(count, 0))
    }
}
