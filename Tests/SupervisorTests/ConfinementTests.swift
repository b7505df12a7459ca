import CLinux
import Foundation
import Glibc
import Logging
import Testing

@testable import Supervisor

@Suite("What a role can no longer do")
struct ConfinementTests {
    /// "No Landlock on this kernel: Operation not permitted" sent people to their kernel, where a container was in the way.
    @Test("A kernel without Landlock, one in which it is switched off, and a container that refuses it are told apart")
    func obstacles() {
        #expect(Sandbox.obstacle(1) == nil && Sandbox.obstacle(4) == nil)
        for (code, text) in [
            (ENOSYS, "has no Landlock"), (EOPNOTSUPP, "switched off"), (EPERM, "container"), (EIO, "Input"),
        ] {
            #expect(Sandbox.obstacle(-code)?.contains(text) == true)
        }
    }

    @Test("In the sandbox there are internet sockets; no file, no program, no process")
    func relay() async {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            var wrong = Wrong()
            _ = linux_no_new_privileges()
            let page = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            Sandbox.enter(.relay, log: Log.start(label: "test", level: "error"))
            wrong.unless(open("/etc/hosts", O_RDONLY) < 0, "/etc/hosts can be read")
            wrong.unless(open("/usr/bin/env", O_RDONLY) < 0, "/usr/bin can be read")
            wrong.unless(open("/proc/self/status", O_RDONLY) < 0, "/proc can be read")
            wrong.unless(open("/tmp/gatehouse-\(getpid())", O_WRONLY | O_CREAT, 0o600) < 0, "/tmp can be written to")
            let stream = Int32(SOCK_STREAM.rawValue)
            wrong.unless(socket(AF_INET, stream, 0) >= 0, "no IPv4")
            wrong.unless(socket(AF_INET6, stream, 0) >= 0, "no IPv6")
            for family in [AF_UNIX, AF_NETLINK, AF_PACKET] {
                wrong.unless(socket(family, stream, 0) < 0, "there are sockets of family \(family)")
            }
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
            wrong.unless(execv("/bin/true", &arguments) < 0 && errno == EPERM, "it can start a program: \(errno)")
            var pid: pid_t = 0
            wrong.unless(posix_spawn(&pid, "/bin/true", nil, nil, &arguments, nil) != 0, "it can start a process")
            wrong.unless(mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0, "memory that was written to can be executed")
            wrong.unless(kill(getppid(), 0) < 0, "it can signal others")
            wrong.unless(startsThread(), "it cannot start a thread")
            wrong.end()
        }
        let said = result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) } ?? ""
        #expect(!said.contains("WRONG"), "\(said)")
    }

    /// tgkill(2) and prlimit64(2) take any process of the same user: one relay could stop the other, or take its descriptors.
    @Test("A role signals and limits itself alone")
    func siblings() async {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            var wrong = Wrong()
            _ = linux_no_new_privileges()
            let (parent, own) = (getppid(), getpid())
            var limit = rlimit()
            let files = Int32(RLIMIT_NOFILE.rawValue)
            // Swift's Glibc has neither.
            let tgkill = unsafeBitCast(
                dlsym(nil, "tgkill"), to: (@convention(c) (pid_t, pid_t, Int32) -> Int32).self)
            let prlimit = unsafeBitCast(
                dlsym(nil, "prlimit"),
                to: (@convention(c) (pid_t, Int32, UnsafePointer<rlimit>?, UnsafeMutablePointer<rlimit>?) -> Int32).self
            )
            wrong.unless(tgkill(parent, parent, 0) == 0, "the test may not signal its parent")
            Sandbox.enter(.relay, log: Log.start(label: "test", level: "error"))
            wrong.unless(tgkill(parent, parent, 0) < 0 && errno == EPERM, "it can signal a thread of others")
            wrong.unless(prlimit(parent, files, nil, &limit) < 0 && errno == EPERM, "it can limit others")
            wrong.unless(tgkill(own, own, 0) == 0, "it cannot signal itself")
            wrong.unless(prlimit(own, files, nil, &limit) == 0, "it cannot ask for its limits by its pid")
            wrong.unless(prlimit(0, files, nil, &limit) == 0, "it cannot ask for its limits")
            wrong.end()
        }
        let said = result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) } ?? ""
        #expect(!said.contains("WRONG"), "\(said)")
    }
    @Test("The firewall role has netlink, and no file and no internet")
    func firewall() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var wrong = Wrong()
            _ = linux_no_new_privileges()
            Sandbox.enter(.netlink, log: Log.start(label: "test", level: "error"))
            wrong.unless(open("/etc/hosts", O_RDONLY) < 0, "/etc/hosts can be read")
            wrong.unless(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) < 0, "there is IPv4")
            wrong.unless(socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 0) >= 0, "no netlink")
            wrong.end()
        }
    }

    @Test("A log entry is one line of plain text, whatever a name has in it")
    func log() async throws {
        let result = try #require(
            await #expect(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
                let log = Log.start(label: "test", level: "info")
                log.error("a\nb\r\nc\u{2028}d\u{1b}[31me", metadata: ["name": "x\u{0}\ny"])
                log.debug("not asked for")
                exit(0)
            })
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.contains("error test: ") })
        #expect(line.hasSuffix(" error test: a b  c d [31me name=x  y"), "\(text.debugDescription)")
        #expect(!text.contains("not asked for"))
    }
}

/// What went wrong, told on standard error.
struct Wrong {
    private var count = 0

    mutating func unless(_ condition: Bool, _ what: String) {
        guard !condition else { return }
        count += 1
        let line = Array("WRONG: \(what)\n".utf8)
        _ = write(2, line, line.count)
    }

    func end() -> Never { _exit(count == 0 ? 0 : 1) }
}

private func startsThread() -> Bool {
    var thread = pthread_t()
    guard pthread_create(&thread, nil, { _ in nil }, nil) == 0 else { return false }
    return pthread_join(thread, nil) == 0
}
