import Foundation
import TestNetwork
import Testing

@testable import Machine

@Suite("The packages of this machine", .enabled(if: isRoot, "needs root: network namespaces"))
struct PackageTests {
    static let versions = [
        "1.0", "1.0-0", "1.0-1", "1:0.5", "1.0~rc1", "1.0~rc1-1", "1.0a", "1.0+b1", "1.0.1", "01.0", "1.0-1+deb12u3",
        "1.0-1+deb12u10", "2.36-9+deb12u4", "1.0~~", "1.0-1~bpo12+1", "0:1.0", "9.2p1-2+deb12u2", "1.0-1.1",
    ]

    /// dpkg itself is the judge.
    @Test("Versions are in dpkg's order")
    func order() throws {
        let script = """
            for a in "$@"; do for b in "$@"; do
                if dpkg --compare-versions "$a" lt "$b"; then echo "<"
                elif dpkg --compare-versions "$a" eq "$b"; then echo "="
                else echo ">"; fi
            done; done
            """
        let said = try Namespace().attempt(["sh", "-c", script, "-"] + Self.versions).output
            .split(separator: "\n").map(String.init)
        let own = Self.versions.flatMap { left in
            Self.versions.map { right in
                let (left, right) = (PackageVersion(left), PackageVersion(right))
                return left < right ? "<" : left == right ? "=" : ">"
            }
        }
        #expect(said.count == Self.versions.count * Self.versions.count)
        for (index, pair) in zip(said, own).enumerated() where pair.0 != pair.1 {
            let (left, right) = (Self.versions[index / Self.versions.count], Self.versions[index % Self.versions.count])
            Issue.record("\(left) \(right): \(pair.1), and dpkg says \(pair.0)")
        }
    }

    @Test("A program is of the package that dpkg says, with its version, by either of its paths")
    func owners() throws {
        let space = try Namespace()
        let files = ["/usr/bin/bash", "/usr/bin/dpkg", "/usr/bin/env", "/usr/bin/no-such-program"]
        let owners = PackageList().owners(of: Set(files))
        #expect(owners[files[3]] == nil)
        for file in files.dropLast() {
            let owner = try #require(owners[file], "\(file)")
            let version = try space.run("dpkg-query", "-W", "-f", "${Version}", owner.name)
            #expect(owner.version.description == version)
            let paths = [file, String(file.dropFirst(4))]
            let said = try paths.map { try space.attempt(["dpkg", "-S", $0]).output }
            #expect(said.contains { $0.hasPrefix(owner.name + ":") }, "\(file): \(owner), \(said)")
        }
    }

    @Test("An update is pending where a security archive has a newer version for the architecture, and nowhere else")
    func updates() throws {
        let directory = NSTemporaryDirectory() + "gatehouse-lists-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        func entry(_ name: String, _ version: String, _ architecture: String = "amd64") -> PackageList.Entry {
            PackageList.Entry(name: name, architecture: architecture, version: PackageVersion(version))
        }
        let list = PackageList(lists: directory)
        #expect(list.securityUpdates(of: [entry("ssh", "1")]).time == nil)
        try """
        Package: openssh-server
        Architecture: amd64
        Version: 1:9.2p1-2+deb12u3
        Description: a server
         Package: liar

        Package: openssh-server
        Architecture: amd64
        Version: 1:9.2p1-2+deb12u2

        Package: nginx
        Architecture: arm64
        Version: 9

        Package: curl
        Architecture: amd64
        Version: 7.88.1-10+deb12u5
        """.write(
            toFile: directory + "/deb.debian.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages",
            atomically: true, encoding: .utf8)
        // Of another archive.
        try "Package: curl\nArchitecture: amd64\nVersion: 99\n".write(
            toFile: directory + "/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages", atomically: true,
            encoding: .utf8)
        let ssh = entry("openssh-server", "1:9.2p1-2")
        let updates = list.securityUpdates(
            of: [ssh, entry("nginx", "1"), entry("curl", "7.88.1-10+deb12u5"), entry("liar", "0")])
        #expect(updates.pending == [ssh: PackageVersion("1:9.2p1-2+deb12u3")])
        #expect(updates.time != nil)
    }
}
