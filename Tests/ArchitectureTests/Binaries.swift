import Foundation
import Glibc
import Testing

/// Where SwiftPM put the programs: beside the test bundle, which is the running program.
private let bundle = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
private let products = bundle.deletingLastPathComponent()

@Suite("The shipped programs")
struct Binaries {
    @Test("Neither links Foundation, only its essentials", arguments: ["gatehoused", "gatehousectl"])
    func foundation(program: String) throws {
        let needed = try neededLibraries(of: products.appending(path: program))
        #expect(needed.contains("libc.so.6"), "an ELF program without libc? \(needed)")
        for banned in ["libFoundation.so", "libFoundationInternationalization.so", "lib_FoundationICU.so"] {
            #expect(!needed.contains(banned), "\(program) needs \(banned), which costs 47 MB in a static binary")
        }
    }

    @Test("A judge that finds no Foundation finds it where it is")
    func judge() throws {
        // This test bundle does use Foundation.
        #expect(try neededLibraries(of: bundle).contains("libFoundation.so"))
    }
}

/// The NEEDED entries of an ELF file's dynamic section.
private func neededLibraries(of program: URL) throws -> [String] {
    let result = try Repository.run("readelf", "--dynamic", "--wide", program.path)
    try #require(result.status == 0, "\(result.output)")
    return result.output.matches(of: /\(NEEDED\).*\[(.+)\]/).map { String($0.1) }
}
