import Foundation
import Testing

@testable import gatehousectl

@Suite("A command as it stands in a file")
struct VerbLineTests {
    private static let words = [
        "plain", "two words", "it's", "\"quoted\"", "$HOME", "`id`", "a\\b", "", "#5", "~", "*", "zoë", "a;b|c&d",
        "-dash",
        "[::1]:80", "scrypt$14$8$1$00$ff", "!", "tab\there",
    ]

    @Test("What is written is read again, word by word, by us and by a shell")
    func roundTrip() throws {
        for word in Self.words {
            let line = VerbLine("user add", word, options: [("hash", word), ("weak", nil)])
            let again = try VerbLine(reading: line.text[...])
            #expect(again == line, "\(line.text)")
            let shell = try run(["/bin/sh", "-c", "set -- \(line.text); printf '%s\\n' \"$@\""], environment: [:])
            #expect(shell.output == (["gatehousectl"] + line.words).map { $0 + "\n" }.joined(), "\(line.text)")
        }
    }

    @Test("What begins with a dash is no option where it stands for itself")
    func dashes() {
        #expect(VerbLine("user add", "-x").text == "gatehousectl user add -- -x")
        #expect(
            VerbLine("listener add", "http", options: [("user", "-x")]).text
                == "gatehousectl listener add http --user=-x")
    }

    @Test(
        "A line is read as a shell reads it, as far as it means the same here",
        arguments: [
            ("gatehousectl rule list", ["rule", "list"]), ("rule  list\t# and more", ["rule", "list"]),
            (#"a "b c"'d e'\ f"#, ["a", "b cd e f"]), (##"a "\"" a#b "##, ["a", "\"", "a#b"]), ("a ''", ["a", ""]),
        ])
    func reading(text: String, words: [String]) throws {
        #expect(try VerbLine(reading: text[...])?.words == words)
    }

    @Test("A comment is nothing, and what only a shell could do is refused", arguments: ["", "  # x", "gatehousectl"])
    func nothing(text: String) throws {
        #expect(try VerbLine(reading: text[...]) == nil)
        for wrong in ["a $b", "a | b", "a 'b", "a \"b", "a \\", "a; b", "a > b", "$(a)"] {
            #expect(throws: VerbLine.Unreadable.self, "\(wrong)") { try VerbLine(reading: wrong[...]) }
        }
    }

    @Test("A time is one of UTC that there is")
    func times() throws {
        for text in ["1970-01-01T00:00:00Z", "2026-12-24T18:00:00Z", "2028-02-29T23:59:59Z"] {
            #expect(try "\(Instant.parse(argument: text))" == text)
        }
        #expect(try Instant.parse(argument: "2026-11-29T19:00:00Z").seconds == 1_795_978_800)
        for text in ["", "2026-02-29T00:00:00Z", "2026-12-24", "2026-12-24T18:00:00", "1969-12-31T23:59:59Z", "x"] {
            #expect(throws: (any Error).self, "\(text)") { try Instant.parse(argument: text) }
        }
    }
}
