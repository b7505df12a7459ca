import Machine

/// The accounts of the machine that passwd(5) has, read anew when the file has changed. One that a directory elsewhere has is not
/// known: nobody waits for a network to answer who somebody is.
struct AccountFile {
    private var file = FollowedFile("/etc/passwd", atMost: 1 << 20)
    private var known: [String: UInt32] = [:]

    /// The numbers of the accounts, by their names.
    mutating func numbers() -> [String: UInt32] {
        guard let text = file.readIfChanged() else { return known }
        let found = text.split(separator: UInt8(ascii: "\n")).compactMap { line -> (String, UInt32)? in
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count >= 4, let number = UInt32(String(decoding: fields[2], as: UTF8.self)) else { return nil }
            return (String(decoding: fields[0], as: UTF8.self), number)
        }
        // A file that is being written is empty for a moment.
        if !found.isEmpty { known = Dictionary(found) { first, _ in first } }
        return known
    }
}
