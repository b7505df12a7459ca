import Foundation
import Testing

/// Files that declare no type of their name, and why.
private let exceptions: [String: String] = [
    "Admin/InterfaceTypes.swift":
        "how the policy's types are described in the interface: side by side, so that they agree",
    "gatehoused/main.swift": "where a program begins: statements, no type",
    "gatehousectl/main.swift": "where a program begins: statements, no type",
    "gatehousectl/Arguments.swift": "how values are written on the command line: side by side, so that they agree",
    "gatehousectl/Units.swift": "how numbers are written for people: functions",
    "Policy/Notation.swift": "how a policy's values are written as text: side by side, so that they agree",
]

private let sources = Repository.files.filter { $0.hasPrefix("Sources/") && $0.hasSuffix(".swift") }

@Suite("The files")
struct FileNames {
    @Test("A file declares the type it is named after, or only extends it (Type+Aspect.swift)")
    func nouns() throws {
        for file in sources {
            let problem = problem(with: file, try Repository.text(file))
            #expect(problem == nil, "\(file) \(problem ?? "")")
        }
    }

    @Test("No two files of a module have one name, so that a name says which file is meant")
    func unique() {
        let names = Dictionary(grouping: sources) { "\($0.split(separator: "/")[1])/\(name(of: $0))" }
        for (name, files) in names { #expect(files.count == 1, "\(name): \(files)") }
    }

    @Test(
        "A noun is told from a bag of things",
        arguments: [
            ("Sources/A/Thing.swift", "import B\n\npackage struct Thing {\n    enum Part {}\n}\n", true),
            ("Sources/A/Thing.swift", "@frozen\npackage indirect enum Thing: Error {\n}\nenum Other {}\n", true),
            ("Sources/A/Thing.swift", "final class Things {\n}\n", false),
            ("Sources/A/Thing.swift", "extension Thing {\n}\n", false),
            ("Sources/A/Thing.swift", "enum Other {\n    struct Thing {}\n}\n", false),
            ("Sources/A/Thing+Text.swift", "import B\n\nextension Thing: CustomStringConvertible {\n}\n", true),
            ("Sources/A/Thing+Text.swift", "extension Thing.Part {\n}\n\nprivate struct Helper {}\n", true),
            ("Sources/A/Thing+Text.swift", "extension Thing {\n}\n\nstruct Other {}\n", false),
            ("Sources/A/Array+Text.swift", "extension [UInt8] {\n}\n", true),
            ("Sources/A/Thing+Text.swift", "extension Other {\n}\n", false),
            ("Sources/A/A.swift", "// A: what it is for, and what it must never do.\n", true),
            ("Sources/A/A.swift", "// A: what it is for, and what it must never do.\n\nlet version = 1\n", true),
            ("Sources/A/A.swift", "// A: what it is for, and what it must never do.\n\nstruct Part {\n}\n", false),
        ])
    func judge(file: String, text: String, isNoun: Bool) {
        #expect((problem(with: file, text) == nil) == isNoun)
    }
}

private func name(of file: String) -> String { String(file.split(separator: "/").last!) }

/// What is wrong with a file's name, as the end of a sentence that begins with it; nil: nothing.
private func problem(with file: String, _ text: String) -> String? {
    guard exceptions[String(file.dropFirst("Sources/".count))] == nil else { return nil }
    let base = name(of: file).dropLast(".swift".count)
    let declaration =
        /(?m)^(?<words>(?:(?:package|public|private|fileprivate|final|indirect|nonisolated)\s+|@\w+(?:\([^)]*\))?\s+)*)(?<kind>struct|class|enum|actor|protocol|typealias|extension)\s+(?<name>\[?[\w.]+\]?)/
    var types: [Substring] = []
    var extended: [Substring] = []
    for match in text.matches(of: declaration) {
        // What only this file sees is a part of what it declares or extends.
        if match.words.contains("private") { continue }
        if match.kind == "extension" {
            extended.append(match.name.hasPrefix("[") ? "Array" : match.name)
        } else {
            types.append(match.name)
        }
    }
    if let plus = base.firstIndex(of: "+") {
        let type = base[..<plus]
        if !types.isEmpty { return "declares \(types.joined(separator: ", ")) beside extending \(type)" }
        let isExtended = extended.contains { $0 == type || $0.hasPrefix("\(type).") || $0.hasSuffix(".\(type)") }
        return isExtended ? nil : "does not extend \(type)"
    }
    if types.contains(base) { return nil }
    // The head of a module says what it is for, and may hold what has no type: a constant, a function.
    let isHead = base == file.split(separator: "/")[1] && types.isEmpty
    return isHead ? nil : "declares no type of its name"
}
