import Foundation
import Testing

@Suite("The package", .enabled(if: PackageFile.newest != nil, "needs the package: run scripts/build-deb"))
struct PackageTests {
    let package: URL

    init() throws {
        package = try #require(PackageFile.newest)
    }

    @Test("lintian finds no error")
    func lintian() async throws {
        let result = try await Command.run(["lintian", "--allow-root", "--fail-on", "error", package.path])
        #expect(result.status == 0, "\(result.output)")
    }

    @Test("Its programs need the distribution's libraries and nothing of Swift's", arguments: programs)
    func libraries(program: String) async throws {
        try await unpacked { tree in
            let dynamic = try await Command.check([
                "readelf", "--dynamic", "--wide", tree.appending(path: program).path,
            ])
            let needed = dynamic.matches(of: /\(NEEDED\).*\[(.+)\]/).map { String($0.1) }
            #expect(needed.contains("libc.so.6"))
            #expect(!needed.contains { $0.contains("swift") || $0.contains("Foundation") }, "\(needed)")
        }
    }

    @Test("Its programs have nothing of Foundation linked in but the essentials", arguments: programs)
    func foundation(program: String) async throws {
        try await unpacked { tree in
            let bytes = try Data(contentsOf: tree.appending(path: program))
            // What only full Foundation brings: the module in mangled names, which outlive stripping, and ICU's data.
            for mark in ["10Foundation", "FoundationInternationalization", "icudt"] {
                #expect(bytes.range(of: Data(mark.utf8)) == nil, "\(program) contains \(mark)")
            }
            #expect(bytes.count < 30_000_000, "\(program) has \(bytes.count) bytes")
        }
    }

    @Test("Its programs are stripped and resolve everything before they start", arguments: programs)
    func hardening(program: String) async throws {
        try await unpacked { tree in
            let path = tree.appending(path: program).path
            let sections = try await Command.check(["readelf", "--section-headers", "--wide", path])
            #expect(!sections.contains(".symtab") && !sections.contains(".debug_info"))
            #expect(try await Command.check(["readelf", "--dynamic", "--wide", path]).contains("BIND_NOW"))
        }
    }

    @Test("Its manual pages are without a warning", arguments: ["gatehoused.8", "gatehousectl.8"])
    func manual(page: String) async throws {
        let path = PackageFile.root.appending(path: "packaging/\(page)").path
        let complaints = try await Command.check([
            "sh", "-c", "man --warnings --encoding=UTF-8 --local-file -Tutf8 -Z '\(path)' >/dev/null",
        ])
        #expect(complaints == "")
    }

    private static let programs = ["usr/sbin/gatehoused", "usr/bin/gatehousectl"]

    private func unpacked(_ body: (URL) async throws -> Void) async throws {
        let tree = FileManager.default.temporaryDirectory.appending(path: "gatehouse-deb-\(UUID())")
        defer { try? FileManager.default.removeItem(at: tree) }
        try await Command.check(["dpkg-deb", "--extract", package.path, tree.path])
        try await body(tree)
    }
}
