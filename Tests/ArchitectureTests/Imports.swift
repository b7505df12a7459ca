import Foundation
import Testing

/// The import table. SwiftPM does not hold it: a target may import whatever any of its dependencies depends on, and C
/// modules leak through.
private let allowed: [String: Set<String>] = [
    "Wire": [],
    "Policy": [],
    "Reactor": ["CLinux"],
    "Store": ["Policy", "CSQLite"],
    "Proxy": ["Reactor", "Wire", "Policy", "CLinux", "COpenSSL", "CAres"],
    "Firewall": ["Reactor", "Policy", "CLinux", "CNetfilter"],
    "Admin": ["Reactor", "Policy"],
    "Supervisor": ["Reactor", "Policy", "Admin", "Store", "CLinux"],
    "gatehoused": [
        "Wire", "Policy", "Reactor", "Store", "Proxy", "Firewall", "Admin", "Supervisor", "CLinux", "COpenSSL", "CAres",
        "CNetfilter", "CSQLite",
    ],
    "gatehousectl": ["Admin", "Policy", "CQREncode"],
]

/// What comes from outside, and who may have it. Each of these costs size, or lets a module do what is not its business.
private let outside: [String: Set<String>] = [
    // Wire and Policy do no I/O, so they need no libc.
    "Glibc": Set(allowed.keys).subtracting(["Wire", "Policy"]),
    "Synchronization": ["Reactor", "Proxy", "Supervisor"],
    "Logging": ["Proxy", "Firewall", "Admin", "Supervisor", "gatehoused"],
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
