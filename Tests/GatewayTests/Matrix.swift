import Foundation
import TestNetwork
import Testing

/// A home with a listener of every kind, without and with a password, and an origin on the WAN that has what real clients come for.
/// The LAN has no other way out than the proxies: the gateway forwards no packets.
final class Matrix {
    /// A way into the gateway: a listener, and what is spoken to it.
    struct Door: Sendable, CustomStringConvertible {
        let kind: String
        let scheme: String
        let port: Int
        let needsPassword: Bool

        /// As most programs take it; names are left to the proxy.
        var url: String { "\(scheme)://\(needsPassword ? "\(Matrix.login)@" : "")\(Home.gatewayOnLAN):\(port)" }
        var isSOCKS: Bool { scheme == "socks5h" }
        var isTLS: Bool { scheme == "https" }
        var description: String { "\(kind) as \(scheme), \(needsPassword ? "with" : "without") a password" }
    }

    static let login = "alice:secret-12"

    /// Every kind of listener, the mixed ones by both protocols.
    static let doors = [false, true].flatMap { needsPassword in
        [("socks5", "socks5h", 1080), ("http", "http", 3128), ("https", "https", 3129)].map {
            Door(kind: $0, scheme: $1, port: $2 + (needsPassword ? 10 : 0), needsPassword: needsPassword)
        }
            + ["http", "socks5h"].map {
                Door(kind: "mixed", scheme: $0, port: needsPassword ? 8090 : 8080, needsPassword: needsPassword)
            }
    }

    let home: Home
    private var origin: RunningProgram?
    /// What the origin has at /blob and /site/blob.
    let blob: Data

    /// The origin's files.
    var site: String { home.directory + "/site" }
    /// The authorities of the origin and of the gateway, as PEM.
    var bundle: String { home.directory + "/bundle.pem" }
    private var log: String { home.directory + "/origin.log" }

    init() throws {
        home = try Home.ready()
        blob = Data((0..<700_001).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) })
        try home.ctl("user", "add", "alice", "--password-stdin", input: "secret-12\n")
        for door in Self.doors
        where !(door.port == 1080 || door.port == 3128) && (door.kind != "mixed" || !door.isSOCKS) {
            try home.ctl(
                "listener", "add", door.kind, "\(Home.gatewayOnLAN):\(door.port)", "--from", "home", "--auth",
                door.needsPassword ? "required" : "none")
        }
        try FileManager.default.createDirectory(atPath: site, withIntermediateDirectories: true)
        try blob.write(to: URL(filePath: site + "/blob"))
        try "nameserver 127.0.0.1\n".write(toFile: home.directory + "/nameless", atomically: true, encoding: .utf8)
        try makeAuthority()
        let script = Self.program("origin.py")
        let origin = try RunningProgram(
            ["/usr/bin/python3", script, site, home.directory + "/origin.pem", log], in: home.wan,
            log: home.directory + "/origin-said")
        self.origin = origin
        guard eventually(within: .seconds(20), { origin.said.contains("ready") }) else {
            throw Failure("the origin does not start: \(origin.said)")
        }
    }

    /// A file beside this one, in which a client or a server is written in its own language.
    static func program(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().path + "/Clients/" + name
    }

    private func makeAuthority() throws {
        let place = home.directory
        try home.wan.run(
            "sh", "-ec",
            """
            cd \(place)
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=Test
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout origin.key -out origin.csr -subj /CN=origin.example
            printf 'subjectAltName=DNS:origin.example' >names
            openssl x509 -req -in origin.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out origin.crt
            cat origin.crt origin.key >origin.pem
            """)
        let own = try home.ctl("tls", "export-ca")
        try own.write(toFile: place + "/gateway.pem", atomically: true, encoding: .utf8)
        try (String(contentsOfFile: place + "/ca.pem", encoding: .utf8) + own).write(
            toFile: bundle, atomically: true, encoding: .utf8)
    }

    /// Requests that the origin has had: from where, which method, which path.
    func requests() throws -> [String] {
        try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    /// Sessions that each port has had since the daemon started.
    private func sessions() throws -> [Int: Int] {
        let status = try JSONSerialization.jsonObject(with: Data(try home.ctl("--json", "status").utf8))
        let listeners = (status as? [String: Any])?["listeners"] as? [[String: Any]] ?? []
        return Dictionary(
            uniqueKeysWithValues: try listeners.map { listener in
                let port = (listener["endpoint"] as? String)?.split(separator: ":").last.flatMap { Int($0) }
                return (try #require(port), listener["sessionsTotal"] as? Int ?? 0)
            })
    }

    /// Sends a client through each of `doors`. It is to end well, to leave files in a directory of its own that are the blob to the
    /// byte, and to have gone through that listener and no other; and the origin is to have seen the gateway alone.
    ///
    /// - Parameters:
    ///   - files: how many files a client leaves; nil: the client is judged by `check`.
    ///   - command: the client's command line, made of a door and a directory.
    ///   - check: what is to be seen of it besides.
    func send(
        through doors: [Door] = Matrix.doors, files: ((Door) -> Int)?, environment: [String] = [],
        check: (Door, _ outcome: Outcome, _ directory: String) throws -> Void = { _, _, _ in },
        _ command: (Door, _ directory: String) throws -> [String]
    ) throws {
        // A device without a name server: one that answers at once that it is none.
        let nameless = [
            "unshare", "--mount", "sh", "-c", "mount --bind \(home.directory)/nameless /etc/resolv.conf; exec \"$@\"",
            "-",
        ]
        let common =
            nameless + [
                "env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C.UTF-8", "HOME=\(home.directory)",
                "BUNDLE=\(bundle)",
                "BLOB=\(site)/blob", "NODE_EXTRA_CA_CERTS=\(bundle)", "NODE_PATH=/usr/share/nodejs",
                "SSL_CERT_FILE=\(bundle)",
            ]
        for door in doors {
            let directory = home.directory + "/out-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let (before, seen) = (try sessions(), try requests().count)
            let outcome = try home.lan.attempt(common + environment + command(door, directory))
            #expect(outcome.status == 0, "\(door): \(outcome)")
            let after = try sessions()
            let used = after.filter { $0.value > before[$0.key] ?? 0 }.map(\.key)
            #expect(used == [door.port], "\(door): sessions on the ports \(used)")
            for request in try requests().dropFirst(seen) {
                #expect(request.hasPrefix("\(Home.gatewayOnWAN) "), "\(door): \(request)")
            }
            if let files {
                let names = try FileManager.default.contentsOfDirectory(atPath: directory)
                #expect(names.count == files(door), "\(door): \(names)")
                for name in names {
                    #expect(FileManager.default.contents(atPath: "\(directory)/\(name)") == blob, "\(door): \(name)")
                }
            }
            try check(door, outcome, directory)
        }
    }
}
