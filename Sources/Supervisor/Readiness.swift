import CLinux
import Glibc

/// Tells the service manager how the daemon is doing (sd_notify(3)): datagrams to the socket that
/// NOTIFY_SOCKET names. Without one nothing is sent.
struct Readiness {
    private let socket: Int32
    private let address: sockaddr_un
    private let length: socklen_t
    /// How often the watchdog wants a sign of life, halved to be safe; nil: never.
    let watchdogInterval: Duration?

    init() {
        watchdogInterval = getenv("WATCHDOG_USEC").flatMap { Int64(String(cString: $0)) }
            .flatMap { $0 > 1 ? .microseconds($0 / 2) : nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = getenv("NOTIFY_SOCKET").map { Array(String(cString: $0).utf8) } ?? []
        guard !path.isEmpty, path.count < MemoryLayout.size(ofValue: address.sun_path) else {
            socket = -1
            length = 0
            self.address = address
            return
        }
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: path)
            // A leading @ stands for the abstract namespace (unix(7)).
            if path[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        }
        self.address = address
        length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        socket = max(-1, linux_socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue)))
    }

    /// Whether there is a service manager.
    var isHeard: Bool { socket >= 0 }

    func ready(status: String) { send("READY=1\nSTATUS=\(status)") }

    func status(_ text: String) { send("STATUS=\(text)") }

    /// From version 253 on systemd matches the READY that follows by the time.
    func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(Int(now.tv_sec) * 1_000_000 + Int(now.tv_nsec) / 1000)")
    }

    func stopping() { send("STOPPING=1\nSTATUS=ending sessions") }

    func alive() { send("WATCHDOG=1") }

    /// Has the service manager keep a copy of a descriptor for the next process of this service, unless it has that very one
    /// already. It lets go of it by itself once the other end has hung up, or the socket was shut down.
    ///
    /// - Parameter name: ASCII without blanks and colons.
    func keep(_ descriptor: Int32, as name: String) { send("FDSTORE=1\nFDNAME=\(name)", descriptor) }

    /// Has the service manager let go of the descriptors of that name.
    func forget(_ name: String) { send("FDSTOREREMOVE=1\nFDNAME=\(name)") }

    private func send(_ text: String, _ descriptor: Int32? = nil) {
        guard socket >= 0 else { return }
        let bytes = Array(text.utf8)
        let descriptors = descriptor.map { [$0] } ?? []
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = linux_send_packet_to(
                    socket, $0, length, bytes, bytes.count, descriptors, Int32(descriptors.count))
            }
        }
    }
}
