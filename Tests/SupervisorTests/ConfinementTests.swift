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

    @Test("dnsmasq is refused netfilter's sockets and tables, every program and process, and all files but its own")
    func refusals() async {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardErrorContent]) {
            var wrong = Wrong()
            let file = "/tmp/gatehouse-leases-\(getpid())"
            let leases = open(file, O_RDWR | O_CREAT | O_EXCL, 0o600)
            unlink(file)
            dup2(leases, 0)
            _ = linux_no_new_privileges()
            let listener = Sandbox.enterCompanion("/bin/true", log: Log.start(label: "test", level: "error"))
            wrong.unless(listener >= 0, "there is no filter: \(listener)")
            // What DHCP needs.
            let (raw, datagram) = (Int32(SOCK_RAW.rawValue), Int32(SOCK_DGRAM.rawValue))
            let socket4 = socket(AF_INET, datagram, 0)
            let socket6 = socket(AF_INET6, datagram, 0)
            wrong.unless(socket4 >= 0 && socket6 >= 0, "no datagrams")
            wrong.unless(socket(AF_NETLINK, raw, 0) >= 0, "no routing netlink")
            var on: Int32 = 1
            let size = socklen_t(MemoryLayout<Int32>.size)
            wrong.unless(setsockopt(socket4, Int32(IPPROTO_IP), IP_PKTINFO, &on, size) == 0, "no IP_PKTINFO")
            let trafficClass: Int32 = 67
            wrong.unless(setsockopt(socket6, 41, trafficClass, &on, size) == 0, "no IPV6_TCLASS: \(errno)")
            wrong.unless(open("/proc/self/fd/0", O_RDWR | O_APPEND) >= 0, "it cannot write its leases: \(errno)")
            // Every netlink but routing: NETLINK_NETFILTER is 12.
            for number in Int32(1)..<32 {
                wrong.unless(socket(AF_NETLINK, raw, number) < 0 && errno == EPERM, "there is netlink \(number)")
            }
            // The kernel looks at the lower half of a register alone.
            typealias Call = @convention(c) (CLong, CLong, CLong, CLong, CLong, CLong) -> CLong
            let syscall = unsafeBitCast(dlsym(nil, "syscall"), to: Call.self)
            #if arch(x86_64)
                let (socketCall, setsockoptCall) = (41, 54)
            #else
                let (socketCall, setsockoptCall) = (198, 208)
            #endif
            let high = 1 << 32
            wrong.unless(syscall(socketCall, high | 16, 3, 12, 0, 0) < 0 && errno == EPERM, "a high bit hides a family")
            wrong.unless(syscall(socketCall, 16, 3, high | 12, 0, 0) < 0 && errno == EPERM, "one hides a protocol")
            for family in [1, 17, 44, 38, 31] as [Int32] {
                wrong.unless(socket(family, datagram, 0) < 0 && errno == EPERM, "there are sockets of family \(family)")
            }
            // IPT_SO_SET_REPLACE, IPT_SO_SET_ADD_COUNTERS; arptables; ebtables; IPVS.
            for option: Int32 in [64, 65, 96, 97, 128, 129, 1152, 1200] {
                for level: Int32 in [0, 255] {
                    wrong.unless(
                        setsockopt(socket4, level, option, &on, size) < 0 && errno == EPERM,
                        "option \(option) of level \(level): \(errno)")
                }
            }
            for option: Int32 in [64, 65] {
                wrong.unless(
                    setsockopt(socket6, 41, option, &on, size) < 0 && errno == EPERM, "ip6tables' option \(option)")
            }
            let hidden = withUnsafeMutablePointer(to: &on) {
                syscall(setsockoptCall, CLong(socket4), high, 64, CLong(bitPattern: $0), 4)
            }
            wrong.unless(hidden < 0 && errno == EPERM, "a high bit hides a level")
            wrong.unless(open("/etc/hostname", O_RDONLY) < 0 && errno == EACCES, "it reads /etc")
            wrong.unless(open("/usr/bin/env", O_RDONLY) < 0, "it reads programs")
            wrong.unless(open("/var/lib/x", O_WRONLY | O_CREAT, 0o600) < 0 && errno == EACCES, "it makes files")
            wrong.unless(open("/proc/1/status", O_RDONLY) < 0, "it reads of other processes")
            wrong.unless(fork() < 0 && errno == EPERM, "it can start a process")
            wrong.unless(kill(getppid(), 0) < 0 && errno == EPERM, "it can signal others")
            wrong.unless(kill(getpid(), 0) == 0, "it cannot signal itself")
            // With nobody who admits it, no program is started: not even the one that it was.
            close(listener)
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
            for program in ["/bin/true", "/bin/sh", "/lib64/ld-linux-x86-64.so.2"] {
                wrong.unless(execv(program, &arguments) < 0 && errno == ENOSYS, "it can start \(program): \(errno)")
            }
            wrong.end()
        }
        let said = result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) } ?? ""
        #expect(!said.contains("WRONG"), "\(said)")
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
