import Firewall
import Foundation
import Glibc

/// A network namespace of its own with nothing in it but `lo`. It has no name, so nothing is left behind: the kernel drops
/// it with the last descriptor.
final class Namespace: Sendable {
    let descriptor: CInt

    init() throws {
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        defer { close(home) }
        guard home >= 0, unshare(newNetwork) == 0 else { throw Failure("unshare: \(String(cString: strerror(errno)))") }
        descriptor = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard setns(home, newNetwork) == 0 else { fatalError("the thread cannot return to its namespace") }
    }

    deinit {
        close(descriptor)
    }

    /// Runs `body` with the calling thread inside. Synchronous, so that the thread cannot change on the way.
    func enter<Result: ~Copyable>(_ body: () throws -> Result) throws -> Result {
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        defer { close(home) }
        guard home >= 0, setns(descriptor, newNetwork) == 0 else { throw Failure("setns") }
        defer { if setns(home, newNetwork) != 0 { fatalError("the thread cannot return to its namespace") } }
        return try body()
    }

    func netlink() throws -> Netlink {
        try enter { try Netlink() }
    }

    /// Runs a program inside; its output, or an error with what it said.
    @discardableResult
    func run(_ arguments: String..., input: String? = nil) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/nsenter")
        process.arguments = ["--net=/proc/\(getpid())/fd/\(descriptor)"] + arguments
        let file = try input.map { text in
            let path = NSTemporaryDirectory() + "gatehouse-firewall-\(UUID().uuidString)"
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            return path
        }
        defer { if let file { unlink(file) } }
        if let file { process.standardInput = FileHandle(forReadingAtPath: file) }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure("\(arguments.joined(separator: " ")): \(text)")
        }
        return text
    }

    /// What the independent judge sees; the values of counters are left out.
    func listing() throws -> String {
        try run("nft", "-s", "list", "table", "inet", "gatehouse")
    }
}

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

let isRoot = getuid() == 0

// sched.h declares these under _GNU_SOURCE only, which a Swift import does not define.
private let newNetwork: CInt = 0x4000_0000

private func setns(_ descriptor: CInt, _ kind: CInt) -> CInt {
    typealias Function = @convention(c) (CInt, CInt) -> CInt
    return unsafeBitCast(dlsym(nil, "setns"), to: Function.self)(descriptor, kind)
}

private func unshare(_ kind: CInt) -> CInt {
    typealias Function = @convention(c) (CInt) -> CInt
    return unsafeBitCast(dlsym(nil, "unshare"), to: Function.self)(kind)
}

/// Runs `body` inside `namespace`, on a thread of its own whose user is `nobody` and whose capabilities are `capabilities`;
/// the raw system calls change the calling thread only, where libc would change the process.
func unprivileged(
    in namespace: Namespace, capabilities: UInt64, _ body: @escaping @Sendable () -> String
) -> String {
    final class Box: @unchecked Sendable { var text = "" }
    let (box, done) = (Box(), DispatchSemaphore(value: 0))
    Thread.detachNewThread {
        let isInside = setns(namespace.descriptor, newNetwork) == 0
        box.text = isInside && dropped(to: capabilities) ? body() : "could not drop privileges"
        done.signal()
    }
    done.wait()
    return box.text
}

private func dropped(to capabilities: UInt64) -> Bool {
    typealias Function = @convention(c) (CLong, CLong, CLong, CLong, CLong) -> CLong
    let syscall = unsafeBitCast(dlsym(nil, "syscall"), to: Function.self)
    #if arch(x86_64)
        let (setresuid, capset, prctl) = (117, 126, 157)
    #else
        let (setresuid, capset, prctl) = (147, 91, 167)
    #endif
    let keepCapabilities = 8
    guard syscall(prctl, keepCapabilities, 1, 0, 0) == 0, syscall(setresuid, 65534, 65534, 65534, 0) == 0
    else { return false }
    // capset(2), version 3: two words each of effective, permitted, inheritable.
    var header: [UInt32] = [0x2008_0522, 0]
    let (low, high) = (UInt32(truncatingIfNeeded: capabilities), UInt32(capabilities >> 32))
    var data: [UInt32] = [low, low, 0, high, high, 0]
    return header.withUnsafeMutableBytes { header in
        data.withUnsafeMutableBytes { data in
            syscall(capset, Int(bitPattern: header.baseAddress), Int(bitPattern: data.baseAddress), 0, 0) == 0
        }
    }
}
