import Address
import Dispatch
import Glibc
import Policy
import Testing

@testable import Admin

@Suite struct `The admin socket` {
    @Test func `a call reaches the handler and its reply the caller`() async throws {
        try await withServer { live in
            let client = try Client(path: live.path)
            #expect(try client.call(GetVersion()).version == gatehouseVersion)
            #expect(try client.call(GetStatus()) == (await live.gateway.status))
            let listener = Listener(
                kind: .http, endpoint: Endpoint("[::1]:3128")!, authentication: .required, interface: "lo")
            #expect(try client.call(AddListener(listener: listener)).changes == ["+ listener [::1]:3128"])
            #expect(try client.call(ListListeners()).listeners.last == listener)
            _ = try client.call(AddUser(name: "anna", password: "sécret \u{1f511}"))
            #expect(await live.gateway.policy.users.first?.passwordHash == "hash of sécret \u{1f511}")
            #expect(try client.call(AddRule(action: .deny, destination: Network("10.0.0.0/8")!)).id == 2)
            #expect(try client.call(ListRules()).rules.map(\.id) == [1, 2])
            #expect(try client.call(ListRevisions(limit: 2)).revisions.map(\.id) == [4, 3])
            #expect(try client.call(ListRevisions()).revisions.count == 4)
            #expect(try client.call(GetRevision(id: 1)).revision.summary == "the store was made")
        }
    }

    @Test func `a call that the daemon knows and does not carry out is told from one that it does not know`()
        async throws
    {
        try await withServer { live in
            let client = try Client(path: live.path)
            #expect(throws: ClientError.self) { try client.call(GetAuthority()) }
            let raw = try RawConnection(path: live.path)
            raw.send(Array(#"{"method":"org.gatehouse.Admin.GetAuthority"}"#.utf8) + [0])
            raw.finish()
            #expect(String(decoding: raw.receive(), as: UTF8.self).contains("MethodNotImplemented"))
        }
    }

    @Test func `a change carries the uid and the name of its caller`() async throws {
        try await withServer { live in
            _ = try Client(path: live.path).call(RemoveRule(id: 1))
            let author = await live.gateway.history.last?.author
            #expect(author?.uid == getuid())
            #expect(author?.name == String(cString: getpwuid(getuid()).pointee.pw_name))
        }
    }

    /// With sudo everybody is root to the socket, and the history said `root` for all of them.
    @Test(.enabled(if: getuid() == 0, "needs root, whose rights are taken"))
    func `somebody who has taken root's rights is told by name`() async throws {
        try await withServer { live in
            let path = live.path
            await #expect(processExitsWith: .success) { [path = path as String] in
                let descriptor = open("/proc/self/loginuid", O_WRONLY)
                // Without audit in the kernel, or where it is set for good, nobody can be told.
                guard write(descriptor, "1", 1) == 1 else { return }
                let revision = try Client(path: path).call(RemoveRule(id: 1)).revision
                precondition(revision == 2)
            }
            let name = String(cString: getpwuid(1).pointee.pw_name)
            guard let last = await live.gateway.history.last, last.id == 2 else { return }
            #expect(last.author == Author(uid: 0, name: "\(name) as root"))
        }
    }

    /// Names came from getpwuid_r(3) on the supervisor's only thread: a directory that hangs hung the watchdog.
    @Test func `an account base that hangs holds nobody up, and the number stands for the name`() async throws {
        let end = DispatchSemaphore(value: 0)
        defer { end.signal() }
        var limits = Server.Limits()
        limits.naming = .milliseconds(50)
        let accounts = Accounts { _ in
            end.wait()
            return "late"
        }
        try await withServer(limits: limits, accounts: accounts) { live in
            for _ in 0..<3 { _ = try Client(path: live.path).call(RemoveRule(id: 1)) }
            #expect(await live.gateway.history.last?.author == Author(uid: getuid(), name: "\(getuid())"))
            #expect(await live.gateway.history.count == 4)
        }
    }

    @Test func `a daemon that never answers is given up`() throws {
        let path = "/tmp/gatehouse-silent-\(getpid()).sock"
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = RawConnection.address(path)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(code == 0 && listen(listener, 1) == 0)
        defer {
            close(listener)
            unlink(path)
        }
        #expect(throws: ClientError.silent(path: path, seconds: 1)) {
            try Client(path: path, patience: 1).call(GetVersion())
        }
    }

