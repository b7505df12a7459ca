import Foundation
import Testing

/// The import table. SwiftPM does not hold it: a target may import whatever any of its dependencies depends on, and C
/// modules leak through.
private let allowed: [String: Set<String>] = [
    "Address": ["CLinux"],
    "Wire": ["Address"],
    "Policy": ["Address"],
    "Ruleset": ["Address", "Policy"],
    "Reactor": ["Address", "CLinux"],
    "Machine": ["Address", "CLinux"],
    "Resolver": ["Address", "Reactor", "Wire"],
    "Store": ["Address", "Policy", "CSQLite"],
    "Proxy": ["Address", "Reactor", "Wire", "Policy", "Resolver", "CLinux", "COpenSSL"],
    "Firewall": ["Address", "Reactor", "Policy", "Ruleset", "CLinux", "CNetfilter"],
    "Admin": ["Address", "Reactor", "Policy"],
    "Supervisor": ["Address", "Reactor", "Policy", "Ruleset", "Machine", "Admin", "Store", "CLinux"],
    "gatehoused": [
        "Address", "Wire", "Policy", "Ruleset", "Reactor", "Machine", "Store", "Proxy", "Firewall", "Admin",
        "Supervisor",
        "CLinux", "COpenSSL", "Resolver", "CNetfilter", "CSQLite",
    ],
    "gatehousectl": ["Address", "Admin", "Policy", "Ruleset", "Machine", "CQREncode"],
]

/// What comes from outside, and who may have it. Each of these costs size, or lets a module do what is not its business.
private let outside: [String: Set<String>] = [
    // These do no I/O, so they need no libc.
    "Glibc": Set(allowed.keys).subtracting(["Wire", "Policy", "Ruleset"]),
    "Synchronization": ["Reactor", "Proxy", "Supervisor"],
    "Logging": ["Proxy", "Admin", "Supervisor", "gatehoused"],
    // Its own SPI, for the normal forms of Unicode.
    "Swift": ["Proxy"],
    // Only where JSON is spoken.
    "FoundationEssentials": ["Admin", "Supervisor", "gatehousectl"],
    "ArgumentParser": ["gatehousectl"],
]

@Suite("The import table")
struct Imports {
    @Test("A module imports nothing that the table does not give it")
    func table() throws {
        for file in Repository.files where file.hasPrefix("Sources/") && file.hasSuffix(".swift") {
            let module = String(file.split(separator: "/")[1])
            let row = try #require(allowed[module], "\(module) has no row in the table")
            for name in importedModules(in: try Repository.text(file)) {
                let isAllowed = row.contains(name) || outside[name]?.contains(module) == true
                #expect(isAllowed, "\(file) imports \(name), which the table does not give to \(module)")
            }
        }
    }

    @Test("Every Swift module has a row in the table, and every row a module")
    func rows() {
        let swiftModules = Repository.modules.filter { !$0.hasPrefix("C") }
        #expect(Set(swiftModules) == Set(allowed.keys))
    }

    @Test(
        "An import is found in whatever form it is written",
        arguments: [
            ("import Foundation", ["Foundation"]),
            ("package import Policy", ["Policy"]),
            ("@preconcurrency import struct Glibc.timespec\n", ["Glibc"]),
            ("@_spi(Private)  internal import Reactor // why", ["Reactor"]),
            ("#if os(Linux)\n  import Glibc\n#endif\nimport Wire", ["Glibc", "Wire"]),
            ("import func Glibc.read; import CLinux", ["Glibc", "CLinux"]),
            ("// import Foundation\nlet important = 1\n/// import X", []),
        ])
    func parser(source: String, expected: [String]) {
        #expect(importedModules(in: source) == expected)
    }
}

/// The modules that a Swift file imports, submodules without their tail.
private func importedModules(in source: String) -> [String] {
    let statement =
        /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|typealias|func|let|var)\s+)?(\w+)/
    return source.split(whereSeparator: { $0.isNewline || $0 == ";" }).compactMap { line in
        line.firstMatch(of: statement).map { String($0.1) }
    }
}
