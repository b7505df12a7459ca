import CLinux
import Glibc
import Testing

@testable import Supervisor

/// What a service manager has: a datagram socket, here in the abstract namespace or in /tmp.
private final class ServiceManager {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    let name: String

    init(name: String) {
        self.name = name
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: name.utf8)
            if name.hasPrefix("@") { $0[0] = 0 }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        #expect(result == 0)
    }

    deinit {
        close(descriptor)
        if !name.hasPrefix("@") { unlink(name) }
    }

    /// The next message; it has been sent already.
    func next() -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }
}

@Suite("What the service manager is told", .serialized)
struct ReadinessTests {
    private func readiness(_ socket: String?, watchdog: String? = nil) -> Readiness {
        unsetenv("NOTIFY_SOCKET")
        unsetenv("WATCHDOG_USEC")
        if let socket { setenv("NOTIFY_SOCKET", socket, 1) }
        if let watchdog { setenv("WATCHDOG_USEC", watchdog, 1) }
        defer {
            unsetenv("NOTIFY_SOCKET")
            unsetenv("WATCHDOG_USEC")
        }
        return Readiness()
    }

    @Test("Each state is one datagram, to a path and to an abstract name", arguments: ["/tmp/", "@"])
    func states(prefix: String) throws {
        let manager = ServiceManager(name: "\(prefix)gatehouse-readiness-\(getpid())")
        let readiness = readiness(manager.name)
        readiness.ready(status: "revision 1")
        #expect(manager.next() == "READY=1\nSTATUS=revision 1")
        readiness.alive()
        #expect(manager.next() == "WATCHDOG=1")
        readiness.reloading()
        let reloading = try #require(manager.next())
        let parts = reloading.split(separator: "\n")
        #expect(parts.first == "RELOADING=1")
        let time = try #require(parts.last?.split(separator: "=").last.flatMap { Int($0) })
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        #expect((1...Int(now.tv_sec + 1) * 1_000_000).contains(time))
        readiness.stopping()
        #expect(manager.next()?.hasPrefix("STOPPING=1\n") == true)
        #expect(manager.next() == nil)
    }

    @Test("The sign of life comes twice as often as is asked for; of garbage nothing comes")
    func watchdog() {
        #expect(readiness(nil, watchdog: "3000000").watchdogInterval == .milliseconds(1500))
        for text in ["0", "-5", "soon", ""] { #expect(readiness(nil, watchdog: text).watchdogInterval == nil) }
        #expect(readiness(nil).watchdogInterval == nil)
    }

    @Test("Nobody there, no name, or one that is too long: that is no trouble of ours")
    func nobody() {
        for name in [nil, "", "/nonexistent/notify", "@" + String(repeating: "x", count: 200)] as [String?] {
            readiness(name).ready(status: "")
        }
    }
}