    @Test func `a refusal reaches the caller with its reason`() async throws {
        try await withServer { live in
            let client = try Client(path: live.path)
            let taken = Listener(kind: .http, endpoint: Endpoint("127.0.0.1:1080")!)
            #expect(throws: ClientError.admin(.refused("127.0.0.1:1080 is taken by another listener"))) {
                try client.call(AddListener(listener: taken))
            }
            #expect(throws: ClientError.admin(.notFound("there is no revision 99"))) {
                try client.call(GetRevision(id: 99))
            }
            #expect(try client.call(GetStatus()).revision == 1)
        }
    }

    @Test(arguments: [
        Array("garbage\0".utf8), [0], [0xff, 0xfe, 0], Array("{\"method\":\"a\"".utf8) + [0],
    ])
    func `a bad frame costs its sender the connection and nobody else`(frame: [UInt8]) async throws {
        try await expectToBeCutOff(frame)
    }

    @Test func `so does one that is too long`() async throws {
        try await expectToBeCutOff([UInt8](repeating: 0x20, count: (1 << 20) + 1))
    }

    private func expectToBeCutOff(_ frame: [UInt8]) async throws {
        try await withServer { live in
            let bystander = try Client(path: live.path)
            let before = try bystander.call(GetStatus())
            let raw = try RawConnection(path: live.path)
            raw.send(frame)
            #expect(raw.receive() == [])
            #expect(try bystander.call(GetStatus()) == before)
        }
    }

    @Test func `calls that come in one piece are answered in order`() async throws {
        try await withServer { live in
            let raw = try RawConnection(path: live.path)
            let calls = ["GetVersion", "Nonsense", "ListRules"].map { #"{"method":"org.gatehouse.Admin.\#($0)"}"# }
            raw.send(Array(calls.joined(separator: "\0").utf8) + [0])
            raw.finish()
            let replies = raw.receive().split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            try #require(replies.count == 3)
            #expect(replies[0].contains("version"))
            #expect(replies[1].contains("MethodNotFound"))
            #expect(replies[2].contains("127.0.0.0/8"))
        }
    }

    @Test func `a caller who never finishes a call holds nobody up, and is dropped in the end`() async throws {
        var limits = Server.Limits()
        limits.idle = .milliseconds(200)
        try await withServer(limits: limits) { live in
            let raw = try RawConnection(path: live.path)
            raw.send(Array("{\"method\":".utf8))
            #expect(try Client(path: live.path).call(GetStatus()).revision == 1)
            #expect(raw.receive() == [])
        }
    }

    @Test func `a caller who never reads his replies is dropped`() async throws {
        var limits = Server.Limits()
        limits.reply = .milliseconds(200)
        try await withServer(limits: limits) { live in
            let raw = try RawConnection(path: live.path)
            let call = Array("{\"method\":\"org.varlink.service.GetInterfaceDescription\",".utf8)
            let rest = Array("\"parameters\":{\"interface\":\"org.gatehouse.Admin\"}}\0".utf8)
            // Until the replies fill the socket, the server gives up, and the kernel says so.
            for _ in 0..<10_000 where !raw.isBroken { raw.send(call + rest) }
            #expect(raw.isBroken)
            #expect(try Client(path: live.path).call(GetStatus()).revision == 1)
        }
    }

    @Test func `one user's connections are limited, and the one too many is told why`() async throws {
        var limits = Server.Limits()
        limits.perUser = 3
        try await withServer(limits: limits) { live in
            var clients = try (0..<3).map { _ in try Client(path: live.path) }
            for client in clients { _ = try client.call(GetStatus()) }
            let refusal = #expect(throws: ClientError.self) { try Client(path: live.path).call(GetStatus()) }
            guard case .admin(.refused(let reason))? = refusal else {
                Issue.record("not refused: \(String(describing: refusal))")
                return
            }
            #expect(reason.contains("has 3 connections"))
            clients.removeLast()
            // The server learns of the hang-up in its own time.
            while true {
                if (try? Client(path: live.path).call(GetStatus())) != nil { break }
            }
        }
    }

    @Test func `everybody may connect, until the server closes and removes the file`() async throws {
        let live = try await LiveServer()
        var status = stat()
        #expect(lstat(live.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o666)
        await live.server.close()
        #expect(throws: ClientError.unreachable(path: live.path, code: ENOENT)) { try Client(path: live.path) }
        await live.stop()
    }

    @Test func `a socket that was left behind is taken over, a living one and any other file are not`() async throws {
        try await withServer { live in
            #expect(
                throws: SocketFileError("another daemon listens at \(live.path); stop it first, or name another socket")
            ) {
                _ = try SocketFile(listeningAt: live.path)
            }
            let stale = live.directory + "/stale.sock"
            do {
                let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                var address = RawConnection.address(stale)
                let code = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
                #expect(code == 0)
                close(raw)
            }
            _ = try SocketFile(listeningAt: stale)
            let file = live.directory + "/file"
            close(open(file, O_CREAT | O_WRONLY, 0o600))
            #expect(throws: SocketFileError.self) { _ = try SocketFile(listeningAt: file) }
            #expect(access(file, F_OK) == 0)
        }
    }

    @Test(.enabled(if: getuid() == 0, "needs root: it becomes other users"))
    func `the socket's group are operators, others are not`() async throws {
        try await withServer(group: 54321) { live in
            let path = live.path
            await #expect(processExitsWith: .success) { [path = path as String] in
                var groups: [gid_t] = [54321]
                precondition(setgroups(1, &groups) == 0 && setgid(54322) == 0 && setuid(54323) == 0)
                let client = try Client(path: path)
                let revision = try client.call(RemoveRule(id: 1)).revision
                precondition(revision == 2)
            }
            #expect(await live.gateway.history.last?.author == Author(uid: 54323, name: "54323"))
            await #expect(processExitsWith: .success) { [path = path as String] in
                precondition(setgroups(0, nil) == 0 && setgid(54322) == 0 && setuid(54323) == 0)
                let client = try Client(path: path)
                let revision = try client.call(GetStatus()).revision
                precondition(revision == 2)
                let refusal = Result { try client.call(Close(name: "ssh")) }
                precondition("\(refusal)".contains("54323 may not call Close"))
                // What takes long to read is an operator's alone to send, and parameters come after the permission.
                let padding = String(repeating: " ", count: 4096)
                let raw = try RawConnection(path: path)
                raw.send(Array("{\"method\":\"org.gatehouse.Admin.GetVersion\"\(padding)}\0".utf8))
                precondition(raw.receive() == [])
                let other = try RawConnection(path: path)
                other.send(Array(#"{"method":"org.gatehouse.Admin.Close","parameters":[1]}"#.utf8) + [0])
                other.finish()
                precondition(String(decoding: other.receive(), as: UTF8.self).contains("PermissionDenied"))
            }
            #expect(await live.gateway.history.count == 2)
        }
    }
}

/// A connection that says what it wants. Reading gives up after 10 s.
final class RawConnection {
    private let descriptor: Int32
    private(set) var isBroken = false

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.address(path)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(code == 0)
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    static func address(_ path: String) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return address
    }

    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                isBroken = errno == EPIPE || errno == ECONNRESET
                return
            }
            rest = rest.dropFirst(count)
        }
    }

    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Everything up to the end of the stream; one byte 0xff at its end: the end did not come.
    func receive() -> [UInt8] {
        var all: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(descriptor, &block, block.count)
            if count > 0 {
                all += block[..<count]
            } else {
                let isEnd = count == 0 || errno == ECONNRESET
                return isEnd ? all : all + [0xff]
            }
        }
    }

    deinit { close(descriptor) }
}
