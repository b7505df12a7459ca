import Foundation
import Glibc

/// A program on a terminal of its own, as a person would have it: what it asks is read, what it waits for is typed.
package final class Terminal {
    private let master: Int32
    private let process = ChildProcess()
    package private(set) var screen = ""

    /// - Parameter columns: its width; nil: it does not tell.
    package init(_ arguments: [String], environment: [String: String], columns: UInt16? = nil) throws {
        var (master, slave) = (Int32(-1), Int32(-1))
        guard openpty(&master, &slave, nil, nil, nil) == 0, fcntl(master, F_SETFD, FD_CLOEXEC) == 0 else {
            throw TerminalFailure("no terminal: \(String(cString: strerror(errno)))")
        }
        self.master = master
        if let columns { resize(columns: columns, rows: 24) }
        let terminal = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
        process.executableURL = URL(filePath: "/usr/bin/setsid")
        process.arguments = ["--ctty", "--wait", "timeout", "--foreground", "60"] + arguments
        process.environment = environment.merging(["PATH": "/usr/bin:/bin", "TERM": "xterm"]) { $1 }
        process.standardInput = terminal
        process.standardOutput = terminal
        process.standardError = terminal
        try process.run()
        // Only the program keeps it, so that its end is the end of the screen.
        try terminal.close()
    }

    deinit { close(master) }

    /// Reads until the screen ends with `text`.
    package func wait(for text: String) throws {
        while !screen.hasSuffix(text) {
            guard let more = next() else { throw TerminalFailure("no `\(text)` on the screen: \(screen)") }
            screen += more
        }
    }

    /// Reads until `text` is on the screen, behind its first `start` characters.
    package func wait(until text: String, after start: Int = 0) throws {
        while !screen.dropFirst(start).contains(text) {
            guard let more = next() else { throw TerminalFailure("no `\(text)` on the screen: \(screen)") }
            screen += more
        }
    }

    /// As if its window got another size.
    package func resize(columns: UInt16, rows: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    package func type(_ keys: String) {
        let bytes = Array(keys.utf8)
        write(master, bytes, bytes.count)
    }

    /// Its exit status, after everything that it had to say.
    package func end() -> Int32 {
        while let more = next() { screen += more }
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Whether what is typed is shown.
    package var echoes: Bool {
        var settings = termios()
        return tcgetattr(master, &settings) == 0 && settings.c_lflag & tcflag_t(ECHO) != 0
    }

    /// nil when the last process on it has ended (EIO, pts(4)), or nothing came for 30 s.
    private func next() -> String? {
        var waiting = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 30_000) == 1 else { return nil }
        var block = [UInt8](repeating: 0, count: 4096)
        let count = read(master, &block, block.count)
        return count > 0 ? String(decoding: block[..<count], as: UTF8.self) : nil
    }
}

package struct TerminalFailure: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
