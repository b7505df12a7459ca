package import Address

/// The names of hosts(5), however many: a blocklist has a hundred thousand. They stay the text that they came as.
package final class HostTable: Sendable {
    private let text: [UInt8]
    /// Where each line begins.
    private let lines: [Int]

    package static let empty = HostTable([])

    /// - Parameter text: a line for each name, in lower case, with its addresses behind it, in the order of the names' bytes:
    ///   `printer 192.168.1.9 fd00::9`.
    package init(_ text: [UInt8]) {
        var lines: [Int] = []
        var start = 0
        while start < text.count {
            lines.append(start)
            start = (text[start...].firstIndex(of: newline) ?? text.count) + 1
        }
        self.text = text
        self.lines = lines
    }

    package var count: Int { lines.count }

    /// The addresses of `name`; nil if it is not there.
    package func addresses(of name: String) -> [IPAddress]? {
        guard !lines.isEmpty else { return nil }
        var name = name
        return name.withUTF8 { name in
            var (low, high) = (0, lines.count)
            while low < high {
                let middle = (low + high) / 2
                if precedes(middle, name) { low = middle + 1 } else { high = middle }
            }
            guard low < lines.count else { return nil }
            let line = text[lines[low]...].prefix { $0 != newline }
            guard line.starts(with: name), line.dropFirst(name.count).first == blank else { return nil }
            let fields = line.dropFirst(name.count).split(separator: blank)
            return fields.compactMap { IPAddress(String(decoding: $0, as: UTF8.self)) }
        }
    }

    /// Whether the name in that line comes before `name`.
    private func precedes(_ line: Int, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
        var place = lines[line]
        for byte in name {
            // Blank and newline come before every byte of a name.
            guard place < text.count else { return true }
            if text[place] != byte { return text[place] < byte }
            place += 1
        }
        return false
    }
}

private let newline = UInt8(ascii: "\n")
private let blank = UInt8(ascii: " ")
