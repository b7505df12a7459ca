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

    // Swift 6.3.1 for x86-64 sometimes lays out the frame of an async function 8 bytes off; a value aligned to 16 bytes
    // (UInt128, and once every address) is then copied by an instruction that faults. A request to remove a listener ended
    // the supervisor of a debug build that way.
    @Test("No async function reads its frame where it is not aligned")
    func frames() throws {
        #if arch(x86_64)
            let judge = #"""
                /^[0-9a-f]+ <.*>:$/ { name = $2; lines = 0; isAsync = 0; next }
                { lines++ }
                lines < 8 && /lea +0x8\(%rsp\),%rbp/ { isAsync = 1; functions++ }
                isAsync && /(movaps|movapd|movdqa) .*-0x[0-9a-f]*[1-9a-f]\(%rbp\)/ { print name, $0 }
                END { print (functions > 100 ? "many" : "no") " async functions" }
                """#
            let result = try Repository.run(
                "sh", "-c", "objdump -d --no-show-raw-insn \"$1\" | awk \"$2\"", "sh",
                products.appending(path: "gatehoused").path, judge)
            #expect(result.output == "many async functions\n")
        #endif
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
