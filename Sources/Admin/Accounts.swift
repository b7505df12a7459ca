import Glibc
import Reactor

/// The names of accounts. Where they come from over the network (nsswitch.conf(5)), a look-up may take minutes, so none runs on
/// a reactor's thread.
package final class Accounts: Sendable {
    /// One thread: a directory that hangs holds up names alone.
    private let workers = Workers(count: 1, capacity: 64)
    private let lookUp: @Sendable (_ uid: UInt32) -> String?

    /// - Parameter lookUp: an account's name; nil: it has none.
    package init(_ lookUp: @escaping @Sendable (_ uid: UInt32) -> String? = accountName) {
        self.lookUp = lookUp
    }

    /// The number stands for an account that has no name.
    ///
    /// - Returns: nil if too many look-ups wait already.
    func names(of uids: [UInt32]) async -> [String]? {
        try? await workers.run { [lookUp] in uids.map { lookUp($0) ?? "\($0)" } }
    }
}

/// The name that the account base has for `uid`; nil: none.
package func accountName(_ uid: UInt32) -> String? {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16384)
    guard getpwuid_r(uid, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
    return String(cString: entry.pw_name)
}

/// Who logged in to the session that the process belongs to; sudo(8) and the like leave it as it is (pam_loginuid(8)). nil:
/// nobody did, as for what systemd starts, or the kernel keeps no account of it.
func loginUser(of process: Int32) -> UInt32? {
    let descriptor = open("/proc/\(process)/loginuid", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var digits = [UInt8](repeating: 0, count: 16)
    let count = read(descriptor, &digits, digits.count)
    guard count > 0, let uid = UInt32(String(decoding: digits[..<count], as: UTF8.self)), uid != .max else {
        return nil
    }
    return uid
}
