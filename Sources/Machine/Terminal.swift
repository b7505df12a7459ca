import Glibc

/// The terminal that a process runs on (tty(4), proc_pid_stat(5)).
package enum Terminal {
    /// Whether a person sits at this machine itself, in front of a screen or a serial line. A pseudo-terminal is none, be it
    /// of ssh, tmux or a container; a process without a terminal has none.
    package static func isConsole(ofProcess process: Int32) -> Bool {
        guard let file = fopen("/proc/\(process)/stat", "re") else { return false }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = fread(&bytes, 1, bytes.count, file)
        return device(inStat: bytes[..<count]).map(isConsole) ?? false
    }

    /// The name before may hold blanks and parentheses.
    static func device(inStat bytes: ArraySlice<UInt8>) -> UInt32? {
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = String(decoding: bytes[(end + 1)...], as: UTF8.self).split(separator: " ")
        return fields.count > 4 ? Int32(fields[4]).map(UInt32.init(bitPattern:)) : nil
    }

    /// The major number is in bits 8 to 19 (proc_pid_stat(5), tty_nr); devices.txt of the kernel gives their meaning.
    static func isConsole(_ device: UInt32) -> Bool {
        let major = device >> 8 & 0xfff
        let minor = device & 0xff | device >> 12 & 0xfff00
        return switch major {
        case 4: minor > 0  // tty1 to tty63, ttyS0 and those after it
        case 5: minor == 1  // console
        case 204, 229: true  // ttyAMA0 and other serial lines, hvc0
        default: false
        }
    }
}
