import Glibc

/// A password on its way in: from the terminal, unseen, or from standard input.
enum Password {
    /// Asks twice on the terminal, wherever standard input and output go.
    static func ask(for user: String) throws -> String {
        let terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard terminal >= 0 else {
            throw Failure(
                "there is no terminal to ask for the password on; give it to --password-stdin", status: .usage)
        }
        defer { close(terminal) }
        let password = try check(readUnseen(terminal, prompt: "Password for \(user): "))
        guard try readUnseen(terminal, prompt: "The same again: ") == Array(password.utf8) else {
            throw Failure("the two passwords differ; nothing was changed")
        }
        return password
    }

    /// All of standard input; one newline at its end is not part of the password.
    static func fromStandardInput() throws -> String {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(STDIN_FILENO, &block, block.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw Failure("cannot read the password from standard input: \(String(cString: strerror(errno)))")
            }
            if count == 0 { break }
            bytes += block[..<count]
            guard bytes.count <= 4096 else { throw tooLong(bytes.count) }
        }
        if bytes.last == newline { bytes.removeLast() }
        if bytes.last == carriageReturn { bytes.removeLast() }
        return try check(bytes)
    }

    /// What both protocols can carry: RFC 1929 §2 (1 to 255 bytes), RFC 7617 §2 (no control characters).
    private static func check(_ bytes: [UInt8]) throws -> String {
        guard !bytes.isEmpty else { throw Failure("the password is empty; nothing was changed") }
        guard bytes.count <= 255 else { throw tooLong(bytes.count) }
        guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
            throw Failure("the password has a control character or a second line in it; nothing was changed")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("the password is not UTF-8; nothing was changed")
        }
        return text
    }

    private static func tooLong(_ count: Int) -> Failure {
        Failure("the password has more than 255 bytes, which is the most that SOCKS5 can carry; nothing was changed")
    }

    private static let newline = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    /// One line, key by key: with signals and line editing left to the terminal, ^C at the prompt would leave the
    /// operator's shell without an echo.
    private static func readUnseen(_ terminal: Int32, prompt: String) throws -> [UInt8] {
        var before = termios()
        guard tcgetattr(terminal, &before) == 0 else {
            throw Failure("cannot hide the password: \(String(cString: strerror(errno)))")
        }
        var unseen = before
        unseen.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        guard tcsetattr(terminal, TCSAFLUSH, &unseen) == 0 else {
            throw Failure("cannot hide the password: \(String(cString: strerror(errno)))")
        }
        defer {
            tcsetattr(terminal, TCSAFLUSH, &before)
            send("\n", to: terminal)
        }
        send(prompt, to: terminal)
        var line: [UInt8] = []
        while true {
            var key: UInt8 = 0
            let count = read(terminal, &key, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { throw given(up: "the terminal is gone") }
            switch key {
            case newline, carriageReturn: return line
            case 0x03, 0x1c: throw given(up: "interrupted")  // ^C, ^\
            case 0x04: throw given(up: "no password was given")  // ^D
            case 0x15: line = []  // ^U
            case 0x08, 0x7f:
                // A whole character: its continuation bytes, then the first.
                while let last = line.popLast(), last & 0xc0 == 0x80 {}
            default: line.append(key)
            }
        }
    }

    private static func given(up reason: String) -> Failure {
        Failure("\(reason); nothing was changed")
    }

    private static func send(_ text: String, to terminal: Int32) {
        let bytes = Array(text.utf8)
        write(terminal, bytes, bytes.count)
    }
}
