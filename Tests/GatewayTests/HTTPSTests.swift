import Address
import Foundation
import Glibc
import Policy
import Proxy
import TestNetwork
import Testing

/// The https listener as its clients have it: curl and openssl on the LAN host.
@Suite("TLS to the proxy", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct HTTPSTests {
    let home: Home
    private let authority: String
    private let proxy = "https://192.168.77.1:3129"

    init() throws {
        home = try Home.ready()
        try home.ctl("listener", "add", "https", "192.168.77.1:3129", "--interface", "lan0")
        authority = home.directory + "/ca.pem"
        try home.ctl("tls", "export-ca").write(toFile: authority, atomically: false, encoding: .utf8)
    }

    private func curl(_ arguments: String..., proxy: String? = nil) throws -> Outcome {
        try home.lan.attempt(
            [
                "curl", "-sS", "--max-time", "60", "--proxytunnel", "--proxy", proxy ?? self.proxy, "--proxy-cacert",
                authority,
            ]
                + arguments)
    }

    /// What openssl's client says of a handshake; `options` are its own.
    private func sayHello(_ options: String...) throws -> Outcome {
        let command = ["openssl", "s_client", "-connect", "192.168.77.1:3129", "-CAfile", authority] + options
        return try home.lan.attempt(command, input: "")
    }

    private func page(_ body: String) throws -> Origin {
        try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            let length = body.utf8.count
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\nConnection: close\r\n\r\n\(body)")
        }
    }

    private func fingerprint() throws -> String {
        let report = try JSONSerialization.jsonObject(with: Data(try home.ctl("--json", "tls", "show").utf8))
        let certificate = (report as? [String: Any])?["certificate"] as? [String: Any]
        return certificate?["fingerprint"] as? String ?? ""
    }

    @Test("curl trusts the exported authority and goes through; without it, it does not")
    func curl() throws {
        let origin = try page("hello")
        let url = "http://\(Home.wanHost):\(origin.port)/"
        #expect(try curl(url).output == "hello")
        let stranger = try home.lan.attempt(["curl", "-sS", "--proxytunnel", "--proxy", proxy, url])
        #expect(stranger.status == 60, "\(stranger)")
    }

    @Test("Plain HTTP is passed on inside TLS as it is without, a large body both ways included")
    func forwarding() throws {
        let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let file = home.directory + "/upload"
        try Data(content).write(to: URL(filePath: file))
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            let head = try peer.receiveHead()
            let body = head.hasPrefix("POST /") ? try peer.receive(exactly: content.count) : []
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
            try peer.send(Array(answer.utf8) + body)
        }
        let received = home.directory + "/received"
        let outcome = try home.lan.attempt([
            "curl", "-sS", "--max-time", "60", "--proxy", proxy, "--proxy-cacert", authority, "-H", "Expect:",
            "--data-binary", "@\(file)", "-o", received, "http://\(Home.wanHost):\(origin.port)/",
        ])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(FileManager.default.contents(atPath: received) == Data(content))
    }

    @Test("Its port has its opening, as every listener's has, and no other")
    func opening() throws {
        #expect(try home.openings().filter { $0.contains("3129") }.count == 1)
        try home.ctl("listener", "remove", "192.168.77.1:3129")
        #expect(try home.openings().filter { $0.contains("3129") }.isEmpty)
    }

    @Test("TLS 1.2 and 1.3 are spoken, nothing older, and HTTP/1.1 within")
    func versions() throws {
        for version in ["-tls1_2", "-tls1_3"] {
            let outcome = try sayHello(version, "-alpn", "h2,http/1.1", "-verify_return_error")
            #expect(outcome.status == 0 && outcome.output.contains("ALPN protocol: http/1.1"), "\(outcome)")
        }
        // The client's own library would not speak it at its usual level of security.
        let old = try sayHello("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        #expect(old.status != 0 && old.errors.contains("alert protocol version"), "\(old)")
        // As https-proxy-agent for Node.js calls it.
        let misspelt = try sayHello("-alpn", "http 1.1")
        #expect(misspelt.status == 0 && misspelt.output.contains("ALPN protocol: http 1.1"), "\(misspelt)")
        let unknown = try sayHello("-alpn", "h2")
        #expect(unknown.status != 0 && unknown.errors.contains("no application protocol"), "\(unknown)")
    }

    @Test("A ticket spares the signature the next time", arguments: ["-tls1_2", "-tls1_3"])
    func tickets(version: String) throws {
        let session = home.directory + "/session"
        // The ticket of TLS 1.3 comes after the handshake, so the client has to stay for a moment.
        let stay = "(sleep 0.5; printf 'GET / HTTP/1.1\\r\\n\\r\\n'; sleep 0.5) | "
        let client = "openssl s_client -connect 192.168.77.1:3129 \(version) -ign_eof "
        let first = try home.lan.attempt(["sh", "-c", stay + client + "-sess_out \(session)"])
        #expect(first.output.contains("New, TLSv1"), "\(first)")
        for _ in 0..<2 {
            let second = try home.lan.attempt(["sh", "-c", stay + client + "-sess_in \(session)"])
            #expect(second.output.contains("Reused, TLSv1"), "\(second)")
        }
    }

    @Test("A running transfer outlives renewals, and new clients see the new certificate")
    func renewal() throws {
        let content = (0..<12_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let (isUnderWay, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\nConnection: close\r\n\r\n")
            for start in stride(from: 0, to: content.count, by: 100_000) {
                try peer.send(Array(content[start..<start + 100_000]))
                if start == 1_000_000 { isUnderWay.signal() }
                // The last block comes after the renewals, however long they take.
                if start == content.count - 200_000 { _ = mayEnd.wait(timeout: .now() + 50) }
                usleep(20_000)
            }
        }
        let done = DispatchSemaphore(value: 0)
        let file = home.directory + "/received"
        Thread.detachNewThread {
            _ = try? curl("-o", file, "http://\(Home.wanHost):\(origin.port)/")
            done.signal()
        }
        #expect(isUnderWay.wait(timeout: .now() + 20) == .success)
        let before = try fingerprint()
        for _ in 0..<3 { try home.ctl("tls", "renew") }
        let after = try fingerprint()
        #expect(after != before)
        let seen = try home.lan.attempt([
            "sh", "-c",
            "openssl s_client -connect 192.168.77.1:3129 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
        ])
        #expect(seen.output.contains(after), "\(seen)")
        mayEnd.signal()
        #expect(done.wait(timeout: .now() + 60) == .success)
        #expect(FileManager.default.contents(atPath: file) == Data(content))
    }

    @Test("A new address of the gateway is in the certificate within seconds")
    func newAddress() throws {
        try home.ctl("listener", "add", "https", "0.0.0.0:3130", "--interface", "lan0")
        try home.gateway.run("ip", "address", "add", "192.168.77.2/24", "dev", "lan0")
        #expect(try eventually(within: .seconds(20)) { try home.ctl("tls", "show").contains("192.168.77.2") })
        let origin = try page("hello")
        let url = "http://\(Home.wanHost):\(origin.port)/"
        #expect(
            try eventually(within: .seconds(20)) { try curl(url, proxy: "https://192.168.77.2:3130").output == "hello" }
        )
    }

    @Test("A certificate that is running out is renewed by itself, and one that is damaged replaced")
    func runningOut() throws {
        let directory = home.state + "/tls"
        func text(_ file: String) throws -> String {
            try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8)
        }
        func write(_ text: String, to file: String) throws {
            try text.write(toFile: "\(directory)/\(file)", atomically: false, encoding: .utf8)
        }
        // A gateway of 300 days; its certificate is still good for 97.
        let then = time(nil) - 300 * 86_400
        let root = try CertificateAuthority.make(host: "box", at: then)
        let old = try CertificateAuthority.issue(
            for: CertificateNames(names: ["gateway"], addresses: [IPAddress("192.168.77.1")!]), by: root, at: then)
        try home.stop()
        try write(root.chain, to: "ca.pem")
        try write(root.key, to: "ca.key")
        try root.chain.write(toFile: authority, atomically: false, encoding: .utf8)
        for content in [old.pem, "nonsense"] {
            try home.stop()
            try write(content, to: "leaf.pem")
            try home.start()
            let origin = try page("hello")
            #expect(try curl("http://\(Home.wanHost):\(origin.port)/").output == "hello")
            let new = try ServerIdentity(certificates: text("leaf.pem"), key: text("leaf.pem"))
            #expect(new.chain != old.chain)
            #expect(try CertificateFacts(pem: new.chain).notAfter > time(nil) + 390 * 86_400)
        }
    }

    @Test("A certificate file that cannot be read takes no other listener down, and its remedy works at once")
    func damaged() throws {
        try home.stop()
        try "nonsense".write(toFile: home.state + "/tls/given.pem", atomically: false, encoding: .utf8)
        try home.start()
        try expectEcho(home, .http)
        try expectEcho(home, .socks5)
        let status = try home.ctl("status")
        #expect(status.contains("tls/given.pem") && status.contains("tls use --own"), "\(status)")
        #expect(try curl("http://\(Home.wanHost):9/").status != 0)
        try home.ctl("tls", "use", "--own")
        let origin = try page("hello")
        #expect(try curl("http://\(Home.wanHost):\(origin.port)/").output == "hello")
        #expect(try !home.ctl("status").contains("given.pem"))
    }

    /// The numbers of which the keys consist, as the library keeps them in memory: little-endian words (BIGNUM).
    @Test(
        "The leaf's key is in the http role and the authority's in none; both in no other role",
        .disabled(if: isThreadSanitized, "the search does not find what the thread sanitizer allocates"))
    func separation() throws {
        func secret(_ file: String) throws -> Data {
            let text = try home.gateway.run("openssl", "pkey", "-in", "\(home.state)/tls/\(file)", "-noout", "-text")
            let lines = text.components(separatedBy: "priv:\n")[1].components(separatedBy: "pub:")[0]
            let bytes = lines.components(separatedBy: CharacterSet(charactersIn: ": \n")).compactMap {
                UInt8($0, radix: 16)
            }
            return Data(bytes.suffix(32).reversed())
        }
        let (leaf, root) = (try secret("leaf.pem"), try secret("ca.key"))
        let origin = try page("hello")
        #expect(try curl("http://\(Home.wanHost):\(origin.port)/").output == "hello")
        let processes = try home.processes()
        for role in ["socks5", "http", "firewall"] {
            let pid = try #require(processes[role]?.first)
            #expect(try memory(of: pid, holds: leaf) == (role == "http"), "\(role)")
            #expect(try memory(of: pid, holds: root) == false, "\(role)")
        }
        // Once there is no https listener, the role starts without the key.
        try home.ctl("listener", "remove", "192.168.77.1:3129")
        home.killsRoles = true
        kill(try #require(processes["http"]?.first), SIGKILL)
        try expectEcho(home, .http)
        let successor = try #require(try home.processes()["http"]?.first)
        #expect(try memory(of: successor, holds: leaf) == false)
    }

    /// Whether anything that the process can write to holds the bytes (proc(5), /proc/PID/mem).
    private func memory(of pid: pid_t, holds secret: Data) throws -> Bool {
        let memory = try #require(FileHandle(forReadingAtPath: "/proc/\(pid)/mem"))
        for line in try String(contentsOfFile: "/proc/\(pid)/maps", encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 1, fields[1].hasPrefix("rw"), fields.last != "[vvar]" else { continue }
            let range = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard range.count == 2 else { continue }
            for part in try presentParts(of: range[0]..<range[1], in: pid) {
                try memory.seek(toOffset: part.lowerBound)
                if let bytes = try? memory.read(upToCount: part.count), bytes.range(of: secret) != nil { return true }
            }
        }
        return false
    }

    /// What of a mapping has pages. A sanitizer reserves terabytes, of which the kernel tells those in use (PAGEMAP_SCAN, kernel
    /// documentation admin-guide/mm/pagemap); any other mapping is searched whole.
    private func presentParts(of range: Range<UInt64>, in pid: pid_t) throws -> [Range<UInt64>] {
        guard range.count > 1 << 30 else { return [range] }
        let file = try #require(FileHandle(forReadingAtPath: "/proc/\(pid)/pagemap"))
        let inMemory: UInt64 = 1 << 3 | 1 << 4
        var found = [UInt64](repeating: 0, count: 3 * 4096)
        var parts: [Range<UInt64>] = []
        var start = range.lowerBound
        while start < range.upperBound {
            let count = found.withUnsafeMutableBufferPointer { regions in
                // struct pm_scan_arg.
                var request: [UInt64] = [
                    96, 0, start, range.upperBound, 0, UInt64(UInt(bitPattern: regions.baseAddress)), 4096, 0, 0, 0,
                    inMemory, inMemory,
                ]
                let count = ioctl(file.fileDescriptor, 0xC060_6610, &request)
                start = request[4]
                return Int(count)
            }
            guard count >= 0 else { throw Failure("PAGEMAP_SCAN: \(String(cString: strerror(errno)))") }
            for index in 0..<count { parts.append(found[3 * index]..<found[3 * index + 1]) }
        }
        return parts
    }
}
