import Foundation
import Testing

/// The man page is written by hand; the verbs and their options are asked of the program.
@Suite("The man page of gatehousectl")
struct ManualTests {
    /// A verb that does something, with the words that lead to it and its own options: `["listener", "add"]`.
    private struct Verb {
        var path: [String]
        var options: Set<String>
    }

    private struct Tool: Decodable {
        struct Command: Decodable {
            var commandName: String
            var subcommands: [Command]?
            var arguments: [Argument]?
        }

        struct Argument: Decodable {
            struct Name: Decodable {
                var kind: String
                var name: String
            }
            var shouldDisplay: Bool
            var names: [Name]?
        }

        var command: Command
    }

    private let verbs: [Verb]
    private let page: String

    init() throws {
        let outcome = try run([Home.ctl, "--experimental-dump-help"], environment: [:])
        let tool = try JSONDecoder().decode(Tool.self, from: Data(outcome.output.utf8))
        verbs = (tool.command.subcommands ?? []).flatMap { Self.verbs(of: $0, after: []) }
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = try String(contentsOf: root.appending(path: "packaging/gatehousectl.8"), encoding: .utf8)
        page = Self.plain(source)
    }

    private static func verbs(of command: Tool.Command, after path: [String]) -> [Verb] {
        guard command.commandName != "help" else { return [] }
        let path = path + [command.commandName]
        if let subcommands = command.subcommands, !subcommands.isEmpty {
            return subcommands.flatMap { verbs(of: $0, after: path) }
        }
        let names = (command.arguments ?? []).filter(\.shouldDisplay).flatMap { $0.names ?? [] }
        let options = names.filter { $0.kind == "long" }.map(\.name)
        return [Verb(path: path, options: Set(options).subtracting(["help", "version", "socket", "json"]))]
    }

    /// Without what is for troff(1) alone.
    private static func plain(_ source: String) -> String {
        source.replacing("\\-", with: "-").replacing("\\~", with: " ").replacing("\\&", with: "")
            .replacing(#/\\f./#, with: "").replacing(#/(?m)^\.(?:B|I|BR|RB|BI|IR|RI) /#, with: "").replacing(
                "\"", with: "")
    }

    /// What stands under the heading of the verbs: the line after each .TP and the text below it.
    private var entries: [(heading: String, text: String)] {
        let section = page.components(separatedBy: "\n.SH ").first { $0.hasPrefix("VERBS") } ?? ""
        return section.components(separatedBy: "\n.TP\n").dropFirst().map { entry in
            (String(entry.prefix { $0 != "\n" }), entry)
        }
    }

    /// The verbs that a heading is about: `user add|passwd NAME` is about two.
    private func paths(in heading: String) -> [[String]] {
        heading.components(separatedBy: ", ").flatMap { part -> [[String]] in
            let words = part.split(separator: " ").map { $0.split(separator: "|").map(String.init) }
            guard let noun = words.first?.first else { return [] }
            guard verbs.contains(where: { $0.path.count == 2 && $0.path[0] == noun }), words.count > 1 else {
                return [[noun]]
            }
            return words[1].map { [noun, $0] }
        }
    }

    @Test("Each verb has its line, and no line is about a verb that is none")
    func synopsis() {
        let told = Set(entries.flatMap { paths(in: $0.heading) })
        #expect(told == Set(verbs.map(\.path)))
    }

    @Test(
        "Each option of a verb is told where the verb is, at another verb of the same noun, or under the options of all"
    )
    func options() {
        let common = page.components(separatedBy: "\n.SH ").filter { $0.hasPrefix("OPTIONS") }
        for verb in verbs {
            let texts = common + entries.filter { paths(in: $0.heading).contains { $0[0] == verb.path[0] } }.map(\.text)
            for option in verb.options {
                let isTold = texts.contains { $0.contains(try! Regex("--\(option)\\b(?!-)")) }
                #expect(isTold, "--\(option) of \(verb.path.joined(separator: " "))")
            }
        }
    }

    @Test("No option is told that no verb has")
    func inventions() {
        let there = verbs.reduce(into: Set(["socket", "json", "help", "version"])) { $0.formUnion($1.options) }
        for (heading, text) in entries {
            for match in text.matches(of: #/--([a-z0-9-]*[a-z0-9])/#) {
                #expect(there.contains(String(match.1)), "--\(match.1) in \(heading)")
            }
        }
    }
}
