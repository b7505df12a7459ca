// TestNetwork: what several test targets need of a network: namespaces, programs run inside them, and the two ends of a
// connection with calls that block. No mocks: the kernel's own network, as real as any other.
import Foundation
import Glibc

/// A network namespace with nothing in it but `lo`. It has no name, so nothing is left behind: the kernel drops it with the
/// last descriptor and the last process inside.
package final class Namespace: Sendable {
    package let descriptor: CInt

    package init() throws {
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        defer { close(home) }
        guard home >= 0, unshare(newNetwork) == 0 else { throw Failure("unshare: \(String(cString: strerror(errno)))") }
        descriptor = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard setns(home, newNetwork) == 0 else { fatalError("the thread cannot return to its namespace") }
    }

    deinit {
        close(descriptor)
    }

    /// A name for it that `ip link … netns` and `nsenter --net=` take.
    package var path: String { "/proc/\(getpid())/fd/\(descriptor)" }

    /// Runs `body` with the calling thread inside. Synchronous, so that the thread cannot change on the way.
    package func enter<Result: ~Copyable>(_ body: () throws -> Result) throws -> Result {
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        defer { close(home) }
        guard home >= 0, setns(descriptor, newNetwork) == 0 else { throw Failure("setns") }
        defer { if setns(home, newNetwork) != 0 { fatalError("the thread cannot return to its namespace") } }
        return try body()
    }

    /// Runs `body` inside, on a thread of its own whose user is `nobody` and whose capabilities are `capabilities`; the raw
    /// system calls change the calling thread only, where libc would change the process.
    package func unprivileged(capabilities: UInt64, _ body: @escaping @Sendable () -> String) -> String {
        final class Box: @unchecked Sendable { var text = "" }
        let (box, done) = (Box(), DispatchSemaphore(value: 0))
        Thread.detachNewThread { [descriptor] in
            let isReady = setns(descriptor, newNetwork) == 0 && dropped(to: capabilities)
            box.text = isReady ? body() : "could not drop privileges"
            done.signal()
        }
        done.wait()
        return box.text
    }
}

package struct Failure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

package let isRoot = getuid() == 0

/// Whether what takes minutes is run at full length: `scripts/test --thorough`.
package let isThorough = getenv("GATEHOUSE_THOROUGH") != nil

/// Tries until `condition` holds, and gives up after `limit`.
package func eventually(within limit: Duration = .seconds(10), _ condition: () throws -> Bool) rethrows -> Bool {
    let end = ContinuousClock.now + limit
    while true {
        if try condition() { return true }
        if ContinuousClock.now > end { return false }
        usleep(5000)
    }
}

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
