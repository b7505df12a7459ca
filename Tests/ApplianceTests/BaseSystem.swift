import Foundation

/// A minimal Debian with systemd and the libraries that the package depends on, as a tarball that is kept between runs.
///
/// The package itself is installed later, in the booted system and without a network: everything that apt needs for it is
/// here, so a dependency that the package does not name shows.
enum BaseSystem {
    static func tarball(for package: URL) async throws -> URL {
        let include = try await packages(for: package)
        let mirror = try await mirror()
        let cache = URL(filePath: "/var/cache/gatehouse-appliance")
        let tarball = cache.appending(path: "\(release)-\(key(include)).tar")
        if FileManager.default.fileExists(atPath: tarball.path) { return tarball }

        let work = cache.appending(path: "work-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: work) }
        let tree = work.appending(path: "tree").path
        var debootstrap = [
            "debootstrap", "--variant=minbase", "--include=\(include.joined(separator: ","))", release, tree, mirror,
        ]
        if let proxy = try await proxy() { debootstrap.insert("http_proxy=\(proxy)", at: 0) }
        // The network's fault, more often than not.
        let thrice = #"for attempt in 1 2 3; do rm -rf "$0"; env "$@" && exit; done; exit 1"#
        try await Command.check(["sh", "-c", thrice, tree] + debootstrap)
        try await Command.check(["sh", "-c", "rm -f \(tree)/var/cache/apt/archives/*.deb"])
        let unfinished = work.appending(path: "tar").path
        try await Command.check(["tar", "-C", tree, "-cf", unfinished, "."])
        try FileManager.default.moveItem(atPath: unfinished, toPath: tarball.path)
        return tarball
    }

    /// Bookworm, or what GATEHOUSE_APPLIANCE names: the package that is built on the one is to install on trixie as well.
    private static let release = ProcessInfo.processInfo.environment["GATEHOUSE_APPLIANCE"] ?? "bookworm"
    /// Packages of trixie that are there under another name, which debootstrap, unlike apt, does not look through.
    private static let renamed = release == "bookworm" ? [:] : ["libssl3": "libssl3t64"]

    private static func packages(for package: URL) async throws -> [String] {
        let fields = try await Command.check(["dpkg-deb", "--field", package.path, "Depends"])
        let depends = fields.replacing(/\([^)]*\)|\|[^,]*/, with: "").split(whereSeparator: { ", \n".contains($0) })
        // Every Debian that was installed by its installer has these beside minbase.
        let usual = ["systemd-sysv", "dbus", "iproute2", "nftables"]
        return Set((depends.map(String.init) + usual).map { renamed[$0] ?? $0 }).sorted()
    }

    /// Where this machine's apt gets its Debian from: a mirror of one release has the others as well.
    private static func mirror() async throws -> String {
        let sources = try await Command.check([
            "apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages",
        ])
        let lines = sources.split(separator: "\n")
        let line = [release, "bookworm", "trixie"].lazy.compactMap { name in
            lines.first { $0.hasPrefix("\(name) main ") }
        }.first
        return line?.split(separator: " ").last.map(String.init) ?? "http://deb.debian.org/debian/"
    }

    private static func proxy() async throws -> String? {
        let setting = try await Command.check([
            "sh", "-c", "eval $(apt-config shell proxy Acquire::http::Proxy); echo \"$proxy\"",
        ]).trimmingCharacters(in: .whitespacesAndNewlines)
        return setting.isEmpty ? ProcessInfo.processInfo.environment["http_proxy"] : setting
    }

    /// FNV-1a: a name for the list that is the same in every run.
    private static func key(_ list: [String]) -> String {
        let hash = list.joined(separator: ",").utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        return String(hash, radix: 16)
    }
}
