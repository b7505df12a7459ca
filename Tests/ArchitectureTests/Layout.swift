import Foundation
import Testing

@Suite("The repository")
struct Layout {
    @Test("The top level holds what the design names and nothing else")
    func topLevel() {
        let names = Set(Repository.files.compactMap { $0.split(separator: "/").first.map(String.init) })
        let visible = names.filter { !$0.hasPrefix(".") }
        #expect(visible == ["Package.swift", "README.md", "Sources", "Tests", "etc", "packaging", "scripts"])
    }

    @Test("A module says at its head what it is for", arguments: Repository.modules)
    func headComment(module: String) throws {
        let candidates = ["\(module).swift", "main.swift", "include/\(module).h", "shim.h"].map {
            "Sources/\(module)/\($0)"
        }
        let head = try #require(
            candidates.first(where: Repository.files.contains), "\(module) has none of \(candidates)")
        let firstLine = try Repository.text(head).prefix(while: { !$0.isNewline })
        #expect(firstLine.wholeMatch(of: /\/\/ .{20,}/) != nil, "\(head) begins with: \(firstLine)")
    }

    @Test("Every module of Sources is a target, and every test directory too")
    func targets() throws {
        let package = try Repository.text("Package.swift")
        // A line that is too long is broken behind the bracket.
        let words = package.filter { !$0.isWhitespace }
        for module in Repository.modules {
            #expect(words.contains("(\"\(module)\"") || words.contains("name:\"\(module)\""), "\(module)")
        }
        let directories = Repository.files.filter { $0.hasPrefix("Tests/") && $0.hasSuffix("Tests.swift") }
            .map { $0.split(separator: "/")[1] }
        for directory in Set(directories) where directory.hasSuffix("Tests") {
            #expect(package.contains("\"\(directory)\""), "Tests/\(directory) is in no target, so it never runs")
        }
    }

    @Test("No file knows the directory in which it was built")
    func buildPaths() throws {
        let root = Repository.root.path
        // A clone at the top of the file system ("/src") has a name that occurs for other reasons.
        guard root.split(separator: "/").count > 1 else { return }
        for file in Repository.files {
            #expect(try !Repository.text(file).contains(root), "\(file) contains \(root)")
        }
    }

    @Test("No file has a conflict marker or ends without a newline")
    func wholeFiles() throws {
        for file in Repository.files where !file.hasPrefix("Tests/Corpus/") {
            let text = try Repository.text(file)
            #expect(!text.contains("\n<<<<<<< ") && !text.contains("\n>>>>>>> "), "\(file)")
            #expect(text.isEmpty || text.hasSuffix("\n"), "\(file)")
        }
    }
}
