import Testing

private let harnesses = Repository.files.filter { $0.hasPrefix("Tests/Fuzz/") && $0.hasSuffix(".swift") }
private let targets = harnesses.map { String($0.dropFirst("Tests/Fuzz/".count).dropLast(".swift".count)) }
    .filter { $0 != "Fuzz" }

@Suite("The fuzz targets")
struct Fuzzing {
    @Test("Every type of Wire that reads what came from outside is named by a target")
    func complete() throws {
        let named = try harnesses.map(Repository.text).joined()
        for file in Repository.files where file.hasPrefix("Sources/Wire/") && file.hasSuffix(".swift") {
            for type in readers(in: try Repository.text(file)) {
                #expect(
                    named.contains(try Regex("\\b\(type)\\b")),
                    "\(file): \(type) reads bytes, and Tests/Fuzz has no target")
            }
        }
    }

    @Test("Each target is listed under its own name, and starts from seeds", arguments: targets)
    func listed(target: String) throws {
        #expect(try Repository.text("Tests/Fuzz/Fuzz.swift").contains("\"\(target)\": "))
        #expect(Repository.files.contains { $0.hasPrefix("Tests/Corpus/\(target)/") })
    }

    @Test("No seeds lie about without a target")
    func seeds() {
        let directories = Repository.files.filter { $0.hasPrefix("Tests/Corpus/") }.map { $0.split(separator: "/")[2] }
        #expect(Set(targets).isSuperset(of: directories.map(String.init)))
    }

    @Test(
        "A reader is found in whatever form it is written",
        arguments: [
            ("package enum A {\n    package static func parse(_ value: ArraySlice<UInt8>) -> Login? {", ["A"]),
            ("struct B {\n    package init(_ text: String) throws(HTTPError) {", ["B"]),
            ("extension C {\n    package init?(\n        first: UInt8, rest: [UInt8]\n    ) {", ["C"]),
            (
                "struct D {\n    package mutating func read(_ i: borrowing Span<UInt8>) throws(E) -> Parsed<Int> {",
                ["D"]
            ),
            ("struct F {\n    package init(name: [UInt8]) {\n    }\n    package func encode() -> [UInt8] {", []),
        ])
    func reader(source: String, expected: [String]) {
        #expect(readers(in: source) == expected)
    }
}

/// The types with a function for other modules that takes bytes or text and may answer that it is none of what it looks for.
private func readers(in source: String) -> [String] {
    let declaration =
        /(?m)^(?:package |final )*(?:struct|enum|class|extension) (\w+)|^ +package (?:static |mutating )*(?:func \w+|init\??)(\([^{]*)\{/
    var type = ""
    var found: [String] = []
    for match in source.matches(of: declaration) {
        if let name = match.1 { type = String(name) }
        guard let signature = match.2 else { continue }
        let takesBytes = signature.contains(/: (?:borrowing )?(?:Span<UInt8>|ArraySlice<UInt8>|\[UInt8\]|String)/)
        let mayFail =
            match.0.contains("init?") || signature.contains("throws") || signature.contains(/-> .*(\?|Parsed<)/)
        if takesBytes, mayFail, found.last != type { found.append(type) }
    }
    return found
}
