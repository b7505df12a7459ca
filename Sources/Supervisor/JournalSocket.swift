import CLinux
import Glibc
import Logging
import Reactor

/// The way to journald by which an entry has fields of its own (systemd.io/JOURNAL_NATIVE_PROTOCOL).
final class JournalSocket: Sendable {
    private let descriptor: Descriptor

    /// Connects now: in the sandbox nobody can. nil: no journald is there.
    init?(_ path: String = "/run/systemd/journal/socket") {
        let number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard number >= 0 else { return nil }
        descriptor = Descriptor(adopting: number)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { return nil }
    }

    /// - Parameters:
    ///   - text: without line feeds, as the values are.
    ///   - fields: by their names, of capitals and underscores.
    /// - Returns: whether journald has it.
    func send(_ text: String, priority: Int, label: String, fields: [(name: String, value: String)]) -> Bool {
        var entry = "MESSAGE=\(text)\nPRIORITY=\(priority)\nSYSLOG_IDENTIFIER=\(label)\n"
        for field in fields { entry += "\(field.name)=\(field.value)\n" }
        let bytes = Array(entry.utf8)
        return Glibc.send(descriptor.number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }
}
