import CLinux
import Foundation
import Glibc
import Synchronization
import TestNetwork

/// What systemd does for the daemon (sd_notify(3)): keeps the descriptors that it hands over until their other end hangs up,
/// and gives them to the next process.
final class ServiceManager: Sendable {
    struct Item: Equatable {
        let name: String
        let descriptor: CInt
        let inode: ino_t
    }

    private final class Contents: Sendable {
        let items = Mutex<[Item]>([])
        let isEnded = Atomic(false)
    }

    private let contents = Contents()
    private let path: String

    init(in directory: String) throws {
        path = directory + "/notify.sock"
        let socket = Glibc.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Failure("\(path) is too long")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) }
        }
        guard result == 0 else { throw Failure("bind to \(path): \(String(cString: strerror(errno)))") }
        let contents = self.contents
        Thread.detachNewThread { Self.listen(socket, contents) }
    }

    deinit {
        contents.isEnded.store(true, ordering: .relaxed)
        drop()
    }

    /// What it keeps at present.
    var items: [Item] { contents.items.withLock { $0 } }
    var names: [String] { items.map(\.name).sorted() }

    /// What the next process is started with, beside the descriptors.
    var environment: [String: String] {
        [
            "NOTIFY_SOCKET": path, "LISTEN_FDS": "\(items.count)",
            "LISTEN_FDNAMES": items.map(\.name).joined(separator: ":"),
        ]
    }

    /// The service is stopped.
    func drop() {
        contents.items.withLock { items in
            for item in items { close(item.descriptor) }
            items = []
        }
    }

    private static func listen(_ socket: CInt, _ contents: Contents) {
        while !contents.isEnded.load(ordering: .relaxed) {
            var poll = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            Glibc.poll(&poll, 1, 20)
            contents.items.withLock { items in
                if poll.revents != 0 { hear(socket, &items) }
                let polls = items.map { pollfd(fd: $0.descriptor, events: 0, revents: 0) }
                var states = polls
                Glibc.poll(&states, nfds_t(states.count), 0)
                for state in states where state.revents != 0 {
                    items.removeAll { $0.descriptor == state.fd }
                    close(state.fd)
                }
            }
        }
        close(socket)
    }

    private static func hear(_ socket: CInt, _ items: inout [Item]) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        var descriptors = [CInt](repeating: -1, count: 16)
        var count: CInt = 0
        let length = linux_receive_packet(socket, &bytes, bytes.count, &descriptors, &count)
        guard length > 0 else { return }
        let lines = String(decoding: bytes[..<length], as: UTF8.self).split(separator: "\n")
        let name = lines.first { $0.hasPrefix("FDNAME=") }.map { String($0.dropFirst("FDNAME=".count)) } ?? "stored"
        if lines.contains("FDSTOREREMOVE=1") {
            for item in items where item.name == name { close(item.descriptor) }
            items.removeAll { $0.name == name }
        }
        for descriptor in descriptors[..<Int(count)] {
            var facts = stat()
            fstat(descriptor, &facts)
            if lines.contains("FDSTORE=1"), !items.contains(where: { $0.inode == facts.st_ino }) {
                items.append(Item(name: name, descriptor: descriptor, inode: facts.st_ino))
            } else {
                close(descriptor)
            }
        }
    }
}
